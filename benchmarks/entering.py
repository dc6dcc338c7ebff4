"""What comes into the field for a while: which frames are asked for, which are found, and what reading costs.

    python benchmarks/entering.py [--shared ../shared] [--clips 0] [--turns 2]

Over each clip, whose field was drawn by hand, strings are written that stay for three frames to two seconds,
blink, fade in or run through, bright, dark, on plates and in windows, and pages of half a second or two. Each
frame of each has to be covered. Nothing may be covered in the clip as it is. ``planted_text.py`` says what
becomes of the strings after all steps. A minute's worth: ``--clips 2 --turns 1``.
"""

import argparse
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import polars as pl

from benchmarks.support.hospitals.visits import grid_of
from benchmarks.support.places import SHARED
from benchmarks.support.screens.known_fields import real_clips
from benchmarks.support.screens.planted_strings import Clip, Stage, inside, pages
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.screen.entering import Covered
from eus_etl.steps.entering import Entering, Stretch
from eus_etl.steps.text_reader.processes import SeparateReader

FRAMES = 60
SCENES: Mapping[str, Callable[[Stage], object]] = {
    **{scene: partial(inside, count=3, scene=scene) for scene in ("bright", "dark", "plate", "popup")},
    "pages": partial(pages, count=2),
}
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 95)


class _InMemory(Entering):
    """Reads pictures that were never written."""

    def __init__(self, reader: SeparateReader, pictures: Sequence[Picture]) -> None:
        super().__init__(StudyPaths(Path()), reader, strict=False)
        self._pictures = pictures

    def _read(self, _shown: Stretch, at: int) -> Picture:
        self.images_read += 1
        return self._pictures[at]


def covered(reader: SeparateReader, clip: Clip, pictures: Sequence[Picture]) -> tuple[list[Covered], int]:
    """What is found on pictures, and how many of them were read."""
    stored = [np.asarray(cv2.imdecode(cv2.imencode(".jpg", one, _JPEG)[1], 1), np.uint8) for one in pictures]
    outlines, _ = cv2.findContours(clip.field.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    polygon = np.asarray(max(outlines, key=cv2.contourArea)[:, 0], np.int32)
    frames = pl.DataFrame({"frame_id": [""] * len(stored), "path": [""] * len(stored)})
    entering = _InMemory(reader, stored)
    found = entering.covered(Stretch(clip.name, 0, grid_of(stored), frames), polygon)
    return found, entering.images_read


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=SHARED)
    parser.add_argument("--clips", type=int, default=0, help="only so many; 0: all")
    parser.add_argument("--turns", type=int, default=2)
    given = parser.parse_args()
    clips = [*islice(real_clips(given.shared), given.clips or None)]
    reader = SeparateReader()
    clean = read = flagged = 0
    for clip in clips:
        found, images = covered(reader, clip, clip.pictures)
        clean, read, flagged = clean + len(clip.pictures), read + images, flagged + bool(found)
    print(f"as they are: {flagged} of {len(clips)} clips flagged, {read} of {clean} frames read")
    shown: dict[str, list[float]] = defaultdict(list)
    for turn in range(given.turns):
        for clip in clips:
            for scene, put in SCENES.items():
                stage = Stage.of(clip, FRAMES, random.Random(f"{clip.name} {scene} {turn}"))
                put(stage)
                found, _ = covered(reader, clip, stage.pictures)
                rows = {row for one in found for row in range(one.first_row, one.last_row + 1)}
                for planted in stage.planted:
                    share = len(rows & planted.boxes.keys()) / max(1, len(planted.boxes))
                    shown[f"{scene}, {planted.when}"].append(share)
    for kind, shares in sorted(shown.items()):
        whole = sum(share == 1 for share in shares)
        print(f"{kind:28} {len(shares):4} strings, {whole} on all frames, {np.mean(shares):.2f} of frames")
    every = [share for shares in shown.values() for share in shares]
    print(f"all: {len(every)} strings, {np.mean(np.equal(every, 1)):.3f} covered on all of their frames")
    cost = reader.cost
    print(
        f"{cost.pictures} cuts read at {1000 * cost.cpu_s / max(1, cost.pictures):.0f} ms; {cost.peak_mb} MB"
    )


if __name__ == "__main__":
    main()
