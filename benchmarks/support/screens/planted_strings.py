"""Where and when planted strings show: beside the field, inside, over its border, on pages, for a moment.

``ink`` draws them. Each scene writes over the pictures of a clip whose field is known, and says what it
wrote: what the pipeline finds has no say in where "inside" is.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.support.screens.ink import COLORS, FONTS, Box, Look, any_look, any_text, extent, write
from eus_etl.domain.images.picture import Picture

Where = Literal["outside", "inside", "border", "page"]
When = Literal["always", "blinking", "three frames", "half a second", "two seconds", "fading", "ticker"]

RATE_HZ = 5
TIMES: tuple[When, ...] = (
    "always",
    "blinking",
    "three frames",
    "half a second",
    "two seconds",
    "fading",
    "ticker",
)
_CLEARANCE_PX = 3
"""How exactly a field is drawn by hand."""
_TRIES = 80
_PARTS = 3
_TICKER_PX = 9
"""A ticker's step from one frame to the next."""
_READABLE = 0.5
"""What fades counts as shown from this opacity on."""


@dataclass(frozen=True)
class Clip:
    """Pictures of one screen, BGR, and its field, (height, width) of bool."""

    name: str
    pictures: Sequence[Picture]
    field: NDArray[np.bool_]


@dataclass(frozen=True)
class Planted:
    """One string.

    Attributes:
        text: what it says.
        where, scene: where it stands, and as what.
        when: how long it shows.
        look: its letters.
        boxes: its box on each frame that shows it, by the frame's number.
        code: whether it is drawn as a code.
    """

    text: str
    where: Where
    scene: str
    when: When
    look: Look
    boxes: Mapping[int, Box]
    code: bool = False


@dataclass
class Stage:
    """The pictures of a screen while strings are written over them."""

    clip: Clip
    pictures: list[Picture]
    rng: random.Random
    planted: list[Planted] = field(default_factory=list)

    @classmethod
    def of(cls, clip: Clip, frames: int, rng: random.Random) -> "Stage":
        """Copies of the clip's pictures, to and fro, so that there are ``frames`` of them."""
        to_and_fro = [*clip.pictures, *reversed(clip.pictures[1:-1])]
        return cls(clip, [to_and_fro[n % len(to_and_fro)].copy() for n in range(frames)], rng)

    def put(
        self,
        text: str,
        place: tuple[int, int],
        look: Look,
        where: Where,
        scene: str,
        frames: Sequence[int],
        when: When,
    ) -> None:
        """Write a string on some frames."""
        width, height = extent(text, look)
        boxes: dict[int, Box] = {}
        for step, number in enumerate(frames):
            at = (place[0] - _TICKER_PX * step, place[1]) if when == "ticker" else place
            opacity = min(1.0, (1 + step) / len(frames)) if when == "fading" else 1.0
            write(self.pictures[number], text, at, look, opacity)
            if opacity >= _READABLE:
                boxes[number] = (*at, width, height)
        self.planted.append(Planted(text, where, scene, when, look, boxes))


def frames_of(when: When, first: int, stop: int) -> list[int]:
    """The frames between ``first`` and ``stop`` on which a string shows that begins at ``first``."""
    if when == "blinking":
        return [number for number in range(first, stop) if (number - first) % 4 < 2]
    lengths: Mapping[When, int] = {"three frames": 3, "half a second": 3, "two seconds": 2 * RATE_HZ}
    return list(range(first, min(stop, first + lengths.get(when, stop - first))))


