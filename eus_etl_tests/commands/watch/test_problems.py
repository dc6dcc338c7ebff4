"""Each kind of problem, made in a real study and seen in a message once."""

import json
import os
import shutil
import socket
from datetime import time

import dagster as dg
import pytest
from click.testing import CliRunner
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster._daemon.types import DaemonHeartbeat

from benchmarks.support.hospitals.tiny_hospital import LONG_AGO, ONE, TinyHospital
from eus_etl.cli import main
from eus_etl.commands.upkeep import verification
from eus_etl.commands.watch.run import Outcome
from eus_etl.defs.event_store import clean_up
from eus_etl.defs.event_store.clean_up import BEGUN
from eus_etl.defs.instance import open_instance
from eus_etl.defs.keys import STUDY_TAG
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.settings.alerts import BLOCKING, KINDS, Kind
from eus_etl.steps.labels import make_labels
from eus_etl.steps.observation.connect import connect_videos
from eus_etl.steps.observation.snapshot import attributes_of, observed_files, rows_of
from eus_etl.steps.patients import make_patient
from eus_etl.steps.raw_videos.step import fetch_videos
from eus_etl.storage.provenance import CheckOutcome, read_page, write_entry
from eus_etl.storage.tables.parts import NOBODY, write_rejected
from eus_etl_tests.commands.watch.conftest import NOW, Watch
from eus_etl_tests.support.commands import call
from eus_etl_tests.support.servers.alert_servers import Hook, Mails

PLANTED = "Erika Mustermann"
DAY_MIN = 24 * 60.0
FAILURE, SUCCESS = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS


@pytest.fixture(autouse=True)
def _with_a_webhook(hook: Hook) -> None:
    """The watch tells it too, in every test."""


def lines(mails: Mails) -> list[str]:
    return [line for text in mails.texts for line in text.partition("\n\n")[2].splitlines()]


def kinds(outcome: Outcome) -> set[Kind]:
    return {problem.kind for problem in outcome.problems}


def add_run(hospital: TinyHospital, status: dg.DagsterRunStatus, job: str = "eusml_visit") -> str:
    tags = {STUDY_TAG: "eusml"} | ({PARTITION_NAME_TAG: ONE} if job == "eusml_visit" else {})
    with open_instance(hospital.home) as instance:
        return instance.add_run(dg.DagsterRun(job_name=job, status=status, tags=tags)).run_id


def beat(hospital: TinyHospital, moment: float) -> None:
    with open_instance(hospital.home) as instance:
        for daemon in instance.get_required_daemon_types():
            instance.add_daemon_heartbeat(DaemonHeartbeat(moment, daemon, None, None))


def observe_and_label(hospital: TinyHospital) -> None:
    with open_instance(hospital.home) as instance:
        assert StudySession(hospital.study, instance).observe().failures == []
    make_labels(hospital.study, ONE, attributes_of(hospital.paths, ONE))


