"""Spreads members over groups so that each group has its share of everything.

Knows nothing of people or splits. All sums are of whole numbers: every machine finds the same.
"""

from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

_MILLI = 1000
_WEIGHT = 1_000_000
_SIZE_COUNTS = 50  # as much as so many traits
_SWAP_AMONG = 200
_ROUNDS = 400


def spread(
    traits: Mapping[str, AbstractSet[Hashable]],
    placed: Mapping[str, str],
    order: Sequence[str],
    shares: Mapping[str, float],
) -> dict[str, str]:
    """Place the members of ``order``; who is placed stays.

    Members with the rarest traits are placed first, each where most is lacking (as Sechidis et al. 2011 do
    for several labels at once); then places are swapped while that brings all traits nearer to their shares.

    Args:
        traits: member to its traits, for those in ``placed`` and in ``order``.
        placed: member to group, for those that have a place.
        order: members without a place; among equals the first is served first.
        shares: group to the share of members that it should hold, above 0, in sum 1. The first of equally
            good groups is taken.

    Returns:
        Member to group, for those in ``order``.
    """
    if not order:
        return {}
    groups = list(shares)
    spreading = _Spreading(traits, {m: g for m, g in placed.items() if g in shares}, order, shares)
    spreading.fill()
    spreading.swap()
    return {member: groups[at] for member, at in zip(order, spreading.group_of, strict=True)}


class _Spreading:
    """Members, one row each, by traits; the last column counts the member itself.

    The cost is the sum of (count - target)^2 / target over traits and groups, as in a chi-squared test.
    """

    def __init__(
        self,
        traits: Mapping[str, AbstractSet[Hashable]],
        placed: Mapping[str, str],
        order: Sequence[str],
        shares: Mapping[str, float],
    ) -> None:
        columns: dict[Hashable, int] = {}
        for member in (*placed, *order):
            for trait in traits[member]:
                columns.setdefault(trait, len(columns))
        self.has = _matrix([traits[member] for member in order], columns)
        there = _matrix([traits[member] for member in placed], columns)
        total = self.has.sum(axis=0) + there.sum(axis=0)
        milli = np.array([max(1, round(share * _MILLI)) for share in shares.values()], np.int64)
        groups = {group: at for at, group in enumerate(shares)}
        counts = np.zeros((len(groups), total.size), np.int64)
        for row, group in zip(there, placed.values(), strict=True):
            counts[groups[group]] += row
        # over: how far each group is above its target, in thousandths of a member
        self.over = counts * _MILLI - milli[:, None] * total[None, :]
        self.weight = np.maximum(1, _WEIGHT * _MILLI // (milli[:, None] * np.maximum(1, total)[None, :]))
        self.weight[:, -1] *= _SIZE_COUNTS
        self.rarity = np.where(self.has[:, :-1] > 0, total[:-1], total[-1]).min(axis=1, initial=total[-1])
        self.group_of = np.full(len(order), -1, np.int64)

    def fill(self) -> None:
        """Give each member a place."""
        for member in np.argsort(self.rarity, kind="stable"):
            row = self.has[member]
            added = (self.weight * (2 * self.over + _MILLI) * row).sum(axis=1)
            best = int(added.argmin())
            self.group_of[member] = best
            self.over[best] += _MILLI * row

    def swap(self) -> None:
        """Move single members and exchange pairs while the cost falls."""
        for _ in range(_ROUNDS):
            if not (self._move() or self._exchange()):
                return

    def _move(self) -> bool:
        """The best move of one member, if one lowers the cost."""
        enter = self.has @ (self.weight * (2 * self.over + _MILLI)).T
        leave = self.has @ (self.weight * (-2 * self.over + _MILLI)).T
        gain = enter + leave[np.arange(len(self.has)), self.group_of][:, None]
        gain[np.arange(len(self.has)), self.group_of] = 0
        member, group = divmod(int(gain.argmin()), gain.shape[1])
        if gain[member, group] >= 0:
            return False
        self._put(member, group)
        return True

    def _exchange(self) -> bool:
        """The best exchange of two members, if one lowers the cost."""
        best, pair = 0, None
        for a in range(len(self.over)):
            for b in range(a + 1, len(self.over)):
                slope = 2 * (self.weight[a] * self.over[a] - self.weight[b] * self.over[b])
                curve = _MILLI * (self.weight[a] + self.weight[b])
                score = self.has @ slope
                from_a = self._candidates(a, -score)
                from_b = self._candidates(b, score)
                if not (from_a.size and from_b.size):
                    continue
                ones, others = self.has[from_a], self.has[from_b]
                alike = (ones * curve) @ others.T
                change = (
                    (score[from_b] + others @ curve)[None, :]
                    + (ones @ curve - score[from_a])[:, None]
                    - 2 * alike
                )
                at = int(change.argmin())
                one, other = divmod(at, from_b.size)
                if change[one, other] < best:
                    best, pair = int(change[one, other]), (int(from_a[one]), int(from_b[other]))
        if pair is None:
            return False
        one, other = pair
        first, second = int(self.group_of[one]), int(self.group_of[other])
        self._put(one, second)
        self._put(other, first)
        return True

    def _candidates(self, group: int, score: NDArray[np.int64]) -> NDArray[np.int64]:
        """The group's members with the lowest scores."""
        members = np.flatnonzero(self.group_of == group)
        return members[np.argsort(score[members], kind="stable")[:_SWAP_AMONG]]

    def _put(self, member: int, group: int) -> None:
        self.over[self.group_of[member]] -= _MILLI * self.has[member]
        self.over[group] += _MILLI * self.has[member]
        self.group_of[member] = group


def _matrix(members: Sequence[AbstractSet[Hashable]], columns: Mapping[Hashable, int]) -> NDArray[np.int64]:
    """(members, traits + 1): 1 where a member has a trait, and in the last column."""
    matrix = np.zeros((len(members), len(columns) + 1), np.int64)
    matrix[:, -1] = 1
    for row, traits in zip(matrix, members, strict=True):
        row[[columns[trait] for trait in traits]] = 1
    return matrix
