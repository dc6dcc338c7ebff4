"""QR and bar codes over a screen, inside of the field or beside it, and a reader that judges them."""

import random

import cv2
import numpy as np

from benchmarks.support.screens.ink import Box, Look
from benchmarks.support.screens.planted_strings import (
    TIMES,
    Planted,
    Stage,
    Where,
    frames_of,
    free_place,
    room_beside,
    take,
)
from eus_etl.domain.images.picture import Picture

CODE_READER = "code reader"

_LEFT = ["0001101", "0011001", "0010011", "0111101", "0100011"]
_LEFT += ["0110001", "0101111", "0111011", "0110111", "0001011"]
_PARITY = ["000000", "001011", "001101", "001110", "010011", "011001", "011100", "010101", "010110", "011010"]
_BAR_ROWS = 24
_QUIET = 10
_MODULES_PX = (2, 3, 4)
_SCALES = (0.4, 0.5, 0.67, 1.0, 2.0, 3.0)
"""Bars are found best where a module has two pixels."""


def codes(stage: Stage, count: int, where: Where = "inside") -> None:
    """Codes on white, one after the other; each shows for a time of its own."""
    taken = room_beside(stage) if where == "outside" else ~stage.clip.field
    slot = len(stage.pictures) // count
    for turn in range(count):
        text, code = any_code(stage.rng)
        side_px = stage.rng.choice(_MODULES_PX)
        drawn = cv2.resize(code, None, fx=side_px, fy=side_px, interpolation=cv2.INTER_NEAREST)
        height, width = drawn.shape
        if (place := free_place(taken, (width, height), stage.rng)) is None:
            continue
        if where == "outside":
            take(taken, place, (width, height))
        when = stage.rng.choice(TIMES[:-2])
        box: Box = (*place, width, height)
        frames = frames_of(when, turn * slot, (turn + 1) * slot - 1)
        for number in frames:
            shown = stage.pictures[number][place[1] : place[1] + height, place[0] : place[0] + width]
            shown[:] = drawn[:, :, np.newaxis]
        look = Look("QR code" if width == height else "bar code", side_px, (0, 0, 0), (255, 255, 255))
        scene = "code" if where == "inside" else "code beside"
        stage.planted.append(Planted(text, where, scene, when, look, dict.fromkeys(frames, box), code=True))


def any_code(rng: random.Random) -> tuple[str, Picture]:
    """What a code says, and its modules with the white around them, black on white."""
    if rng.random() < 0.5:
        text = f"MRN {rng.randint(10**6, 10**7)}"
        modules = np.asarray(cv2.QRCodeEncoder.create().encode(text), np.uint8)
    else:
        text, modules = _bar_code(rng)
    quiet = cv2.copyMakeBorder(modules, *(_QUIET,) * 4, cv2.BORDER_CONSTANT, value=255)
    return text, np.asarray(quiet, np.uint8)


def reads_code(text: str, picture: Picture) -> bool:
    """Whether a code that says ``text`` is read on a piece of a picture, at one of some sizes."""
    for scale in _SCALES:
        method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        shown = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=method)
        for detector in (cv2.QRCodeDetector(), cv2.barcode.BarcodeDetector()):
            if detector.detectAndDecode(shown)[0] == text:
                return True
    return False


def _bar_code(rng: random.Random) -> tuple[str, Picture]:
    """An EAN-13, its digits and its modules."""
    digits = [rng.randint(1, 9), *(rng.randrange(10) for _ in range(11))]
    digits.append(-sum(digit * (3 if at % 2 else 1) for at, digit in enumerate(digits)) % 10)
    left = [
        _LEFT[digit] if parity == "0" else _inverse(_LEFT[digit])[::-1]
        for digit, parity in zip(digits[1:7], _PARITY[digits[0]], strict=True)
    ]
    right = [_inverse(_LEFT[digit]) for digit in digits[7:]]
    bits = "".join(("101", *left, "01010", *right, "101"))
    row = np.array([0 if bit == "1" else 255 for bit in bits], np.uint8)
    return "".join(map(str, digits)), np.tile(row, (_BAR_ROWS, 1))


def _inverse(bits: str) -> str:
    return bits.translate(str.maketrans("01", "10"))
