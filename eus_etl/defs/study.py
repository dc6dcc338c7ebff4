"""One study's definitions, built from its configuration alone."""

from pathlib import Path

import dagster as dg

from eus_etl.defs.executor import leased_executor
from eus_etl.defs.graph import study_graph
from eus_etl.defs.keys import STUDY_TAG
from eus_etl.defs.triggers.schedules import nightly_schedule
from eus_etl.defs.triggers.sensors import edits_sensor, videos_sensor
from eus_etl.settings import StudyConfig


def build_study_definitions(study: StudyConfig, file: Path | None = None) -> dg.Definitions:
    """Assets, checks, jobs, sensors and the nightly schedule of one study.

    Args:
        study: the configuration.
        file: the file that it was read from: sensors read it again at each tick, as does each run. None if
            the configuration never changes.
    """
    graph = study_graph(study)
    visit = dg.define_asset_job(
        f"{study.study}_visit",
        selection=dg.AssetSelection.assets(*(node.key for node in graph.made(per_patient=True))),
        description=f"{study.title}: everything of one visit, made again by hand.",
        tags={STUDY_TAG: study.study},
    )
    return dg.Definitions(
        assets=graph.assets(),
        jobs=[visit],
        schedules=[nightly_schedule(graph)],
        sensors=[videos_sensor(graph, file), edits_sensor(graph, file)],
        executor=leased_executor,
    )