def test_a_failed_run_is_told_until_it_succeeds(
    watch: Watch, mails: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eus_etl.defs.health.LOOK_BACK_S", NOW)  # the instance stamps runs with today
    run_id = add_run(watch.hospital, FAILURE)
    watch.at(0, ("failed_run",))
    again = add_run(watch.hospital, FAILURE)
    watch.at(1, ("failed_run",))
    assert mails.subjects == ["[eus_etl] failed runs (1)"]
    assert f"https://etl.example/runs/{run_id}" in mails.texts[0]
    assert f"visit {ONE} (Brisk-Heron-1): visit: run" in mails.texts[0]
    assert again not in mails.texts[0]
    add_run(watch.hospital, SUCCESS)
    for minute in (2, 200):
        assert "failed_run" not in kinds(watch.at(minute, ("failed_run",)))
    add_run(watch.hospital, FAILURE)
    watch.at(201, ("failed_run",))
    assert len(mails.subjects) == 2


def test_each_job_that_fails_is_told_even_where_another_succeeds(
    watch: Watch, mails: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eus_etl.defs.health.LOOK_BACK_S", NOW)
    for job in ("eusml_nightly", "eusml_by_hand"):
        add_run(watch.hospital, FAILURE, job)
    add_run(watch.hospital, SUCCESS, "eusml_other")
    watch.at(0, ("failed_run",))
    assert mails.subjects == ["[eus_etl] failed runs (2)"]


def test_a_silent_daemon_is_told_in_five_minutes_and_once(watch: Watch, mails: Mails) -> None:
    beat(watch.hospital, NOW)
    told = [bool(watch.at(minute, ("daemon",)).sent) for minute in (0, 2, 5, 6)]
    assert told == [False, False, True, False]
    assert mails.subjects == ["[eus_etl] the daemon is silent (1)"]
    beat(watch.hospital, NOW + 60 * 10)
    assert "daemon" not in kinds(watch.at(10, ("daemon",)))


def test_sensors_that_never_tick_are_told(watch: Watch, mails: Mails) -> None:
    for minute in (0, 3, 4):
        beat(watch.hospital, NOW + 60 * minute)
        watch.at(minute, ("sensor",))
    assert mails.subjects == ["[eus_etl] sensors that fail (2)"]
    assert {"- eusml_edits: has never ticked", "- eusml_videos: has never ticked"} <= set(lines(mails))


def test_a_lost_source_is_told_once(watch: Watch, mails: Mails) -> None:
    hospital = watch.hospital
    away = hospital.videos.with_name("away")
    hospital.videos.rename(away)
    with open_instance(hospital.home) as instance:
        StudySession(hospital.study, instance).observe()
    since = json.loads((hospital.paths.unseen / "drive_videos.json").read_text())["since"]
    minute = (since - NOW) / 60
    sent = [len(watch.at(minute + late, ("source_unreachable",)).sent) for late in (14, 16, 17)]
    assert sent == [0, 1, 0]
    assert "- drive_videos: could not be read, since " in mails.texts[0]
    away.rename(hospital.videos)
    with open_instance(hospital.home) as instance:
        StudySession(hospital.study, instance).observe()
    assert "source_unreachable" not in kinds(watch.at(minute + 501, ("source_unreachable",)))


def test_a_service_that_does_not_answer_is_told_once(watch: Watch, mails: Mails) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    silent = {"webserver": f"http://127.0.0.1:{port}", "code_server": f"127.0.0.1:{port}"}
    told = [len(watch.at(minute, ("service",), **silent).sent) for minute in (0, 3, 4)]
    assert told == [0, 1, 0]
    assert {"- webserver: does not answer", "- code_server: does not answer"} <= {
        line.partition(",")[0] for line in lines(mails)
    }


def test_a_study_file_that_cannot_be_used_is_told_once(watch: Watch, mails: Mails) -> None:
    watch.hospital.config.write_text("study: eusml\nnonsense: true\n")
    for minute in (0, 3, 4):
        watch.at(minute, ("unreadable",))
    assert mails.subjects == ["[eus_etl] what cannot be looked at (1)"]


def test_what_can_wait_comes_in_one_message_in_the_morning(watch: Watch, mails: Mails) -> None:
    hospital = watch.hospital
    hospital.add_video(f"{PLANTED}/{PLANTED}.mp4", first=300)
    hospital.items[ONE] |= {"Start Station 1 2": "00:00:01", "Stop Procedure": "00:09:00", PLANTED: PLANTED}
    hospital.write_items()
    observe_and_label(hospital)
    entry = read_page(hospital.paths, ONE)["frame_table"]
    drifts = entry.model_copy(update={"checks": {"synchronised": CheckOutcome(passed=False, detail="-")}})
    write_entry(hospital.paths, ONE, "frame_table", drifts)
    write_rejected(
        hospital.paths,
        "preprocessed_frames",
        ONE,
        [Rejection(item="layout", reason="readable_text", detail="2 words", remedy="look at the frame")],
    )
    old = NOW - 20 * 24 * 3600
    for snapshot in hospital.paths.observed("drive_videos").glob("*.json"):
        os.utime(snapshot, (old, old))
    at_night = watch.at(0, BLOCKING, nothing_new_days=7.0)
    assert at_night.sent == []
    for minute in (1, 2, DAY_MIN):
        watch.at(minute, BLOCKING, nothing_new_days=7.0, morning_at=time(7, 30))
    (text,) = [text for text in mails.texts if "label problems" in text]
    for title in (
        "unassigned files, items and rows (1)",
        "label problems (1)",
        "preprocessed frames in which text was found (1)",
        "clocks that differ (1)",
        "nothing new (1)",
    ):
        assert f"eusml: {title}" in text
    assert f"- visit {ONE} (Brisk-Heron-1): 1 no_stop" in text
    assert "no upload has come or changed for 20 days" in text


def test_what_a_verification_found_is_told_until_another_finds_it_whole(
    watch: Watch, mails: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EUS_ETL_CONFIGS", str(watch.hospital.configs))
    raw = next(watch.hospital.paths.raw_data.rglob("*.mp4"))
    image = next((watch.hospital.paths.master / "Frames").rglob("*.jpg"))
    whole = raw.read_bytes()
    raw.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    image.unlink()
    assert call("verify").exit_code == 1
    for minute in range(3):
        watch.at(minute, ("damaged_data",))
    (text,) = mails.texts
    told = [line for line in text.splitlines() if line.startswith("- damaged") and "another MD5" in line]
    assert len(told) == 1
    assert raw.name not in text
    assert "image" not in text, "the next run makes that again"
    raw.write_bytes(whole)
    call("verify")
    assert "damaged_data" not in kinds(watch.at(4, ("damaged_data",)))


def test_upkeep_that_keeps_failing_is_told_until_it_comes_to_its_end(
    watch: Watch, mails: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital, days = watch.hospital, DAY_MIN
    marks = [verification.mark_of_begun(hospital.paths), hospital.home / BEGUN]

    def breaks(*_: object) -> None:
        raise OSError("cut off")

    with monkeypatch.context() as broken:
        broken.setattr(verification, "_verify", breaks)
        broken.setattr(clean_up, "sort_runs", breaks)
        for of_first in (marks, []):  # the second try keeps the time of the first one
            assert call("verify", "--config", hospital.config).exit_code == 1
            assert call("clean-up", "--config", hospital.config).exit_code == 1
            for mark in of_first:
                os.utime(mark, (NOW, NOW))
    assert "upkeep" not in kinds(watch.at(0.9 * days, ("upkeep",)))
    for day in (1.1, 1.2):
        watch.at(day * days, ("upkeep",))
    (text,) = mails.texts
    assert "- clean_up: began 26 hours ago" in text
    assert "- verification: began 26 hours ago" in text
    assert call("verify", "--config", hospital.config).exit_code == 0
    assert call("clean-up", "--config", hospital.config).exit_code == 0
    assert "upkeep" not in kinds(watch.at(1.3 * days, ("upkeep",)))


def test_nothing_that_is_told_or_kept_holds_a_planted_name(
    watch: Watch, mails: Mails, hook: Hook, capfd: pytest.CaptureFixture[str]
) -> None:
    hospital = watch.hospital
    hospital.add_video(f"{PLANTED}/{PLANTED}.mp4", first=300)
    (hospital.videos / ONE / f"{PLANTED}.mp4").write_bytes(b"no video")
    os.utime(hospital.videos / ONE / f"{PLANTED}.mp4", (LONG_AGO, LONG_AGO))
    hospital.items[ONE] |= {f"Start {PLANTED} 1": "00:00:01", f"Stop {PLANTED} 1": PLANTED}
    hospital.write_items()
    hospital.write_rows(f"Patient,Cancer type\n{PLANTED},{PLANTED}\n{ONE},{PLANTED}\n")
    observe_and_label(hospital)
    fetch_videos(hospital.study, ONE, connect_videos(hospital.study), observed_files(hospital.paths, ONE))
    attributes, rows = attributes_of(hospital.paths, ONE), rows_of(hospital.paths, ONE)
    make_patient(hospital.study, ONE, attributes, rows, None)
    outcome = watch.at(0, KINDS)
    assert {"unassigned", "rejected_file", "rejected_row", "label_problem"} <= kinds(outcome)
    told = [*mails.texts, *hook.texts, watch.config.record.read_text(), *map(repr, outcome.sent)]
    told += [*outcome.failures, *(problem.line for problem in outcome.problems), *capfd.readouterr()]
    assert len(mails.texts) == len(hook.texts) == 1
    for word in PLANTED.split():
        assert word not in " ".join(told)


def test_a_wiped_dagster_home_tells_nothing_again(watch: Watch, mails: Mails) -> None:
    write_rejected(
        watch.hospital.paths,
        "drive_videos",
        NOBODY,
        [Rejection(item="x", file_name="x", reason="matches_nobody", detail="-", remedy="rename it")],
    )
    watch.at(0, ("unassigned",))
    shutil.rmtree(watch.hospital.home)
    watch.at(1, ("unassigned",))
    assert len(mails.subjects) == 1


def test_the_command_looks_once(watch: Watch) -> None:
    alerts = watch.hospital.configs / "alerts.yaml"
    alerts.write_text("record: ../told.json\ndisk_free_gb: 1000000000\nat_once: [disk]\n")
    done = CliRunner().invoke(main, ["watch", "--once", "--configs", str(watch.hospital.configs)])
    assert done.exit_code == 1, done.output
    assert "disk: eusml: root: " in done.stdout
    assert done.stderr == "eus-etl: told to nobody, as no channel is configured: 1 problems\n"
    alerts.write_text(
        "record: ../told.json\nsmtp: {host: 127.0.0.1, security: none, sender: a@b, recipients: [c@d], "
        f"port: {watch.mails.port}}}\n"
    )
    tested = CliRunner().invoke(main, ["watch", "--test", "--configs", str(watch.hospital.configs)])
    assert (tested.exit_code, tested.stdout) == (0, "sent over 1 of 1 channels\n")
    assert watch.mails.subjects == ["[eus_etl] test"]
