"""Strings planted over screens are masked, left out or found: some of what the benchmark plants."""

import random

import numpy as np
import pytest

from benchmarks.planted_text import FRAMES, INSIDE, OUTSIDE
from benchmarks.support.screens import tesseract
from benchmarks.support.screens.judged_visit import judge
from benchmarks.support.screens.judges import is_read
from benchmarks.support.screens.known_fields import synthetic_clip
from benchmarks.support.screens.planted_codes import any_code, reads_code
from benchmarks.support.screens.planted_strings import Stage
from eus_etl.sample.fields import FieldKind

_needs_tesseract = pytest.mark.skipif(not tesseract.installed(), reason="Tesseract is not installed")


@pytest.mark.slow
@_needs_tesseract
@pytest.mark.parametrize(
    ("field", "scene"), [("convex", "beside"), ("convex", "bright"), ("convex", "popup"), ("linear", "codes")]
)
def test_planted_strings_are_gone_or_hold_the_visit_back(field: FieldKind, scene: str) -> None:
    stage = Stage.of(synthetic_clip(field, 77), FRAMES, random.Random(scene))
    {**OUTSIDE, **INSIDE}[scene](stage)
    visit = judge(stage.pictures, stage.planted)
    read = [one for one in visit.strings if one.before]
    assert len(read) >= 2
    assert [one for one in read if one.after] == []
    assert {one.outcome for one in read} <= {"masked", "left out", "found"}


@pytest.mark.slow
@_needs_tesseract
def test_a_clean_screen_is_not_flagged() -> None:
    stage = Stage.of(synthetic_clip("linear", 77), FRAMES, random.Random(0))
    visit = judge(stage.pictures, [])
    assert (visit.finds, visit.frames_covered, visit.region_blocks) == (0, 0, False)


def test_codes_are_drawn_as_their_readers_read_them() -> None:
    rng = random.Random(1)
    drawn = [any_code(rng) for _ in range(8)]
    assert {len(text) for text, _ in drawn} == {11, 13}, "of both kinds"
    for text, code in drawn:
        large = np.repeat(np.repeat(code, 2, axis=0), 2, axis=1)
        shown = np.full((large.shape[0] + 28, large.shape[1] + 28), 60, np.uint8)
        shown[14:-14, 14:-14] = large
        assert reads_code(text, shown)
        assert not reads_code("something else", shown)


@pytest.mark.parametrize(
    ("text", "lines", "read"),
    [
        ("SHARMA, Anita", ["SHARNA", "Anita"], True),
        ("ID 4711982", ["4711982x"], True),
        ("ID 4711982", ["471"], False),
        ("11.10.1987", ["11101987"], True),
        ("Okafor", ["Oka"], True),
        ("Okafor", [], False),
        ("Okafor", ["er", "li"], False),
    ],
)
def test_a_string_is_read_by_most_of_it(text: str, lines: list[str], read: bool) -> None:
    assert is_read(text, lines) is read