def beside(stage: Stage, count: int) -> None:
    """Strings outside of the field, half of them near it, wherever there is room, each for its own time."""
    parts = [room_beside(stage) for _ in range(_PARTS)]  # of the time: what is gone leaves room
    apart_px = cv2.distanceTransform((~stage.clip.field).astype(np.uint8), cv2.DIST_L2, 3)
    total = len(stage.pictures)
    for _ in range(count):
        text, look = any_text(stage.rng), any_look(stage.rng)
        # half of them stay, as most of what machines write does; a ticker needs the room of the inside
        when = "always" if stage.rng.random() < 0.5 else stage.rng.choice(TIMES[1:-1])
        first = 0 if when in ("always", "blinking") else stage.rng.randrange(total - 2 * RATE_HZ)
        frames = frames_of(when, first, total)
        own = [parts[number] for number in sorted({_PARTS * number // total for number in frames})]
        worth = -apart_px if stage.rng.random() < 0.5 else None
        place = free_place(np.logical_or.reduce(own), extent(text, look), stage.rng, worth)
        if place is not None:
            for taken in own:
                take(taken, place, extent(text, look))
            stage.put(text, place, look, "outside", "beside", frames, when)


def room_beside(stage: Stage) -> NDArray[np.bool_]:
    """Where the field is: what lies outside is free."""
    around = np.ones((2 * _CLEARANCE_PX + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(stage.clip.field.astype(np.uint8), around) > 0, np.bool_)


def inside(stage: Stage, count: int, scene: str = "bright") -> None:
    """Strings wholly inside the field, one after the other; ``scene`` is bright, dark, plate or popup."""
    total = len(stage.pictures)
    slot = total // count
    for turn in range(count):
        text, look = any_text(stage.rng), _inside_look(stage.rng, scene)
        when = stage.rng.choice(TIMES)
        width, height = extent(text, look)
        room = width + (_TICKER_PX * (slot - 2) if when == "ticker" else 0)
        # dark letters lie on the brightest of some places
        worth = stage.pictures[turn * slot].mean(axis=2) if scene == "dark" else None
        place = free_place(~stage.clip.field, (room, height), stage.rng, worth)
        if place is None:
            place, when = free_place(~stage.clip.field, (width, height), stage.rng), "two seconds"
            if place is None:
                continue
        elif when == "ticker":
            place = place[0] + room - width, place[1]
        frames = frames_of(when, turn * slot, (turn + 1) * slot - 1)
        if scene == "popup":
            _draw_window(stage, place, (width, height), frames)
        stage.put(text, place, look, "inside", scene, frames, when)


def over_border(stage: Stage, count: int) -> None:
    """Strings that lie partly inside the field and partly beside it, all the time or for two seconds."""
    edge = cv2.morphologyEx(stage.clip.field.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    # an edge of the picture is no border
    height_px, width_px = edge.shape
    edge[[0, 1, -2, -1]] = 0
    edge[:, [0, 1, -2, -1]] = 0
    ys, xs = np.nonzero(edge)
    taken = np.zeros(edge.shape, np.bool_)
    total = len(stage.pictures)
    for _ in range(count if len(xs) else 0):
        text, look = any_text(stage.rng), any_look(stage.rng)
        width, height = extent(text, look)
        for _ in range(_TRIES):
            at = stage.rng.randrange(len(xs))
            x, y = int(xs[at]) - stage.rng.randrange(width), int(ys[at]) - stage.rng.randrange(height)
            fits = 0 <= x <= width_px - width and 0 <= y <= height_px - height
            if fits and not taken[y : y + height, x : x + width].any():
                take(taken, (x, y), (width, height))
                when: When = stage.rng.choice(("always", "two seconds"))
                first = 0 if when == "always" else stage.rng.randrange(total - 2 * RATE_HZ)
                stage.put(text, (x, y), look, "border", "over border", frames_of(when, first, total), when)
                break


def pages(stage: Stage, count: int) -> None:
    """Whole screens of text, light or dark, for half a second or two: reports and lists of patients."""
    total = len(stage.pictures)
    slot = total // count
    for turn in range(count):
        when: When = stage.rng.choice(("half a second", "two seconds"))
        first = turn * slot + slot // 3
        frames = frames_of(when, first, (turn + 1) * slot)
        light = stage.rng.random() < 0.5
        paper, letters = ((235, 235, 235), (20, 20, 20)) if light else ((30, 26, 22), (225, 225, 225))
        for number in frames:
            stage.pictures[number][:] = paper
        look = Look(stage.rng.choice(FONTS), stage.rng.choice((14, 17, 20)), letters)
        height_px, width_px = stage.pictures[0].shape[:2]
        for y in range(20, height_px - 40, look.size_px * 2 + 8):
            for x in (24, width_px // 2):
                text = any_text(stage.rng)
                if x + extent(text, look)[0] < (width_px if x > 24 else width_px // 2):
                    stage.put(
                        text, (x, y), look, "page", f"{'light' if light else 'dark'} page", frames, when
                    )


def _inside_look(rng: random.Random, scene: str) -> Look:
    if scene == "dark":
        look = any_look(rng, plate_share=0, sizes_px=(20, 24, 30, 40))
        return Look(look.font, look.size_px, (rng.randrange(12),) * 3)
    if scene == "plate":
        return any_look(rng, plate_share=1)
    if scene == "popup":
        return Look(
            rng.choice(FONTS), rng.choice((14, 17, 20, 24)), COLORS[rng.choice(list(COLORS))], (60, 40, 30)
        )
    return any_look(rng, plate_share=0)


def _draw_window(stage: Stage, place: tuple[int, int], size: tuple[int, int], frames: Sequence[int]) -> None:
    x, y = place
    width, height = size
    for number in frames:
        for thickness, color in ((-1, (60, 40, 30)), (1, (200, 200, 200))):
            corners = (x - 10, y - 12), (x + width + 10, y + height + 14)
            cv2.rectangle(stage.pictures[number], *corners, color, thickness)


def free_place(
    taken: NDArray[np.bool_],
    size: tuple[int, int],
    rng: random.Random,
    worth: NDArray[Any] | None = None,
) -> tuple[int, int] | None:
    """Left and top of a box that covers nothing that is taken, where it is worth most; None without room."""
    height, width = taken.shape
    box_w, box_h = size
    if box_w > width or box_h > height:
        return None
    found: list[tuple[float, tuple[int, int]]] = []
    for _ in range(_TRIES):
        x, y = rng.randint(0, width - box_w), rng.randint(0, height - box_h)
        if not taken[y : y + box_h, x : x + box_w].any():
            if worth is None:
                return x, y
            found.append((float(worth[y : y + box_h, x : x + box_w].mean()), (x, y)))
    return max(found)[1] if found else None


def take(taken: NDArray[np.bool_], place: tuple[int, int], size: tuple[int, int]) -> None:
    (x, y), (width, height) = place, size
    """Leave a box and some room around it to nothing else, in place."""
    taken[max(0, y - 6) : y + height + 6, max(0, x - 10) : x + width + 10] = True
