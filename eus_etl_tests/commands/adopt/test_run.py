"""A root that earlier scripts filled is taken over: nothing lost, nothing fetched, and killed at will."""

import json
import subprocess
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
import yaml

from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, ONE, TWO, TinyHospital
from benchmarks.support.places import DOCS
from eus_etl.commands.adopt.run import adopt_root
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import ConfigError, ForeignRootError, RootClaimedError, SourceUnavailableError
from eus_etl.settings import load_study, shipped
from eus_etl.storage.root_owner import claim_root
from eus_etl_tests.support.hospitals.old_roots import ADOPTED, INVENTED, OLD_LABELS, files


@pytest.mark.slow
def test_everything_finds_its_place_and_a_run_fetches_nothing(hospital: TinyHospital) -> None:
    root = hospital.study.root
    before = files(root)
    with pytest.raises(ForeignRootError, match="eus-etl adopt"):
        claim_root(hospital.paths, "eusml")
    report = adopt_root(hospital.study)
    after = files(root)
    assert set(after) == ADOPTED
    assert Counter(before.values()) == Counter(after.values())
    assert after[f"raw_data/{ONE}/first.mp4"] == (hospital.videos / ONE / "first.mp4").read_bytes()
    assert not (root / "raw_data" / f"{ALIAS_TWO} {INVENTED}").exists()
    assert [path.name for path in hospital.paths.state.iterdir()].count("adopting") == 0
    assert report.visits.rows() == [(ONE, 0, 1, 0, 0), (TWO, 0, 1, 0, 2), (None, 0, 0, 0, 1)]
    assert dict(report.put_aside) == {"of unknown content": 2, "second copy": 1}

    with open_instance(hospital.home) as instance:
        run = StudySession(hospital.study, instance).run()
    assert run.complete, run.failed
    fetched = {
        made.patient_id: made.metadata["files_fetched"] for made in run.made if made.asset == "raw_videos"
    }
    assert fetched == {ONE: 0, TWO: 0}
    assert run.videos_decoded == 2
    made = files(root)
    assert ADOPTED - {"master-dataset/Data/sync.csv"} <= set(made)
    assert all(made[name] == after[name] for name in ADOPTED)


def test_what_agrees_and_what_differs_is_reported_by_ids_and_numbers(hospital: TinyHospital) -> None:
    report = adopt_root(hospital.study, dry_run=True)
    assert report.compared.rows() == [
        (ONE, "labels", 1, 0),
        (TWO, "labels", 0, 2),
        (ONE, "patients", 4, 0),
        (TWO, "patients", 2, 2),
    ]
    assert report.differences.rows() == [
        (TWO, "labels", "Station 2", "times", 0.0, 1.0, 0.0, 2.0),
        (TWO, "labels", "unknown label", "only_old", 3.0, 4.0, None, None),
        (TWO, "patients", "procedure_s", "value", None, None, None, None),
        (TWO, "patients", "cancer_type", "value", None, None, None, None),
    ]
    text = "\n".join(report.lines())
    assert "labels: 2 visits compared, 1 equal; 1 entries equal, 2 different" in text
    assert f"visit {TWO}, labels, Station 2: the times have changed (old 0 s to 1 s, new 0 s to 2 s)" in text
    assert "labels: 1 old rows belong to visits that the sources do not have" in text
    assert INVENTED not in text + repr(report)


