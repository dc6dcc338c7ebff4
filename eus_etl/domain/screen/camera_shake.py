"""Whether a screen was filmed by a camera that moves, rather than captured.

On a captured screen, what is written or drawn beside the field is at the same place in every picture, and so
is the field's outline. A camera in a hand moves all of it together. Tissue proves little: it moves with the
probe. So points beside the region are followed; where too few are there, the region's outline; where that is
the picture's border, all points.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.images.picture import Picture
from eus_etl.domain.sampling import spread
from eus_etl.domain.screen.field.edges import resampled
from eus_etl.domain.screen.field.shapes import Floats, Mask, filled
from eus_etl.domain.screen.region import Polygon

_PICTURES = 24
# points beside the region: so many at most, so far apart, so sharp a corner (grey levels a px, squared)
_POINTS, _APART_PX, _BLOCK_PX, _SHARP = 300, 6, 5, 30.0
_FEWEST_POINTS, _FEWEST_STILL = 5, 2
_BESIDE = 0.012
_WINDOW_PX, _PYRAMID, _BACK_PX = 15, 3, 0.3
# a point stays put if it moves by less, and goes along with the others if it is off by less
_STILL_PX, _STILL_QUANTILE, _TOGETHER_PX = 0.25, 0.9, 0.4
# of real clips' points inside, up to half go along with each other, as tissue does
_STILL_SHARE, _TOGETHER_SHARE, _TOGETHER_SHARE_INSIDE = 0.25, 0.55, 0.6
# the outline: px on either side of it, one point in so many px, the least step of grey levels
_REACH_PX, _EVERY_PX, _LEAST_STEP, _LEAST_RATIO = 6, 3, 12.0, 0.7
_FEWEST_EDGES, _FEWEST_SEEN, _RUN = 30, 10, 8
# by how much the outline shakes, and which share of what its halves see they have to share
_SHAKE_PX, _SHARED = 0.3, 0.6
_FIT_STEPS = 6


def is_filmed(pictures: Sequence[Picture], polygon: Polygon) -> bool:
    """Whether what stays put on a captured screen moves together.

    Args:
        pictures: grey uint8 (h, w), at least one, all of one size, spread over the layout.
        polygon: the region, (n, 2) x y.
    """
    chosen = [pictures[place] for place in spread(len(pictures), _PICTURES)]
    shape = chosen[0].shape
    margin = 2 * round(_BESIDE * max(shape)) + 1
    inside = filled(polygon, shape).astype(np.uint8)
    beside = cv2.dilate(inside, np.ones((margin, margin), np.uint8)) == 0
    moves = moves_together(chosen, beside, _TOGETHER_SHARE)
    if moves is not None:
        return moves
    shake_px = shake_of_outline(chosen, polygon)
    if shake_px is not None:
        return shake_px > _SHAKE_PX
    return moves_together(chosen, np.ones_like(beside), _TOGETHER_SHARE_INSIDE) is True


def moves_together(pictures: Sequence[Picture], among: Mask, share: float) -> bool | None:
    """Whether nearly all corners that the middle picture shows move, and more than a share as one thing does.

    None where too few are there, or can be followed (Lucas and Kanade, 1981).

    Args:
        pictures: grey uint8 (h, w).
        among: (h, w), where corners count.
        share: 0 to 1, of those that can be followed, in the median picture.
    """
    middle = len(pictures) // 2
    points = _corners(pictures[middle], among)
    if len(points) < _FEWEST_STILL:
        return None
    moved = np.full((len(pictures), len(points)), np.nan)
    together = []
    for number, picture in enumerate(pictures):
        if number == middle:
            continue
        places, followed = _followed(pictures[middle], picture, points)
        moved[number, followed] = np.hypot(*(places - points)[followed].T)
        if np.count_nonzero(followed) < _FEWEST_POINTS:
            together.append(0.0)
        elif np.median(moved[number, followed]) >= _STILL_PX:
            together.append(_share_of_one_move(points[followed], places[followed]))
    known = np.isfinite(moved).sum(axis=0) >= max(1, (len(pictures) - 1) / 2)
    if not known.any():
        return None
    still = np.nanquantile(moved[:, known], _STILL_QUANTILE, axis=0) < _STILL_PX
    if np.count_nonzero(still) >= max(_FEWEST_STILL, _STILL_SHARE * len(still)):
        return False
    if len(still) < _FEWEST_POINTS:
        return None
    return bool(together) and float(np.median(together)) > share


def _share_of_one_move(points: NDArray[np.float32], places: NDArray[np.float32]) -> float:
    """Of points (n, 2) and where they went, the share that one shift, turn and change of size explains."""
    _, fits = cv2.estimateAffinePartial2D(
        points, places, method=cv2.RANSAC, ransacReprojThreshold=_TOGETHER_PX
    )
    return 0.0 if fits is None else float(np.mean(fits))


def _corners(picture: Picture, among: Mask) -> NDArray[np.float32]:
    """Places (n, 2) of the sharpest corners: a straight edge has no place along itself."""
    sharpness = cv2.cornerMinEigenVal(picture.astype(np.float32), _BLOCK_PX)
    sharp = (among & (sharpness > _SHARP)).astype(np.uint8)
    points = cv2.goodFeaturesToTrack(picture, _POINTS, 1e-3, _APART_PX, mask=sharp, blockSize=_BLOCK_PX)
    return np.empty((0, 2), np.float32) if points is None else np.asarray(points[:, 0], np.float32)


def _followed(
    first: Picture, second: Picture, points: NDArray[np.float32]
) -> tuple[NDArray[np.float32], Mask]:
    """Where points (n, 2) of the first picture are on the second, and for which of them that is known."""
    window = (_WINDOW_PX, _WINDOW_PX)
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        first, second, points, np.empty(0, np.float32), winSize=window, maxLevel=_PYRAMID
    )
    back, known, _ = cv2.calcOpticalFlowPyrLK(
        second, first, there, np.empty(0, np.float32), winSize=window, maxLevel=_PYRAMID
    )
    same = np.hypot(*(back - points).T) < _BACK_PX
    return np.asarray(there, np.float32), np.asarray(same & (found[:, 0] > 0) & (known[:, 0] > 0))


def shake_of_outline(pictures: Sequence[Picture], polygon: Polygon) -> float | None:
    """By how many px the outline of what is lit moves as a whole, as a standard deviation; None if unseen.

    Each point of the outline gives the place of its edge in each picture, off by what speckle does to it. Two
    halves of the outline share only what moves both: their covariance is the shake, without the noise. If
    that is the lesser part of what they see, nothing moves both: 0.
    """
    seen = _edges_over_time(pictures, polygon)
    if seen is None:
        return None
    edges, normals = seen
    first = np.arange(len(normals)) // _RUN % 2 == 0
    moves = [np.array([_common_move(row[half], normals[half]) for row in edges]) for half in (first, ~first)]
    known = np.isfinite(moves[0]).all(axis=1) & np.isfinite(moves[1]).all(axis=1)
    if np.count_nonzero(known) < len(pictures) / 2:
        return None
    one, other = (move[known] - move[known].mean(axis=0) for move in moves)
    shared = float(np.sum(one * other))
    whole = float(np.sqrt(np.sum(one**2) * np.sum(other**2)))
    return float(np.sqrt(shared / len(one))) if shared > _SHARED * whole else 0.0


def _edges_over_time(pictures: Sequence[Picture], polygon: Polygon) -> tuple[Floats, Floats] | None:
    """How far outside of the outline its edge lies (pictures, points), and the points' normals (points, 2).

    NaN where it cannot be seen; None where it can at too few points.
    """
    height, width = pictures[0].shape
    around = cv2.arcLength(polygon.astype(np.float32), closed=True)
    points, normals = resampled(polygon.astype(np.float64), max(1, round(around / _EVERY_PX)))
    apart = _REACH_PX + 2
    free = ((points > apart) & (points < np.array([width, height]) - 1 - apart)).all(axis=1)
    points, normals = points[free], normals[free]
    if len(points) < _FEWEST_EDGES:
        return None
    offsets = np.arange(-_REACH_PX, _REACH_PX + 1)
    places = (points[:, np.newaxis] + offsets[np.newaxis, :, np.newaxis] * normals[:, np.newaxis]).astype(
        np.float32
    )
    levels = np.stack(
        [cv2.remap(picture, places[..., 0], places[..., 1], cv2.INTER_LINEAR) for picture in pictures]
    ).astype(np.float64)
    outside = np.median(levels[:, :, -2:], axis=(0, 2))
    step = levels[:, :, :3].mean(axis=2) - outside
    sharp = step > np.maximum(_LEAST_STEP, _LEAST_RATIO * outside)
    # of a step that is sharp and outlined by its levels, the area below the profile tells the place
    lit = (levels - outside[np.newaxis, :, np.newaxis]).sum(axis=2)
    edges = lit / np.where(sharp, step, 1.0) - _REACH_PX - 0.5
    edges = np.where(sharp & (np.abs(edges) < _REACH_PX), edges, np.nan)
    usable = np.isfinite(edges).mean(axis=0) > 0.5
    if np.count_nonzero(usable) < _FEWEST_EDGES:
        return None
    edges = edges[:, usable]
    return edges - np.nanmedian(edges, axis=0), normals[usable]


def _common_move(edges: Floats, normals: Floats) -> Floats:
    """The move (x, y) that explains where edges (n) lie along their normals (n, 2); NaN where few are known.

    Apart from it all may lie further out or in: what a change of gain does. Outliers weigh little.
    """
    known = np.isfinite(edges)
    if np.count_nonzero(known) < _FEWEST_SEEN:
        return np.full(2, np.nan)
    terms = np.column_stack([normals[known], np.ones(np.count_nonzero(known))])
    off, weights = edges[known], np.ones(np.count_nonzero(known))
    move: Floats = np.zeros(3)
    for _ in range(_FIT_STEPS):
        solved, *_ = np.linalg.lstsq(terms * weights[:, np.newaxis], off * weights, rcond=None)
        move = np.asarray(solved, np.float64)
        apart = np.abs(off - terms @ move)
        scale = 1.4826 * float(np.median(apart)) + 0.02
        weights = np.sqrt(1 / (1 + (apart / (2 * scale)) ** 2))
    return move[:2]
