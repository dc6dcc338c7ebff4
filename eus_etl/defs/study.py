"""One study's definitions, built from its configuration alone."""

import dagster as dg

from eus_etl.defs.builders import build_asset
from eus_etl.defs.graph import StudyGraph, study_graph
from eus_etl.defs.observed import observed_specs
from eus_etl.defs.sensors import edits_sensor, videos_sensor
from eus_etl.settings import StudyConfig


def build_study_definitions(study: StudyConfig) -> dg.Definitions:
    """Assets, checks, sensors and the visit's job of one study."""
    return definitions_of(study_graph(study))


def definitions_of(graph: StudyGraph) -> dg.Definitions:
    """The definitions of a study whose graph is made already."""
    study = graph.study
    assets = [build_asset(study, spec, graph.nodes) for spec in graph.specs]
    observed = observed_specs(study.study)
    return dg.Definitions(
        assets=[*observed, *assets],
        sensors=[videos_sensor(graph), edits_sensor(graph)],
        # one run works on one visit: a process a step would cost more than most steps
        executor=dg.in_process_executor,
    )
