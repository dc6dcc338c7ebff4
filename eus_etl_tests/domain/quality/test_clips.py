"""Scores and reasons on the real clips as they are."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from benchmarks.support.hospitals.visits import RATE_HZ
from benchmarks.support.screens.screens import Picture
from benchmarks.support.videos.assessed_videos import has_reason
from eus_etl.domain.cells.statistics import CellGrid, codes_with_motion, measure
from eus_etl.domain.quality.scores import assess_frames
from eus_etl.domain.screen.region import NO_POLYGON
from eus_etl.domain.screen.region_search import find_region
from eus_etl.settings import GridConfig, QualityConfig, RegionConfig

CONFIG = QualityConfig()


def grid_of_clip(path: Path, rate_hz: float) -> tuple[CellGrid, list[float], list[Picture]]:
    codes, times, pictures = [], [], []
    before, due_s = None, 0.0
    with av.open(str(path)) as clip:
        for frame in clip.decode(video=0):
            video_s = float(frame.time or 0) - float(clip.start_time or 0) / 1e6
            if video_s < due_s - 1e-6:
                continue
            due_s = (round(video_s * rate_hz) + 1) / rate_hz
            picture = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
            cells = measure(picture, GridConfig())
            codes.append(codes_with_motion(cells, before))
            before = cells
            times.append(video_s)
            pictures.append(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8))
    assert before is not None
    return CellGrid(0, before.geometry, np.stack(codes)), times, pictures


@pytest.mark.parametrize(
    ("name", "repeats"),
    [
        ("Cov_convex_volpecelli_sonographic_v1.mov", 255),  # "about 60 % of frames nearly repeat", of 403
        ("DemoBMode.mov", 0),
        ("Reg_pat4Image_140024.mpeg", 1),
        ("Vir_prospective_file2.mp4", 92),  # 7 exactly, 85 encoded anew, of 151
        ("clarius-ocular-short.mp4", 12),  # "every 4th frame nearly repeats", of 50
        ("color3d_jpeg_baseline.h264.mp4", 7),  # the same 7 that repeat exactly in the JPEG frames
        ("color3d_jpeg_baseline.mjpeg.avi", 7),
    ],
)
def test_repeats_of_real_clips_are_duplicates_and_nothing_else_is(
    shared: Path, name: str, repeats: int
) -> None:
    grid, times, _ = grid_of_clip(shared / "clips" / name, 1000)
    assessed = assess_frames(grid, NO_POLYGON, np.array(times), np.zeros(len(times), np.bool_), CONFIG)
    assert has_reason(assessed, "duplicate").sum() == repeats


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("Cov_convex_volpecelli_sonographic_v1.mov", 0.02),
        ("Reg_pat4Image_140024.mpeg", 0.02),
        ("Vir_prospective_file2.mp4", 0.0),
        ("clarius-ocular-short.mp4", 0.0),
        ("color3d_jpeg_baseline.mjpeg.avi", 0.0),
    ],
)
def test_clean_real_clips_are_not_flagged(shared: Path, name: str, most: float) -> None:
    grid, times, pictures = grid_of_clip(shared / "clips" / name, RATE_HZ)
    region = find_region(pictures, RegionConfig())
    assessed = assess_frames(grid, region.polygon, np.array(times), np.zeros(len(times), np.bool_), CONFIG)
    assert len(times) - assessed["reasons"].null_count() <= most * len(times)


def test_a_real_clip_is_in_color_mode_while_its_doppler_box_pulses(shared: Path) -> None:
    grid, times, pictures = grid_of_clip(shared / "clips" / "DemoBMode.mov", RATE_HZ)
    region = find_region(pictures[::2], RegionConfig())
    assessed = assess_frames(grid, region.polygon, np.array(times), np.zeros(len(times), np.bool_), CONFIG)
    assert set(assessed["reasons"]) == {"color_mode", None}
    assert has_reason(assessed, "color_mode").sum() > 10
