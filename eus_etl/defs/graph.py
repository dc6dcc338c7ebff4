"""The graph of one study as data: its assets and how they depend on one another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import dagster as dg

from eus_etl.defs.assets.external import observed_specs
from eus_etl.defs.assets.factory import StepSpec, build_asset
from eus_etl.defs.assets.patient import patient_assets
from eus_etl.defs.assets.study import study_assets
from eus_etl.defs.keys import asset_key
from eus_etl.defs.reconcile.staleness import Node
from eus_etl.errors import ConfigError
from eus_etl.settings import StudyConfig, load_study
from eus_etl.steps.observation.known_screens import KNOWN_SCREENS, share_of_visit
from eus_etl.steps.observation.snapshot import OF_THE_STUDY, SOURCES


@dataclass(frozen=True)
class StudyGraph:
    """One study's assets.

    Attributes:
        study: the configuration.
        nodes: all assets by key, observed ones first, in topological order.
    """

    study: StudyConfig
    nodes: Mapping[dg.AssetKey, Node]

    @cached_property
    def specs(self) -> tuple[StepSpec, ...]:
        """The assets that are made, in topological order."""
        return tuple(node for node in self.nodes.values() if isinstance(node, StepSpec))

    def key(self, name: str) -> dg.AssetKey:
        """Key of the asset ``name``."""
        return asset_key(self.study.study, name)

    def assets(self) -> list[dg.AssetsDefinition | dg.AssetSpec]:
        """Dagster's definitions of all assets."""
        made = [build_asset(self.study, spec, self.nodes) for spec in self.specs]
        return [*observed_specs(self.study), *made]

    def made(self, *, per_patient: bool) -> list[Node]:
        """What plans make, in topological order: the assets of a visit, or those of the whole study."""
        return self._made[per_patient]

    @cached_property
    def _made(self) -> Mapping[bool, list[Node]]:
        """Asked for of each visit."""
        planned: list[Node] = [spec for spec in self.specs if not spec.on_request]
        return {of: [spec for spec in planned if spec.per_patient == of] for of in (True, False)}


def study_graph(study: StudyConfig) -> StudyGraph:
    """The graph that a study's configuration makes."""
    return graph_of(study, (*patient_assets(study), *study_assets(study)))


def graph_of(study: StudyConfig, specs: Sequence[StepSpec]) -> StudyGraph:
    """The graph of the sources and these assets, which are in topological order."""
    sources = [
        Node(
            key=asset_key(study.study, source),
            deps=(),
            code_version=None,
            per_patient=source in SOURCES,
            share=share_of_visit if source == KNOWN_SCREENS else None,
        )
        for source in (*SOURCES, *OF_THE_STUDY)
    ]
    return StudyGraph(study, {node.key: node for node in (*sources, *specs)})


def graph_now(loaded: StudyGraph, file: Path | None) -> StudyGraph:
    """The graph by the study's file as it is now; the loaded one if there is no file.

    Every run and command reads the file: a plan made by an older configuration would never be fulfilled.

    Raises:
        ConfigError: the file is not valid, or describes another study than the loaded one.
    """
    if file is None:
        return loaded
    study = load_study(file)
    if study.study != loaded.study.study:
        raise ConfigError(
            file.name,
            f"it describes study {study.study!r}, but {loaded.study.study!r} is loaded",
            "reload the code location in the page, or start the daemon again",
        )
    return loaded if study == loaded.study else study_graph(study)
