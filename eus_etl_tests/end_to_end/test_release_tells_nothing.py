"""A release of a study whose inputs held names: unpacked, it holds none of them, and no id of the study."""

from pathlib import Path

import cv2
import polars as pl
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks.support.hospitals.released_study import KEY, KEY_VARIABLE, put_study, study_with, visits_of
from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, ONE, TWO, TinyHospital
from eus_etl.cli import main
from eus_etl.domain.paths import StudyPaths
from eus_etl.steps.release.step import make_release
from eus_etl_tests.end_to_end.test_planted_words import WORD, below, plant_in_records, plant_in_uploads


def texts_of(release: Path) -> str:
    """All that a release's files say: names, texts, unpacked tables, what pictures hold beside pixels."""
    found = [text for _, text in below(release)]
    for table in release.glob("*.parquet"):
        found.append(pl.read_parquet(table).write_csv())
        found.append(str(pl.read_parquet_metadata(table)))
    for picture in release.rglob("*.png"):
        with Image.open(picture) as image:
            image.load()
            found.append(f"{image.info} {dict(image.getexif())}")
        found.append(picture.read_bytes().decode("latin-1"))
    return "\n".join(found)


def test_no_id_no_alias_and_no_day_is_in_a_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    columns = ["org", "visit_date", "morphology", "morphology_presumed", "cancer", "cancer_type"]
    study = study_with(tmp_path, patient_columns=columns, exclude_visits=["not-a-visit"])
    visits = visits_of(4, pseudo_name="Planted-Alias-7")
    put_study(study, visits)
    first = StudyPaths(study.root).releases / make_release(study, "default").version
    put_study(study, visits[1:])  # its CHANGES.md has something to say of a visit that is gone
    second = StudyPaths(study.root).releases / make_release(study, "default").version
    for release in (first, second):
        said = texts_of(release)
        assert "2025" in said  # the search finds what is there
        for visit in visits:
            video = f"v{visit.seed:06x}"
            for secret in (visit.patient_id, visit.subject_id, video, "Planted-Alias-7", "2025-03-04", KEY):
                assert str(secret) not in said
        assert "not-a-visit" not in said
        assert str(tmp_path) not in said


@pytest.mark.slow
def test_planted_words_reach_no_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hospital = TinyHospital(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(hospital.home))
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    plant_in_uploads(hospital)
    plant_in_records(hospital)
    columns = ["org", "visit_date", "morphology", "morphology_presumed", "cancer", "cancer_type"]
    rule = {"title": "Planted", "status": ["ok", "disturbed"], "patient_columns": columns}
    hospital.configure(releases={"default": rule})

    def call(*arguments: str) -> str:
        done = CliRunner().invoke(main, [*arguments, "--config", str(hospital.config)])
        return done.output + repr(done.exception)

    call("run")
    said = call("release", "--name", "default", "--accept-unreviewed")
    (release,) = hospital.paths.releases.iterdir()
    said += texts_of(release)
    frames = pl.read_parquet(release / "frames.parquet")
    assert frames.height
    videos = pl.read_csv(hospital.paths.table("videos"))
    secrets = [WORD, ONE, TWO, "Brisk-Heron-1", ALIAS_TWO, "first.mp4", "2026-10-05"]
    secrets += [*videos["video_id"], *videos["md5"], *videos["source_id"], *videos["file_name"]]
    assert [secret for secret in secrets if str(secret) in said] == []
    assert cv2.imread(str(release / frames["path"][0])) is not None
