"""Text planted outside of the field is gone after preprocessing; inside of it the text check finds it.

A selection of what ``benchmarks/planted_text.py`` plants.
"""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.support.screens.planted_text import (
    Clip,
    Planted,
    looked_at,
    plant,
    real_clips,
    region_of,
    survivors,
    synthetic_clip,
)
from eus_etl.domain.screen.region import Region
from eus_etl.sample.fields import FieldKind

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed"),
]

WITH_ROOM = (
    "DemoBMode.mov",
    "clarius-ocular-short.mp4",
    "color3d_jpeg_baseline.h264.mp4",
    "examples_ybr_color.dcm",
)
STRINGS = 14


@pytest.fixture(scope="module")
def clips(shared: Path) -> dict[str, Clip]:
    return {clip.name: clip for clip in real_clips(shared)}


def assert_nothing_survives(clip: Clip, at_least: int) -> None:
    pictures, planted = plant(clip, STRINGS, random.Random(clip.name), inside=False)
    readable, left = survivors(pictures, planted)
    assert readable >= at_least
    assert left == []


@pytest.mark.parametrize("name", WITH_ROOM)
def test_nothing_survives_beside_the_field_of_a_real_clip(clips: dict[str, Clip], name: str) -> None:
    assert_nothing_survives(clips[name], 3)


@pytest.mark.parametrize("kind", ["linear", "convex", "radial"])
def test_nothing_survives_beside_a_synthetic_field(kind: FieldKind) -> None:
    assert_nothing_survives(synthetic_clip(kind, 77), 5)


def test_without_a_mask_it_would_be_read() -> None:
    clip = synthetic_clip("convex", 77)
    height, width = clip.field.shape
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.int32)
    pictures, planted = plant(clip, STRINGS, random.Random(clip.name), inside=False)
    readable, left = survivors(pictures, planted, Region(corners, "polygon", 1.0))
    assert len(left) > 0.8 * readable


@pytest.mark.parametrize("name", ["color3d_jpeg_baseline.h264.mp4", "clarius-ocular-short.mp4"])
def test_text_inside_the_field_is_found(clips: dict[str, Clip], name: str) -> None:
    clip = clips[name]
    assert looked_at(clip.pictures, region_of(clip.pictures)) == 0
    # seeds whose string is read on the screen; not each is found inside speckle
    found = [plant(clip, 1, random.Random(seed), inside=True)[0] for seed in range(4)]
    assert sum(looked_at(pictures, region_of(pictures)) > 0 for pictures in found) >= 2


def test_a_string_is_known_by_the_part_that_gives_a_person_away() -> None:
    planted = Planted("ID 4711982", (0, 0, 1, 1), "")
    assert planted.token == "4711982"  # noqa: S105 - part of an invented record number
    assert planted.stands_in(["x4711982"])
    assert not planted.stands_in(["4711983"])
    assert planted.stands_in(["4711983"], alike=0.75)
    assert planted.stands_in(["471198"], alike=0.75)
    assert not planted.stands_in(["47119"], alike=0.75)
    assert not planted.stands_in(["47", "id"], alike=0.75)
