"""The real clips' fields and what is beside them, drawn by hand, and their pictures as a search gets them.

Coordinates only, in picture pixels: no pixel of a clip is kept here. The fields were drawn over the maximum
over time of each clip, enlarged, with the arcs and without what a machine draws over the field's edge.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from benchmarks.support.places import DATA
from eus_etl.domain.images.codec import encode_image
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.sampling import Sampler, spread
from eus_etl.domain.screen.field.shapes import Mask, filled
from eus_etl.domain.screen.region import Polygon
from eus_etl.domain.video.reader import decode
from eus_etl.settings import ImageConfig


@dataclass(frozen=True)
class RealField:
    """The truth of one clip.

    Attributes:
        video: the clip, below the folder of real material.
        outline: of its field, (n, 2) x y.
        beside: boxes x, y, width, height around what is written or drawn beside the field, or over its edge.
    """

    video: str
    outline: Polygon
    beside: tuple[tuple[int, int, int, int], ...]

    def mask(self, shape: tuple[int, ...]) -> Mask:
        """The pixels (h, w) of the field."""
        return filled(self.outline, shape)

    def beside_mask(self, shape: tuple[int, ...]) -> Mask:
        """The pixels (h, w) of what is beside it."""
        drawn = np.zeros(shape[:2], np.bool_)
        for x, y, width, height in self.beside:
            drawn[y : y + height, x : x + width] = True
        return drawn


def _read(file: Path) -> RealField:
    held = json.loads(file.read_text())
    boxes = tuple((int(x), int(y), int(width), int(height)) for x, y, width, height in held["beside"])
    return RealField(held["video"], np.array(held["field"], np.int32), boxes)


REAL_FIELDS = {file.stem: _read(file) for file in sorted((DATA / "fields").glob("*.json"))}
"""By the clip's file name."""

CLIPS = [name for name, real in REAL_FIELDS.items() if real.video.startswith("clips/")]
"""Clips of real machines as they were recorded; the others were composed from them."""


@dataclass(frozen=True)
class GreyClip:
    """All frames of a video, grey, with their times in seconds."""

    frames: Sequence[Picture]
    times_s: Sequence[Fraction]

    @classmethod
    def of(cls, video: Path) -> "GreyClip":
        """Decode a video."""
        frames = list(decode(video, "v0123456789ab"))
        grey = [np.asarray(cv2.cvtColor(frame.picture(), cv2.COLOR_BGR2GRAY), np.uint8) for frame in frames]
        return cls(grey, [frame.time_s for frame in frames])

    def kept(self, rate_hz: float | None, count: int) -> list[Picture]:
        """At most ``count`` pictures, spread over those that a frame rate keeps, as images keep them."""
        sampler = Sampler(rate_hz)
        kept = [row for row, time_s in enumerate(self.times_s) if sampler.keeps(time_s)]
        return [_stored(self.frames[kept[place]]) for place in spread(len(kept), count)]


def spread_pictures(video: Path, count: int) -> list[Picture]:
    """At most ``count`` pictures of a video, grey, evenly spread from the first to the last."""
    clip = GreyClip.of(video)
    return [clip.frames[place] for place in spread(len(clip.frames), count)]


def _stored(picture: Picture) -> Picture:
    """A picture as it is read back from the image that it is kept in."""
    colored = np.repeat(picture[:, :, np.newaxis], 3, axis=2)
    return np.asarray(cv2.imdecode(encode_image(colored, ImageConfig()), cv2.IMREAD_GRAYSCALE), np.uint8)
