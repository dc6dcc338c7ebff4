"""Where the ultrasound field lies on the screen, for each kind of probe, and how beams map to it.

Geometry only: what the beams carry is made in ``echo``.
"""

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

FieldKind = Literal["convex", "linear", "radial"]

# samples along a beam, and beams of a picture
DEPTHS, LINES = 208, 160

# a screen of 480x360 px; other sizes are scaled by their height
_DESIGN_HEIGHT_PX = 360
_TOP_PX, _BOTTOM_PX = 44.0, 308.0
_CENTRE_FRACTION = 0.54
_CONVEX_HALF_ANGLE = np.deg2rad(33.0)
_CONVEX_INNER_PX = 70.0
_LINEAR_HALF_WIDTH_PX = 140.0
_RADIAL_INNER_PX = 14.0
_OUTSIDE = -10.0
# of two pictures side by side: the height of a screen for one of them, and how far down it begins
_SPLIT_HEIGHT, _SPLIT_TOP = 0.6, 0.2

_Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Field:
    """The ultrasound field of a screen.

    Attributes:
        kind: convex (a fan), linear (a rectangle) or radial (a full circle around the probe).
        x, y, width, height: box around the field, in screen px.
        polygon: outline (n, 2) in screen px, x then y; the circle for radial.
        map_x, map_y: for each pixel of the box, the beam and the depth that it shows, as ``cv2.remap``
            takes them.
    """

    kind: FieldKind
    x: int
    y: int
    width: int
    height: int
    polygon: npt.NDArray[np.int32]
    map_x: npt.NDArray[np.int16]
    map_y: npt.NDArray[np.uint16]

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns of the screen that the field's box covers."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def scan_convert(self, beams: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Beams (DEPTHS, LINES) as the picture of the field's box (height, width); 0 outside the field."""
        shown = cv2.remap(
            beams, self.map_x, self.map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0
        )
        return np.asarray(shown, np.uint8)

    def moved(self, right_px: int, down_px: int) -> "Field":
        """The same field elsewhere on the screen."""
        polygon = self.polygon + np.array([right_px, down_px], np.int32)
        return replace(self, x=self.x + right_px, y=self.y + down_px, polygon=polygon)

    def mask(self, screen_height: int, screen_width: int) -> npt.NDArray[np.bool_]:
        """Which pixels of the screen (screen_height, screen_width) lie inside the outline."""
        filled = np.zeros((screen_height, screen_width), np.uint8)
        cv2.fillPoly(filled, [self.polygon], 255)
        return filled > 0


def make_field(kind: FieldKind, screen_width: int, screen_height: int) -> Field:
    """The field of a probe on a screen of this size in px."""
    scale = screen_height / _DESIGN_HEIGHT_PX
    centre = screen_width * _CENTRE_FRACTION
    top, bottom = _TOP_PX * scale, _BOTTOM_PX * scale
    rows, columns = np.mgrid[0:screen_height, 0:screen_width].astype(np.float32)
    if kind == "convex":
        apex = top - _CONVEX_INNER_PX * scale * np.cos(_CONVEX_HALF_ANGLE)
        across = np.arctan2(columns - centre, rows - apex) / _CONVEX_HALF_ANGLE
        inner = _CONVEX_INNER_PX * scale
        along = (np.hypot(columns - centre, rows - apex) - inner) / (bottom - apex - inner)
        outline = _fan(centre, apex, inner, bottom - apex)
    elif kind == "linear":
        half = _LINEAR_HALF_WIDTH_PX * scale
        across, along = (columns - centre) / half, (rows - top) / (bottom - top)
        outline = np.array(
            [(centre - half, top), (centre + half, top), (centre + half, bottom), (centre - half, bottom)]
        )
    else:
        middle, radius, inner = (top + bottom) / 2, (bottom - top) / 2, _RADIAL_INNER_PX * scale
        across = np.arctan2(columns - centre, middle - rows) / np.pi
        along = (np.hypot(columns - centre, rows - middle) - inner) / (radius - inner)
        around = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        outline = np.column_stack([centre + radius * np.sin(around), middle - radius * np.cos(around)])
    return _field(kind, across, along, np.rint(outline).astype(np.int32))


def split_fields(kind: FieldKind, screen_width: int, screen_height: int) -> tuple[Field, Field]:
    """The two smaller fields, left and right, of a screen of this size in px that shows two pictures."""
    half = screen_width // 2
    left = make_field(kind, half, round(_SPLIT_HEIGHT * screen_height)).moved(
        0, round(_SPLIT_TOP * screen_height)
    )
    return left, left.moved(half, 0)


def _fan(centre: float, apex: float, inner: float, outer: float) -> npt.NDArray[np.float64]:
    angles = np.linspace(-_CONVEX_HALF_ANGLE, _CONVEX_HALF_ANGLE, 25)
    near = np.column_stack([centre + inner * np.sin(angles), apex + inner * np.cos(angles)])
    far = np.column_stack([centre + outer * np.sin(angles), apex + outer * np.cos(angles)])
    return np.vstack([near, far[::-1]])


def _field(kind: FieldKind, across: _Floats, along: _Floats, polygon: npt.NDArray[np.int32]) -> Field:
    """Build the maps from each pixel's place across (-1 to 1) and along (0 to 1) the beams."""
    x, y, width, height = cv2.boundingRect(polygon)
    box = slice(y, y + height), slice(x, x + width)
    inside = (np.abs(across) <= 1) & (along >= 0) & (along <= 1)
    lines = np.where(inside, (across + 1) / 2 * (LINES - 1), _OUTSIDE).astype(np.float32)
    depths = np.where(inside, along * (DEPTHS - 1), _OUTSIDE).astype(np.float32)
    map_x, map_y = cv2.convertMaps(lines[box], depths[box], cv2.CV_16SC2)
    return Field(
        kind, x, y, width, height, polygon, np.asarray(map_x, np.int16), np.asarray(map_y, np.uint16)
    )
