"""The demo as a command: what it says, and that a second look at the same hospital does nothing."""

import json
from pathlib import Path

from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.domain.tables import catalog
from eus_etl_tests.support.hospitals.demo_run import Demo, DemoStudy, run_command

Listing = dict[str, tuple[int, int]]


def listing(folder: Path) -> Listing:
    """Every file and folder below ``folder``: size and time of change in ns (of files).

    But for what tells when each source was last read, which is new each time.
    """
    found = {}
    for entry in (entry for entry in folder.rglob("*") if entry.name != "last_read.json"):
        stat = entry.stat()
        found[entry.relative_to(folder).as_posix()] = (
            (stat.st_size, stat.st_mtime_ns) if entry.is_file() else (0, 0)
        )
    return found


def test_the_demo_succeeds_and_names_what_it_made_of_each_visit(demo: Demo) -> None:
    assert demo.exit_code == 0, demo.output
    lines = demo.output.splitlines()
    for study in demo.studies.values():
        frames = dict(study.frames.group_by("patient_id").len().iter_rows())
        for patient in study.truth("visits")["patient_id"]:
            (row,) = (line for line in lines if patient in line)
            assert f" {frames.get(patient, 0)} " in row
        for reason in set(study.table(catalog.REJECTED)["reason"]):
            assert all(part in demo.output for part in reason.split("|")), reason
        for folder in (study.paths.data, study.paths.frames, study.paths.preprocessed):
            assert str(folder) in demo.output
        assert f"{study.table(catalog.VIDEOS).height} videos decoded" in demo.output
        assert "0 failed" in demo.output
        (release,) = study.paths.releases.iterdir()
        assert str(release) in demo.output
        assert "no person reviewed the masks" in (release / "README.md").read_text()


def test_a_second_run_makes_nothing_decodes_nothing_and_changes_no_file(demo_study: DemoStudy) -> None:
    before = listing(demo_study.study.root)
    with open_instance(demo_study.demo / "dagster_home") as instance:
        report = StudySession(demo_study.study, instance).run()
    assert report.complete
    assert report.made == []
    assert report.videos_decoded == 0
    assert listing(demo_study.study.root) == before


def test_the_command_run_says_that_nothing_was_to_do(demo: Demo) -> None:
    study = demo.studies["fatty_liver"]
    before = listing(study.study.root)
    done = run_command("run", "--config", study.config)
    assert done.exit_code == 0, done.output
    assert "everything is up to date, 0 videos decoded" in done.output
    assert listing(study.study.root) == before


def test_the_command_status_shows_every_visit_as_done(demo: Demo) -> None:
    study = demo.studies["eusml"]
    done = run_command("status", "--config", study.config)
    assert done.exit_code == 0, done.output
    visits = study.truth("visits")
    told = run_command("status", "--config", study.config, "--json")
    known = {visit["patient_id"]: visit for visit in json.loads(told.output)["visits"]}
    lines = done.output.splitlines()
    for patient, alias, videos in visits.select("patient_id", "pseudo_name", "videos").iter_rows():
        standings = list(known[patient]["assets"].values())
        assert standings.count("done") == (8 if videos else 2), standings
        assert standings.count("no video") == (0 if videos else 6), standings
        (row,) = (line for line in lines if line.startswith(f"{alias or patient} "))
        assert len(row) <= 80
        assert ("done" if videos else "no video") in row
    assert "FAILED" not in done.output
    assert "stale" not in done.output


def test_a_visit_is_named_by_its_alias_as_well(demo: Demo) -> None:
    study = demo.studies["fatty_liver"]
    alias = study.truth("visits")["pseudo_name"][0]
    done = run_command("run", "--config", study.config, "--patient", alias)
    assert done.exit_code == 0, done.output
    assert "everything is up to date" in done.output


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("do not lose me")
    done = run_command("demo", "--root", tmp_path)
    assert done.exit_code == 1
    assert "the folder is not empty and holds no demo" in done.output
    assert listing(tmp_path).keys() == {"thesis.txt"}
