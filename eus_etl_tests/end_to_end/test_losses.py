"""What is lost or comes together with something else: one run ends where a clean one ends, byte for byte."""

import shutil
from collections.abc import Callable

import polars as pl
import pytest

from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import RunReport, StudySession
from eus_etl.domain.tables import catalog
from eus_etl.storage.provenance import STUDY

Change = Callable[[TinyHospital], None]


@pytest.fixture
def hospital(made_hospital: TinyHospital) -> TinyHospital:
    return made_hospital


def slow(change: Change) -> object:
    return pytest.param(change, marks=pytest.mark.slow)


def run(hospital: TinyHospital) -> RunReport:
    """One run, as a command does it."""
    with open_instance(hospital.home) as instance:
        return StudySession(hospital.study, instance).run()


def outputs(hospital: TinyHospital) -> dict[str, bytes]:
    """All that people read below the root."""
    files = [file for file in hospital.paths.root.rglob("*") if file.is_file()]
    kept = [file for file in files if not file.is_relative_to(hospital.paths.state)]
    # Parquet files name the writer's moment nowhere, but its threads may cut them into other row groups
    return {str(file): file.read_bytes() for file in kept if file.suffix != ".parquet"}


def clean_outputs(hospital: TinyHospital) -> dict[str, bytes]:
    """What a clean run of the hospital as it is now makes."""
    written = [hospital.paths.sync_csv, hospital.paths.regions_csv]
    corrections = {file: file.read_bytes() for file in written if file.exists()}
    aside = hospital.folder / "aside"
    aside.mkdir()
    hospital.paths.root.rename(aside / "root")
    hospital.home.rename(aside / "home")
    for file, content in corrections.items():
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
    assert run(hospital).complete
    return outputs(hospital)


def lose_all_but_the_mark(hospital: TinyHospital) -> None:
    """Everything below the root goes; whose root it is stays known."""
    mark = hospital.paths.owner_file.read_bytes()
    shutil.rmtree(hospital.paths.root)
    hospital.paths.owner_file.parent.mkdir(parents=True)
    hospital.paths.owner_file.write_bytes(mark)


def lose_one_visit(hospital: TinyHospital) -> None:
    """All files of a visit go: its copies, images, parts and provenance."""
    hospital.paths.ledger(ONE).unlink()
    for found in sorted(hospital.paths.root.rglob(f"*{ONE}*"), reverse=True):
        if found.is_relative_to(hospital.paths.inventory):
            continue
        shutil.rmtree(found) if found.is_dir() else found.unlink()


def lose_provenance(hospital: TinyHospital) -> None:
    """What everything was made from is not known."""
    shutil.rmtree(hospital.paths.ledger(STUDY).parent)


def lose_state(hospital: TinyHospital) -> None:
    """All that was remembered below the root goes, but for whose it is."""
    mark = hospital.paths.owner_file.read_bytes()
    shutil.rmtree(hospital.paths.state)
    hospital.paths.owner_file.parent.mkdir(parents=True, exist_ok=True)
    hospital.paths.owner_file.write_bytes(mark)


def lose_the_home(hospital: TinyHospital) -> None:
    """Dagster's records go."""
    shutil.rmtree(hospital.home)


@pytest.mark.parametrize(
    "lose", [lose_one_visit, *map(slow, [lose_all_but_the_mark, lose_provenance, lose_state, lose_the_home])]
)
def test_what_is_lost_is_made_again_from_the_start_of_its_chain(hospital: TinyHospital, lose: Change) -> None:
    before = outputs(hospital)
    lose(hospital)
    report = run(hospital)
    assert report.complete, report.failed
    assert outputs(hospital) == before
    assert run(hospital).made == []


@pytest.mark.slow
def test_a_backup_of_before_an_edit_ends_as_after_it(hospital: TinyHospital) -> None:
    """The event log knows the versions of after; what lies on the disk is older."""
    backup = hospital.folder / "backup"
    shutil.copytree(hospital.paths.root, backup)
    hospital.add_video(f"{ONE}/second.mp4", first=300)
    hospital.items[TWO]["Stop Station 2 1"] = "00:00:01"
    hospital.write_items()
    assert run(hospital).complete
    after = outputs(hospital)
    shutil.rmtree(hospital.paths.root)
    backup.rename(hospital.paths.root)
    assert outputs(hospital) != after
    assert run(hospital).complete
    assert outputs(hospital) == after


def recipe(hospital: TinyHospital) -> None:
    hospital.configure(preprocess={"recipes": {"small": {"version": 2, "size_px": 48}}})


def region_row(hospital: TinyHospital) -> None:
    hospital.paths.regions_csv.write_text(
        f'patient_id,video_id,polygon\n{ONE},,"40,20 280,20 280,170 40,170"\n'
    )


def threshold(hospital: TinyHospital) -> None:
    hospital.configure(quality={"no_signal_brightness": 250})


def extraction(hospital: TinyHospital) -> None:
    hospital.configure(extraction={"frame_rate_hz": 10})


@pytest.mark.parametrize("change", [*map(slow, [recipe, region_row, threshold, extraction])])
def test_a_new_video_and_another_change_are_complete_in_one_run(
    hospital: TinyHospital, change: Change
) -> None:
    hospital.add_video(f"{ONE}/second.mp4", first=300)
    change(hospital)
    assert run(hospital).complete
    index = catalog.dataset(hospital.study.families, hospital.study.preprocess.recipes)
    rows = pl.read_csv(hospital.paths.table("dataset"), schema=index.schema)
    assert rows.filter(pl.col("patient_id") == ONE)["video_id"].n_unique() == 2
    assert rows["path_small"].null_count() == 0
    found = outputs(hospital)
    assert run(hospital).made == []
    assert found == clean_outputs(hospital)


@pytest.mark.slow
def test_nothing_is_made_of_what_could_not_be_made(
    hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames that fail leave regions, tables and images of their visit as they are: never empty."""
    lose_one_visit(hospital)
    with monkeypatch.context() as broken:
        broken.setattr("eus_etl.defs.assets.patient.extract_patient", fail)
        report = run(hospital)
    assert [(one.asset, one.patient_id) for one in report.failed] == [("frames", ONE)]
    made = {one.asset for one in report.made if one.patient_id == ONE}
    assert made == {"raw_videos", "labels", "patients"}
    assert not hospital.paths.part("layouts", ONE).exists()
    before = outputs(hospital)
    assert run(hospital).complete
    assert len(outputs(hospital)) > len(before)
    assert outputs(hospital) == clean_outputs(hospital)  # its tables, too, although no version changed


def fail(*_: object, **__: object) -> None:
    raise OSError(5, "the disk fails just now")
