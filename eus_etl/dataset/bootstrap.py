"""Intervals for a figure over persons: persons are drawn, with all that belongs to each.

Frames of one person are alike, so an interval over frames would be far too narrow.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Statistic = Callable[[Values], Values]
"""From how often each person counts, (samples, persons), to the figure of each sample, (samples,); NaN where
it is not defined."""

LEAST_PERSONS = 5
"""Of fewer, what varies between persons cannot be told."""

_BATCH = 1 << 22


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
        """A bias-corrected and accelerated (BCa) interval with quantiles widened for few persons.

        The plain BCa interval is too short for some tens of persons: its quantiles are those of a normal
        deviate. They are replaced by those of Student's t, times the factor by which drawing from the sample
        itself makes its spread too small (Hesterberg 2015, expanded percentiles).

        Where all samples of a rate give 0, or all give 1, drawing says nothing: the other end is then the
        exact binomial one (Clopper-Pearson) for as many persons.

        Args:
            statistic: the figure.
            persons: how many persons count.
            is_rate: whether the figure lies between 0 and 1.

        Returns:
            None for fewer than ``LEAST_PERSONS``, or where the figure is not defined.
        """
        from scipy.stats import norm, t

        if persons < LEAST_PERSONS:
            return None
        (value,) = statistic(np.ones((1, persons)))
        drawn = self._drawn(statistic, persons)
        drawn = drawn[np.isfinite(drawn)]
        if not np.isfinite(value) or len(drawn) < self.resamples / 2:
            return None
        tail = (1 - self.confidence) / 2
        if np.ptp(drawn) == 0:
            exact = tail ** (1 / persons)
            if is_rate and value == 1:
                return exact, 1.0
            if is_rate and value == 0:
                return 0.0, 1 - exact
            return float(value), float(value)
        below = (np.sum(drawn < value) + 0.5 * np.sum(drawn == value)) / len(drawn)
        bias = norm.ppf(np.clip(below, 1 / len(drawn), 1 - 1 / len(drawn)))
        acceleration = _acceleration(statistic, persons)
        wide = np.sqrt(persons / (persons - 1)) * t.ppf(1 - tail, persons - 1)
        moved = bias + np.array([-wide, wide])
        levels = norm.cdf(bias + moved / (1 - acceleration * moved))
        low, high = np.quantile(drawn, levels)
        return float(low), float(high)

    def _drawn(self, statistic: Statistic, persons: int) -> Values:
        generator = np.random.default_rng(self.seed)
        shares = np.full(persons, 1 / persons)
        at_once = max(1, _BATCH // persons)
        sizes = [min(at_once, self.resamples - done) for done in range(0, self.resamples, at_once)]
        return np.concatenate(
            [statistic(generator.multinomial(persons, shares, size).astype(np.float64)) for size in sizes]
        )


def _acceleration(statistic: Statistic, persons: int) -> float:
    """How the spread of a figure changes with its value, from leaving out one person at a time."""
    at_once = max(1, _BATCH // persons)
    left_out = []
    for first in range(0, persons, at_once):
        size = min(at_once, persons - first)
        weights = np.ones((size, persons))
        weights[np.arange(size), first + np.arange(size)] = 0
        left_out.append(statistic(weights))
    values = np.concatenate(left_out)
    values = values[np.isfinite(values)]
    apart = values.mean() - values
    spread = float((apart**2).sum())
    return float((apart**3).sum() / (6 * spread**1.5)) if spread > 0 else 0.0
