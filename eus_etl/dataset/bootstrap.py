"""Intervals for a figure over persons: persons are drawn, with all that belongs to each.

Frames of one person are alike, so an interval over frames would be far too narrow.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Statistic = Callable[[Values], tuple[Values, Values]]
"""From how often each person counts, (samples, persons), to the figure of each sample, (samples,), and what
one more of each person would change, (samples, persons); NaN where the figure is not defined."""

LEAST_PERSONS = 5
"""Of fewer, what varies between persons cannot be told."""

_BATCH = 1 << 21


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How intervals are made.

    Attributes:
        resamples: how many samples of persons are drawn.
        seed: the same seed draws the same.
        confidence: of the two-sided interval.
    """

    resamples: int = 2000
    seed: int = 0
    confidence: float = 0.95

    def interval(
        self, statistic: Statistic, persons: int, *, is_rate: bool = False
    ) -> tuple[float, float] | None:
        """A studentized interval (bootstrap-t): how far samples lie from the figure, in their own deviations.

        Percentiles, and BCa too, are too short for some tens of persons; these are right about as often as
        they say. The deviation of each sample comes from what each person changes in it (infinitesimal
        jackknife). A rate is measured on the arcsine scale, where its deviation hardly depends on its value;
        a sample without a deviation of its own (all right) gets that of all persons.

        Where all samples of a rate give 0, or all give 1, drawing says nothing: the other end is then the
        exact binomial one (Clopper-Pearson) for as many persons.

        Args:
            statistic: the figure.
            persons: how many persons count.
            is_rate: whether the figure lies between 0 and 1.

        Returns:
            None for fewer than ``LEAST_PERSONS``, or where the figure is not defined.
        """
        if persons < LEAST_PERSONS:
            return None
        (value,), (deviation,) = _measured(statistic, np.ones((1, persons)), is_rate=is_rate)
        drawn, deviations = self._drawn(statistic, persons, is_rate=is_rate)
        known = np.isfinite(drawn)
        if not np.isfinite(value) or known.sum() < self.resamples / 2:
            return None
        drawn, deviations = drawn[known], deviations[known]
        tail = (1 - self.confidence) / 2
        if np.ptp(drawn) == 0:
            exact = tail ** (1 / persons)
            (plain,) = statistic(np.ones((1, persons)))[0]
            if is_rate and plain in (0, 1):
                return (exact, 1.0) if plain else (0.0, 1 - exact)
            return float(plain), float(plain)
        own = np.where(deviations > 1e-9 * max(deviation, 1e-300), deviations, deviation)
        below, above = np.quantile((drawn - value) / own, [tail, 1 - tail], method="weibull")
        low, high = value - above * deviation, value - below * deviation
        if is_rate:
            low, high = (float(np.sin(np.clip(end, 0, np.pi / 2)) ** 2) for end in (low, high))
        return float(low), float(high)

    def _drawn(self, statistic: Statistic, persons: int, *, is_rate: bool) -> tuple[Values, Values]:
        """Figure and deviation of each sample."""
        generator = np.random.default_rng(self.seed)
        shares = np.full(persons, 1 / persons)
        at_once = max(1, _BATCH // persons)
        sizes = [min(at_once, self.resamples - done) for done in range(0, self.resamples, at_once)]
        drawn = [
            _measured(
                statistic, generator.multinomial(persons, shares, size).astype(np.float64), is_rate=is_rate
            )
            for size in sizes
        ]
        return np.concatenate([value for value, _ in drawn]), np.concatenate([own for _, own in drawn])


def _measured(statistic: Statistic, counts: Values, *, is_rate: bool) -> tuple[Values, Values]:
    """Figure and deviation of samples; of a rate on the arcsine scale."""
    values, changes = statistic(counts)
    deviations = np.sqrt(np.einsum("ij,ij->i", counts, changes**2))
    if not is_rate:
        return values, deviations
    inside = (values > 0) & (values < 1)
    slope = np.where(inside, 2 * np.sqrt(np.where(inside, values * (1 - values), 1)), 1)
    return np.arcsin(np.sqrt(values)), np.where(inside, deviations / slope, 0)
