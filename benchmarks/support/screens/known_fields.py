"""Clips whose field is known: drawn by hand over real ones, the truth of synthetic ones."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmarks.support.screens.planted_strings import Clip
from benchmarks.support.screens.real_fields import CLIPS, REAL_FIELDS
from benchmarks.support.screens.sample_screens import sample_screen
from eus_etl.domain.sampling import spread
from eus_etl.domain.video.reader import decode
from eus_etl.sample.fields import FieldKind

PICTURES = 30
"""So many pictures of each clip are kept, spread over it."""


def real_clips(shared: Path) -> Iterator[Clip]:
    """The clips of real machines."""
    for name in CLIPS:
        real = REAL_FIELDS[name]
        pictures = [frame.picture() for frame in decode(shared / real.video, "0" * 12)]
        field = real.mask(pictures[0].shape)
        yield Clip(name, [pictures[place] for place in spread(len(pictures), PICTURES)], field)


def synthetic_clip(kind: FieldKind, seed: int) -> Clip:
    """A screen of the synthetic hospital."""
    screen = sample_screen(kind, seed)
    pictures = [np.asarray(cv2.cvtColor(shown, cv2.COLOR_GRAY2BGR), np.uint8) for shown in screen.shown]
    return Clip(f"synthetic {kind} {seed}", pictures, screen.field)
