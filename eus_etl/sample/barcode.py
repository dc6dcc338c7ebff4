"""The bar code in each phantom frame: frame number and procedure time, readable from a saved image.

Where the bar lies and how its bits are laid out belongs here; what the numbers mean belongs to ``plan``.
"""

import binascii
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

# cells of 8 px on the 8 px grid of JPEG and MPEG: each is one block, which no such codec can smear
CELL_PX = 8
COLUMNS, ROWS = 24, 3
LEFT_PX = 16
WIDTH_PX, HEIGHT_PX = COLUMNS * CELL_PX, ROWS * CELL_PX

_SYNC, _SYNC_BITS = 0b10110010, 8
_NUMBER_BITS, _TIME_BITS, _CHECKSUM_BITS = 20, 28, 16
_BITS = _SYNC_BITS + _NUMBER_BITS + _TIME_BITS + _CHECKSUM_BITS
# least difference between the means of the sync pattern's white and black cells
_MIN_CONTRAST = 64.0


@dataclass(frozen=True, slots=True)
class Barcode:
    """What a frame says of itself.

    Attributes:
        number: place of the frame in its file, in presentation order, from 0.
        procedure_ms: true procedure time in milliseconds; negative before the procedure starts.
    """

    number: int
    procedure_ms: int


def draw(picture: Picture, number: int, procedure_ms: int) -> None:
    """Draw the bar into ``picture`` (h, w) or (h, w, 3), in place, at the left of its bottom edge.

    Raises:
        ValueError: ``number`` is outside 0 to 2**20 - 1, ``procedure_ms`` outside -2**27 to 2**27 - 1, or
            the picture is too small for the bar.
    """
    if not 0 <= number < 1 << _NUMBER_BITS:
        raise ValueError(f"frame number {number} does not fit into {_NUMBER_BITS} bits")
    if not -(1 << _TIME_BITS - 1) <= procedure_ms < 1 << _TIME_BITS - 1:
        raise ValueError(f"procedure time {procedure_ms} ms does not fit into {_TIME_BITS} bits")
    if not _fits(picture):
        raise ValueError(f"a picture of shape {picture.shape} has no room for the bar")
    payload = number << _TIME_BITS | procedure_ms & (1 << _TIME_BITS) - 1
    word = _SYNC << _BITS - _SYNC_BITS | payload << _CHECKSUM_BITS | _checksum(payload)
    bits = np.array([word >> place & 1 for place in range(_BITS - 1, -1, -1)], np.uint8)
    cells = np.kron(bits.reshape(ROWS, COLUMNS) * np.uint8(255), np.ones((CELL_PX, CELL_PX), np.uint8))
    bar = picture[-HEIGHT_PX:, LEFT_PX : LEFT_PX + WIDTH_PX]
    bar[...] = cells if picture.ndim == 2 else cells[..., np.newaxis]


def read(picture: npt.NDArray[Any]) -> Barcode | None:
    """Read the bar of a picture (h, w) or (h, w, 3) of its original size; None where no bar checks out."""
    if not _fits(picture):
        return None
    bar = picture[-HEIGHT_PX:, LEFT_PX : LEFT_PX + WIDTH_PX].astype(np.float64)
    if bar.ndim == 3:
        bar = bar.mean(axis=2)
    middle = slice(CELL_PX // 4, CELL_PX - CELL_PX // 4)
    levels = bar.reshape(ROWS, CELL_PX, COLUMNS, CELL_PX)[:, middle, :, middle].mean(axis=(1, 3)).ravel()
    sync = np.array([_SYNC >> place & 1 for place in range(_SYNC_BITS - 1, -1, -1)], bool)
    white, black = levels[:_SYNC_BITS][sync].mean(), levels[:_SYNC_BITS][~sync].mean()
    if white - black < _MIN_CONTRAST:
        return None
    word = int("".join("1" if level > (white + black) / 2 else "0" for level in levels), 2)
    payload = word >> _CHECKSUM_BITS & (1 << _NUMBER_BITS + _TIME_BITS) - 1
    if word >> _BITS - _SYNC_BITS != _SYNC or word & (1 << _CHECKSUM_BITS) - 1 != _checksum(payload):
        return None
    time = payload & (1 << _TIME_BITS) - 1
    signed = time - (1 << _TIME_BITS) if time >> _TIME_BITS - 1 else time
    return Barcode(payload >> _TIME_BITS, signed)


def _fits(picture: npt.NDArray[Any]) -> bool:
    height, width = picture.shape[:2]
    return bool(height >= HEIGHT_PX and width >= LEFT_PX + WIDTH_PX)


def _checksum(payload: int) -> int:
    return binascii.crc_hqx(payload.to_bytes((_NUMBER_BITS + _TIME_BITS) // 8, "big"), 0xFFFF)
