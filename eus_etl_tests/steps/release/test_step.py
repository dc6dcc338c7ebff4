"""Releases: the same bytes anywhere, whole or not at all, never changed, found again."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from benchmarks.support.hospitals.released_study import (
    KEY_VARIABLE,
    RECIPE,
    Visit,
    files_of,
    frames_of,
    patient_of,
    put_study,
    study_with,
    visits_of,
)
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import SPLITS
from eus_etl.errors import ConfigError, FramesMissingError, PermanentError
from eus_etl.settings import StudyConfig
from eus_etl.steps.release import step
from eus_etl.steps.release.records import kept_frames, read_ledger
from eus_etl.steps.release.step import make_release
from eus_etl.storage.files.partial import PARTIAL


def released(study: StudyConfig, *, accept_unreviewed: bool = False) -> Path:
    """The folder of a new release."""
    result = make_release(study, "default", accept_unreviewed=accept_unreviewed)
    return StudyPaths(study.root).releases / result.version


class KilledError(BaseException):
    """Stands for the end of the process: nobody tidies up."""


@contextmanager
def left_behind(final: Path) -> Iterator[Path]:
    """``folder_beside`` of a process that is killed."""
    partial = final.with_name(f".{final.name}{PARTIAL}")
    partial.mkdir(parents=True)
    yield partial


def statistics(folder: Path) -> Mapping[str, object]:
    found: Mapping[str, object] = json.loads((folder / "statistics.json").read_text())
    return found


def test_the_same_inputs_give_the_same_bytes_on_another_root(tmp_path: Path) -> None:
    made = {}
    for name in ("one", "two"):
        study = study_with(tmp_path / name, patient_columns=["visit_date", "cancer_type"])
        put_study(study, visits_of(5))
        folder = released(study)
        made[name] = {folder.name: files_of(folder)}
    assert made["one"] == made["two"]


def test_a_second_call_finds_the_release(tmp_path: Path) -> None:
    study = study_with(tmp_path)
    put_study(study, visits_of(3))
    folder = released(study)
    before = files_of(folder)
    result = make_release(study, "default")
    assert (result.version, result.metadata["outcome"]) == (
        folder.name,
        "it exists already: nothing has changed",
    )
    assert files_of(folder) == before
    assert [path.name for path in StudyPaths(study.root).releases.iterdir()] == [folder.name]


def test_sums_cover_every_other_file(tmp_path: Path) -> None:
    study = study_with(tmp_path)
    put_study(study, visits_of(4))
    folder = released(study)
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert {line.removesuffix(": OK") for line in done.stdout.splitlines()} == files_of(folder).keys() - {
        "SHA256SUMS"
    }


def test_a_replaced_image_leaves_the_release_as_it_is(tmp_path: Path) -> None:
    study = study_with(tmp_path)
    visits = visits_of(3)
    put_study(study, visits)
    folder, paths = released(study), StudyPaths(study.root)
    before = files_of(folder)
    kept = pl.read_parquet(kept_frames(paths, folder.name))
    for path, source in kept.select("path", "source_path").iter_rows():
        assert (folder / path).samefile(paths.root / source)
        aside = paths.root / "aside.png"
        aside.write_bytes(b"another picture")
        aside.replace(paths.root / source)
    assert files_of(folder) == before
    assert not any(path.stat().st_mode & 0o222 for path in folder.rglob("*.png"))


@pytest.mark.parametrize(
    "stops_at", ["put_pictures", "_tables", "_texts", "_write_sums", "write_record", "publish_folder"]
)
def test_a_killed_build_leaves_nothing_that_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops_at: str
) -> None:
    clean = study_with(tmp_path / "clean")
    put_study(clean, visits_of(3))
    first = released(clean)
    whole = files_of(first)
    study = study_with(tmp_path / "killed")
    put_study(study, visits_of(3))
    monkeypatch.setattr("eus_etl.steps.release.build.folder_beside", left_behind)
    with monkeypatch.context() as killing:

        def die(*_: object, **__: object) -> None:
            raise KilledError

        killing.setattr(f"eus_etl.steps.release.build.{stops_at}", die)
        with pytest.raises(KilledError):
            make_release(study, "default")
    paths = StudyPaths(study.root)
    assert [path for path in paths.releases.iterdir() if not path.name.startswith(".")] == []
    assert read_ledger(paths).is_empty()
    assert files_of(released(study)) == whole
    assert [path.name for path in paths.releases.iterdir()] == [
        path.name for path in StudyPaths(clean.root).releases.iterdir()
    ]


def test_a_process_killed_between_release_and_ledger_loses_and_doubles_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_with(tmp_path)
    put_study(study, visits_of(4))
    paths = StudyPaths(study.root)
    with monkeypatch.context() as killing:

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        killing.setattr(step, "settle", die)
        with pytest.raises(KeyboardInterrupt):
            make_release(study, "default")
    (folder,) = paths.releases.iterdir()
    assert not paths.table(SPLITS.name).exists()
    assert make_release(study, "default").version == folder.name
    ledger = read_ledger(paths)
    assert sorted(ledger["patient_id"]) == [patient_of(n) for n in range(1, 5)]
    assert set(ledger["since"]) == {folder.name}
    put_study(study, visits_of(7))
    second = released(study)
    assert read_ledger(paths).head(4).equals(ledger)
    assert read_ledger(paths).height == 7
    assert set(pl.read_csv(second / "splits.csv")["since"]) == {folder.name, second.name}


def test_a_lost_ledger_comes_back_and_a_damaged_one_stops(tmp_path: Path) -> None:
    study = study_with(tmp_path)
    put_study(study, visits_of(4))
    released(study)
    paths = StudyPaths(study.root)
    file = paths.table(SPLITS.name)
    written = file.read_bytes()
    file.unlink()
    make_release(study, "default")
    assert file.read_bytes() == written
    file.write_bytes(written.replace(b"patient_id", b"patient"))
    with pytest.raises(PermanentError, match=r"splits\.csv"):
        make_release(study, "default")
    assert b"patient," in file.read_bytes()


def test_a_removed_folder_is_made_again_under_its_name(tmp_path: Path) -> None:
    study = study_with(tmp_path)
    put_study(study, visits_of(3))
    folder = released(study)
    before = files_of(folder)
    shutil.rmtree(folder)
    assert released(study) == folder
    assert files_of(folder) == before


def test_a_release_says_what_changed_since_its_parent(tmp_path: Path) -> None:
    study = study_with(tmp_path)
    put_study(study, visits_of(4))
    first = released(study)
    assert "This release follows no other." in (first / "CHANGES.md").read_text()
    one, *others = visits_of(6)
    put_study(study, [replace(one, label="Station 2"), *others[1:]])
    second = released(study)
    assert statistics(second)["parent"] == first.name
    text = (second / "CHANGES.md").read_text()
    assert f"Compared with `{first.name}`." in text
    assert "5, 4 before" in text
    assert "- added: 2 (" in text
    assert "- removed: 1 (" in text
    assert "60, 48 before: 24 added, 12 removed, 0 with another picture" in text
    assert "- station: Station 1 to Station 2: 12" in text
    ids = {patient_of(n) for n in range(1, 7)}
    assert not any(patient in text for patient in ids)
    # another parent is another release
    alone = study.model_copy(
        update={"releases": {"default": study.releases["default"].model_copy(update={"parent": "none"})}}
    )
    assert released(alone).name not in {first.name, second.name}


def test_persons_found_in_two_splits_go_to_training(tmp_path: Path) -> None:
    study = study_with(tmp_path)
    unknown = [replace(visit, subject_id=None) for visit in visits_of(8)]
    put_study(study, unknown)
    first = frames_of(released(study))
    split_of = dict(first.select("visit", "split").unique().iter_rows())
    paths = StudyPaths(study.root)
    ledger = read_ledger(paths)
    apart = [ledger.filter(split=split)["patient_id"][0] for split in ("train", "test")]
    put_study(study, [replace(v, subject_id="f" * 64 if v.patient_id in apart else None) for v in unknown])
    folder = released(study)
    second = frames_of(folder)
    visits_of_person = second.group_by("subject").agg(pl.col("visit").n_unique())
    (person,) = visits_of_person.filter(visit=2)["subject"]
    merged = second.filter(subject=person)
    assert merged["visit"].n_unique() == 2
    assert set(merged["split"]) == {"train"}
    text = (folder / "CHANGES.md").read_text()
    assert "turned out to be one person's; they were in train and test. All are in train now." in text
    assert " from test to train" in text
    kept = {
        v: s for v, s in second.select("visit", "split").unique().iter_rows() if v not in set(merged["visit"])
    }
    assert kept == {visit: split for visit, split in split_of.items() if visit in kept}


def test_a_picture_that_is_not_the_listed_one_stops_the_release(tmp_path: Path) -> None:
    study = study_with(tmp_path)
    put_study(study, visits_of(2))
    paths = StudyPaths(study.root)
    picture = next(paths.preprocessed.rglob("*.png"))
    picture.write_bytes(picture.read_bytes() + b"\0")
    with pytest.raises(FramesMissingError, match="not the one"):
        make_release(study, "default")
    picture.unlink()
    with pytest.raises(FramesMissingError, match="is gone"):
        make_release(study, "default")
    assert list(paths.releases.glob("*")) == []


def test_nobody_reviewed_is_left_out_unless_accepted_and_blocked_always(tmp_path: Path) -> None:
    study = study_with(tmp_path)
    reviewed, *others = visits_of(6)
    visits = [reviewed, *(replace(visit, signed_off=False) for visit in others)]
    visits[1] = replace(visits[1], blocked=True)
    put_study(study, visits)
    careful = released(study)
    assert frames_of(careful)["visit"].n_unique() == 1
    assert statistics(careful)["left_out"] == {
        "blocked": {"frames": 12, "visits": 1},
        "unreviewed": {"frames": 48, "visits": 4},
    }
    assert "no person reviewed the masks" not in (careful / "README.md").read_text()
    daring = released(study, accept_unreviewed=True)
    assert frames_of(daring)["visit"].n_unique() == 5
    assert statistics(daring)["unreviewed_visits"] == 4
    first_paragraph = (daring / "README.md").read_text().split("\n\n")[2]
    assert "in 4 of 5 visits no person reviewed the masks" in first_paragraph


def test_a_release_without_frames_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    study = study_with(tmp_path)
    put_study(study, visits_of(2, signed_off=False))
    with pytest.raises(PermanentError, match=r"24 frames of 2 visits: unreviewed.*`eus-etl regions`"):
        make_release(study, "default")


def test_the_key_is_needed_and_changes_all_pseudonyms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_with(tmp_path)
    put_study(study, visits_of(2))
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(ConfigError, match=KEY_VARIABLE):
        make_release(study, "default")
    monkeypatch.setenv(KEY_VARIABLE, "x" * 32)
    one = frames_of(released(study))
    monkeypatch.setenv(KEY_VARIABLE, "y" * 32)
    other = released(study)
    for column in ("visit", "video", "subject", "frame_id"):
        assert set(one[column]).isdisjoint(frames_of(other)[column])
    assert "2, 2 before" in (other / "CHANGES.md").read_text()  # visits are compared by what they are


def test_what_leads_back_stays_in_the_root(tmp_path: Path) -> None:
    study = study_with(tmp_path)
    visits: list[Visit] = visits_of(3)
    put_study(study, visits)
    folder = released(study)
    kept = pl.read_parquet(kept_frames(StudyPaths(study.root), folder.name))
    frames = frames_of(folder)
    assert kept["frame_id"].to_list() == frames["frame_id"].to_list()
    assert kept["sha256"].to_list() == frames["sha256"].to_list()
    assert set(kept["patient_id"]) == {visit.patient_id for visit in visits}
    assert (study.root / kept["source_path"][0]).is_file()
    assert all(RECIPE in path for path in kept["source_path"])