def test_a_dry_run_touches_nothing_and_says_the_same(hospital: TinyHospital) -> None:
    root = hospital.study.root
    before, stamps = files(root), {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    dry = adopt_root(hospital.study, dry_run=True)
    assert files(root) == before
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == stamps
    done = adopt_root(hospital.study)
    assert dry.lines()[1:] == done.lines()[1:]
    assert "nothing was changed" in dry.lines()[0]


def test_a_root_that_is_ours_or_missing_is_refused(hospital: TinyHospital, tmp_path: Path) -> None:
    adopt_root(hospital.study)
    before = files(hospital.study.root)
    for dry_run in (True, False):
        with pytest.raises(RootClaimedError, match="eus-etl run"):
            adopt_root(hospital.study, dry_run=dry_run)
    assert files(hospital.study.root) == before
    with pytest.raises(ConfigError, match="no such folder"):
        adopt_root(hospital.study.model_copy(update={"root": tmp_path / "nowhere"}))


def test_a_source_that_does_not_answer_changes_nothing(hospital: TinyHospital) -> None:
    before = files(hospital.study.root)
    hospital.videos.rename(hospital.videos.with_name("unmounted"))
    with pytest.raises(SourceUnavailableError):
        adopt_root(hospital.study)
    assert files(hospital.study.root) == before
    assert not hospital.paths.owner_file.exists()


def test_old_tables_that_cannot_be_read_are_put_aside_all_the_same(hospital: TinyHospital) -> None:
    hospital.paths.table("labels").write_bytes(b"")
    hospital.paths.table("patients").write_text(f"who,what\n{INVENTED},1\n")
    report = adopt_root(hospital.study)
    assert report.compared.is_empty()
    assert [note for note in report.notes if "not compared" in note] == [
        "labels: not compared, the old table cannot be read as CSV",
        "patients: not compared, the old table has no column for the visit's id or alias",
    ]
    assert (hospital.paths.legacy_tables / "patients.csv").is_file()


def test_tables_that_were_put_aside_before_are_not_overwritten(hospital: TinyHospital) -> None:
    earlier = hospital.paths.legacy_tables / "labels.csv"
    earlier.parent.mkdir()
    earlier.write_text("older still")
    (hospital.paths.legacy_tables / "Frames").mkdir()
    adopt_root(hospital.study)
    assert earlier.read_text() == "older still"
    assert (hospital.paths.legacy_tables / "labels.csv-2").read_text() == OLD_LABELS
    assert (hospital.paths.legacy_tables / "Frames-2" / f"{ONE}.csv").is_file()


def test_the_way_back_in_the_docs_restores_the_old_tables(hospital: TinyHospital) -> None:
    root = hospital.study.root
    before = files(root)
    adopt_root(hospital.study)
    for made in (
        "Data/labels.csv",
        "Data/parts/labels/x.parquet",
        f"Frames/{ONE}.csv",
        "Preprocessed/a/b.png",
    ):
        (hospital.paths.master / made).parent.mkdir(parents=True, exist_ok=True)
        (hospital.paths.master / made).write_text("made by a run")
    page = (DOCS / "from-the-scripts.md").read_text(encoding="utf-8")
    block = page.partition("## Going back")[2].partition("```sh\n")[2].partition("```")[0]
    subprocess.run(["sh", "-c", block], cwd=root, capture_output=True, check=False)
    after = files(root)
    tables = {name: content for name, content in before.items() if name.startswith("master-dataset/")}
    assert {name: content for name, content in after.items() if name.startswith("master-dataset/")} == tables
    assert after["new/Data/labels.csv"] == b"made by a run"
    raw = {content for name, content in before.items() if name.startswith("raw_data/")}
    assert raw - {content for name, content in after.items() if name.startswith("raw_data/")} <= {
        b"a file where a folder will be"
    }
    assert not hospital.paths.owner_file.exists()


def test_the_real_items_agree_with_a_table_of_one_row_per_visit(shared: Path, tmp_path: Path) -> None:
    raw = yaml.safe_load((shipped("configs") / "eus_config.yaml").read_text())
    items = shared / "labels" / "labeller_items_sample.json"
    raw["root"], raw["preprocess"] = (
        str(tmp_path / "root"),
        {"recipes": {"small": {"version": 1, "size_px": 64}}},
    )
    raw["sources"]["videos"] = {"kind": "local_folder", "path": str(tmp_path / "videos")}
    raw["sources"]["label_items"]["path"] = str(items)
    raw["sources"]["patient_rows"]["path"] = str(tmp_path / "rows.csv")
    (tmp_path / "rows.csv").write_text("Patient,Cancer type\n")
    (tmp_path / "videos").mkdir()
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(raw))
    study = load_study(tmp_path / "study.yaml")
    visits = [
        {name: next(iter(value.values())) for name, value in item.items() if "S" in value}
        for item in json.loads(items.read_text())["eus"]["patient"]
    ]
    data = StudyPaths(study.root).data
    data.mkdir(parents=True)
    pl.DataFrame(visits, infer_schema_length=None).write_csv(data / "labels.csv")
    report = adopt_root(study, dry_run=True)
    assert report.compared["agree"].sum() == 12
    assert report.differences.is_empty()
