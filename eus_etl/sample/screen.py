"""What a machine shows around the field: header text with a ticking clock, ticks, grey bar; other views.

The text is planted identity: masking must remove it. Who the invented people are is in ``plan``.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import cv2
import numpy as np
import numpy.typing as npt

from eus_etl.sample.fields import Field

Picture = npt.NDArray[np.uint8]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_GREY = (205, 205, 205)
_OPTICAL_MARGIN_PX = 48


@dataclass(frozen=True, slots=True)
class TextBox:
    """A text on the screen.

    Attributes:
        x, y, width, height: box around the text, in screen px.
        text: what stands there; of the clock, what it shows in the first frame.
        identity: whether the text says who the patient is, where or when.
    """

    x: int
    y: int
    width: int
    height: int
    text: str
    identity: bool


class Screen:
    """The machine's screen without the field.

    Args:
        field: where the field will be put.
        width, height: of the screen, in px.
        name, record: the patient's invented name and record number, plain ASCII.
        started_at: what the clock shows in the recording's first frame.
    """

    def __init__(
        self, field: Field, width: int, height: int, name: str, record: str, started_at: datetime
    ) -> None:
        self._scale = 0.4 * height / 360
        self._started_at = started_at
        self._blank: Picture = np.zeros((height, width, 3), np.uint8)
        self._second = -1
        line = round(15 * height / 360)
        right = width - round(104 * height / 360)
        header = [
            ((8, line), name, True),
            ((8, 2 * line), f"ID {record}", True),
            ((right, line), started_at.strftime("%d.%m.%Y"), True),
            ((width // 2 - line, line), "MI 0.7", False),
            ((width // 2 - line, 2 * line), "8.0 cm", False),
        ]
        self._clock_at = (right, 2 * line)
        self.texts = tuple(self._write(at, text, identity) for at, text, identity in header)
        self.texts += (self._box(self._clock_at, started_at.strftime("%H:%M:%S"), identity=True),)
        self._draw_scales(field)
        self._shown = self._blank.copy()

    def at(self, time_s: float) -> Picture:
        """A fresh screen (height, width, 3), BGR, with the clock of that time of the recording."""
        second = int(time_s)
        if second != self._second:
            self._second = second
            self._shown = self._blank.copy()
            clock = (self._started_at + timedelta(seconds=second)).strftime("%H:%M:%S")
            cv2.putText(self._shown, clock, self._clock_at, _FONT, self._scale, _GREY, 1, cv2.LINE_AA)
        return self._shown.copy()

    def _write(self, at: tuple[int, int], text: str, identity: bool) -> TextBox:
        cv2.putText(self._blank, text, at, _FONT, self._scale, _GREY, 1, cv2.LINE_AA)
        return self._box(at, text, identity)

    def _box(self, at: tuple[int, int], text: str, identity: bool) -> TextBox:
        (width, height), below = cv2.getTextSize(text, _FONT, self._scale, 1)
        return TextBox(at[0], at[1] - height - 1, width, height + below + 1, text, identity)

    def _draw_scales(self, field: Field) -> None:
        """Depth ticks right of the field, a grey bar at the left edge of the screen."""
        x = field.x + field.width + 8
        for number in range(9):
            y = field.y + round(number * (field.height - 1) / 8)
            cv2.line(self._blank, (x, y), (x + (8 if number % 4 == 0 else 4), y), _GREY, 1)
        bar = np.linspace(255, 0, field.height // 2).astype(np.uint8)
        self._blank[field.y : field.y + bar.size, 12:22] = bar[:, np.newaxis, np.newaxis]


def optical_texture(rng: np.random.Generator, width: int, height: int) -> Picture:
    """Mucosa as an endoscope sees it, wider than the screen so that the view can move over it."""
    shape = (height + _OPTICAL_MARGIN_PX, width + _OPTICAL_MARGIN_PX)
    folds = cv2.GaussianBlur(rng.standard_normal(shape).astype(np.float32), (0, 0), 12)
    veins = cv2.GaussianBlur(rng.standard_normal(shape).astype(np.float32), (0, 0), 3)
    light = 0.8 + 0.12 * folds / folds.std() + 0.04 * veins / veins.std()
    color = np.array([96, 104, 225], np.float32)
    return np.asarray(np.clip(light[..., np.newaxis] * color, 0, 255), np.uint8)


def optical_view(texture: Picture, time_s: float, width: int, height: int) -> Picture:
    """The endoscope's picture (height, width, 3), BGR, filling the screen: strongly coloured everywhere."""
    x = round(_OPTICAL_MARGIN_PX / 2 * (1 + np.sin(time_s * 1.7)))
    y = round(_OPTICAL_MARGIN_PX / 2 * (1 + np.cos(time_s * 2.3)))
    return np.array(texture[y : y + height, x : x + width])
