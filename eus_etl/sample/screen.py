"""What a machine shows around the field: header text with a ticking clock, ticks, grey bar; other views.

The text is planted identity: masking must remove it. Who the invented people are is in ``plan``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import cv2
import numpy as np
import numpy.typing as npt

from eus_etl.sample.fields import Field

Picture = npt.NDArray[np.uint8]

FONT = cv2.FONT_HERSHEY_SIMPLEX
_GREY = (205, 205, 205)
_OPTICAL_MARGIN_PX = 48


@dataclass(frozen=True, slots=True)
class TextBox:
    """A text on the screen.

    Attributes:
        x, y, width, height: box around the text, in screen px.
        text: what it says; of the clock, what it shows in the first frame.
        identity: whether the text says who the patient is, where or when.
    """

    x: int
    y: int
    width: int
    height: int
    text: str
    identity: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text to be written: ``x``, ``y`` is the left end of its base line, in screen px."""

    x: int
    y: int
    text: str
    identity: bool = False


class Screen:
    """The machine's screen without the field.

    Args:
        width, height: of the screen, in px.
        header: texts that stay.
        clock_at: left end of the clock's base line, in screen px.
        started_at: what the clock shows in the recording's first frame.

    Attributes:
        texts: every text with the box around it; the clock's is the last.
    """

    def __init__(
        self,
        width: int,
        height: int,
        header: Sequence[Line],
        clock_at: tuple[int, int],
        started_at: datetime,
    ) -> None:
        self._scale = 0.4 * height / 360
        self._started_at = started_at
        self._blank: Picture = np.zeros((height, width, 3), np.uint8)
        self._second = -1
        self._clock_at = clock_at
        for line in header:
            cv2.putText(self._blank, line.text, (line.x, line.y), FONT, self._scale, _GREY, 1, cv2.LINE_AA)
        clock = Line(*clock_at, started_at.strftime("%H:%M:%S"), identity=True)
        self.texts = tuple(
            text_box((line.x, line.y), line.text, self._scale, line.identity) for line in (*header, clock)
        )
        self._shown = self._blank.copy()

    def at(self, time_s: float) -> Picture:
        """A fresh screen (height, width, 3), BGR, with the clock of that time of the recording."""
        second = int(time_s)
        if second != self._second:
            self._second = second
            self._shown = self._blank.copy()
            clock = (self._started_at + timedelta(seconds=second)).strftime("%H:%M:%S")
            cv2.putText(self._shown, clock, self._clock_at, FONT, self._scale, _GREY, 1, cv2.LINE_AA)
        return self._shown.copy()

    def draw_depth_ticks(self, field: Field) -> None:
        """Depth ticks right of a field."""
        x = field.x + field.width + 8
        for number in range(9):
            y = field.y + round(number * (field.height - 1) / 8)
            cv2.line(self._blank, (x, y), (x + (8 if number % 4 == 0 else 4), y), _GREY, 1)

    def draw_grey_bar(self, field: Field) -> None:
        """A grey bar at the left edge of the screen, beside the upper half of a field."""
        bar = np.linspace(255, 0, field.height // 2).astype(np.uint8)
        self._blank[field.y : field.y + bar.size, 12:22] = bar[:, np.newaxis, np.newaxis]


def ordinary_screen(
    field: Field, width: int, height: int, name: str, record: str, started_at: datetime
) -> Screen:
    """The screen around one field.

    Args:
        field: where the field will be put.
        width, height: of the screen, in px.
        name, record: the patient's invented name and record number, plain ASCII.
        started_at: what the clock shows in the recording's first frame.
    """
    line = round(15 * height / 360)
    right = width - round(104 * height / 360)
    header = [
        Line(8, line, name, identity=True),
        Line(8, 2 * line, f"ID {record}", identity=True),
        Line(right, line, started_at.strftime("%d.%m.%Y"), identity=True),
        Line(width // 2 - line, line, "MI 0.7"),
        Line(width // 2 - line, 2 * line, "8.0 cm"),
    ]
    screen = Screen(width, height, header, (right, 2 * line), started_at)
    screen.draw_depth_ticks(field)
    screen.draw_grey_bar(field)
    return screen


def split_screen(
    fields: tuple[Field, Field], width: int, height: int, name: str, record: str, started_at: datetime
) -> Screen:
    """The screen around two smaller fields side by side; arguments as of ``ordinary_screen``.

    Name and number are where the single field otherwise shows tissue.
    """
    line = round(15 * height / 360)
    right, middle = width - round(104 * height / 360), width // 2 - 3 * line
    header = [
        Line(middle, 4 * line, name, identity=True),
        Line(middle, 5 * line, f"ID {record}", identity=True),
        Line(8, line, started_at.strftime("%d.%m.%Y"), identity=True),
        Line(right, line, "DUAL"),
        Line(right, 2 * line, "MI 0.7"),
    ]
    screen = Screen(width, height, header, (8, 2 * line), started_at)
    screen.draw_depth_ticks(fields[0])
    return screen


def text_box(at: tuple[int, int], text: str, scale: float, identity: bool) -> TextBox:
    """The box around a text whose base line begins at ``at``, in letters of ``scale``."""
    (width, height), below = cv2.getTextSize(text, FONT, scale, 1)
    return TextBox(at[0], at[1] - height - 1, width, height + below + 1, text, identity)


def optical_texture(rng: np.random.Generator, width: int, height: int) -> Picture:
    """Mucosa as an endoscope sees it, wider than the screen so that the view can move over it."""
    shape = (height + _OPTICAL_MARGIN_PX, width + _OPTICAL_MARGIN_PX)
    folds = cv2.GaussianBlur(rng.standard_normal(shape).astype(np.float32), (0, 0), 12)
    veins = cv2.GaussianBlur(rng.standard_normal(shape).astype(np.float32), (0, 0), 3)
    light = 0.8 + 0.12 * folds / folds.std() + 0.04 * veins / veins.std()
    color = np.array([96, 104, 225], np.float32)
    return np.asarray(np.clip(light[..., np.newaxis] * color, 0, 255), np.uint8)


def optical_view(texture: Picture, time_s: float, width: int, height: int) -> Picture:
    """The endoscope's picture (height, width, 3), BGR, filling the screen: strongly colored everywhere."""
    x = round(_OPTICAL_MARGIN_PX / 2 * (1 + np.sin(time_s * 1.7)))
    y = round(_OPTICAL_MARGIN_PX / 2 * (1 + np.cos(time_s * 2.3)))
    return np.array(texture[y : y + height, x : x + width])
