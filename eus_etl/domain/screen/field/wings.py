"""Whether a field is wider than the shape that is judged best: dark wings that belong to it.

A wing without contact is so much darker than the rest of a field that its inner edge is the sharpest of all.
That it belongs to the field shows where it ends itself: the dark beside a field ends nowhere.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from eus_etl.domain.screen.field.choice import Judged
from eus_etl.domain.screen.field.edges import Edges
from eus_etl.domain.screen.motion_mask import Evidence, Mask, Seen, components, opened

# of the best shape's area: what the one with a wing has more, and what it may miss
_LEAST_MORE, _MOST_MISSED = 0.03, 0.02
# of the best shape's area: parts of a wing, beyond what compression smears, that have to be lit each
_LEAST_PART = 0.003
# px of a picture over which compression smears the border of a field
_BLOCK_PX = 16
# px of the copy beyond the best one from which an outline is a wing's
_APART_PX = 9
# how much of what is lit in a wing changes, by so many levels: a grey panel beside a field does not
_CHANGING, _CHANGE_LEVELS = 0.4, 2
# a wing too dark for edges: by so many levels its pixels change, averaged over so many px of the copy; it has
# so much of the best shape's area, and so much of the square root of that area as a border with it
_FLICKERS_LEVELS, _FLICKERS_PX, _FLICKERS_MORE, _FLICKERS_ALONG = 1.0, 9, 0.015, 0.14
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
        each_part: whether that is asked of each of its parts beyond what compression smears.
    """

    worse: float
    on_edge: float
    nowhere: float
    lit: float
    each_part: bool = False


_SURE = _Demands(worse=0.15, on_edge=0.45, nowhere=0.25, lit=0.4)
_ENDING = _Demands(worse=0.3, on_edge=0.6, nowhere=0.15, lit=0.15, each_part=True)
"""Of a wing that ends at an edge nearly all along: it may be darker, and have more drawn upon it."""

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

    def widest(self, best: Judged, believed: Callable[[Judged], bool]) -> Judged:
        """The shape with all wings that surely belong to it; only one that is believed is taken instead."""
        for one in filter(believed, self.judged):
            righted = best.geometry.lean - one.geometry.lean > _RIGHTED
            enough = [_SURE, _ENDING, _BETTER]
            enough += [_RIGHTING] * righted + [_CONFIRMED, _PERHAPS] * one.confirmed
            if any(self._has_wing(one, best, demands) for demands in enough):
                return self.widest(one, believed)
        return best

    def may_be_wider(self, best: Judged) -> bool:
        """Whether there may be a wing that is not taken in."""
        return any(self._has_wing(one, best, _PERHAPS) for one in self.judged)

    def flickers_beyond(self, best: Judged) -> bool:
        """Whether something that is too dark to end at an edge changes all along a part of the outline.

        The dark of a screen flickers as well where compression smears the field, or letters.
        """
        smeared = self._smeared(best.inside)
        beside = self._smeared(self.evidence.still() & ~smeared)
        changes = cv2.blur(self.evidence.deviation.astype(np.float32), (_FLICKERS_PX, _FLICKERS_PX))
        border = _widened(smeared, 3) & ~smeared
        pixels = np.count_nonzero(best.inside)
        return any(
            np.count_nonzero(part) >= _FLICKERS_MORE * pixels
            and np.count_nonzero(part & border) >= _FLICKERS_ALONG * np.sqrt(pixels)
            for part in components(opened((changes >= _FLICKERS_LEVELS) & ~smeared & ~beside))
        )

    def _smeared(self, area: Mask) -> Mask:
        """An area with what compression smears of it."""
        return _widened(area, 2 * round(_BLOCK_PX * self.evidence.scale) + 1)

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
        parts = [wing]
        if demands.each_part:
            apart = components(wing & ~self._smeared(best.inside))
            parts = [part for part in apart if np.count_nonzero(part) >= _LEAST_PART * pixels]
        levels = self.edges.levels[best.inside & ~self.edges.dark]
        if not parts or not all(self._is_faint(part, float(levels.mean()), demands) for part in parts):
            return False
        along = self.edges.along(wider.outline, self.seen.area)
        ends = along.ends(_widened(best.inside, _APART_PX)) if along is not None else None
        return ends is not None and ends.on_edge >= demands.on_edge and ends.nowhere <= demands.nowhere

    def _is_faint(self, part: Mask, level: float, demands: _Demands) -> bool:
        """Whether enough of a part is lit and changes, and that is darker than a level."""
        lit = part & ~self.edges.dark
        lit_px = int(np.count_nonzero(lit))
        if not lit_px or self.edges.levels[lit].mean() > level + np.log(_DARKER):
            return False
        changing_px = np.count_nonzero(lit & (self.evidence.deviation >= _CHANGE_LEVELS))
        return bool(lit_px >= demands.lit * np.count_nonzero(part) and changing_px >= _CHANGING * lit_px)


def _widened(area: Mask, side_px: int) -> Mask:
    """An area with what is within half a side of it, along rows and columns."""
    return cv2.dilate(area.astype(np.uint8), np.ones((side_px, side_px), np.uint8)) > 0
