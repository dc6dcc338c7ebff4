"""What is true of a study's items and sheet: intervals, problems, patients, times. Made of the plan alone.

What is true of the videos is in ``true_videos``.
"""

from collections.abc import Iterator, Mapping

import polars as pl

from eus_etl.sample.items import ORG
from eus_etl.sample.plan import Item, StudyPlan, Timer, Visit


def intervals(plan: StudyPlan) -> pl.DataFrame:
    """One row per interval that must be usable: patient_id, family, label, occurrence, start_s, stop_s.

    Where an overlap of a tick was cut, another reader may have cut the other neighbour: borders hold within
    one second.
    """
    rows = [
        (visit.patient_id, _family(plan, timer.label), timer.label, timer.occurrence, *timer.used_s)
        for visit, timer in _timers(plan)
        if timer.used_s is not None
    ]
    schema = {
        "patient_id": pl.String(),
        "family": pl.String(),
        "label": pl.String(),
        "occurrence": pl.Int64(),
        "start_s": pl.Float64(),
        "stop_s": pl.Float64(),
    }
    return pl.DataFrame(rows, schema, orient="row")


def problems(plan: StudyPlan) -> pl.DataFrame:
    """One row per problem that must be found: patient_id, group, label, occurrence, problems (any of these).

    In each group, at least one interval must show one of its problems.
    """
    rows = [
        (
            visit.patient_id,
            timer.group or f"{timer.label} {timer.occurrence}",
            # what no family names may name somebody: it is called by a number, and no item has two of them
            timer.label if _family(plan, timer.label) else "unknown label 1",
            timer.occurrence,
            list(timer.problems),
        )
        for visit, timer in _timers(plan)
        if timer.problems
    ]
    schema = {
        "patient_id": pl.String(),
        "group": pl.String(),
        "label": pl.String(),
        "occurrence": pl.Int64(),
        "problems": pl.List(pl.String),
    }
    return pl.DataFrame(rows, schema, orient="row")


def patients(plan: StudyPlan) -> pl.DataFrame:
    """One row per visit: what items and sheet say when read well; null where a cell is bad or missing."""
    sheet: dict[str, dict[str, str | float]] = {}
    for row in plan.rows:
        if row.patient_id is not None:
            sheet.setdefault(row.patient_id, {}).update(row.good)
    return pl.DataFrame(
        [_patient(visit, plan, sheet.get(visit.patient_id or "", {})) for visit in plan.visits],
        schema_overrides={
            "morphology": pl.String(),
            "morphology_presumed": pl.String(),
            "cancer": pl.Boolean(),
        },
        infer_schema_length=None,
    )


def bad_cells(plan: StudyPlan) -> pl.DataFrame:
    """One row per cell or row of the sheet that cannot be used: patient_id, key, column, why.

    A row of an unknown patient has no patient_id and no column.
    """
    rows: list[tuple[str | None, str, str | None, str]] = []
    for row in plan.rows:
        rows += [(row.patient_id, row.key, column, why) for column, why in row.bad.items()]
        if row.patient_id is None:
            rows.append((None, row.key, None, "unknown_patient"))
    names = ("patient_id", "key", "column", "why")
    return pl.DataFrame(rows, dict.fromkeys(names, pl.String()), orient="row")


def visits(plan: StudyPlan) -> pl.DataFrame:
    """One row per visit: ids, what there is of it, and its true time correction."""
    return pl.DataFrame(
        [
            {
                "patient_id": visit.patient_id,
                "pseudo_name": visit.alias,
                "has_item": visit.item is not None,
                "videos": len(visit.recordings),
                "field_kind": visit.field_kind,
                "offset_s": visit.offset_s,
                "scale": visit.scale,
            }
            for visit in plan.visits
        ],
        infer_schema_length=None,
    )


def sync(plan: StudyPlan) -> pl.DataFrame:
    """The rows of ``sync.csv`` that a person would write by hand for the visits that need one."""
    rows = [
        (visit.patient_id, None, visit.offset_s, visit.scale, "clock and bar code", "xx")
        for visit in plan.visits
        if (visit.offset_s, visit.scale) != (0.0, 1.0)
    ]
    schema = {
        "patient_id": pl.String(),
        "video_id": pl.String(),
        "offset_s": pl.Float64(),
        "scale": pl.Float64(),
        "method": pl.String(),
        "by": pl.String(),
    }
    return pl.DataFrame(rows, schema, orient="row")


def _patient(visit: Visit, plan: StudyPlan, cells: Mapping[str, str | float]) -> dict[str, object]:
    item = visit.item
    return {
        "patient_id": visit.patient_id,
        "pseudo_name": visit.alias,
        "org": ORG if item else None,
        "visit_date": visit.started_at.date() if item else None,
        "morphology": _joined(item.morphology) if item else None,
        "morphology_presumed": _joined(item.morphology_presumed) if item else None,
        "cancer": item.cancer if item and isinstance(item.cancer, bool) else None,
        "procedure_s": _procedure_s(item) if item else None,
        **{column: cells.get(column) for column in plan.headers},
    }


def _procedure_s(item: Item) -> float | None:
    if item.stop_procedure is None:
        return None
    hours, minutes, seconds = map(int, item.stop_procedure.split(":"))
    return float(3600 * hours + 60 * minutes + seconds)


def _joined(said: tuple[str, ...] | str | None) -> str | None:
    return "|".join(said) if isinstance(said, tuple) else said


def _timers(plan: StudyPlan) -> Iterator[tuple[Visit, Timer]]:
    return ((visit, timer) for visit in plan.visits if visit.item for timer in visit.item.timers)


def _family(plan: StudyPlan, label: str) -> str | None:
    return next((family for family, labels in plan.families.items() if label in labels), None)
