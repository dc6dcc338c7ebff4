"""Which shapes a field may have, and how much speaks for each: edges, what moves, what is lit and does not.

Shapes are proposed by what was seen and what is lit (``fit``) and moved onto the edges (``edges``). Which of
them is believed, and which doubts are left, belongs to ``region_search``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from eus_etl.domain.screen.field.edges import Edges, Support
from eus_etl.domain.screen.field.fit import fit_field, like_one_side, symmetric
from eus_etl.domain.screen.field.shapes import Floats, Geometry, Mask, Sector, filled, overlap
from eus_etl.domain.screen.motion_mask import Evidence, Seen

_SETTLED = 5
"""So many proposed shapes, the likeliest ones, are moved onto the edges."""

_SIDES_TRIED = 3
"""Of so many of these each side is tried elsewhere."""

_ALIKE = 0.985
_WIDER, _BEYOND_PX, _BEYOND_STEP_PX = 0.35, 12.0, 4.0
# what a shape loses of its judgement, as a multiple of the share: what is seen and left out, what is taken in
# and was never seen, bright things taken in that lie apart from what was seen
_LOST_COSTS, _EXTRA_COSTS, _STRANGE_COSTS = 2.0, 0.3, 8.0
_DARK_COUNTS, _DIM_COSTS, _LEAN_COSTS, _RAW_COSTS = 0.4, 0.25, 0.15, 0.03
_SIMPLER = {"linear": 0.02, "sector": 0.01, "trapezoid": 0.0}
_CUT_COSTS = 0.05
# of a shape that may be right instead: how much worse it is, how much less of its outline has something faint
# beyond, how much larger it is, and how much of that moves
_RIVAL_SCORE, _RIVAL_DIM, _RIVAL_AREA, _RIVAL_MOVES = 0.12, 0.1, 0.04, 0.1


@dataclass(frozen=True, slots=True)
class Judged:
    """A shape and what speaks for it."""

    geometry: Geometry
    outline: Floats
    inside: Mask
    support: Support
    lost: float
    score: float


def may_be_wider(best: Judged, judged: Sequence[Judged], moving: Mask) -> bool:
    """Whether a shape that takes in more that moves, and ends in the dark, is nearly as likely."""
    pixels = np.count_nonzero(best.inside)
    for one in judged:
        beyond = one.inside & ~best.inside
        if (
            one.score > best.score - _RIVAL_SCORE
            and one.support.dim < best.support.dim - _RIVAL_DIM
            and np.count_nonzero(beyond) > _RIVAL_AREA * pixels
            and np.count_nonzero(best.inside & ~one.inside) < _RIVAL_AREA / 2 * pixels
            and np.count_nonzero(beyond & moving) > _RIVAL_MOVES * np.count_nonzero(beyond)
        ):
            return True
    return False


def judged_shapes(seen: Seen, strange: Mask, evidence: Evidence, edges: Edges) -> Iterator[Judged]:
    """Shapes that the area, and what is lit, propose, before and after they are moved onto edges."""
    masks = [seen.area, *evidence.lit_around()]
    started = [
        shape for mask in masks for fit in fit_field(mask) for shape in (fit, *symmetric(fit, mask.shape))
    ]
    different = {tuple(np.rint(shape.outline().ravel() / 2).tolist()): shape for shape in started}
    judged = (_judged(shape, seen, strange, edges) for shape in different.values())
    ranked = sorted(judged, key=lambda one: -one.score)
    taken: list[Judged] = []
    for one in ranked:
        if len(taken) < _SETTLED and all(overlap(one.inside, other.inside) < _ALIKE for other in taken):
            taken.append(one)
    if not taken:
        return

    def settled(geometry: Geometry) -> Judged:
        return _judged(edges.settled(geometry), seen, strange, edges)

    found = [settled(one.geometry) for one in taken]
    best = max(found, key=lambda one: one.score)
    found += [settled(geometry) for geometry in like_one_side(best.geometry, seen.area)]
    best = max(found, key=lambda one: one.score)
    found += [
        settled(geometry)
        for one in sorted(found, key=lambda one: -one.score)[:_SIDES_TRIED]
        for geometry in edges.with_a_side_moved(one.geometry)
    ]
    best = max(found, key=lambda one: one.score)
    found += [settled(wider.geometry) for wider in _widened(best, seen, strange, edges)]
    found += [settled(geometry) for geometry in symmetric(best.geometry, strange.shape)]
    yield from (replace(one, score=one.score - _RAW_COSTS) for one in taken)
    yield from found


def _widened(one: Judged, seen: Seen, strange: Mask, edges: Edges) -> Iterator[Judged]:
    """The shape with each side that has something faint beyond it moved out to where most speaks for it."""
    values = one.geometry.values
    reach = _WIDER * float(np.sqrt(np.count_nonzero(one.inside)))
    for side, numbers, sign, unit in one.geometry.outward:
        if side not in one.support.dim_sides:
            continue
        moves = np.arange(_BEYOND_PX, reach, _BEYOND_STEP_PX)
        wider = []
        for move in moves:
            moved = values.copy()
            moved[list(numbers)] += sign * move * unit
            wider.append(_judged(one.geometry.with_values(moved), seen, strange, edges))
        if wider:
            yield max(wider, key=lambda other: other.score)


def _judged(geometry: Geometry, seen: Seen, strange: Mask, edges: Edges) -> Judged:
    outline = geometry.outline()
    inside = filled(outline, strange.shape)
    support = edges.support(outline, seen.area)
    area = max(1, int(np.count_nonzero(inside)))
    known = max(1, int(np.count_nonzero(seen.area)))
    lost, faint = (pixels / known for pixels in seen.left_out(inside))
    extra = np.count_nonzero(inside & ~seen.area) / area
    dark = np.count_nonzero(inside & ~seen.area & edges.dark) / area
    odd = np.count_nonzero(inside & strange) / area
    score = (
        support.on_edge
        - _DIM_COSTS * support.dim
        + _DARK_COUNTS * support.dark
        + _SIMPLER[geometry.kind]
        - _CUT_COSTS * (isinstance(geometry, Sector) and geometry.cut_within(inside.shape))
        - _LOST_COSTS * (lost + faint)
        - _EXTRA_COSTS * (extra - dark / 2)
        - _STRANGE_COSTS * odd
        - _LEAN_COSTS * geometry.lean
    )
    return Judged(geometry, outline, inside, support, lost, score)
