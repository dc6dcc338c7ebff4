"""The figures of an evaluation: each with scikit-learn's value, and its statistic over persons.

A statistic is made of sums per person, so that thousands of samples of persons are one matrix product.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eus_etl.dataset.bootstrap import Statistic, Values

Flags = NDArray[np.bool_]
Numbers = NDArray[np.intp]

_BINS = 4096
"""More different scores are counted in as many bins of equal content for the interval, not for the value."""
_AGREEMENT = 1.96
"""Deviations within which 95 % of normal differences lie (Bland and Altman)."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure before its interval.

    Attributes:
        metric: its name.
        value: NaN where it is not defined.
        statistic: the same over samples of persons.
        is_rate: whether it lies between 0 and 1.
    """

    metric: str
    value: float
    statistic: Statistic
    is_rate: bool


def rates(truth: Flags, predicted: Flags, persons: Numbers, weights: Values) -> Iterator[Figure]:
    """Sensitivity, specificity and predictive values of yes or no.

    Args:
        truth, predicted: (n,).
        persons: number of each row's person, from 0 without gaps, (n,).
        weights: how much each row counts, (n,).
    """
    from sklearn.metrics import confusion_matrix

    (tn, fp), (fn, tp) = confusion_matrix(truth, predicted, labels=[False, True], sample_weight=weights)
    cells = {
        (is_true, is_found): _per_person(weights * ((truth == is_true) & (predicted == is_found)), persons)
        for is_true in (False, True)
        for is_found in (False, True)
    }
    for metric, part, rest, right, wrong in (
        ("sensitivity", tp, fn, (True, True), (True, False)),
        ("specificity", tn, fp, (False, False), (False, True)),
        ("positive_predictive_value", tp, fp, (True, True), (False, True)),
        ("negative_predictive_value", tn, fn, (False, False), (True, False)),
    ):
        value = float(part / (part + rest)) if part + rest > 0 else float("nan")
        yield Figure(metric, value, _ratio(cells[right], cells[right] + cells[wrong]), is_rate=True)


def auroc(truth: Flags, scores: Values, persons: Numbers, weights: Values) -> Figure:
    """Area under the receiver operating characteristic: how often a true row scores above a false one."""
    from sklearn.metrics import roc_auc_score

    both = truth.any() and not truth.all()
    value = float(roc_auc_score(truth, scores, sample_weight=weights)) if both else float("nan")
    ranks = np.unique(scores, return_inverse=True)[1]
    if ranks.max(initial=0) >= _BINS:
        order = np.argsort(np.argsort(scores, kind="stable"), kind="stable")
        ranks = order * _BINS // len(order)
    shape = int(persons.max(initial=-1)) + 1, int(ranks.max(initial=0)) + 1
    positive, negative = np.zeros(shape), np.zeros(shape)
    np.add.at(positive, (persons[truth], ranks[truth]), weights[truth])
    np.add.at(negative, (persons[~truth], ranks[~truth]), weights[~truth])
    beaten = np.cumsum(negative, axis=1) - negative / 2
    won = positive @ beaten.T
    of_positive, of_negative = positive.sum(axis=1), negative.sum(axis=1)

    def statistic(counts: Values) -> tuple[Values, Values]:
        positives, negatives = counts @ of_positive, counts @ of_negative
        as_positive, as_negative = counts @ won.T, counts @ won
        pairs = positives * negatives
        area = _divided(np.einsum("ij,ij->i", as_negative, counts), pairs)
        gained = _divided(as_positive + as_negative, pairs[:, None])
        shares = _divided(of_positive, positives[:, None]) + _divided(of_negative, negatives[:, None])
        return area, gained - area[:, None] * shares

    return Figure("auroc", value, statistic, is_rate=True)


def balanced_accuracy(
    truth: Numbers, predicted: Numbers, persons: Numbers, weights: Values, metric: str
) -> Figure:
    """The mean over the labels that occur of how many of their rows were found."""
    from sklearn.metrics import recall_score

    labels = np.unique(truth)
    # as balanced_accuracy_score, which warns of predicted labels that never occur: they are merely wrong
    value = float(recall_score(truth, predicted, labels=labels, average="macro", sample_weight=weights))
    found = [_per_person(weights * ((truth == k) & (predicted == k)), persons) for k in labels]
    held = [_per_person(weights * (truth == k), persons) for k in labels]

    def statistic(counts: Values) -> tuple[Values, Values]:
        recalls = [_ratio(f, h)(counts) for f, h in zip(found, held, strict=True)]
        known = np.stack([np.isfinite(share) for share, _ in recalls])
        shares = np.stack([share for share, _ in recalls])
        changes = np.stack([change for _, change in recalls])
        occurring = known.sum(axis=0).astype(np.float64)
        mean = _divided(np.where(known, shares, 0).sum(axis=0), occurring)
        change = np.where(known[:, :, None], changes, 0).sum(axis=0)
        return mean, _divided(change, occurring[:, None])

    return Figure(metric, value, statistic, is_rate=True)


def agreement(truth: Values, predicted: Values, persons: Numbers) -> Iterator[Figure]:
    """Mean absolute error, and Bland-Altman: bias (predicted minus true) and the limits of agreement."""
    from sklearn.metrics import mean_absolute_error

    apart = predicted - truth
    rows = _per_person(np.ones(len(apart)), persons)
    absolute = _per_person(np.abs(apart), persons)
    sums, squares = _per_person(apart, persons), _per_person(apart**2, persons)
    value = float(mean_absolute_error(truth, predicted))
    yield Figure("mean_absolute_error", value, _ratio(absolute, rows), is_rate=False)
    yield Figure("bias", float(apart.mean()), _ratio(sums, rows), is_rate=False)

    def limit(side: float) -> Statistic:
        def statistic(counts: Values) -> tuple[Values, Values]:
            size = (counts @ rows)[:, None]
            mean = _divided((counts @ sums)[:, None], size)
            variance = _divided((counts @ squares)[:, None] - size * mean**2, size - 1)
            deviation = np.sqrt(np.clip(variance, 0, None))
            of_mean = _divided(sums - mean * rows, size)
            of_variance = _divided(squares - 2 * mean * sums + mean**2 * rows - variance * rows, size - 1)
            change = of_mean + side * _divided(of_variance, 2 * deviation)
            return (mean + side * deviation)[:, 0], np.nan_to_num(change)

        return statistic

    for name, side in (("low", -_AGREEMENT), ("high", _AGREEMENT)):
        statistic = limit(side)
        (at,) = statistic(np.ones((1, len(rows))))[0]
        yield Figure(f"limit_of_agreement_{name}", float(at), statistic, is_rate=False)


def _per_person(values: Values, persons: Numbers) -> Values:
    counted = np.bincount(persons, weights=values, minlength=int(persons.max(initial=-1)) + 1)
    return counted.astype(np.float64)


def _ratio(part: Values, whole: Values) -> Statistic:
    def statistic(counts: Values) -> tuple[Values, Values]:
        total = counts @ whole
        share = _divided(counts @ part, total)
        return share, _divided(part - share[:, None] * whole, total[:, None])

    return statistic


def _divided(part: Values, whole: Values) -> Values:
    """NaN where there is nothing to divide by."""
    part, whole = np.broadcast_arrays(part, whole)
    quotient: Values = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return quotient
