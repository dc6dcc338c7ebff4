"""A root that was there once is never taken for a new one: nothing is made in its place."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from benchmarks.support.hospitals.tiny_hospital import ONE, TinyHospital
from eus_etl.cli import main
from eus_etl.commands.doctor.filesystem import examine_places
from eus_etl.defs.assets import patient as patient_assets
from eus_etl.defs.graph import study_graph
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import RunReport, StudySession
from eus_etl.defs.triggers.sensors import edits_sensor, videos_sensor
from eus_etl.errors import ForeignRootError, RootUnavailableError
from eus_etl.storage.root_owner import claim_root, upgrade_root
from eus_etl_tests.support.assets import CHAIN

Loss = Callable[[Path], None]


def unmount(root: Path) -> None:
    """Leave an empty mount point."""
    root.rename(root.with_name("on the disk that is gone"))
    root.mkdir()


def remove(root: Path) -> None:
    root.rename(root.with_name("on the disk that is gone"))


@pytest.fixture
def hospital(made_hospital: TinyHospital) -> TinyHospital:
    return made_hospital


def run(hospital: TinyHospital, new_root: bool = False) -> RunReport:
    with open_instance(hospital.home) as instance:
        return StudySession(hospital.study, instance).run(new_root=new_root)


def below(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*")} if root.is_dir() else set()


@pytest.mark.parametrize("loss", [unmount, pytest.param(remove, marks=pytest.mark.slow)])
def test_a_lost_root_is_refused_and_nothing_is_made_there(hospital: TinyHospital, loss: Loss) -> None:
    root = hospital.paths.root
    loss(root)
    was_there = root.exists()
    done = CliRunner().invoke(
        main, ["run", "--config", str(hospital.config)], env={"DAGSTER_HOME": str(hospital.home)}
    )
    assert done.exit_code == 1
    assert "--new-root" in done.output
    assert len(done.output.strip().splitlines()) == 1
    with open_instance(hospital.home) as instance:
        graph = study_graph(hospital.study)
        for sensor in (videos_sensor(graph), edits_sensor(graph)):
            skipped = sensor(dg.build_sensor_context(instance))
            assert isinstance(skipped, dg.SkipReason)
            assert "no mark" in str(skipped.skip_message)
        assert not made_by_hand(instance, hospital).success
    (owner, *_) = examine_places("eusml", hospital.paths, hospital.home, lambda _: None)
    assert owner.outcome == "problem"
    assert "no mark" in owner.found
    assert root.exists() == was_there
    assert below(root) == set()


def made_by_hand(instance: dg.DagsterInstance, hospital: TinyHospital) -> dg.ExecuteInProcessResult:
    """What comes of a click in the page."""
    graph = study_graph(hospital.study)
    definitions = dg.Definitions(assets=graph.assets(), executor=dg.in_process_executor)
    return definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        partition_key=ONE,
        asset_selection=[graph.key("labels")],
        raise_on_error=False,
    )


def test_a_root_that_comes_back_needs_nothing(hospital: TinyHospital) -> None:
    root = hospital.paths.root
    unmount(root)
    with pytest.raises(RootUnavailableError):
        run(hospital)
    root.rmdir()
    root.with_name("on the disk that is gone").rename(root)
    report = run(hospital)
    assert report.complete
    assert report.made == []


@pytest.mark.slow
def test_a_new_root_that_is_meant_gets_everything_again(hospital: TinyHospital) -> None:
    root = hospital.paths.root
    unmount(root)
    done = CliRunner().invoke(
        main,
        ["run", "--new-root", "--config", str(hospital.config)],
        env={"DAGSTER_HOME": str(hospital.home)},
    )
    assert done.exit_code == 0, done.output
    before = root.with_name("on the disk that is gone")
    assert published(root) == published(before)
    assert run(hospital).made == []


def published(root: Path) -> dict[str, bytes]:
    """What users read."""
    folder = root / "master-dataset"
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


@pytest.mark.slow
def test_a_root_from_an_older_backup_catches_up_with_its_home(hospital: TinyHospital) -> None:
    root = hospital.paths.root
    backup = root.with_name("backup")
    shutil.copytree(root, backup)
    hospital.items[ONE]["Stop Station 1 1"] = "00:00:02"
    hospital.write_items()
    hospital.add_video(f"{ONE}/second.mp4", first=300)
    assert run(hospital).complete
    expected = published(root)
    shutil.rmtree(root)
    backup.rename(root)
    assert run(hospital).complete
    assert published(root) == expected
    assert run(hospital).made == []


@pytest.mark.slow
@pytest.mark.parametrize("loss", [unmount, remove])
@pytest.mark.parametrize("asset", ["raw_videos", "frame_table", "dataset"])
def test_a_root_that_goes_away_in_between_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss: Loss, asset: str
) -> None:
    hospital = TinyHospital(tmp_path / "hospital")
    root = hospital.paths.root
    lost: list[Path] = []
    step = {
        "raw_videos": "eus_etl.steps.raw_videos.step.write_part",
        "frame_table": "eus_etl.steps.frame_table.write_parquet",
        "dataset": "eus_etl.steps.dataset.write_atomically",
    }[asset]
    module, name = step.rsplit(".", 1)

    def lose_first(*arguments: object, **keywords: object) -> object:
        if not lost:
            loss(root)
            lost.append(root)
        return original(*arguments, **keywords)

    original = getattr(__import__(module, fromlist=[name]), name)
    monkeypatch.setattr(step, lose_first)
    try:
        assert not run(hospital).complete
    except RootUnavailableError:
        assert asset != "dataset"
    assert lost
    assert below(root) == set()


def test_another_root_in_its_place_gets_nothing(
    hospital: TinyHospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = hospital.paths.root
    hospital.items[ONE]["Stop Station 1 1"] = "00:00:02"
    hospital.write_items()

    def swap(*_: object) -> None:
        remove(root)
        claim_root(type(hospital.paths)(root), "fatty_liver")

    monkeypatch.setattr("eus_etl.steps.labels.intervals_from_item", swap)
    with suppress(RootUnavailableError, ForeignRootError):  # where a look at the root comes first
        assert not run(hospital).complete
    assert below(root) == {".eus_etl", ".eus_etl/root.json"}


@pytest.mark.parametrize("damage", [b"", b"{", b'{"study": "eusml"'])
def test_a_mark_that_cannot_be_read_is_named_and_can_be_written_again(
    hospital: TinyHospital, damage: bytes
) -> None:
    hospital.paths.owner_file.write_bytes(damage)
    with pytest.raises(ForeignRootError, match=r"\.eus_etl/root\.json.*--new-root"):
        run(hospital)
    report = run(hospital, new_root=True)
    assert report.complete
    assert report.made == []


def test_a_mark_that_was_lost_is_named_and_can_be_written_again(hospital: TinyHospital) -> None:
    hospital.paths.owner_file.unlink()
    with pytest.raises(ForeignRootError, match=r"\.eus_etl/root\.json.*--new-root"):
        run(hospital)
    assert run(hospital, new_root=True).made == []


def test_the_mark_of_another_study_is_not_overruled(hospital: TinyHospital) -> None:
    hospital.paths.owner_file.write_text('{"study": "fatty_liver", "format": 1}')
    for new_root in (False, True):
        with pytest.raises(ForeignRootError, match="fatty_liver"):
            run(hospital, new_root)


@pytest.mark.slow
def test_a_root_with_ids_of_an_earlier_version_is_made_again_once(
    hospital: TinyHospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = TinyHospital(tmp_path / "old")
    with monkeypatch.context() as earlier:
        for asset in CHAIN:
            earlier.setattr(patient_assets, f"{asset.upper()}_FORMAT", "that of before")
        earlier.setattr("eus_etl.steps.observation.snapshot.video_id_of", lambda md5: md5[:12])
        assert run(old).complete
    old.paths.owner_file.write_text('{"study": "eusml", "format": 1}')
    upgrade_root(old.paths, "eusml")
    bare = next(old.paths.frames_of_patient(ONE).iterdir()).name
    assert len(bare) == 12
    report = run(old)
    assert report.complete
    assert report.videos_decoded == 2
    assert run(old).made == []
    for made, clean in ((old.paths.frames, hospital.paths.frames), (old.paths.data, hospital.paths.data)):
        assert contents(made) == contents(clean)
    assert not [path for path in below(old.paths.root) if f"/{bare}" in path]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
