"""What the doctor finds on real folders, servers and instances; and that it leaves nothing behind."""

import os
import shutil
import time
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._daemon.types import DaemonHeartbeat

from benchmarks.support.hospitals.tiny_hospital import LONG_AGO, ONE, TWO, TinyHospital
from eus_etl.defs import instance as homes
from eus_etl.defs.instance import open_instance
from eus_etl.domain.numbers import bytes_in_units
from eus_etl.steps.observation.all_sources import observe_all
from eus_etl.steps.observation.connect import connect
from eus_etl.steps.observation.snapshot import observed_files
from eus_etl.steps.raw_videos.step import fetch_videos
from eus_etl.storage.root_owner import claim_root
from eus_etl_tests.support.hospitals.examined import look, tree


def test_a_study_before_its_first_run(hospital: TinyHospital) -> None:
    before = tree(hospital.folder)
    found = look(hospital)
    assert tree(hospital.folder) == before
    assert not hospital.study.root.exists()
    assert not hospital.home.exists()
    assert [finding.check for finding in found.values() if finding.outcome == "problem"] == []
    assert "the first run marks it" in found["root's owner"].found
    assert "can be created" in found["root"].found
    assert "2 files to take" in found["sources.videos"].found
    assert found["sources.label_items"].found.startswith("2 items")
    assert found["sources.patient_rows"].found.startswith("2 rows")
    assert "2 files to fetch" in found["free disk"].found


def test_a_study_at_work(hospital: TinyHospital) -> None:
    study = hospital.study
    claim_root(hospital.paths, study.study)
    sources = connect(study)
    observe_all(study, sources)
    for patient in (ONE, TWO):
        fetch_videos(study, patient, sources.videos(), observed_files(hospital.paths, patient))
    hospital.add_video(f"{ONE}/second.mp4", first=200)
    before = tree(hospital.folder)
    found = look(hospital)
    assert tree(hospital.folder) == before
    assert "marked as the root of eusml" in found["root's owner"].found
    assert "3 files to take" in found["sources.videos"].found
    assert "1 files to fetch" in found["free disk"].found


def test_files_are_neither_read_nor_hashed_and_must_fit_the_disk(
    hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path) -> str:
        raise AssertionError(f"{path} is read")

    monkeypatch.setattr("eus_etl.sources.videos.local_folder.md5_of", read)
    big = hospital.videos / ONE / "endless.mp4"
    for share, outcome in ((0.3, "warning"), (2.0, "problem")):
        with big.open("wb") as file:  # holes: nobody could read it in time
            file.truncate(int(share * shutil.disk_usage(big).free))
        os.utime(big, (LONG_AGO, LONG_AGO))
        room = look(hospital)["free disk"]
        assert room.outcome == outcome, room
        assert "free space" in room.remedy


def test_images_are_foreseen_from_those_that_the_study_has(hospital: TinyHospital) -> None:
    paths, made = hospital.paths, "vaaaaaaaaaaaa"
    for folder, size in (
        (paths.frames_folder(ONE, made), 3000),
        (paths.preprocessed_folder("small", ONE, made), 4000),
    ):
        folder.mkdir(parents=True)
        (folder / "000000000000.jpg").write_bytes(bytes(size))
    paths.data.mkdir(parents=True)
    rows = {"patient_id": [ONE, TWO], "video_id": [made, "vbbbbbbbbbbbb"], "bytes": [1000, 1]}
    pl.DataFrame(rows).write_csv(paths.table("videos"))
    waiting = sum(path.stat().st_size for path in hospital.videos.rglob("*.mp4"))
    assert f"images about {bytes_in_units(7 * waiting)}" in look(hospital)["free disk"].found


def test_a_root_that_is_not_ours(hospital: TinyHospital) -> None:
    hospital.paths.data.mkdir(parents=True)
    hospital.paths.table("labels").write_text("old,table\n")
    owner = look(hospital)["root's owner"]
    assert owner.outcome == "problem"
    assert "eus-etl adopt" in owner.remedy
    shutil.rmtree(hospital.paths.data)
    claim_root(hospital.paths, "another_study")
    assert "another_study" in look(hospital)["root's owner"].found


