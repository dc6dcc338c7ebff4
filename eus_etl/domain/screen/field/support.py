"""How much of an outline lies on an edge, and how the rest of it ends.

Where the edges are is found by ``edges``.
"""

from dataclasses import dataclass

import numpy as np

from eus_etl.domain.screen.field.shapes import Floats, Mask

_MIN_POINTS = 4


@dataclass(frozen=True, slots=True)
class Support:
    """How much of an outline lies on an edge.

    Attributes:
        on_edge: share of its length, 0 to 1.
        dark: share of its length along which it is dark on both sides: nothing speaks against it.
        dim: share of its length that lies on an edge with something faint beyond: a wing, or the screen.
        sides: of top, right, bottom and left those of which less than half lies on an edge, or is dark.
    """

    on_edge: float
    dark: float
    dim: float
    sides: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ends:
    """Of the part of an outline that lies beyond another shape, shares of its length, 0 to 1.

    Attributes:
        on_edge: that lies on an edge.
        nowhere: that lies on none, though it is not dark there.
    """

    on_edge: float
    nowhere: float


@dataclass(frozen=True, slots=True)
class Along:
    """What there is at points along an outline.

    Attributes:
        points: x y, (n, 2).
        normals: theirs, to the outside, (n, 2).
        on_edge, dark, dim: of each what ``Support`` says of shares, (n).
    """

    points: Floats
    normals: Floats
    on_edge: Mask
    dark: Mask
    dim: Mask

    def support(self) -> Support:
        """How much of the outline lies on an edge."""
        x, y = self.normals.T
        facing = {"top": y < -0.7, "right": x > 0.7, "bottom": y > 0.7, "left": x < -0.7}
        missing = [
            side for side, own in facing.items() if own.any() and (self.on_edge | self.dark)[own].mean() < 0.5
        ]
        return Support(
            on_edge=float(self.on_edge.mean()),
            dark=float(self.dark.mean()),
            dim=float(self.dim.mean()),
            sides=tuple(missing),
        )

    def ends(self, inside: Mask) -> Ends | None:
        """How the part ends that lies beyond another shape, (h, w); None if hardly any does."""
        x, y = np.clip(np.rint(self.points), 0, np.array(inside.shape[::-1]) - 1).astype(int).T
        beyond = ~inside[y, x]
        if np.count_nonzero(beyond) < _MIN_POINTS:
            return None
        return Ends(
            on_edge=float(self.on_edge[beyond].mean()),
            nowhere=float((~self.on_edge & ~self.dark)[beyond].mean()),
        )
