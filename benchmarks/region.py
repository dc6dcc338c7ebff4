"""How exactly the ultrasound region is found: on synthetic screens, whose truth is known, and on real clips.

    python benchmarks/region.py [--screens 10] [--first-seed 5000] [--clips FOLDER]

Every screen has a size, a codec, tissue and texts of its own. Thresholds were set on seeds below 100, tests
use those from 100; what is reported here comes from neither. On real clips the truth is drawn by hand.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.support.places import SHARED
from benchmarks.support.screens.real_fields import FIELDS, TEXTS, spread_pictures
from benchmarks.support.screens.sample_screens import sample_screen
from eus_etl.domain.screen.field_shapes import filled, overlap
from eus_etl.domain.screen.motion_mask import Mask
from eus_etl.domain.screen.overlays import find_marks
from eus_etl.domain.screen.region import Region, find_region
from eus_etl.sample.fields import FieldKind
from eus_etl.settings import RegionConfig

CONFIG = RegionConfig()
KINDS: tuple[FieldKind, ...] = ("linear", "convex", "radial")


@dataclass(frozen=True)
class Measured:
    """One screen's region against the truth."""

    region: Region
    iou: float
    text_share: float
    cpu_s: float


def measure(
    pictures: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]],
    field: Mask,
    texts: Sequence[tuple[int, int, int, int]],
) -> Measured:
    start = time.process_time()
    region = find_region(pictures, CONFIG)
    cpu_s = time.process_time() - start
    inside = filled(region.polygon.astype(np.float64), field.shape)
    text = np.zeros(field.shape, np.bool_)
    for x, y, width, height in texts:
        text[max(0, y) : y + height, max(0, x) : x + width] = True
    text_share = float(np.count_nonzero(text & inside) / max(1, int(np.count_nonzero(text))))
    return Measured(region, overlap(inside, field), text_share, cpu_s)


def row(name: str, measured: Sequence[Measured]) -> str:
    ious = [one.iou for one in measured]
    kinds = ", ".join(sorted({one.region.kind for one in measured}))
    cells = (
        name,
        len(measured),
        f"{statistics.median(ious):.3f}",
        f"{min(ious):.3f}",
        f"{max(one.text_share for one in measured):.1%}",
        kinds,
        f"{min(one.region.confidence for one in measured):.2f}",
        f"{1000 * statistics.median(one.cpu_s for one in measured):.0f} ms",
    )
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def report_screens(count: int, first_seed: int) -> None:
    print("| field | screens | IoU, median | IoU, worst | most text inside | kind | confidence from | CPU |")
    print("|---|---|---|---|---|---|---|---|")
    for frozen in (False, True):
        for kind in KINDS:
            seeds = range(first_seed, first_seed + (max(1, count // 3) if frozen else count))
            screens = (sample_screen(kind, seed, frozen=frozen) for seed in seeds)
            measured = [measure(screen.shown, screen.field, screen.texts) for screen in screens]
            print(row(f"{kind}{', frozen' if frozen else ''}", measured), flush=True)


def report_clips(clips: Path) -> None:
    print("| clip | kind | share of the picture | IoU by hand | text inside | confidence | marks | insets |")
    print("|---|---|---|---|---|---|---|---|")
    for name, corners in FIELDS.items():
        pictures = spread_pictures(clips / name, CONFIG.sample_frames)
        field = filled(corners.astype(np.float64), pictures[0].shape)
        one = measure(pictures, field, TEXTS[name])
        marks = find_marks(pictures, one.region.polygon)
        cells = (
            f"`{name}`",
            one.region.kind,
            f"{one.region.area_fraction:.3f}",
            f"{one.iou:.3f}",
            f"{one.text_share:.1%}",
            f"{one.region.confidence:.2f}",
            len(marks.boxes),
            len(marks.insets),
        )
        print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--screens", type=int, default=10, help="of each kind of field")
    parser.add_argument("--first-seed", type=int, default=5000)
    parser.add_argument("--clips", type=Path, default=SHARED / "clips")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    report_screens(arguments.screens, arguments.first_seed)
    print()
    if arguments.clips.is_dir():
        report_clips(arguments.clips)
    else:
        print("The folder of real clips is not there.")


if __name__ == "__main__":
    main()
