"""Finds the ultrasound region of a display layout in pictures spread over it.

Shapes are proposed by what moves and by what is lit at several levels (``motion_mask``, ``field.fit``), moved
onto the edges that the pictures show (``field.edges``), and judged by all of it at once (``field.choice``).
What is read or drawn across the outline of the one that is believed is cut out by ``region_border``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from eus_etl.domain.images.picture import Picture
from eus_etl.domain.screen.bars_beside import bars_beside
from eus_etl.domain.screen.camera_shake import is_filmed
from eus_etl.domain.screen.field.choice import Judge, Judged
from eus_etl.domain.screen.field.edges import Edges
from eus_etl.domain.screen.field.shapes import Floats, Mask, filled, hull, overlap
from eus_etl.domain.screen.field.wings import Wings
from eus_etl.domain.screen.motion_mask import Evidence, Seen, boxes_on_copy
from eus_etl.domain.screen.region import Box, Polygon, Region, area_fraction
from eus_etl.domain.screen.region_border import without_drawings
from eus_etl.settings import RegionConfig

_MIN_EDGE, _MAX_LOST, _MIN_SCORE = 0.55, 0.06, 0.6
_SURE_EDGE = 0.735
_FEW_EDGES = "part of its outline lies on no edge"
_WIDER_RIVAL = "it may be wider: something faint lies beyond a side, and ends at an edge of its own"
_FLICKERS_BEYOND = "it may be wider: something too dark to end at an edge changes beyond a side"
_MOST_LEAN = 0.1
_LEANS = "it leans to one side: what mirrors that side may lie in the dark"
_WIDE_ASPECT, _STRIP_ASPECT, _SCROLLING = 2.2, 4.0, 0.3
_STRIP = "it is as wide and even as a strip that scrolls, which is no picture"
_WHOLE = 0.95
_WHOLE_PICTURE = "it is the whole picture, and part of that is a screen or a room"
_FILMED = "all of the screen moves together: it was filmed by a camera that shakes"
_NOTHING_MOVES = "nothing moves, so it is whatever is lit: it may include text or miss dark parts"
_LIT_CONFIDENCE = 0.5
_HULL_CONFIDENCE = 0.8
_NEAR_PX = 5
_NEARLY, _ALIKE, _CLEARLY = 0.03, 0.01, 0.08
_CONFIRMED_TRIED = 3
"""So many of the fields that are confirmed for the screen are tried: one scanner has many depths."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What was made of one area that was seen.

    Attributes:
        outline: on the copy.
        kind: the shape's, or ``hull``.
        seen: the area.
        solidity: of the area.
        confidence: as if it moves.
        wide: it may be a strip beside the picture that scrolls, M-mode or a Doppler spectrum.
        doubt: why a person should look at it.
        bars: boxes around the bars beside it, on the copy.
    """

    outline: Floats
    kind: str
    seen: Mask
    solidity: float
    confidence: float
    wide: bool
    doubt: str | None
    bars: Sequence[Box]

    def rank(self) -> tuple[bool, float]:
        """What may be a strip comes after a field that does not; else the largest first."""
        return self.kind != "hull" and not self.wide, float(np.count_nonzero(self.seen))

    def region(self, found_by: str, shape: tuple[int, ...]) -> Region:
        """On pictures of a shape (h, w)."""
        polygon = _scaled(self.outline, self.seen.shape, shape)
        moves = found_by == "auto_motion"
        return Region(
            polygon=polygon,
            kind=self.kind,
            area_fraction=area_fraction(polygon, shape[1], shape[0]),
            solidity=self.solidity,
            found_by=found_by,
            confidence=self.confidence * (1.0 if moves else _LIT_CONFIDENCE),
            doubt=self.doubt if moves else _NOTHING_MOVES,
        )


def find_region(
    pictures: Sequence[Picture],
    config: RegionConfig,
    words: Sequence[Box] = (),
    confirmed: Sequence[Polygon] = (),
) -> Region:
    """Find the region in pictures spread over one layout.

    Where pixels change, ultrasound is shown. Where too little changes (a frozen recording, one picture) it
    is sought in what is lit, and ``found_by`` says so. The outline is that of a linear, trapezoid or sector
    field where one lies on the edges of what is ever lit and leaves out little of what was seen; else the
    convex hull of what was seen. What hangs over the outline is cut out. ``doubt`` says why a person should
    look at it.

    Args:
        pictures: grey uint8 (h, w), all of one size.
        config: a region smaller than ``min_area_fraction`` is not trusted.
        words: boxes x, y, width, height in picture pixels around what is read on the screen: none that is
            not wholly within the field is inside the region.
        confirmed: outlines that a person has confirmed for the same screen elsewhere. They propose shapes,
            which lie on the edges of these pictures or are not believed; one that does is not in doubt for
            what of it is dark here.
    """
    if not pictures:
        return Region()
    shape = pictures[0].shape
    evidence = Evidence.of(pictures)
    edges = Edges.of(evidence.bright, shrunk=evidence.scale < 1)
    written = boxes_on_copy(words, shape, evidence.bright.shape)
    fields = [_on_copy(polygon, shape, evidence.bright.shape) for polygon in confirmed]
    pixels = config.min_area_fraction * evidence.bright.size
    moving = [area for area in evidence.moving_areas() if np.count_nonzero(area.area) >= pixels]
    if (whole := evidence.joined(moving)) is not None:
        moving.append(whole)
    for found_by, areas in (("auto_motion", moving), ("auto_structure", evidence.lit_areas())):
        foreign = written | (evidence.still() if found_by == "auto_motion" else evidence.glaring)
        found = [_found(area, evidence, edges, foreign, fields) for area in areas]
        for one in sorted(found, key=_Found.rank, reverse=True):
            region = one.region(found_by, shape)
            if (
                region.area_fraction > _WHOLE
                and region.doubt is None
                and (words or not evidence.lively_to_its_border())
            ):
                region = replace(region, doubt=_WHOLE_PICTURE)
            if region.doubt is None and is_filmed(pictures, region.polygon):
                region = replace(region, doubt=_FILMED)
            if region.area_fraction >= config.min_area_fraction:
                # of a screen on which nothing moves, what lies over the field is as still as the field
                known = one.bars if found_by == "auto_motion" else ()
                bars = [_on_picture(box, evidence.scale) for box in known]
                return without_drawings(region, pictures, words, bars)
    return Region()


def _found(seen: Seen, evidence: Evidence, edges: Edges, foreign: Mask, confirmed: Sequence[Mask]) -> _Found:
    """The outline around an area that was seen."""
    shape = seen.area.shape
    around = hull(np.argwhere(seen.area)[:, ::-1].astype(np.float64))
    within = filled(around, shape)
    pixels = int(np.count_nonzero(seen.area))
    solidity = pixels / max(1, int(np.count_nonzero(within)))
    near = cv2.dilate(within.astype(np.uint8), np.ones((_NEAR_PX, _NEAR_PX), np.uint8)) > 0
    strange = foreign & ~near
    bars = bars_beside(evidence, strange, within)
    own_edges = edges.without(bars.drawn, bars.around)
    likest = sorted(confirmed, key=lambda field: -overlap(field, seen.area))
    judge = Judge(seen, strange, own_edges, likest[:_CONFIRMED_TRIED])
    judged = judge.shapes(evidence)
    best = max(judged, key=lambda one: one.score, default=None)
    if best is not None:
        ending = [one for one in judged if _ends_better(one, best)]
        best = max(ending, key=lambda one: one.support.on_edge, default=best)
        judged += judge.further_out(best)
        nearly = [one for one in judged if one.confirmed and _nearly_as_good(one, best)]
        best = max(nearly, key=lambda one: one.score, default=best)
        wings = Wings.of(judged, seen, evidence, own_edges)
        best = wings.widest(best, _believed)
    wide = _is_wide(within)
    doubt = _STRIP if wide and _scrolls(within, evidence.typical) else None
    if best is not None and _believed(best):
        confidence = min(1.0, best.support.on_edge + best.support.dark / 2) * (1 - best.lost)
        doubt = doubt or _doubt_about(best, wings)
        return _Found(
            best.outline, best.geometry.kind, seen.area, solidity, confidence, wide, doubt, bars.boxes
        )
    sides = best.support.sides if best is not None else ()
    missing = f": {_no_edge(sides)}" if sides else ""
    return _Found(
        around,
        "hull",
        seen.area,
        solidity,
        _HULL_CONFIDENCE * solidity,
        wide,
        doubt or f"no field's shape fits what was seen{missing}",
        bars.boxes,
    )


def _nearly_as_good(one: Judged, best: Judged) -> bool:
    """Whether hardly less speaks for a shape, and as much of its outline lies on edges."""
    return one.score >= best.score - _NEARLY and one.support.on_edge >= best.support.on_edge - _NEARLY


def _ends_better(one: Judged, best: Judged) -> bool:
    """Whether as much speaks for a shape, and clearly more of its outline lies on edges."""
    return one.score >= best.score - _ALIKE and one.support.on_edge >= best.support.on_edge + _CLEARLY


def _doubt_about(best: Judged, wings: Wings) -> str | None:
    """Why a shape that is believed may not be all of the field; none where a person has confirmed it."""
    if best.confirmed:
        return None
    if best.support.sides:
        return _no_edge(best.support.sides)
    if best.support.on_edge < _SURE_EDGE:
        return _FEW_EDGES
    if wings.may_be_wider(best):
        return _WIDER_RIVAL
    if wings.flickers_beyond(best):
        return _FLICKERS_BEYOND
    return _LEANS if best.geometry.lean > _MOST_LEAN else None


def _no_edge(sides: Sequence[str]) -> str:
    return f"no edge was found {' and '.join(sides)}"


def _is_wide(within: Mask) -> bool:
    """Whether an area is so much wider than high that it may be a strip beside the picture."""
    _, _, width, height = cv2.boundingRect(within.astype(np.uint8))
    return bool(width > _WIDE_ASPECT * height)


def _scrolls(within: Mask, typical: Picture) -> bool:
    """Whether a wide area's typical picture changes down its rows, but hardly along them."""
    x, y, width, height = cv2.boundingRect(within.astype(np.uint8))
    levels = typical[y : y + height, x : x + width].astype(np.float64)
    along, down = np.abs(np.diff(levels, axis=1)).mean(), np.abs(np.diff(levels, axis=0)).mean()
    return bool(along < _SCROLLING * down or width > _STRIP_ASPECT * height)


