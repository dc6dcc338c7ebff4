"""Cutting a segment where its screen changes, and nowhere else."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.support.hospitals.visits import RATE_HZ, grid_of
from benchmarks.support.screens.screens import (
    HEIGHT,
    SECTOR,
    WIDTH,
    Picture,
    colored,
    moving_screens,
    screen,
    speckle,
)
from eus_etl.domain.screen.layouts import Layout, cut_layouts

SHALLOW = np.rint((SECTOR - (160, 40)) * (0.75, 0.75) + (160, 40)).astype(np.int32)
LEFT = np.rint((SECTOR - (160, 40)) * 0.55 + (80, 70)).astype(np.int32)
RIGHT = LEFT + np.array([155, 0], np.int32)


def clean(frames: int, seed: int = 0) -> list[Picture]:
    return [colored(picture) for picture in moving_screens(frames, seed)]


def shallow(frames: int, seed: int = 1) -> list[Picture]:
    """A smaller field and other marks beside it: another depth."""
    rng = np.random.default_rng(seed)
    pictures = [screen(speckle(rng), tick, SHALLOW) for tick in range(frames)]
    for picture in pictures:
        for y in range(40, 160, 24):
            cv2.line(picture, (280, y), (300, y), 200, 2)
    return [colored(picture) for picture in pictures]


def split(frames: int, seed: int = 2) -> list[Picture]:
    """Two smaller fields side by side, the left one frozen."""
    rng = np.random.default_rng(seed)
    frozen = screen(speckle(rng), 0, LEFT)
    return [
        colored(np.maximum(screen(speckle(rng), tick, RIGHT), screen(frozen, tick, LEFT)))
        for tick in range(frames)
    ]


def page(frames: int, paper: int, ink: int) -> list[Picture]:
    """A page of text with a clock that goes on."""
    pictures = []
    for tick in range(frames):
        picture = np.full((HEIGHT, WIDTH), paper, np.uint8)
        for row in range(6):
            cv2.putText(picture, f"Value {row}  4.{row} mm", (20, 40 + 32 * row), 0, 0.5, ink, 1, cv2.LINE_AA)
        cv2.putText(picture, f"10:02:{tick % 60:02d}", (240, 14), 0, 0.4, ink, 1, cv2.LINE_AA)
        pictures.append(colored(picture))
    return pictures


def tinted(frames: int) -> list[Picture]:
    """An endoscope's view."""
    return [np.full((HEIGHT, WIDTH, 3), (60, 90, 160 + 4 * (n % 8)), np.uint8) for n in range(frames)]


def cut(pictures: Sequence[Picture]) -> list[Layout]:
    return cut_layouts(grid_of(pictures), np.arange(len(pictures)) / RATE_HZ)


def shape(layouts: Sequence[Layout]) -> list[tuple[int, int, str]]:
    return [(layout.first_row, layout.last_row, layout.screen) for layout in layouts]


def test_a_steady_screen_is_one_layout() -> None:
    assert shape(cut(clean(40))) == [(0, 39, "ultrasound")]


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (split(12), "split"),
        (page(12, 225, 20), "report"),
        (page(12, 0, 230), "report"),
        (shallow(12), "ultrasound"),
    ],
)
def test_another_screen_is_cut_out_to_the_frame_and_the_first_is_known_again(
    other: list[Picture], name: str
) -> None:
    before, within, after = cut([*clean(20), *other, *clean(15, 5)])
    assert shape([before, within, after]) == [(0, 19, "ultrasound"), (20, 31, name), (32, 46, "ultrasound")]
    assert before.signature == after.signature != within.signature


BLACK = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)]


def doppler(frames: int) -> list[Picture]:
    """A coloured box in the field, and a colour bar beside it."""
    pictures = clean(frames, 11)
    for picture in pictures:
        picture[90:140, 130:190] = (200, 40, 30)
        picture[60:120, 20:30] = (30, 40, 220)
    return pictures


def calipers(frames: int) -> list[Picture]:
    """Marks that a person moves, and a result that changes."""
    pictures = clean(frames, 12)
    for tick, picture in enumerate(pictures):
        cv2.drawMarker(picture, (120 + 3 * tick, 120), (255, 255, 255), cv2.MARKER_CROSS, 12, 2)
        cv2.putText(picture, f"D {1.37 * tick:.2f} cm", (6, 200), 0, 0.4, (230, 230, 230), 1, cv2.LINE_AA)
    return pictures


