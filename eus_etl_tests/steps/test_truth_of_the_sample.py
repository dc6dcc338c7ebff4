"""Regions and reasons against the truth of the synthetic hospital, with the shipped thresholds."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.support.hospitals.visits import make_study
from eus_etl.domain.frame_ids import video_id_of
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.screen.region import mask, parse_polygon
from eus_etl.domain.tables.catalog import LAYOUTS, REGIONS, SYNC, VIDEOS
from eus_etl.sample.hospital import HospitalStudy, make_hospital
from eus_etl.sample.plan import EPISODE_KINDS
from eus_etl.settings import StudyConfig
from eus_etl.steps.frame_table import make_frame_table
from eus_etl.steps.frames import extract_patient
from eus_etl.steps.regions.step import find_regions
from eus_etl.storage.tables.parts import load_part, write_part


@pytest.mark.slow
def test_regions_hold_the_field_and_no_text_and_reasons_are_true(tmp_path: Path) -> None:
    hospital = make_hospital(tmp_path / "hospital")
    files = 0
    for sample in (hospital.eusml, hospital.fatty_liver):
        study = make_study(tmp_path / sample.study)
        truth = pl.read_parquet(sample.truth / "frames.parquet")
        readable = pl.read_parquet(sample.truth / "files.parquet").filter(
            pl.col("md5").is_in(truth["md5"].unique())
        )
        for (patient_id,), recordings in readable.drop_nulls("patient_id").group_by("patient_id"):
            assert isinstance(patient_id, str)
            recordings = recordings.unique("md5")
            make_tables(study, sample, patient_id, recordings)
            for recording in recordings.to_dicts():
                check_region(study, sample, patient_id, recording)
                check_reasons(study, patient_id, recording, truth)
                files += 1
    assert files >= 8


def make_tables(study: StudyConfig, sample: HospitalStudy, patient_id: str, recordings: pl.DataFrame) -> None:
    paths = StudyPaths(study.root)
    rows = []
    for order, (md5, file) in enumerate(recordings.select("md5", "file").iter_rows()):
        raw = paths.raw_folder(patient_id) / f"{md5}{Path(file).suffix}"
        raw.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sample.videos / file, raw)
        rows.append(
            {
                "patient_id": patient_id,
                "video_id": video_id_of(md5),
                "file_name": raw.name,
                "order": order,
                "timeline_start_s": 100.0 * order,
            }
        )
    write_part(paths, VIDEOS, patient_id, VIDEOS.frame(rows))
    extract_patient(study, patient_id)
    find_regions(study, patient_id, REGIONS.empty())
    make_frame_table(study, patient_id, SYNC.empty(), None)


def check_region(
    study: StudyConfig, sample: HospitalStudy, patient_id: str, recording: dict[str, str]
) -> None:
    layouts = load_part(StudyPaths(study.root), LAYOUTS, patient_id)
    ordinary = layouts.filter(video_id=video_id_of(recording["md5"]), screen="ultrasound")
    (size,) = set(ordinary.select("width", "height").iter_rows())
    field = mask(parse_polygon(recording["polygon"]), *size) > 0
    found = np.zeros_like(field)
    for polygon in ordinary["polygon"]:
        of_layout = mask(parse_polygon(polygon), *size) > 0
        assert (of_layout & field).sum() / (of_layout | field).sum() > 0.94
        found |= of_layout
    texts = pl.read_parquet(sample.truth / "text_boxes.parquet").filter(
        file=recording["file"], screen="ultrasound"
    )
    assert texts.height > 0
    for x, y, width, height in texts.select("x", "y", "width", "height").iter_rows():
        assert not found[max(0, y) : y + height, max(0, x) : x + width].any()


def check_reasons(
    study: StudyConfig, patient_id: str, recording: dict[str, str], truth: pl.DataFrame
) -> None:
    table = pl.read_parquet(StudyPaths(study.root).frame_table(patient_id).with_suffix(".parquet"))
    frames = table.filter(pl.col("video_id") == video_id_of(recording["md5"])).join(
        truth.filter(pl.col("file") == recording["file"]),
        left_on="frame_index",
        right_on="number",
        how="inner",
        maintain_order="left",
        suffix="_true",
    )
    assert frames.height > 20
    for reason in EPISODE_KINDS:
        flagged = frames["reasons"].fill_null("").str.split("|").list.contains(reason).to_numpy()
        wrong = np.flatnonzero(flagged != frames[reason].fill_null(False).to_numpy())
        assert not len(wrong), (reason, frames["frame_id"].gather(wrong).to_list())