def _believed(best: Judged) -> bool:
    return best.support.on_edge >= _MIN_EDGE and best.lost <= _MAX_LOST and best.score >= _MIN_SCORE


def _scaled(outline: Floats, copy_shape: tuple[int, ...], shape: tuple[int, ...]) -> Polygon:
    """An outline on the copy as a polygon on the picture; positions are those of pixels' centres."""
    scale = np.array(shape[::-1]) / copy_shape[::-1]
    corners = np.rint((outline + 0.5) * scale - 0.5)
    return np.asarray(np.clip(corners, 0, np.array(shape[::-1]) - 1), np.int32)


def _on_copy(polygon: Polygon, shape: tuple[int, ...], copy_shape: tuple[int, ...]) -> Mask:
    """The inside (h, w) of a polygon of a picture, on its copy."""
    scale = np.array(copy_shape[::-1]) / shape[::-1]
    return filled((polygon + 0.5) * scale - 0.5, copy_shape)


def _on_picture(box: Box, scale: float) -> Box:
    """A box on a copy of a scale as one on the picture, no smaller."""
    left, top = int(box[0] / scale), int(box[1] / scale)
    right, bottom = int(np.ceil((box[0] + box[2]) / scale)), int(np.ceil((box[1] + box[3]) / scale))
    return left, top, right - left, bottom - top
