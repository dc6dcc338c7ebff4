"""A screen with planted strings that somebody films: perspective, blur, a hand that shakes."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.support.screens.ink import Box
from benchmarks.support.screens.planted_strings import Planted, Stage, beside, inside


def filmed(stage: Stage, count: int) -> NDArray[np.bool_]:
    """A screen with strings beside and inside, filmed by a camera: perspective, blur, a hand that shakes.

    Returns:
        (height, width) of bool, where the field is on the first frame.
    """
    beside(stage, count)
    inside(stage, 2)
    height, width = stage.pictures[0].shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    spread = 0.06 * min(width, height)
    moved = corners + np.array([[stage.rng.uniform(0, spread)] * 2 for _ in corners], np.float32) * np.sign(
        np.array([width / 2, height / 2], np.float32) - corners
    )
    boxes: list[dict[int, Box]] = [{} for _ in stage.planted]
    first_field = stage.clip.field
    for number, picture in enumerate(stage.pictures):
        shake = np.array([stage.rng.uniform(-1.5, 1.5), stage.rng.uniform(-1.5, 1.5)], np.float32)
        warp = cv2.getPerspectiveTransform(corners, (moved + shake).astype(np.float32))
        seen = cv2.warpPerspective(picture, warp, (width, height), flags=cv2.INTER_AREA)
        stage.pictures[number] = np.asarray(cv2.GaussianBlur(seen, (0, 0), 0.8), np.uint8)
        if number == 0:
            first_field = cv2.warpPerspective(first_field.astype(np.uint8), warp, (width, height)) > 0
        for own, planted in zip(boxes, stage.planted, strict=True):
            if number in planted.boxes:
                own[number] = _warped(planted.boxes[number], np.asarray(warp))
    stage.planted = [
        Planted(one.text, one.where, f"filmed {one.scene}", one.when, one.look, own)
        for one, own in zip(stage.planted, boxes, strict=True)
    ]
    return first_field


def _warped(box: Box, warp: NDArray[Any]) -> Box:
    x, y, width, height = box
    corners = np.array([[[x, y], [x + width, y], [x + width, y + height], [x, y + height]]], np.float32)
    moved = cv2.perspectiveTransform(corners, warp)[0]
    left, top = (int(edge) for edge in np.floor(moved.min(axis=0)))
    right, bottom = (int(edge) for edge in np.ceil(moved.max(axis=0)))
    return left, top, right - left, bottom - top
