"""A page of results that a machine shows in place of its screen: text and a table, nothing that moves.

Its name and number are planted identity, inside what is the ultrasound field on the screen before.
"""

from datetime import datetime

import cv2
import numpy as np
import numpy.typing as npt

from eus_etl.sample.screen import FONT, TextBox, text_box

_PAPER, _INK, _RULE = 228, 25, 120
_RESULTS = (
    ("Measurement", "Value", "Range"),
    ("Common duct", "4.1 mm", "2 to 6"),
    ("Portal vein", "11.2 mm", "7 to 13"),
    ("Wall", "2.3 mm", "1 to 3"),
)
_COLUMNS_PX = (24, 200, 340)
_FIRST_ROW_PX, _ROW_PX = 166, 34
_MARGIN_PX = 16


class Report:
    """A still page that fills the screen, laid out for 480x360 px and scaled by height.

    Args:
        width, height: of the screen, in px.
        name, record: the patient's invented name and record number, plain ASCII.
        started_at: the date on the page.

    Attributes:
        picture: (height, width, 3), BGR.
        texts: each text on it.
    """

    def __init__(self, width: int, height: int, name: str, record: str, started_at: datetime) -> None:
        scale = height / 360
        self.picture: npt.NDArray[np.uint8] = np.full((height, width, 3), _PAPER, np.uint8)
        lines = [
            ((24, 40), "REPORT", False),
            ((24, 74), name, True),
            ((24, 100), f"ID {record}", True),
            ((24, 126), started_at.strftime("%d.%m.%Y"), True),
        ]
        for row, cells in enumerate(_RESULTS):
            y = _FIRST_ROW_PX + row * _ROW_PX
            lines += [((x, y), text, False) for x, text in zip(_COLUMNS_PX, cells, strict=True)]
        for row in range(len(_RESULTS) + 1):
            y = round(scale * (_FIRST_ROW_PX - 22 + row * _ROW_PX))
            margin = round(scale * _MARGIN_PX)
            cv2.line(self.picture, (margin, y), (width - margin, y), (_RULE, _RULE, _RULE), 1)
        self.texts: tuple[TextBox, ...] = tuple(
            self._write((round(scale * x), round(scale * y)), text, 0.5 * scale, identity)
            for (x, y), text, identity in lines
        )

    def _write(self, at: tuple[int, int], text: str, scale: float, identity: bool) -> TextBox:
        cv2.putText(self.picture, text, at, FONT, scale, (_INK, _INK, _INK), 1, cv2.LINE_AA)
        return text_box(at, text, scale, identity)
