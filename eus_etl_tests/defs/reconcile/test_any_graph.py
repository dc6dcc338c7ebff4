"""Graphs, edits and losses of any kind: the end state is that of a clean run, and one pass is enough for it.

The assets are Dagster's and their runs are real; only what they make is simple: a file that holds all of its
inputs' bytes. A lost input is read as an empty one, as a lost part of a table is.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from benchmarks.support.hospitals.tiny_hospital import TinyHospital
from eus_etl.defs.assets.external import events
from eus_etl.defs.assets.factory import StepSpec
from eus_etl.defs.event_store.clean_up import clean_up
from eus_etl.defs.graph import StudyGraph, graph_of
from eus_etl.defs.instance import open_instance
from eus_etl.defs.keys import asset_key, asset_keys, patients_of
from eus_etl.defs.reconcile.local_session import RunReport, make_all
from eus_etl.defs.reconcile.staleness import StudyState
from eus_etl.defs.root import take_root
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import MachineError
from eus_etl.settings import StudyConfig
from eus_etl.steps.observation.snapshot import DRIVE_VIDEOS, LABEL_ITEMS, SYNC_ROWS
from eus_etl.steps.result import StepResult, version_of
from eus_etl.storage.provenance import STUDY
from eus_etl.storage.source_snapshots import Inventory
from eus_etl_tests.support.hospitals.history import LATER

SOURCES = (DRIVE_VIDEOS, LABEL_ITEMS, SYNC_ROWS)
PATIENTS = ("p1", "p2")


@dataclass(frozen=True)
class Asset:
    """One asset of a random graph; ``coarse`` ones come out equal from most inputs."""

    name: str
    deps: tuple[str, ...]
    per_patient: bool
    coarse: bool


@dataclass
class World:
    """The sources, the configuration, and what is broken just now."""

    root: Path
    assets: Sequence[Asset]
    sources: dict[tuple[str, str], int] = field(default_factory=dict)
    configurations: dict[str, int] = field(default_factory=dict)
    broken: set[tuple[str, str]] = field(default_factory=set)
    homes: int = 0

    def file(self, asset: str, patient: str) -> Path:
        return self.root / "made" / asset / (patient or STUDY)

    def content(self, asset: Asset, patient: str, read: Mapping[tuple[str, str], str]) -> str:
        """What the asset makes of what its inputs hold."""
        per_patient = {one.name: one.per_patient for one in self.assets}
        held = []
        for dep in asset.deps:
            if dep in SOURCES:
                held.append(str(self.sources[dep, patient]))
            elif per_patient[dep] and not asset.per_patient:
                held += [read.get((dep, one), "") for one in PATIENTS]
            else:
                held.append(read.get((dep, patient), ""))
        if asset.coarse:  # whether anything is there at all
            held = [str(bool(one)) for one in held]
        return version_of(
            asset.name, self.configurations.get(asset.name, 0) // (2 if asset.coarse else 1), held
        )

    def clean(self) -> dict[tuple[str, str], str]:
        """What a clean run makes."""
        made: dict[tuple[str, str], str] = {}
        for asset in self.assets:
            for patient in PATIENTS if asset.per_patient else ("",):
                made[asset.name, patient] = self.content(asset, patient, made)
        return made

    def on_disk(self) -> dict[tuple[str, str], str]:
        """What lies on the disk."""
        return {
            (file.parent.name, "" if file.name == STUDY else file.name): file.read_text()
            for file in (self.root / "made").glob("*/*")
        }

    def graph(self, study: StudyConfig) -> StudyGraph:
        """The graph by the configuration of now."""
        return graph_of(study, [self._spec(study, asset) for asset in self.assets])

    def _spec(self, study: StudyConfig, asset: Asset) -> StepSpec:
        def step(_context: dg.AssetExecutionContext, patient: str) -> StepResult:
            if (asset.name, patient) in self.broken:
                raise MachineError(asset.name, "it is broken just now", "wait")
            content = self.content(asset, patient, self.on_disk())
            file = self.file(asset.name, patient)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
            return StepResult(version=content)

        return StepSpec(
            key=asset_key(study.study, asset.name),
            step=step,
            code=step,
            deps=asset_keys(study.study, *asset.deps),
            code_version=str(self.configurations.get(asset.name, 0)),
            description=asset.name,
            kinds=frozenset(),
            checks={},
            per_patient=asset.per_patient,
        )


@st.composite
def graphs(draw: st.DrawFn) -> list[Asset]:
    """Some assets of visits in any order of dependence, then some tables of them."""
    assets: list[Asset] = []
    for number in range(draw(st.integers(2, 6))):
        before = [*SOURCES, *(asset.name for asset in assets)]
        deps = draw(st.lists(st.sampled_from(before), min_size=1, max_size=3, unique=True))
        assets.append(Asset(f"visit{number}", tuple(deps), per_patient=True, coarse=draw(st.booleans())))
    of_visits = [asset.name for asset in assets]
    for number in range(draw(st.integers(1, 2))):
        deps = draw(st.lists(st.sampled_from(of_visits), min_size=1, max_size=3, unique=True))
        assets.append(Asset(f"table{number}", tuple(deps), per_patient=False, coarse=False))
    return assets


KINDS = ("edit", "configuration", "root", "page", "event", "home", "breaks")


@pytest.mark.slow
@settings(
    max_examples=12,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
@given(graphs(), st.data())
def test_the_end_state_is_that_of_a_clean_run(
    new_home: Path, assets: list[Asset], data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        study = TinyHospital(Path(folder)).study
        world = World(study.root, assets)
        instance = open_home(world, new_home)
        for source in SOURCES:
            for patient in PATIENTS:
                world.sources[source, patient] = 0
        make(world, study, instance)
        assert world.on_disk() == world.clean()
        for _ in range(3):
            happened = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3))
            for kind in happened:
                if kind == "home":
                    instance.dispose()
                    instance = open_home(world, new_home)
                else:
                    happen(kind, world, study, instance, data)
            before, clean = world.on_disk(), world.clean()
            make(world, study, instance)
            for (name, patient), content in world.on_disk().items():
                # nothing of a visit is made of old or lost inputs: it is right, or left as it was
                assert not patient or content in (clean[name, patient], before.get((name, patient))), happened
            if world.broken:
                world.broken.clear()
                make(world, study, instance)
            assert world.on_disk() == clean, happened
            assert make(world, study, instance).made == []
        clean_up(instance, LATER)
        assert make(world, study, instance).made == []
        instance.dispose()


def open_home(world: World, template: Path) -> dg.DagsterInstance:
    """An instance that knows nothing."""
    world.homes += 1
    home = world.root.parent / f"home{world.homes}"
    shutil.copytree(template, home)
    return dg.DagsterInstance.from_config(str(home))


@pytest.fixture(scope="module")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of an instance that knows nothing yet."""
    home = tmp_path_factory.mktemp("new_home")
    with open_instance(home):
        return home


