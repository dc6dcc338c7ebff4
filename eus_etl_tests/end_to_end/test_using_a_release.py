"""Every example of docs/using-a-release.md, on a made release and on one of real clips."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.support.hospitals.hasty_databases import databases_in_a_hurry
from benchmarks.support.hospitals.hospital_of_videos import hospital_of, run, visit_named
from benchmarks.support.hospitals.released_study import KEY, KEY_VARIABLE, put_study, study_with, visits_of
from benchmarks.support.places import CHECKOUT, DOCS
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.release.leaks import find_leaks
from eus_etl.settings import ReleaseConfig
from eus_etl.steps.release.leak_gate import looks_of
from eus_etl.steps.release.step import make_release
from eus_etl_tests.support.made_once import MadeOnce

pytestmark = pytest.mark.slow

PAGE = (DOCS / "using-a-release.md").read_text(encoding="utf-8")
EXAMPLES = {
    section.partition("\n")[0]: section.partition("```python\n")[2].partition("```")[0]
    for section in PAGE.split("\n## ")[1:]
}
READERS = CHECKOUT / ".venv-readers" / "bin" / "python"
OTHER_READERS = ("PyTorch", "CVAT")
CLIPS = {
    "demo": "DemoBMode.mov",
    "clarius": "clarius-ocular-short.mp4",
    "cov": "Cov_convex_volpecelli_sonographic_v1.mov",
    "vir": "Vir_prospective_file2.mp4",
    "reg": "Reg_pat4Image_140024.mpeg",
    "echo": "color3d_jpeg_baseline.h264.mp4",
    "echo again": "color3d_jpeg_baseline.mjpeg.avi",
}


def _make_synthetic(folder: Path) -> None:
    study = study_with(folder, status=["ok", "disturbed"])
    put_study(study, visits_of(8, frames=(30, 12), disturbed=(14,), uncertain=(24, 25)))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(KEY_VARIABLE, KEY)
        make_release(study, "default")


def _make_of_clips(folder: Path, clips: Path) -> None:
    """Each clip is a visit; the copy of another one is left out of the release."""
    study = hospital_of(folder, {name: clips / file for name, file in CLIPS.items()}, size_px=256)
    with databases_in_a_hurry():
        run(study, folder)
    rule = ReleaseConfig(title="Real clips", exclude_visits=(visit_named("echo again"),))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(KEY_VARIABLE, KEY)
        made = study.model_copy(update={"releases": {"default": rule}})
        make_release(made, "default", accept_unreviewed=True)


@pytest.fixture(scope="module")
def synthetic(made_once: MadeOnce) -> StudyPaths:
    return StudyPaths(made_once("synthetic_release", _make_synthetic))


@pytest.fixture(scope="module")
def of_clips(made_once: MadeOnce, shared: Path) -> StudyPaths:
    return StudyPaths(
        made_once("clips_release", lambda folder: _make_of_clips(folder, shared / "clips")) / "data"
    )


@pytest.fixture(params=["synthetic", "of_clips"])
def release(request: pytest.FixtureRequest) -> Path:
    """The folder of each release."""
    paths: StudyPaths = request.getfixturevalue(request.param)
    (folder,) = (path for path in paths.releases.iterdir() if not path.name.startswith("."))
    return folder


def test_the_page_has_an_example_for_each_reader() -> None:
    assert list(EXAMPLES) == ["eus_etl.dataset", "Hugging Face datasets", "Croissant", *OTHER_READERS]


@pytest.mark.parametrize("title", list(EXAMPLES))
def test_an_example_counts_what_the_release_says(release: Path, title: str, tmp_path: Path) -> None:
    python = READERS if title in OTHER_READERS else Path(sys.executable)
    if not python.exists():
        pytest.skip("needs the environment of other readers. What to do: make readers")
    environment = {
        **os.environ,
        "RELEASE": str(release),
        "PYTHONPATH": str(CHECKOUT),
        "HF_HOME": str(tmp_path),
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(
        [python, "-c", EXAMPLES[title]],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    counts = ast.literal_eval(done.stdout.splitlines()[0])
    patients = pl.read_csv(release / "patients.csv")
    assert counts == dict(patients.group_by("split").agg(pl.col("frames").sum()).iter_rows())
    ledger = pl.read_csv(release.parents[1] / "master-dataset" / "Data" / "splits.csv")
    assert patients.group_by("split").len().sort("split").equals(ledger.group_by("split").len().sort("split"))


def test_no_clip_is_like_another_but_for_the_copy(of_clips: StudyPaths) -> None:
    rows = pl.read_parquet(of_clips.table("dataset").with_suffix(".parquet")).filter(
        pl.col("path_masked").is_not_null() & (pl.col("status") == "ok")
    )
    made = pl.read_parquet(of_clips.table("preprocess_metadata").with_suffix(".parquet"))
    frames = rows.join(made.select("frame_id", "sha256"), on="frame_id", maintain_order="left").select(
        "frame_id",
        "sha256",
        "patient_id",
        video="video_id",
        visit="patient_id",
        person=pl.lit(None, pl.String),
        source_frame_id="frame_id",
        source_path="path_masked",
    )
    looks = looks_of(of_clips, frames)
    for name in CLIPS:
        visit = visit_named(name)
        split = pl.when(patient_id=visit).then(pl.lit("test")).otherwise(pl.lit("train")).alias("split")
        report = find_leaks(frames.with_columns(split), looks)
        expected = report.held_out if name.startswith("echo") else 0
        assert (name, report.alike) == (name, expected)
        distances = report.table["distance"].to_numpy()
        assert name.startswith("echo") or np.min(distances) > 0.35