def unplugged(frames: int) -> list[Picture]:
    """A field without contact: dark but for its top."""
    return [
        colored(screen(np.where(np.arange(HEIGHT)[:, np.newaxis] < 60, inside, 1).astype(np.uint8), tick))
        for tick, inside in enumerate(speckle(np.random.default_rng(n)) for n in range(frames))
    ]


@pytest.mark.parametrize(
    "transient",
    [
        BLACK * 10,
        tinted(15),
        clean(1, 8) * 15,
        doppler(15),
        calipers(15),
        unplugged(15),
        [np.asarray(cv2.GaussianBlur(picture, (0, 0), 4), np.uint8) for picture in clean(10, 9)],
        split(2),
    ],
    ids=["black", "endoscope", "frozen", "doppler", "calipers", "no contact", "blurred", "flash"],
)
@pytest.mark.parametrize("at", [0, 20])
def test_what_passes_is_no_layout(transient: list[Picture], at: int) -> None:
    pictures = clean(40)
    pictures[at:at] = transient
    assert shape(cut(pictures)) == [(0, len(pictures) - 1, "ultrasound")]


def test_a_recording_that_is_frozen_throughout_is_no_report() -> None:
    assert shape(cut(clean(1) * 20)) == [(0, 19, "ultrasound")]


@pytest.mark.parametrize("pictures", [BLACK, BLACK * 5, clean(1), tinted(3), clean(2)])
def test_short_and_black_segments_are_one_layout(pictures: list[Picture]) -> None:
    assert shape(cut(pictures)) == [(0, len(pictures) - 1, "ultrasound")]


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.sampled_from(["live", "split", "page", "black"]), st.integers(6, 14)), min_size=1)
)
def test_layouts_lie_end_to_end_and_differ_from_their_neighbours(parts: list[tuple[str, int]]) -> None:
    kinds = {"live": clean(14), "split": split(14), "page": page(14, 225, 20), "black": BLACK * 14}
    pictures = [picture for kind, frames in parts for picture in kinds[kind][:frames]]
    layouts = cut(pictures)
    assert layouts[0].first_row == 0
    assert layouts[-1].last_row == len(pictures) - 1
    for one, other in pairwise(layouts):
        assert other.first_row == one.last_row + 1
        assert (one.screen, one.signature) != (other.screen, other.signature)
    named = {layout.signature: layout.screen for layout in layouts}
    assert all(named[layout.signature] == layout.screen for layout in layouts)
    starts = np.cumsum([0] + [frames for _, frames in parts])
    assert {layout.first_row for layout in layouts} <= set(starts.tolist())


CLIPS = (
    "DemoBMode.mov",
    "clarius-ocular-short.mp4",
    "Cov_convex_volpecelli_sonographic_v1.mov",
    "Vir_prospective_file2.mp4",
    "Reg_pat4Image_140024.mpeg",
    "color3d_jpeg_baseline.h264.mp4",
)


def pictures_of(clip: Path, every: int = 5) -> list[Picture]:
    with av.open(str(clip)) as container:
        frames = list(container.decode(video=0))[::every]
    return [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in frames]


@pytest.mark.parametrize("name", CLIPS)
def test_real_clips_show_one_screen_and_the_spliced_one_is_found(shared: Path, name: str) -> None:
    pictures = pictures_of(shared / "clips" / name)[:60]
    assert shape(cut(pictures)) == [(0, len(pictures) - 1, "ultrasound")]
    height, width = pictures[0].shape[:2]
    spliced = []
    for picture in pictures[:8]:
        half = np.asarray(cv2.resize(picture, (width // 2 - width // 16, height // 2)), np.uint8)
        twin = np.zeros_like(picture)
        for left in (0, width - half.shape[1]):
            twin[height // 4 : height // 4 + half.shape[0], left : left + half.shape[1]] = half
        spliced.append(twin)
    found = cut([*pictures, *spliced, *pictures])
    assert [(layout.first_row, layout.last_row) for layout in found] == [
        (0, len(pictures) - 1),
        (len(pictures), len(pictures) + 7),
        (len(pictures) + 8, 2 * len(pictures) + 7),
    ]
    assert found[0].signature == found[2].signature
