"""Names, dates and numbers planted over clips: what becomes of them in preprocessed frames.

    python benchmarks/planted_text.py [--shared ../shared] [--outside 1000] [--inside 400] [--processes 2]

Each screen is encoded and goes through the real steps: frames, regions, preprocessed frames, text check. What
the field is was drawn by hand, or is the truth of a synthetic screen. RapidOCR and Tesseract judge, on pieces
around each string that are brought to the size at which they read best: a string counts as read if a part of
four signs or more is, or six tenths of it. QR and bar codes are judged by OpenCV's readers.

Outside of the field nothing may be left to read. Inside, over the border, on pages and in popups a string has
to be masked, left out, or hold the visit back. The composed screens that are known to be hard are judged as
they are, and what has nothing planted is not to be flagged. Screens are spread over processes; what is
planted depends on the seed alone. A minute's worth: ``--outside 20 --inside 8 --clips 2``.
"""

import argparse
import itertools
import multiprocessing
import random
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

import cv2

from benchmarks.support.places import SHARED
from benchmarks.support.screens import tesseract
from benchmarks.support.screens.filmed_screen import filmed
from benchmarks.support.screens.ink import Look
from benchmarks.support.screens.judged_visit import Judged, JudgedVisit, judge, judge_video
from benchmarks.support.screens.judges import READERS
from benchmarks.support.screens.known_fields import real_clips, synthetic_clip
from benchmarks.support.screens.planted_codes import CODE_READER, codes
from benchmarks.support.screens.planted_strings import (
    Clip,
    Planted,
    Stage,
    Where,
    beside,
    inside,
    over_border,
    pages,
)

FRAMES = 60
_AHEAD = 4
SEEDS = (901, 902, 903)
"""Of the synthetic screens; no test and no threshold was made with them."""

Scene = Callable[[Stage], object]

OUTSIDE: Mapping[str, Scene] = {
    "beside": partial(beside, count=48),
    "filmed": partial(filmed, count=24),
    "codes beside": partial(codes, count=4, where="outside"),
}
INSIDE: Mapping[str, Scene] = {
    "bright": partial(inside, count=5),
    "dark": partial(inside, count=5, scene="dark"),
    "plate": partial(inside, count=5, scene="plate"),
    "popup": partial(inside, count=5, scene="popup"),
    "over border": partial(over_border, count=8),
    "pages": partial(pages, count=2),
    "codes": partial(codes, count=5),
}
_TURNS = (("beside", 4), ("filmed", 1), ("codes beside", 1))
"""How often each scene's turn comes; of others, once."""
_COMPOSED: Mapping[str, Sequence[tuple[str, Where, tuple[int, int, int, int]]]] = {
    "c42_demo_header_over.mp4": (
        ("QUEDLINBURG 6", "inside", (58, 58, 158, 26)),
        ("MAGDEBURG 7", "outside", (299, 22, 141, 20)),
        ("Vanderbilt University", "outside", (48, 2, 123, 17)),
    ),
    "c31_mmode_strip.mp4": (("KREUZBERG 4412", "outside", (419, 456, 205, 26)),),
}
"""What stands where on the composed screens, all the time."""
_COMPOSED_FRAMES = 50
_OUTCOMES = ("masked", "left out", "found", "region blocked", "unreadable", "left")


@cache
def clips(shared: Path, count: int) -> list[Clip]:
    """The clips, real ones first; each process has its own."""
    found = list(real_clips(shared)) if shared.is_dir() else []
    found += [synthetic_clip(kind, seed) for seed in SEEDS for kind in ("linear", "convex", "radial")]
    return found[: count or None]


def judged_turn(which: tuple[Path, int], number: int, scene: str, seed: int) -> JudgedVisit | None:
    """Plant a scene over the clip of that number and judge it; None where there is no room for it.

    ``which`` clips there are; an empty scene plants nothing.
    """
    cv2.setNumThreads(1)
    of_all = clips(*which)
    clip = of_all[number % len(of_all)]
    stage = Stage.of(clip, FRAMES, random.Random(f"{seed} {number} {clip.name} {scene}"))
    if not scene:
        return judge(stage.pictures, [])
    {**OUTSIDE, **INSIDE}[scene](stage)
    shown = [one for one in stage.planted if one.boxes]
    if not shown:
        return None
    visit = judge(stage.pictures, shown)
    for one in visit.strings:
        if one.outcome == "left" and one.before:
            what, place = one.planted, next(iter(one.planted.boxes.values()))
            readers = " and ".join(sorted(one.after))
            print(f"left, {readers}: {clip.name}, {scene}, {what.when}, {what.look}, {place}", flush=True)
    return visit


