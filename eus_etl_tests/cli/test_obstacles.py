"""What stands in the way of a command is said in one line; what only takes time is waited for."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from benchmarks.support.hospitals.tiny_hospital import ONE, TinyHospital
from eus_etl.defs.instance import open_instance
from eus_etl.defs.root import take_root
from eus_etl.storage.root_owner import claim_root
from eus_etl_tests.support.commands import call

Break = Callable[[TinyHospital], object]


def no_database(hospital: TinyHospital) -> None:
    (hospital.home / "history").mkdir(parents=True)
    (hospital.home / "history" / "runs.db").write_bytes(b"no database at all" * 100)


def no_settings(hospital: TinyHospital) -> None:
    hospital.home.mkdir()
    (hospital.home / "dagster.yaml").write_text("nonsense: true")


def no_pages(hospital: TinyHospital) -> None:
    claim_root(hospital.paths, "eusml")
    hospital.paths.ledger(ONE).mkdir(parents=True)


def no_home(hospital: TinyHospital) -> None:
    hospital.home.write_text("a file where a folder should be")


def no_yaml(hospital: TinyHospital) -> None:
    hospital.config.write_text("study: eusml\n  root: x\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (no_database, "a database cannot be used (file is not a database)"),
        (no_settings, "cannot be opened (DagsterInvalidConfigError)"),
        (no_pages, "at .eus_etl/ledger"),
        (no_home, "cannot be created"),
        (no_yaml, "is not valid YAML at line 2, column 7"),
    ],
)
def test_what_stands_in_the_way_is_one_line_in_every_command(
    hospital: TinyHospital, harm: Break, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(hospital.home))
    harm(hospital)
    for command in ("run", "status", "sync", "doctor", "init-home"):
        done = call(command, "--config", hospital.config)
        assert done.exception is None or isinstance(done.exception, SystemExit), (command, done.exception)
        if done.exit_code and command != "doctor":
            assert said in done.output, (command, done.output)
            lines = [line for line in done.output.splitlines() if said in line]
            assert all("What to do: " in line for line in lines)
        assert "Traceback" not in done.output
    assert call("run", "--config", hospital.config).exit_code == 1


def test_another_home_for_a_root_is_warned_of(
    hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with open_instance(hospital.home) as instance:
        take_root(instance, hospital.study)
    monkeypatch.setenv("DAGSTER_HOME", str(hospital.home))
    assert "warning" not in call("status", "--config", hospital.config).output
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "another"))
    for command in ("status", "doctor"):
        warned = call(command, "--config", hospital.config).output
        assert (
            f"is worked on with the Dagster home {hospital.home}, and this is {tmp_path / 'another'}"
            in warned
        )
    hospital.paths.home_note.unlink()
    assert "worked on" not in call("status", "--config", hospital.config).output


@pytest.mark.slow
def test_files_copied_a_moment_ago_are_waited_for(hospital: TinyHospital) -> None:
    hospital.configure(
        sources={"videos": {"kind": "local_folder", "path": "../incoming/videos", "settle_s": 3}}
    )
    os.utime(hospital.videos / ONE / "first.mp4")
    (hospital.videos / ONE / "empty.mp4").touch()
    hasty = call("run", "--config", hospital.config, "--no-wait")
    assert "eusml: 1 file waits: copied a moment ago, taken in" in hasty.output
    assert "1 file waits: it is empty" in hasty.output
    assert "1 videos decoded" in hasty.output
    os.utime(hospital.videos / ONE / "first.mp4")
    patient = call("run", "--config", hospital.config)
    assert "copied a moment ago" in patient.output
    assert "1 videos decoded" in patient.output
    assert patient.exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize(("readers", "hidden"), [("group", 0o027), ("owner", 0o077)])
def test_nobody_else_on_the_machine_may_read_what_is_written(
    hospital: TinyHospital, readers: str, hidden: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(hospital.home))
    raw = yaml.safe_load(hospital.config.read_text())
    hospital.config.write_text(yaml.safe_dump({**raw, "readers": readers}))
    before = os.umask(0o022)
    try:
        assert call("run", "--config", hospital.config).exit_code == 0
        made = [path for top in (hospital.paths.root, hospital.home) for path in (top, *top.rglob("*"))]
        assert len(made) > 100
        assert [str(path) for path in made if path.stat().st_mode & hidden] == []
    finally:
        os.umask(before)