def happen(
    kind: str, world: World, study: StudyConfig, instance: dg.DagsterInstance, data: st.DataObject
) -> None:
    """An edit or a loss."""
    paths = StudyPaths(study.root)
    made = [(a.name, p) for a in world.assets for p in (PATIENTS if a.per_patient else ("",))]
    name, patient = data.draw(st.sampled_from(made))
    if kind == "edit":
        world.sources[data.draw(st.sampled_from(sorted(world.sources)))] += 1
    elif kind == "configuration":
        world.configurations[name] = world.configurations.get(name, 0) + 1
    elif kind == "breaks":
        world.broken.add((name, patient))
    elif kind == "event":
        instance.wipe_assets([dg.AssetKey([study.study, name])])
    elif kind == "page":
        # with all that it vouches for, as a folder that is lost
        paths.ledger(patient or STUDY).unlink(missing_ok=True)
        for asset in world.assets:
            if asset.per_patient == bool(patient):
                world.file(asset.name, patient).unlink(missing_ok=True)
    elif kind == "root":
        for file in [*paths.state.glob("ledger/*"), *world.root.glob("made/*/*")]:
            file.unlink()


def make(world: World, study: StudyConfig, instance: dg.DagsterInstance) -> RunReport:
    """Report what the sources hold, and make what is not current: one pass."""
    graph, report, paths = world.graph(study), RunReport(), StudyPaths(study.root)
    take_root(instance, study, new=True)
    instance.add_dynamic_partitions(str(patients_of(study.study).name), list(PATIENTS))
    state = StudyState(instance, paths, graph.nodes)
    for source in SOURCES:
        held = {p: str(world.sources[source, p]) for p in PATIENTS}
        Inventory(paths, source).store({p: {"held": version} for p, version in held.items()}, held)
        changed = {p: v for p, v in held.items() if state.version(graph.key(source), p) != v}
        for event in events(study, source, changed):
            instance.report_runless_asset_event(event)
        state.assume(graph.key(source), changed)
    make_all(graph, state, PATIENTS, frozenset(), report)
    assert {(one.asset, one.patient_id or "") for one in report.failed} <= world.broken, report.failed
    return report
