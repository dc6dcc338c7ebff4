"""How exactly the ultrasound region is found: on made screens, whose truth is known, and on real clips.

    python benchmarks/region.py [--screens 10] [--first-seed 5000] [--shared FOLDER] [--recoded]

Every screen of the synthetic hospital has a size, a codec, tissue and texts of its own; varied screens have
other fields, and bars, marks and grey surrounds. Thresholds were set on seeds below 100, tests use those from
100; what is reported here comes from neither. On real clips the truth is drawn by hand. ``--recoded`` codes
three of them anew and compares the regions.
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np

from benchmarks.support.places import SHARED
from benchmarks.support.screens.real_fields import REAL_FIELDS, GreyClip
from benchmarks.support.screens.sample_screens import sample_screen
from benchmarks.support.screens.varied_screens import KINDS as VARIED
from benchmarks.support.screens.varied_screens import varied_screen
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.screen.field.shapes import Mask, filled, overlap
from eus_etl.domain.screen.region import Region
from eus_etl.domain.screen.region_search import find_region
from eus_etl.sample.fields import FieldKind
from eus_etl.settings import RegionConfig
from eus_etl.steps.text_reader.on_screen import words_on_screen
from eus_etl.steps.text_reader.processes import SeparateReader

READER = SeparateReader()
CONFIG = RegionConfig()
KINDS: tuple[FieldKind, ...] = ("linear", "convex", "radial")
RATES_HZ = (1.0, 5.0, None)
LIT_LEVELS, WRITTEN_LEVELS = 8, 40

RECODED = ("color3d_jpeg_baseline.mjpeg.avi", "Reg_pat4Image_140024.mpeg", "DemoBMode.mov")
_HALF = ("-vf", "scale=trunc(iw/4)*2:trunc(ih/4)*2")
CODINGS: dict[str, tuple[str, tuple[str, ...]]] = {
    "crf 18": ("mp4", ("-c:v", "libx264", "-crf", "18")),
    "crf 25": ("mp4", ("-c:v", "libx264", "-crf", "25")),
    "crf 32": ("mp4", ("-c:v", "libx264", "-crf", "32")),
    "half size": ("mp4", ("-c:v", "libx264", "-crf", "18", *_HALF)),
    "MPEG-4": ("mp4", ("-c:v", "mpeg4", "-q:v", "4")),
    "MJPEG": ("avi", ("-c:v", "mjpeg", "-q:v", "4")),
}


@dataclass(frozen=True)
class Measured:
    """One screen's region against the truth.

    Attributes:
        lost: share of the field's pixels that are ever lit, and are outside of the region.
        extra: what is inside besides the field, over the field.
        written_px: lit pixels inside that belong to what is written or drawn beside the field.
    """

    region: Region
    iou: float
    lost: float
    extra: float
    written_px: int
    cpu_s: float


def measure(pictures: Sequence[Picture], bright: Picture, field: Mask, beside: Mask) -> Measured:
    """Find the region in pictures and compare it; ``bright`` is the brightest each pixel ever is."""
    words = words_on_screen(READER, "screen", pictures)
    start = time.process_time()
    region = find_region(pictures, CONFIG, words)
    cpu_s = time.process_time() - start
    inside = filled(region.polygon, field.shape)
    lit = field & (np.asarray(cv2.medianBlur(bright, 3)) > LIT_LEVELS)
    lit_px, field_px = max(1, int(np.count_nonzero(lit))), max(1, int(np.count_nonzero(field)))
    return Measured(
        region=region,
        iou=overlap(inside, field),
        lost=int(np.count_nonzero(lit & ~inside)) / lit_px,
        extra=int(np.count_nonzero(inside & ~field)) / field_px,
        written_px=int(np.count_nonzero(inside & beside & (bright > WRITTEN_LEVELS))),
        cpu_s=cpu_s,
    )


def row(name: str, measured: Sequence[Measured]) -> str:
    ious = [one.iou for one in measured]
    cells = (
        name,
        len(measured),
        f"{statistics.median(ious):.3f}",
        f"{min(ious):.3f}",
        f"{max(one.lost for one in measured):.1%}",
        max(one.written_px for one in measured),
        ", ".join(sorted({one.region.kind for one in measured})),
        sum(one.region.doubt is not None for one in measured),
        f"{min(one.region.confidence for one in measured):.2f}",
        f"{1000 * statistics.median(one.cpu_s for one in measured):.0f} ms",
    )
    return _line(cells)


def report_screens(count: int, first_seed: int) -> None:
    print(
        _line(
            (
                *("field", "screens", "IoU, median", "worst", "most lost", "px written inside", "kind"),
                *("in doubt", "confidence from", "CPU"),
            )
        )
    )
    print("|---" * 10 + "|")
    for frozen in (False, True):
        for kind in KINDS:
            seeds = range(first_seed, first_seed + (max(1, count // 3) if frozen else count))
            measured = [_sample(kind, seed, frozen=frozen) for seed in seeds]
            print(row(f"{kind}{', frozen' if frozen else ''}", measured), flush=True)
    for varied in VARIED:
        measured = []
        for seed in range(first_seed, first_seed + count):
            made = varied_screen(varied, seed)
            measured.append(measure(made.shown, np.max(made.shown, axis=0), made.field, made.beside))
        print(row(f"varied: {varied.replace('_', ' ')}", measured), flush=True)


def _sample(kind: FieldKind, seed: int, *, frozen: bool) -> Measured:
    screen = sample_screen(kind, seed, frozen=frozen)
    beside = np.zeros(screen.field.shape, np.bool_)
    for x, y, width, height in screen.texts:
        beside[max(0, y) : y + height, max(0, x) : x + width] = True
    return measure(screen.shown, np.max(screen.shown, axis=0), screen.field, beside)


def report_clips(shared: Path) -> None:
    print(
        _line(
            ("clip", "rate", "pictures", "kind", "IoU", "lost", "extra", "px written inside", "doubt", "CPU")
        )
    )
    print("|---" * 10 + "|")
    for name, real in REAL_FIELDS.items():
        clip = GreyClip.of(shared / real.video)
        bright = np.max(clip.frames, axis=0)
        for rate_hz in RATES_HZ:
            kept = clip.kept(rate_hz, CONFIG.sample_frames)
            one = measure(kept, bright, real.mask(bright.shape), real.beside_mask(bright.shape))
            rate = "all" if rate_hz is None else f"{rate_hz:g} Hz"
            shares = (f"{one.iou:.3f}", f"{one.lost:.2%}", f"{one.extra:.2%}", one.written_px)
            ends = (one.region.doubt or "", f"{1000 * one.cpu_s:.0f} ms")
            print(_line((f"`{name}`", rate, len(kept), one.region.kind, *shares, *ends)), flush=True)


def report_recoded(shared: Path) -> None:
    """How far the region moves with the coding: the least overlap with the original's, at each rate."""
    print(_line(("clip", *CODINGS, "least of any two")))
    print("|---" * (len(CODINGS) + 2) + "|")
    for name in RECODED:
        with tempfile.TemporaryDirectory() as folder:
            original = shared / REAL_FIELDS[name].video
            first = GreyClip.of(original)
            shape = first.frames[0].shape
            found = {"original": _regions(first, shape)}
            for coding, (container, options) in CODINGS.items():
                coded = Path(folder) / f"video.{container}"
                command = ("ffmpeg", "-y", "-v", "error", "-i", str(original), "-an", *options, str(coded))
                subprocess.run(command, check=True)
                found[coding] = _regions(GreyClip.of(coded), shape)
        cells = [f"{_least(zip(found['original'], found[coding], strict=True)):.3f}" for coding in CODINGS]
        every = [region for regions in found.values() for region in regions]
        print(_line((f"`{name}`", *cells, f"{_least(combinations(every, 2)):.3f}")), flush=True)


def _regions(clip: GreyClip, shape: tuple[int, ...]) -> list[Mask]:
    """The region at each rate, as pixels of a picture of a shape."""
    found = []
    for rate_hz in RATES_HZ:
        kept = clip.kept(rate_hz, CONFIG.sample_frames)
        scale = np.array(shape[::-1]) / kept[0].shape[::-1]
        polygon = find_region(kept, CONFIG, words_on_screen(READER, "screen", kept)).polygon
        found.append(filled((polygon + 0.5) * scale - 0.5, shape))
    return found


def _least(pairs: Iterable[tuple[Mask, Mask]]) -> float:
    return min(overlap(one, other) for one, other in pairs)


def _line(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--screens", type=int, default=10, help="of each kind of field; 0 for none")
    parser.add_argument("--first-seed", type=int, default=5000)
    parser.add_argument("--shared", type=Path, default=SHARED)
    parser.add_argument("--recoded", action="store_true")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.screens:
        report_screens(arguments.screens, arguments.first_seed)
        print()
    if not arguments.shared.is_dir():
        print("The folder of real clips is not there.")
        return
    report_clips(arguments.shared)
    if arguments.recoded:
        print()
        report_recoded(arguments.shared)


if __name__ == "__main__":
    main()
