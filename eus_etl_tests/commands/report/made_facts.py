"""Facts for a report, made by hand."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from eus_etl.commands.report.charts import Layer, Row
from eus_etl.commands.report.facts import SCORED, Sheet, StudyFacts, VisitFacts
from eus_etl.defs.status import StudyStatus, VisitStatus
from eus_etl.domain.tables.catalog import LABELS, REJECTED
from eus_etl.settings import StudyConfig

ASSETS = ("raw_videos", "labels", "frames", "frame_table")


def visit_facts(number: int, *, alias: str | None = None, sheets: Sequence[Sheet] = ()) -> VisitFacts:
    """A visit of two hours: a hundred stretches of certain and of disturbed frames."""
    patient_id = f"{number:08d}-aaaa-4aaa-8aaa-000000000001"
    stretches = [(72.0 * n, 72.0 * n + 40.0) for n in range(100)]
    stations = [(600.0 * n, 600.0 * (n + 1)) for n in range(12)]
    bad = {"label": "Station 1", "occurrence": 2, "start_s": 6.0, "status": "rejected", "problem": "no_stop"}
    return VisitFacts(
        status=VisitStatus(
            patient_id=patient_id,
            alias=alias or f"Brisk-Heron-{number}",
            assets=dict.fromkeys(ASSETS, "done"),
            reasons={},
            errors={},
            rejected={"no_stop": 1},
            uploads={},
        ),
        person=f"person {number // 2}",
        is_person_known=True,
        blocked=False,
        lost=None,
        videos=3,
        frames=36_000,
        disturbed=9_000,
        certain=20_000,
        recording_s=7200.0 + number,
        procedure_s=7100.0,
        synced=False,
        flagged=number % 10 == 0,
        reasons={"frozen": 5_000, "blurred": 4_000},
        seconds={("station", "Station 1"): 600.0 + number, ("station", "Station 2"): 60.0},
        rows=[
            Row(
                "station", [Layer("l0", "Station 1", stations[::2]), Layer("l1", "Station 2", stations[1::2])]
            ),
            Row(
                "certain", [Layer("unsure", "not certain", [(0, 7200)]), Layer("good", "certain", stretches)]
            ),
            Row("status", [Layer("good", "ok", [(0, 7200)]), Layer("bad", "disturbed", stretches)]),
        ],
        span_s=(0.0, 7200.0),
        doubtful=LABELS.frame([{"patient_id": patient_id, "family": "station", **bad}]),
        sheets=sheets,
    )


def study_facts(study: StudyConfig, visits: Sequence[VisitFacts]) -> StudyFacts:
    """A study of these visits, with one rejection of each."""
    rejected = REJECTED.frame(
        {
            "patient_id": visit.patient_id,
            "stage": "labels",
            "item": "Station 1 2",
            "file_name": "Name of a Person.mp4",
            "reason": "no_stop",
            "detail": "not used: its start has no stop",
            "remedy": "correct the two times in the item",
        }
        for visit in visits
    )
    return StudyFacts(
        study=study,
        status=StudyStatus(
            study=study.study,
            home="",
            tables={"dataset": "inputs changed"},
            unassigned={},
            unassigned_uploads={},
        ),
        visits=visits,
        rejected=rejected.drop("file_name"),
        scores={score: [0.01 * n for n in range(300)] for score in SCORED},
    )


def hostile(facts: StudyFacts, text: str) -> StudyFacts:
    """The same with this text wherever a text may come from outside."""

    def spoiled(visit: VisitFacts) -> VisitFacts:
        status = replace(
            visit.status,
            alias=text,
            assets={text: "failed", **visit.status.assets},
            errors={text: text},
            rejected={text: 1},
        )
        layers = [Layer("l0", text, [(0.0, 9.0)])]
        doubtful = visit.doubtful.with_columns(label=pl.lit(text), problem=pl.lit(text), status=pl.lit(text))
        return replace(
            visit,
            status=status,
            reasons={text: 1},
            rows=[Row(text, layers)],
            doubtful=doubtful,
            lost=text,
            sheets=[Sheet(text, b"")],
        )

    columns = [pl.lit(text).alias(name) for name in ("stage", "item", "reason", "detail", "remedy")]
    return replace(
        facts,
        status=replace(facts.status, tables={text: text}),
        visits=[spoiled(visit) for visit in facts.visits],
        rejected=facts.rejected.with_columns(columns),
    )
