"""Names, dates and numbers planted over clips: what becomes of them in preprocessed frames.

    python benchmarks/planted_text.py [--shared ../shared] [--outside 1000] [--inside 400] [--clips 0]

Each screen is encoded and goes through the real steps: frames, regions, preprocessed frames, text check. What
the field is was drawn by hand, or is the truth of a synthetic screen. RapidOCR and Tesseract judge, on pieces
around each string that are brought to the size at which they read best: a string counts as read if a part of
four signs or more is, or six tenths of it.

Outside of the field nothing may be left to read. Inside, over the border, on pages and in popups a string has
to be masked, left out, or hold the visit back. A minute's worth: ``--outside 20 --inside 8 --clips 2``.
"""

import argparse
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2

from benchmarks.support.places import SHARED
from benchmarks.support.screens import tesseract
from benchmarks.support.screens.judged_visit import Judged, judge
from benchmarks.support.screens.judges import READERS
from benchmarks.support.screens.known_fields import real_clips, synthetic_clip
from benchmarks.support.screens.planted_strings import (
    Clip,
    Stage,
    beside,
    filmed,
    inside,
    over_border,
    pages,
)

FRAMES = 60
SEEDS = (901, 902, 903)
"""Of the synthetic screens; no test and no threshold was made with them."""

Scene = Callable[[Stage], object]

OUTSIDE: Mapping[str, Scene] = {"beside": partial(beside, count=16), "filmed": partial(filmed, count=14)}
INSIDE: Mapping[str, Scene] = {
    "bright": partial(inside, count=4),
    "dark": partial(inside, count=4, scene="dark"),
    "plate": partial(inside, count=4, scene="plate"),
    "popup": partial(inside, count=4, scene="popup"),
    "over border": partial(over_border, count=6),
    "pages": partial(pages, count=2),
}
_OUTCOMES = ("masked", "left out", "found", "region blocked", "unreadable", "left")


def planted(
    clips: Sequence[Clip], scenes: Mapping[str, Scene], wanted: int, seed: int, minutes: float
) -> list[Judged]:
    """Plant each scene in turn over the clips, until RapidOCR has read so many strings before."""
    judged: list[Judged] = []
    end = time.monotonic() + 60 * minutes
    for turn, (clip, scene) in enumerate(_turns(clips, scenes)):
        if sum(map(_counts, judged)) >= wanted or time.monotonic() > end:
            break
        stage = Stage.of(clip, FRAMES, random.Random(f"{seed} {turn} {clip.name} {scene}"))
        scenes[scene](stage)
        shown = [one for one in stage.planted if one.boxes]
        if not shown:
            continue
        visit = judge(stage.pictures, shown)
        judged += visit.strings
        for one in visit.strings:
            if one.outcome == "left" and one.before:
                string = one.planted
                readers = " and ".join(sorted(one.after))
                place = next(iter(string.boxes.values()))
                print(
                    f"left, {readers}: {clip.name}, {scene}, {string.when}, {string.look}, {place}",
                    flush=True,
                )
    return judged


def _turns(clips: Sequence[Clip], scenes: Mapping[str, Scene]) -> Iterable[tuple[Clip, str]]:
    """Each scene over each clip, the scenes in turn; then again with other strings."""
    for shift in itertools.count():
        for number, clip in enumerate(clips):
            yield clip, list(scenes)[(number + shift) % len(scenes)]


def _counts(one: Judged) -> bool:
    return "RapidOCR" in one.before


def report(judged: Sequence[Judged], outside: bool) -> None:
    """Print what became of the strings, by where and how long they showed."""
    columns = [f"{reader} read before" for reader in READERS] + list(_OUTCOMES)
    columns += [f"{reader} reads afterwards" for reader in READERS]
    print(f"\n### {'Outside' if outside else 'Inside'} of the field\n")
    print("| strings | planted | " + " | ".join(columns) + " | gone or held back |")
    print("|---" * (len(columns) + 3) + "|")
    kinds = sorted({one.planted.scene for one in judged})
    times = sorted({one.planted.when for one in judged})
    for name in [*kinds, *times, "all"]:
        some = [one for one in judged if name in (one.planted.scene, one.planted.when, "all")]
        before = [one for one in some if _counts(one)]
        outcomes = Counter[str](one.outcome for one in before)
        gone = len(before) - outcomes["left"] - outcomes["unreadable"]
        cells = [len(some), *(sum(reader in one.before for one in some) for reader in READERS)]
        cells += [outcomes[outcome] for outcome in _OUTCOMES]
        cells += [sum(reader in one.after for one in some if one.before) for reader in READERS]
        share = f"{gone / len(before):.1%}" if before else ""
        print(f"| {name} | " + " | ".join(map(str, cells)) + f" | {share} |")


def false_alarms(clips: Sequence[Clip]) -> None:
    """The clips as they are."""
    visits = {clip.name: judge(Stage.of(clip, FRAMES, random.Random(0)).pictures, []) for clip in clips}
    flagged = [name for name, visit in visits.items() if visit.finds]
    blocked = [name for name, visit in visits.items() if visit.region_blocks]
    print(f"\nNothing planted: words found in {len(flagged)} of {len(visits)} {flagged}")
    print(f"Blocked for their region: {len(blocked)} {blocked}")


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--shared", type=Path, default=SHARED)
    arguments.add_argument("--outside", type=int, default=1000)
    arguments.add_argument("--inside", type=int, default=400)
    arguments.add_argument("--clips", type=int, default=0, help="only so many of them; 0: all")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--minutes", type=float, default=600, help="report after so long in any case")
    arguments.add_argument("--scenes", nargs="*", choices=[*OUTSIDE, *INSIDE], help="only these")
    arguments.add_argument("--no-clean", action="store_true", help="leave out the clips with nothing planted")
    chosen = arguments.parse_args()
    cv2.setNumThreads(1)
    start = time.perf_counter()
    print(f"judged by RapidOCR and {tesseract.version()}")
    clips = list(real_clips(chosen.shared)) if chosen.shared.is_dir() else []
    clips += [synthetic_clip(kind, seed) for seed in SEEDS for kind in ("linear", "convex", "radial")]
    clips = clips[: chosen.clips or None]
    for scenes, wanted, is_outside in ((OUTSIDE, chosen.outside, True), (INSIDE, chosen.inside, False)):
        picked = {name: scenes[name] for name in scenes if not chosen.scenes or name in chosen.scenes}
        if picked and wanted:
            judged = planted(clips, picked, wanted, chosen.seed, chosen.minutes)
            report([one for one in judged if (one.planted.where == "outside") == is_outside], is_outside)
            if is_outside and (others := [one for one in judged if one.planted.where != "outside"]):
                report(others, outside=False)
    if not chosen.no_clean:
        false_alarms(clips)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
