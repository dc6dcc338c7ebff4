"""Beams of a phantom: tissue, speckle that moves and decorrelates, attenuation and TGC, flow.

Everything here is in beam space (depths, lines); scan conversion is in ``fields``.
"""

import cv2
import numpy as np
import numpy.typing as npt

from eus_etl.sample.fields import DEPTHS, LINES

_Floats = npt.NDArray[np.float32]
_Beams = npt.NDArray[np.uint8]

# the probe wanders over tissue that is wider than the picture
_MARGIN = 32
_POOL = 8
_POOL_PER_S = 3.0
_SPECKLE_SIGMA_LINES, _SPECKLE_SIGMA_DEPTHS = 1.6, 1.1  # speckle is coarser across the beams
_SPECKLE_GAIN = 17.0  # grey levels per neper: log compression
_BACKGROUND = 92.0
_ATTENUATION = 60.0  # grey levels lost from probe to full depth
_TGC = 38.0  # grey levels given back by time gain compensation
_BLUR_SIGMA = 6.0
# a probe that half lost its contact: where the shadow begins, how wide it is, and what is left of the grey
_SHADOW_START, _SHADOW_SWAY, _SHADOW_WIDTH = 0.14, 0.10, 0.38
_SHADOW_GAIN = 0.06
_SHADOW_EDGE_LINES = 4.0
_FLOW_BOX = (slice(60, 140), slice(44, 110))
NO_FLOW = 128


class Phantom:
    """Tissue under a moving probe. The same seed gives the same beams for the same time.

    Args:
        rng: source of the tissue and of its speckle.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        width = LINES + 2 * _MARGIN
        noise = rng.standard_normal((_POOL, 2, DEPTHS, width)).astype(np.float32)
        smooth = [
            [
                _normed(cv2.GaussianBlur(part, (0, 0), _SPECKLE_SIGMA_LINES, sigmaY=_SPECKLE_SIGMA_DEPTHS))
                for part in pair
            ]
            for pair in noise
        ]
        self._speckle = np.asarray(smooth, np.float32)
        self._tissue = _tissue(rng, width)
        self._phase = float(rng.uniform(0, 2 * np.pi))
        flow = cv2.GaussianBlur(rng.standard_normal((DEPTHS, width)).astype(np.float32), (0, 0), 7)
        self._flow: _Floats = np.asarray(flow / flow.std(), np.float32)

    def beams(self, time_s: float) -> _Beams:
        """Grey levels (DEPTHS, LINES) at a time."""
        across, along = self._probe(time_s)
        at = round(_MARGIN + across)
        window = (slice(None), slice(at, at + LINES))
        # the angle between two pool members turns one speckle pattern into the next at constant energy
        place, fraction = divmod(time_s * _POOL_PER_S, 1.0)
        old, new = self._speckle[int(place) % _POOL], self._speckle[(int(place) + 1) % _POOL]
        a, b = float(np.cos(fraction * np.pi / 2)), float(np.sin(fraction * np.pi / 2))
        real = cv2.addWeighted(old[0][window], a, new[0][window], b, 0)
        imaginary = cv2.addWeighted(old[1][window], a, new[1][window], b, 0)
        magnitude = cv2.magnitude(real, imaginary)
        shift = np.array([[1, 0, -_MARGIN - across], [0, 1, -along]], np.float32)
        tissue = cv2.warpAffine(self._tissue, shift, (LINES, DEPTHS), borderMode=cv2.BORDER_REFLECT)
        grey = cv2.scaleAdd(cv2.log(np.maximum(magnitude, 1e-3)), _SPECKLE_GAIN, tissue)
        return np.clip(grey, 0, 255).astype(np.uint8)

    def flow(self, time_s: float) -> _Beams:
        """Color Doppler velocity (DEPTHS, LINES): 128 is no flow, below and above are the two directions.

        Only the Doppler box carries flow; it pulses once a second.
        """
        velocity = np.full((DEPTHS, LINES), NO_FLOW, np.uint8)
        at = round(_MARGIN + self._probe(time_s)[0])
        pulse = 80 + 30 * np.sin(2 * np.pi * time_s)
        moving = self._flow[:, at : at + LINES][_FLOW_BOX] * pulse
        velocity[_FLOW_BOX] = np.clip(NO_FLOW + np.where(np.abs(moving) > 40, moving, 0), 0, 255)
        return velocity

    def _probe(self, time_s: float) -> tuple[float, float]:
        """How far the probe is off, in lines and in depths: a slow sweep, a tremor, and breathing."""
        sweep = 20 * np.sin(2 * np.pi * time_s / 7.3 + self._phase) + 4 * np.sin(2 * np.pi * time_s / 1.9)
        return float(sweep), float(5 * np.sin(2 * np.pi * time_s / 4.1 + self._phase))


def defocus(beams: _Beams) -> _Beams:
    """Beams out of focus: no speckle and no border is sharp any more."""
    return np.asarray(cv2.GaussianBlur(beams, (0, 0), _BLUR_SIGMA), np.uint8)


def lose_contact(beams: _Beams, time_s: float) -> _Beams:
    """Beams of a probe that lifts off: a swaying sector is dark from the transducer down, without echoes."""
    start = LINES * (_SHADOW_START + _SHADOW_SWAY * np.sin(2 * np.pi * time_s / 3.1))
    lines = np.arange(LINES)
    within = np.minimum(lines - start, start + LINES * _SHADOW_WIDTH - lines)
    darkness = np.clip(within / _SHADOW_EDGE_LINES + 0.5, 0, 1)
    return np.asarray(np.rint(beams * (1 - (1 - _SHADOW_GAIN) * darkness)), np.uint8)


def _normed(field: npt.NDArray[np.float32]) -> _Floats:
    return np.asarray(field / field.std(), np.float32)


def _tissue(rng: np.random.Generator, width: int) -> _Floats:
    """Grey levels before speckle (DEPTHS, width): parenchyma, layers, cysts, vessels, shadows, depth gain."""
    soft = cv2.GaussianBlur(rng.standard_normal((DEPTHS, width)).astype(np.float32), (0, 0), 14)
    grey = _BACKGROUND + 14 * soft / soft.std()
    lines = np.arange(width)
    for depth in (12, 30, int(rng.integers(95, 125)), int(rng.integers(160, 185))):
        course = depth + 6 * np.sin(lines / rng.uniform(14, 30) + rng.uniform(0, 6))
        distance = np.arange(DEPTHS)[:, np.newaxis] - course
        grey += 55 * np.exp(-((distance / 2.2) ** 2))
    canvas = grey.astype(np.float32)
    for _ in range(5):
        centre = (int(rng.integers(10, width - 10)), int(rng.integers(40, DEPTHS - 20)))
        axes = (int(rng.integers(6, 18)), int(rng.integers(6, 16)))
        level = float(rng.choice([18.0, 24.0, 150.0], p=[0.4, 0.3, 0.3]))
        cv2.ellipse(canvas, centre, axes, float(rng.uniform(0, 180)), 0, 360, level, -1)
    stone = int(rng.integers(30, width - 30))
    canvas[70:76, stone : stone + 9] = 190
    canvas[76:, stone : stone + 9] -= 55
    gain = (_TGC - _ATTENUATION) * np.linspace(0, 1, DEPTHS, dtype=np.float32)[:, np.newaxis]
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), 0.8) + gain, np.float32)
