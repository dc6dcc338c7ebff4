"""One study's definitions, built from its configuration alone."""

import dagster as dg

from eus_etl.defs.graph import study_graph
from eus_etl.defs.schedules import nightly_schedule
from eus_etl.defs.sensors import edits_sensor, videos_sensor
from eus_etl.settings import StudyConfig


def build_study_definitions(study: StudyConfig) -> dg.Definitions:
    """Assets, checks, jobs, sensors and the nightly schedule of one study."""
    graph = study_graph(study)
    return dg.Definitions(
        assets=graph.assets(),
        schedules=[nightly_schedule(graph)],
        sensors=[videos_sensor(graph), edits_sensor(graph)],
        # one run works on one visit: a process a step would cost more than most steps
        executor=dg.in_process_executor,
    )
