"""One visit's part of ``labels.csv``, from its label item."""

from collections.abc import Mapping

import polars as pl

from eus_etl.domain.labels.item_keys import procedure_end_s
from eus_etl.domain.labels.items import intervals_from_item
from eus_etl.domain.labels.problems import PROBLEMS
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import LABELS, PROCEDURE_ENDS
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.settings import StudyConfig
from eus_etl.steps.result import Check, StepResult, version_of
from eus_etl.storage.tables.parts import load_part, part_outputs, write_part, write_rejected

STAGE = "labels"


def make_labels(study: StudyConfig, patient_id: str, attributes: Mapping[str, object] | None) -> StepResult:
    """Make one visit's part of ``labels.csv``; intervals that are not ``ok`` are also recorded.

    Args:
        study: the configuration.
        patient_id: the visit.
        attributes: its label item; None for a visit without one, whose part is empty.
    """
    paths, item = StudyPaths(study.root), attributes or {}
    intervals = write_part(paths, LABELS, patient_id, intervals_from_item(patient_id, item, study.families))
    doubtful = intervals.filter(pl.col("status") != "ok")
    recorded = write_rejected(paths, STAGE, patient_id, [_record(row) for row in doubtful.to_dicts()])
    end_s = procedure_end_s(item)
    end = PROCEDURE_ENDS.frame([{"patient_id": patient_id, "procedure_s": end_s}])
    write_part(paths, PROCEDURE_ENDS, patient_id, end)
    counts = {status: _count(intervals, status) for status in ("ok", "suspect", "rejected")}
    return StepResult(
        # Stop Procedure decides how certain the labels of the frame table are
        version=version_of(intervals.to_dicts(), end_s),
        metadata={"intervals": intervals.height, **counts}
        | ({} if end_s is None else {"procedure_s": end_s}),
        checks=(_no_problem_unseen(intervals, recorded),),
        outputs=part_outputs(paths, STAGE, patient_id, LABELS, PROCEDURE_ENDS),
    )


def procedure_end_of(paths: StudyPaths, patient_id: str) -> float | None:
    """Time of Stop Procedure, as the visit's labels were made with it, in seconds; None where it is missing.

    Raises:
        OutputLostError: it was made, and is missing or cannot be read.
    """
    found = load_part(paths, PROCEDURE_ENDS, patient_id)["procedure_s"].to_list()
    return found[0] if found else None


def _count(intervals: pl.DataFrame, status: str) -> int:
    return intervals.filter(pl.col("status") == status).height


def _record(interval: Mapping[str, object]) -> Rejection:
    reason = str(interval["problem"])
    problems = [PROBLEMS[name] for name in reason.split("|")]
    what = "used, with doubt" if interval["status"] == "suspect" else "not used"
    return Rejection(
        item=_item(interval),
        reason=reason,
        detail=f"{what}, {_times(interval)}: {'; '.join(problem.meaning for problem in problems)}",
        remedy="; ".join(dict.fromkeys(problem.remedy for problem in problems)),
    )


def _item(interval: Mapping[str, object]) -> str:
    return f"{interval['label']} {interval['occurrence']}"


def _times(interval: Mapping[str, object]) -> str:
    start, stop = (
        "unknown" if seconds is None else f"{seconds:g} s"
        for seconds in (interval["start_s"], interval["stop_s"])
    )
    return f"from {start} to {stop}"


def _no_problem_unseen(intervals: pl.DataFrame, recorded: pl.DataFrame) -> Check:
    is_ok = pl.col("status") == "ok"
    unexplained = intervals.filter(is_ok != pl.col("problem").is_null()).height
    items = set(recorded["item"])
    unrecorded = sum(_item(row) not in items for row in intervals.filter(~is_ok).to_dicts())
    return Check(
        "no_problem_unseen",
        unexplained == 0 and unrecorded == 0,
        f"{intervals.height} intervals, {unexplained} unexplained, {unrecorded} not recorded",
    )
