"""The gate: a release with a leak is refused with sheets, and looks are not computed twice."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.support.hospitals.released_study import put_study, study_with, visits_of
from benchmarks.support.videos.pictures import read_picture
from eus_etl.domain.images.codec import encode_png
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import FramesMissingError, LeakError
from eus_etl.steps.release.leak_gate import check_leaks, looks_of
from eus_etl.steps.release.step import make_release


@pytest.fixture
def paths(tmp_path: Path) -> StudyPaths:
    """A study of four visits with pictures."""
    study = study_with(tmp_path)
    put_study(study, visits_of(4))
    return StudyPaths(study.root)


def frames_of(paths: StudyPaths, test_visit: str) -> pl.DataFrame:
    """What the gate takes, where one visit is held out."""
    made = pl.read_parquet(paths.table("preprocess_metadata").with_suffix(".parquet"))
    return made.select(
        pl.format("r/{}", "frame_id").alias("frame_id"),
        pl.when(patient_id=test_visit).then(pl.lit("test")).otherwise(pl.lit("train")).alias("split"),
        "patient_id",
        "video_id",
        "sha256",
        source_frame_id="frame_id",
        source_path="path",
        subject_id=pl.lit(None, pl.String),
    )


def visits(paths: StudyPaths) -> list[str]:
    return sorted(
        pl.read_parquet(paths.table("preprocess_metadata").with_suffix(".parquet"))["patient_id"].unique()
    )


def test_no_leak_passes(paths: StudyPaths) -> None:
    frames = frames_of(paths, visits(paths)[0])
    report = check_leaks(paths, "r1", frames)
    assert report.verdict == "0 of 12"
    assert report.table["frame_id"].to_list() == frames.filter(split="test")["frame_id"].to_list()
    assert not paths.leak_sheets("r1").exists()


def test_a_copied_picture_is_refused_with_a_sheet_and_a_table(paths: StudyPaths) -> None:
    one, other = visits(paths)[:2]
    frames = frames_of(paths, one)
    source, target = (frames.filter(patient_id=visit).row(3, named=True) for visit in (other, one))
    mirrored = read_picture(paths.root / source["source_path"])[:, ::-1]
    (paths.root / target["source_path"]).write_bytes(encode_png(np.ascontiguousarray(mirrored)))
    with pytest.raises(LeakError, match=r"r1: 1 of 12 frames.*exclude_visits") as refused:
        check_leaks(paths, "r1", frames)
    assert one not in str(refused.value)
    table = pl.read_csv(paths.leak_sheets("r1") / "leaks.csv")
    assert table.select("frame_id", "nearest_frame_id").rows() == [
        (target["source_frame_id"], source["source_frame_id"])
    ]
    assert read_picture(paths.leak_sheets("r1") / "leaks.png").shape == (240, 960, 3)


def test_looks_are_computed_once_for_each_picture(paths: StudyPaths) -> None:
    frames = frames_of(paths, visits(paths)[0])
    first = looks_of(paths, frames)
    for path in frames["source_path"]:
        (paths.root / path).unlink()
    shuffled = frames.sample(fraction=1, shuffle=True, seed=1)
    again = looks_of(paths, shuffled)
    place = {frame: at for at, frame in enumerate(frames["frame_id"])}
    order = np.array([place[frame] for frame in shuffled["frame_id"]])
    assert np.array_equal(again.texture, first.texture[order])
    assert np.array_equal(again.inside, first.inside[order])
    with pytest.raises(FramesMissingError):
        looks_of(paths, frames.with_columns(sha256=pl.lit("another")))


def test_looks_that_cannot_be_read_are_computed_again(paths: StudyPaths) -> None:
    frames = frames_of(paths, visits(paths)[0])
    first = looks_of(paths, frames)
    (file, *_) = paths.state.rglob("*.npz")
    for spoiled in (b"", b"no file of numpy", file.read_bytes()[:-30]):
        file.write_bytes(spoiled)
        assert np.array_equal(looks_of(paths, frames).texture, first.texture)


def test_one_file_uploaded_for_two_visits_is_never_published(tmp_path: Path) -> None:
    """The splits hold persons apart; who is known as two persons is found by the file."""
    study = study_with(tmp_path, splits={"train": 0.5, "validation": 0, "test": 0.5})
    two = visits_of(2)
    copy = type(two[1])(patient_id=two[1].patient_id, subject_id=two[1].subject_id, seed=two[0].seed)
    put_study(study, [two[0], copy])
    with pytest.raises(LeakError, match="12 of 12 frames"):
        make_release(study, "default")
    paths = StudyPaths(study.root)
    assert not [path for path in paths.releases.glob("*") if path.is_dir()]
    assert not paths.table("splits").exists()
