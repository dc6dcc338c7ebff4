"""Which shapes a field may have, and how much speaks for each: edges, what moves, what is lit and does not.

Shapes are proposed by what was seen, what is lit, and what is confirmed elsewhere (``fit``), and moved onto
the edges (``edges``). Which of them is believed, and which doubts are left, belongs to ``region_search``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from eus_etl.domain.screen.field.edges import Edges
from eus_etl.domain.screen.field.fit import fit_field, like_one_side, symmetric
from eus_etl.domain.screen.field.shapes import Floats, Geometry, Mask, Sector, filled, overlap
from eus_etl.domain.screen.field.support import Support
from eus_etl.domain.screen.motion_mask import Evidence, Seen

_SETTLED = 5
"""So many proposed shapes, the likeliest ones, are moved onto the edges."""

_SIDES_TRIED = 3
"""Of so many of these each side is tried elsewhere."""

_ALIKE = 0.985
_AS_CONFIRMED = 0.97
_WIDER, _BEYOND_PX = 0.35, 12
# what a shape loses of its judgement, as a multiple of the share: what is seen and left out, what is taken in
# and was never seen, bright things taken in that lie apart from what was seen
_LOST_COSTS, _EXTRA_COSTS, _STRANGE_COSTS = 2.0, 0.3, 8.0
_DARK_COUNTS, _DIM_COSTS, _LEAN_COSTS, _RAW_COSTS = 0.4, 0.25, 0.15, 0.03
_SIMPLER = {"linear": 0.02, "sector": 0.01, "trapezoid": 0.0}
_CUT_COSTS = 0.05


@dataclass(frozen=True, slots=True)
class Judged:
    """A shape and what speaks for it.

    Attributes:
        lost: share of what was seen that it leaves out.
        score: the higher, the likelier.
        confirmed: whether a person has confirmed this outline for the same screen elsewhere.
    """

    geometry: Geometry
    outline: Floats
    inside: Mask
    support: Support
    lost: float
    score: float
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Judge:
    """Proposes shapes of a field, and says what speaks for each.

    Attributes:
        seen: where ultrasound was.
        strange: (h, w), bright things that lie apart from it.
        edges: that a shape may lie on.
        confirmed: (h, w) each, the likeliest fields that are confirmed for the same screen elsewhere.
    """

    seen: Seen
    strange: Mask
    edges: Edges
    confirmed: Sequence[Mask] = ()

    def shapes(self, evidence: Evidence) -> list[Judged]:
        """Shapes that are proposed, before and after they are moved onto edges.

        What was seen proposes them, what is lit, and what is confirmed.
        """
        masks = [self.seen.area, *evidence.lit_around(), *self.confirmed]
        started = [
            shape for mask in masks for fit in fit_field(mask) for shape in (fit, *symmetric(fit, mask.shape))
        ]
        different = {tuple(np.rint(shape.outline().ravel() / 2).tolist()): shape for shape in started}
        ranked = sorted(map(self._judged, different.values()), key=lambda one: -one.score)
        taken: list[Judged] = []
        for one in ranked:
            if len(taken) < _SETTLED and all(overlap(one.inside, other.inside) < _ALIKE for other in taken):
                taken.append(one)
        if not taken:
            return []
        found = [self._settled(one.geometry) for one in taken]
        best = max(found, key=lambda one: one.score)
        found += [self._settled(geometry) for geometry in like_one_side(best.geometry, self.seen.area)]
        best = max(found, key=lambda one: one.score)
        found += [
            self._settled(geometry)
            for one in sorted(found, key=lambda one: -one.score)[:_SIDES_TRIED]
            for geometry in self.edges.with_a_side_moved(one.geometry)
        ]
        best = max(found, key=lambda one: one.score)
        found += [self._settled(geometry) for geometry in symmetric(best.geometry, self.strange.shape)]
        return [*found, *(replace(one, score=one.score - _RAW_COSTS) for one in taken)]

    def further_out(self, best: Judged) -> list[Judged]:
        """The shape with one of its sides where something beyond it ends."""
        reach = round(_WIDER * float(np.sqrt(np.count_nonzero(best.inside))))
        if reach <= _BEYOND_PX:
            return []
        return [
            self._judged(geometry)
            for geometry in self.edges.with_a_side_further_out(best.geometry, _BEYOND_PX, reach)
        ]

    def _settled(self, geometry: Geometry) -> Judged:
        """The shape after it was moved onto the edges."""
        return self._judged(self.edges.settled(geometry))

    def _judged(self, geometry: Geometry) -> Judged:
        outline = geometry.outline()
        seen, strange = self.seen, self.strange
        inside = filled(outline, strange.shape)
        support = self.edges.support(outline, seen.area)
        area = max(1, int(np.count_nonzero(inside)))
        known = max(1, int(np.count_nonzero(seen.area)))
        lost, faint = (pixels / known for pixels in seen.left_out(inside))
        extra = np.count_nonzero(inside & ~seen.area) / area
        dark = np.count_nonzero(inside & ~seen.area & self.edges.dark) / area
        odd = np.count_nonzero(inside & strange) / area
        confirmed = any(overlap(inside, field) >= _AS_CONFIRMED for field in self.confirmed)
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
        return Judged(geometry, outline, inside, support, lost, score, confirmed)
