"""Small synthetic screens for tests: speckle that moves in a field, and what scanners put around it."""

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

WIDTH, HEIGHT = 320, 240
SECTOR = np.array([[140, 40], [180, 40], [260, 150], [210, 195], [160, 205], [110, 195], [60, 150]], np.int32)


def field_mask(polygon: NDArray[np.int32] = SECTOR) -> NDArray[np.bool_]:
    """Where the field is, drawn by its own means."""
    drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillConvexPoly(drawn, polygon, 1)
    return drawn.astype(np.bool_)


def speckle(rng: np.random.Generator, level: float = 70.0) -> Picture:
    """Grey speckle that fills the screen."""
    noise = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 1.2)
    return np.asarray(np.clip(level + 90 * noise, 0, 255), np.uint8)


def screen(inside: Picture, tick: int = 0, polygon: NDArray[np.int32] = SECTOR) -> Picture:
    """``inside`` in the field; around it a header with a ticking clock, a bar code and marks that blink."""
    picture = np.zeros((HEIGHT, WIDTH), np.uint8)
    picture[field_mask(polygon)] = inside[field_mask(polygon)]
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(picture, "DOE JANE 4711", (6, 14), font, 0.4, 230, 1, cv2.LINE_AA)
    cv2.putText(picture, f"10:02:{tick % 60:02d}", (240, 14), font, 0.4, 230, 1, cv2.LINE_AA)
    for bit in range(16):
        if tick >> bit & 1:
            picture[228:236, 20 + 8 * bit : 28 + 8 * bit] = 255
    if tick % 2:
        cv2.circle(picture, (290, 100), 3, 255, -1)
    return picture


def moving_screens(frames: int, seed: int = 0, polygon: NDArray[np.int32] = SECTOR) -> list[Picture]:
    """Screens whose field changes from each to the next."""
    rng = np.random.default_rng(seed)
    return [screen(speckle(rng), tick, polygon) for tick in range(frames)]


def colored(picture: Picture) -> Picture:
    """A grey picture as BGR."""
    return np.repeat(picture[:, :, np.newaxis], 3, axis=2)
