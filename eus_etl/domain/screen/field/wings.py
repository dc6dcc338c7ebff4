"""Whether a field is wider than the shape that is judged best: dark wings that belong to it.

A wing without contact is so much darker than the rest of a field that its inner edge is the sharpest of all.
That it belongs to the field shows where it ends itself: the dark beside a field ends nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from eus_etl.domain.screen.field.choice import Judged
from eus_etl.domain.screen.field.edges import Edges
from eus_etl.domain.screen.motion_mask import Evidence, Seen

# of the best shape's area: what the one with a wing has more, and what it may miss
_LEAST_MORE, _MOST_MISSED = 0.03, 0.02
# px of a picture over which compression smears the border of a field
_BLOCK_PX = 16
# px of the copy beyond the best one from which an outline is a wing's
_APART_PX = 9
# how much of what is lit in a wing changes, by so many levels: a grey panel beside a field does not
_CHANGING, _CHANGE_LEVELS = 0.4, 2
# how bright it may be, of the rest of the field: a picture beside the picture is as bright
_DARKER = 0.7
# how much less a sector with the wing leans, for the wing to make it symmetric
_RIGHTED = 0.1


@dataclass(frozen=True, slots=True)
class _Demands:
    """What is asked of a shape with a wing; shares are of the wing's outline, but for the last.

    Attributes:
        worse: how much worse than the best one it may be judged.
        on_edge: the least share on an edge.
        nowhere: the largest on no edge though it is not dark there.
        lit: the least share of the wing that is ever lit.
    """

    worse: float
    on_edge: float
    nowhere: float
    lit: float


_SURE = _Demands(worse=0.15, on_edge=0.45, nowhere=0.25, lit=0.4)
_RIGHTING = _Demands(worse=0.15, on_edge=0.25, nowhere=0.25, lit=0.1)
"""Of a wing that makes a sector symmetric: that speaks for it where less of it is seen."""

_BETTER = _Demands(worse=0.0, on_edge=0.4, nowhere=0.25, lit=0.2)
"""Of a shape that is judged better than the one without."""

_PERHAPS = _Demands(worse=0.2, on_edge=0.4, nowhere=0.55, lit=0.5)

_CONFIRMED = _Demands(worse=0.2, on_edge=0.0, nowhere=0.3, lit=0.1)
"""Of a shape that a person has confirmed for the same screen elsewhere: its wing may end in the dark."""


@dataclass(frozen=True, slots=True)
class Wings:
    """Looks for wings of what was seen.

    Attributes:
        judged: every shape that was, the likeliest first.
        seen: where ultrasound was.
        evidence: of the screen.
        edges: without those of bars.
    """

    judged: Sequence[Judged]
    seen: Seen
    evidence: Evidence
    edges: Edges

    @classmethod
    def of(cls, judged: Sequence[Judged], seen: Seen, evidence: Evidence, edges: Edges) -> Self:
        """Of shapes in any order."""
        return cls(sorted(judged, key=lambda one: -one.score), seen, evidence, edges)

    def widest(self, best: Judged) -> Judged:
        """The shape with all wings that surely belong to it."""
        for one in self.judged:
            righted = best.geometry.lean - one.geometry.lean > _RIGHTED
            enough = [_SURE, _BETTER, *[_RIGHTING] * righted, *[_CONFIRMED, _PERHAPS] * one.confirmed]
            if any(self._has_wing(one, best, demands) for demands in enough):
                return self.widest(one)
        return best

    def may_be_wider(self, best: Judged) -> bool:
        """Whether there may be a wing that is not taken in."""
        return any(self._has_wing(one, best, _PERHAPS) for one in self.judged)

    def _has_wing(self, wider: Judged, best: Judged, demands: _Demands) -> bool:
        if wider.score < best.score - demands.worse:
            return False
        pixels = np.count_nonzero(best.inside)
        wing = wider.inside & ~best.inside
        more = int(np.count_nonzero(wing))
        missed = np.count_nonzero(best.inside & ~wider.inside)
        if more < _LEAST_MORE * pixels or missed > _MOST_MISSED * pixels:
            return False
        depth = cv2.distanceTransform(np.pad(wing, 1).astype(np.uint8), cv2.DIST_L2, 3).max()
        if 2 * depth <= _BLOCK_PX * self.evidence.scale:
            return False
        lit = wing & ~self.edges.dark
        lit_px = int(np.count_nonzero(lit))
        levels = self.edges.levels
        bright = levels[best.inside & ~self.edges.dark].mean()
        if not lit_px or levels[lit].mean() > bright + np.log(_DARKER):
            return False
        changing_px = np.count_nonzero(lit & (self.evidence.deviation >= _CHANGE_LEVELS))
        if lit_px < demands.lit * more or changing_px < _CHANGING * lit_px:
            return False
        near = cv2.dilate(best.inside.astype(np.uint8), np.ones((_APART_PX, _APART_PX), np.uint8)) > 0
        along = self.edges.along(wider.outline, self.seen.area)
        ends = along.ends(near) if along is not None else None
        return ends is not None and ends.on_edge >= demands.on_edge and ends.nowhere <= demands.nowhere