def planted(
    processes: Executor,
    which: tuple[Path, int],
    scenes: Sequence[str],
    wanted: int,
    seed: int,
    minutes: float,
) -> list[Judged]:
    """Plant scenes in turn over the clips, until so many strings were read before."""
    judged: list[Judged] = []
    waiting: deque[Future[JudgedVisit | None]] = deque()
    end = time.monotonic() + 60 * minutes
    turns = _turns(scenes)
    while True:
        enough = sum(map(_counts, judged)) >= wanted or time.monotonic() > end
        while not enough and len(waiting) < _AHEAD:
            waiting.append(processes.submit(judged_turn, which, *next(turns), seed))
        if not waiting:
            return judged
        if visit := waiting.popleft().result():
            judged += visit.strings


def _turns(scenes: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Numbers of clips with the scene that is planted over each: all scenes come over all clips."""
    often = dict(_TURNS)
    round_of = [scene for scene in scenes for _ in range(often.get(scene, 1))]
    for number in itertools.count():
        # a step of one scene more each time that the scenes are through
        yield number, round_of[(number + number // len(round_of)) % len(round_of)]


def _counts(one: Judged) -> bool:
    return not one.before.isdisjoint({"RapidOCR", CODE_READER})


def composed(shared: Path) -> list[Judged]:
    """The composed screens as they are."""
    judged: list[Judged] = []
    for name, strings in _COMPOSED.items():
        file = shared / "faults" / "screens" / name
        if not file.is_file():
            print(f"{name} is not there")
            continue
        look = Look("as composed", 20, (255, 255, 255))
        texts = [
            Planted(text, where, "composed", "always", look, dict.fromkeys(range(_COMPOSED_FRAMES), box))
            for text, where, box in strings
        ]
        with tempfile.TemporaryDirectory() as folder:
            judged += judge_video(Path(folder), file, texts).strings
    return judged


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


def false_alarms(processes: Executor, which: tuple[Path, int]) -> None:
    """The clips as they are."""
    names = [clip.name for clip in clips(*which)]
    judging = [processes.submit(judged_turn, which, number, "", 0) for number in range(len(names))]
    visits = {name: one.result() for name, one in zip(names, judging, strict=True)}
    read = [name for name, visit in visits.items() if visit and visit.finds]
    covered = [name for name, visit in visits.items() if visit and visit.frames_covered]
    blocked = [name for name, visit in visits.items() if visit and visit.region_blocks]
    print(f"\nNothing planted: words found in {len(read)} of {len(visits)} {read}")
    print(f"Frames taken for covered in {len(covered)} {covered}")
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
    arguments.add_argument("--no-clean", action="store_true", help="leave out what has nothing planted")
    arguments.add_argument("--processes", type=int, default=2)
    chosen = arguments.parse_args()
    cv2.setNumThreads(1)
    start = time.perf_counter()
    print(f"judged by RapidOCR and {tesseract.version()}")
    which = chosen.shared, chosen.clips
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(chosen.processes, mp_context=spawn) as processes:
        for scenes, wanted, is_outside in ((OUTSIDE, chosen.outside, True), (INSIDE, chosen.inside, False)):
            picked = [name for name in scenes if not chosen.scenes or name in chosen.scenes]
            if picked and wanted:
                judged = planted(processes, which, picked, wanted, chosen.seed, chosen.minutes)
                report([one for one in judged if (one.planted.where == "outside") == is_outside], is_outside)
                if is_outside and (others := [one for one in judged if one.planted.where != "outside"]):
                    report(others, outside=False)
                print(f"\n{time.perf_counter() - start:.0f} s", flush=True)
        if not chosen.no_clean:
            hard = composed(chosen.shared)
            report([one for one in hard if one.planted.where == "outside"], outside=True)
            report([one for one in hard if one.planted.where != "outside"], outside=False)
            false_alarms(processes, which)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
