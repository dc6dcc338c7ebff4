"""Names, dates and numbers planted over clips: what of them can be read before and after preprocessing.

    python benchmarks/planted_text.py [--shared ../shared] [--outside 500] [--inside 100]

Outside of the field nothing may be readable afterwards. Inside of it nothing is masked: there the text check
has to flag the layout. False alarms are counted on the same clips with nothing planted. Real clips are taken
where the folder is there, synthetic screens always. Only strings that are read before count.
"""

import argparse
import itertools
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.support.places import SHARED
from benchmarks.support.screens.planted_text import (
    Clip,
    looked_at,
    plant,
    read,
    real_clips,
    region_of,
    survivors,
    synthetic_clip,
)
from benchmarks.support.screens.tesseract import reader

STRINGS_A_SCREEN = 16
SEEDS = (901, 902, 903)
"""Of the synthetic screens; no test and no threshold was made with them."""


def outside(clips: Sequence[Clip], wanted: int, rng: random.Random) -> int:
    """Plant outside of the fields until so many strings were read before; returns how many are left."""
    planted_of: Counter[str] = Counter()
    readable_of: Counter[str] = Counter()
    left: list[tuple[str, str, tuple[int, int, int, int]]] = []
    with_room = [clip for clip in clips if plant(clip, STRINGS_A_SCREEN, random.Random(0), inside=False)[1]]
    for clip in itertools.cycle(with_room):
        if readable_of.total() >= wanted:
            break
        pictures, planted = plant(clip, STRINGS_A_SCREEN, rng, inside=False)
        readable, survived = survivors(pictures, planted)
        planted_of[clip.name] += len(planted)
        readable_of[clip.name] += readable
        left += [(clip.name, string.look, string.box) for string in survived]
    print("\n### Outside of the field\n")
    print("| clip | planted | read before | read afterwards |\n|---|---|---|---|")
    for name, planted_there in planted_of.items():
        read_after = sum(clip_name == name for clip_name, *_ in left)
        print(f"| {name} | {planted_there} | {readable_of[name]} | {read_after} |")
    print(f"| all | {planted_of.total()} | {readable_of.total()} | {len(left)} |")
    for name, look, box in left:
        print(f"\nleft in {name}: {look} at {box}")
    return len(left)


def inside(clips: Sequence[Clip], wanted: int, rng: random.Random) -> None:
    """Plant one string a screen inside the field until so many were read before; count those flagged."""
    readable: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    for clip in itertools.cycle(clips):
        if readable.total() >= wanted:
            break
        pictures, planted = plant(clip, 1, rng, inside=True)
        words = read(pictures)
        if not (planted and planted[0].stands_in(words)):
            readable[clip.name] += 0
            continue
        readable[clip.name] += 1
        flagged[clip.name] += looked_at(pictures, region_of(pictures)) > 0
    print("\n### Inside of the field, one string a screen\n")
    print("| clip | read before | flagged by the text check |\n|---|---|---|")
    for name, count in readable.items():
        print(f"| {name} | {count} | {flagged[name]} |")
    share = flagged.total() / max(1, readable.total())
    print(f"| all | {readable.total()} | {flagged.total()} ({share:.0%}) |")


def false_alarms(clips: Sequence[Clip]) -> None:
    """Look at the clips as they are, in two sizes."""
    sizes = (256, 512)
    flagged = [(clip.name, size) for clip in clips for size in sizes if _flagged(clip, size)]
    print(f"\nFlagged with nothing planted: {len(flagged)} of {len(clips) * len(sizes)} looks: {flagged}")


def _flagged(clip: Clip, size_px: int) -> bool:
    return looked_at(clip.pictures, region_of(clip.pictures), size_px) > 0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--shared", type=Path, default=SHARED)
    arguments.add_argument("--outside", type=int, default=500)
    arguments.add_argument("--inside", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=0)
    chosen = arguments.parse_args()
    start = time.perf_counter()
    print(f"read by {reader()}")
    clips = list(real_clips(chosen.shared)) if chosen.shared.is_dir() else []
    clips += [synthetic_clip(kind, seed) for kind in ("linear", "convex", "radial") for seed in SEEDS]
    rng = random.Random(chosen.seed)
    left = outside(clips, chosen.outside, rng)
    inside(clips, chosen.inside, rng)
    false_alarms(clips)
    print(f"\n{time.perf_counter() - start:.0f} s; {left} strings left outside of the field")


if __name__ == "__main__":
    main()