def test_places_that_cannot_be_written_to(hospital: TinyHospital) -> None:
    hospital.study.root.parent.write_text("a file where a folder should be")
    hospital.home.write_text("here too")
    found = look(hospital)
    for check in ("root", "Dagster home"):
        assert found[check].outcome == "problem"
        assert "cannot be written to (Not a directory)" in found[check].found


def test_a_part_of_the_root_that_belongs_to_somebody_else(hospital: TinyHospital) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    hospital.paths.frames.mkdir(parents=True)
    hospital.paths.frames.chmod(0o555)
    assert "Frames cannot be written to" in look(hospital)["root"].found


def test_sources_that_are_away_or_other_than_configured(hospital: TinyHospital) -> None:
    shutil.rmtree(hospital.videos)
    hospital.write_rows(f"Patient,Other\n{ONE},secret cell\n")
    (hospital.folder / "incoming" / "items.json").unlink()
    found = look(hospital)
    for check in ("sources.videos", "sources.label_items", "sources.patient_rows"):
        assert found[check].outcome == "problem"
    assert "0 columns 'Cancer type'" in found["sources.patient_rows"].found
    assert "secret" not in found["sources.patient_rows"].line
    assert found["free disk"].outcome == "warning"


def daemon_seen(home: Path) -> float | None:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        signs = [beat.timestamp for beat in instance.get_daemon_heartbeats().values()]
    return max(signs, default=None)


def test_signs_of_the_daemon(hospital: TinyHospital) -> None:
    assert "no Dagster home yet" in look(hospital, daemon_seen)["daemon"].found
    assert not hospital.home.exists()
    with open_instance(hospital.home) as instance:
        before = {path for path in hospital.home.rglob("*") if path.suffix not in (".db-wal", ".db-shm")}
        assert "none has ever run" in look(hospital, daemon_seen)["daemon"].found
        for ago_s, outcome in ((3600, "warning"), (5, "ok")):
            beat = DaemonHeartbeat(time.time() - ago_s, "SENSOR", "an id", [])
            instance.add_daemon_heartbeat(beat)
            assert look(hospital, daemon_seen)["daemon"].outcome == outcome
    assert set(hospital.home.rglob("*")) == before


def test_what_cannot_be_changed_or_read_is_found_and_hides_nothing_else(hospital: TinyHospital) -> None:
    claim_root(hospital.paths, "eusml")
    paths = hospital.paths
    paths.pages.mkdir()
    paths.ledger(ONE).write_text('{"frames": {"inputs"')
    paths.ledger(TWO).write_text("{}")
    paths.root.chmod(0o755)
    assert "everybody on this machine may look into it" in look(hospital)["all of the root"].found
    paths.root.chmod(0o750)
    found = look(hospital)
    assert f"the page of {ONE} cannot be read" in found["provenance"].found
    assert found["all of the root"].outcome == "ok"
    paths.ledger(TWO).unlink()
    paths.ledger(TWO).mkdir()  # reading it fails
    hospital.home.mkdir()
    (hospital.home / "dagster.yaml").write_text("storage: [")
    found = look(hospital, homes.daemon_seen)
    assert "Is a directory (IsADirectoryError) at .eus_etl/ledger/" in found["provenance"].found
    assert "dagster.yaml is not valid YAML" in found["places"].found
    assert "2 files to take" in found["sources.videos"].found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away; the other test covers users")
def test_what_belongs_to_another_user_is_found(hospital: TinyHospital) -> None:
    claim_root(hospital.paths, "eusml")
    hospital.home.mkdir()
    for place in (hospital.paths.owner_file, hospital.home):
        os.chown(place, 12345, 12345)
    found = look(hospital)
    for check in ("all of the root", "all of the home"):
        assert found[check].outcome == "warning"
        assert "1 folders and files belong to another user" in found[check].found
