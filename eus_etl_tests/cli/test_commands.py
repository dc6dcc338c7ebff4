"""The commands as a user types them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, ONE, TWO, TinyHospital
from benchmarks.support.videos.pictures import read_picture
from benchmarks.support.videos.small_videos import read_number, write_video
from eus_etl.defs.instance import dagster_home, open_instance
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.defs.reconcile.run_health import runs_under_way
from eus_etl_tests.support.commands import call


def test_run_then_status_then_nothing_to_do(hospital: TinyHospital) -> None:
    first = call("run", "--config", hospital.config)
    assert first.exit_code == 0, first.output
    assert "2 videos decoded, 0 failed" in first.output
    status = call("status", "--config", hospital.config)
    for shown in ("Brisk-Heron-1", ALIAS_TWO, "done", str(dagster_home(hospital.study))):
        assert shown in status.output
    assert [line for line in status.output.splitlines()[2:] if len(line) > 80] == []
    told = json.loads(call("status", "--config", hospital.config, "--json").output)
    assert {visit["patient_id"] for visit in told["visits"]} == {ONE, TWO}
    assert set(told["visits"][0]["assets"].values()) == {"done"}
    assert told["tables"] == {}
    assert "0 of 2 visits" in call("status", "--config", hospital.config, "--problems").output
    before = listing(hospital.study.root)
    second = call("run", "--config", hospital.config)
    assert "everything is up to date, 0 videos decoded" in second.output
    assert listing(hospital.study.root) == before


def listing(root: Path) -> dict[str, tuple[int, int]]:
    """Times and inodes of all files, but for what tells when each source was last read."""
    files = [path for path in root.rglob("*") if path.is_file() and path.name != "last_read.json"]
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_ino) for path in files}


@pytest.mark.slow
def test_one_visit_by_its_alias(hospital: TinyHospital) -> None:
    done = call("run", "--config", hospital.config, "--patient", ALIAS_TWO)
    assert "1 videos decoded" in done.output
    assert hospital.paths.frame_table(TWO).is_file()
    assert not hospital.paths.frame_table(ONE).exists()


@pytest.mark.slow
def test_regions_lists_layouts_writes_sheets_and_lines_to_sign(
    hospital: TinyHospital, tmp_path: Path
) -> None:
    call("run", "--config", hospital.config)
    before = listing(hospital.study.root)
    out = tmp_path / "sheets"
    shown = call("regions", "--config", hospital.config, "--patient", ALIAS_TWO, "--out", out)
    assert shown.exit_code == 0, shown.output
    assert {file.parent.name for file in out.rglob("*.png")} == {TWO}
    assert len(list(out.rglob("*.png"))) == 2
    assert listing(hospital.study.root) == before
    lines = [line for line in shown.output.splitlines() if line.startswith((TWO, ONE, "patient_id,"))]
    hospital.paths.regions_csv.write_text("\n".join(lines) + "\n")
    call("run", "--config", hospital.config)
    everything = call("regions", "--config", hospital.config)
    assert "regions.csv" in everything.output
    review = hospital.paths.review
    assert {file.parent.name for file in review.rglob("*.png")} == {ONE, TWO}


def test_an_unknown_visit_is_refused_with_a_remedy(hospital: TinyHospital) -> None:
    refused = call("run", "--config", hospital.config, "--patient", "Nobody-At-All")
    assert refused.exit_code == 1
    assert "no visit of this study has this id or alias" in refused.output
    assert "eus-etl status" in refused.output


@pytest.mark.slow
def test_a_source_that_is_away_is_said_and_the_others_are_seen(hospital: TinyHospital) -> None:
    (hospital.folder / "incoming" / "patients.csv").unlink()
    done = call("run", "--config", hospital.config)
    assert done.exit_code == 1
    assert "patient_rows could not be observed" in done.output
    assert "2 videos decoded" in done.output


def test_a_foreign_root_stops_the_run_and_is_left_alone(hospital: TinyHospital) -> None:
    table = hospital.paths.table("labels")
    table.parent.mkdir(parents=True)
    table.write_text("old,table\n")
    refused = call("run", "--config", hospital.config)
    assert refused.exit_code == 1
    assert "did not make" in refused.output
    assert table.read_text() == "old,table\n"
    assert not hospital.paths.frames.exists()


@pytest.mark.slow
def test_a_failed_visit_is_shown_with_its_reason_and_the_others_go_on(hospital: TinyHospital) -> None:
    assert call("run", "--config", hospital.config).exit_code == 0
    hospital.paths.sync_csv.write_text(f"patient_id,offset_s,scale\n{ONE},0,1\n")
    hospital.paths.frame_table(ONE).unlink()
    hospital.paths.frame_table(ONE).mkdir()
    done = call("run", "--config", hospital.config)
    assert done.exit_code == 1
    assert f"frame_table of {ONE} failed" in done.output
    status = call("status", "--config", hospital.config)
    assert "FAILED" in status.output
    assert "frame_table" in status.output
    assert "Is a directory" in status.output
    (line,) = [line for line in status.output.splitlines() if "FAILED" in line]
    assert len(line) <= 80
    whole = call("status", "--config", hospital.config, "--patient", ONE).output
    assert f"at master-dataset/Frames/{ONE}.csv. What to do: move the folder away" in whole
    assert TWO not in whole
    assert hospital.paths.frame_table(TWO).is_file()
    hospital.paths.frame_table(ONE).rmdir()
    assert call("run", "--config", hospital.config).exit_code == 0
    assert hospital.paths.frame_table(ONE).is_file()


def test_check_config_says_what_is_wrong_and_where(hospital: TinyHospital) -> None:
    assert "no problem found" in call("check-config", hospital.config).output
    hospital.config.write_text(hospital.config.read_text().replace("frame_rate_hz", "frame_rate"))
    wrong = call("check-config", hospital.config)
    assert wrong.exit_code == 1
    assert "extraction.frame_rate: Extra inputs are not permitted" in wrong.output


def test_extract_needs_no_study_and_continues_after_a_bad_file(tmp_path: Path) -> None:
    good = write_video(tmp_path / "good name.mp4", [40 * n for n in range(50)])
    bad = tmp_path / "Private Name.mp4"
    bad.write_bytes(os.urandom(5000))
    done = call("extract", bad, good, "--out", tmp_path / "out", "--rate", "5")
    assert done.exit_code == 1
    assert f"{bad}: " in done.output
    (table,) = (tmp_path / "out").glob("*.csv")
    rows = pl.read_csv(table)
    assert rows["frame_index"].to_list() == list(range(0, 50, 5))
    for index, path in rows.select("frame_index", "path").iter_rows():
        assert read_number(read_picture(tmp_path / "out" / path)) == index


@pytest.mark.parametrize("rate", ["0", "-1", "fast", "inf", "nan"])
def test_an_invalid_rate_is_refused(tmp_path: Path, rate: str) -> None:
    refused = call("extract", tmp_path / "x.mp4", "--out", tmp_path / "out", "--rate", rate)
    assert refused.exit_code == 1
    assert "above 0, or `all`" in refused.output


def test_labels_from_an_export_of_either_kind(tmp_path: Path) -> None:
    plain = [{"pk": ONE, "Start Liver 1": "00:00:12", "Stop Liver 1": "00:01:12", "biopsy": "Frau Geheim"}]
    typed = [{name: {"S": value} for name, value in plain[0].items()}]
    tables = []
    for number, items in enumerate((plain, typed)):
        path, out = tmp_path / f"{number}.json", tmp_path / f"{number}.csv"
        path.write_text(json.dumps(items))
        done = call("labels", path, "--study", "fatty_liver", "--out", out)
        assert done.exit_code == 0, done.output
        tables.append(out.read_text())
    assert tables[0] == tables[1]
    assert tables[0].splitlines()[1] == f"{ONE},liver,Liver,1,12.0,72.0,ok,"
    assert "Geheim" not in tables[0]


def test_labels_of_any_study_and_of_nothing(hospital: TinyHospital, tmp_path: Path) -> None:
    items, out = tmp_path / "items.json", tmp_path / "labels.csv"
    visit = {"pk": ONE, "Start FNA 1": "00:00:01", "Stop FNA 1": "00:00:02"}
    items.write_text(json.dumps([visit, {"pk": "x"}]))
    done = call("labels", items, "--config", hospital.config, "--out", out)
    assert done.exit_code == 0, done.output
    assert "item 2 rejected: unsafe_pk" in done.output
    assert out.read_text().splitlines()[1] == f"{ONE},fna,FNA,1,1.0,2.0,ok,"
    out.unlink()
    items.write_text(json.dumps([{"pk": "Jane Doe"}]))
    by_config = ("--config", str(hospital.config))
    for options in (by_config, (*by_config, "--study", "eusml"), ()):
        refused = call("labels", items, *options, "--out", out)
        assert refused.exit_code == 1
        assert "Jane" not in refused.output
        assert not out.exists()


def test_labels_of_an_unknown_study(tmp_path: Path) -> None:
    refused = call("labels", tmp_path / "x.json", "--study", "heart")
    assert refused.exit_code == 1
    assert "eusml, fatty_liver" in refused.output


def test_help_names_all_commands() -> None:
    text = call("--help").output
    for command in ("demo", "run", "status", "extract", "labels", "check-config"):
        assert command in text


@pytest.mark.slow
def test_a_killed_command_leaves_no_run_that_seems_to_work(hospital: TinyHospital) -> None:
    """The page and the sensors must not wait for ever for a process that is dead."""
    code = f"""
import os, signal, sys
from eus_etl.steps import frames
from eus_etl.cli import main
from eus_etl.defs.instance import dagster_home, open_instance
from eus_etl.defs.reconcile.run_health import runs_under_way
from eus_etl.defs.root import take_root
from eus_etl.defs.reconcile.local_session import StudySession
frames.extract_apart = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
main(["run", "--config", {str(hospital.config)!r}])
"""
    died = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL
    with open_instance(dagster_home(hospital.study)) as instance:
        session = StudySession(hospital.study, instance)
        assert instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
        assert runs_under_way(session.graph, instance) == []
    done = call("run", "--config", hospital.config)
    assert done.exit_code == 0, done.output
    assert "2 videos decoded, 0 failed" in done.output
    with open_instance(dagster_home(hospital.study)) as instance:
        assert not instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
