"""Intervals over persons: reproducible, right at the edges, and as often right as they say."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import norm

from eus_etl.dataset.bootstrap import LEAST_PERSONS, Bootstrap, Values
from eus_etl.dataset.figures import Figure, agreement, auroc, balanced_accuracy, rates

FRAMES = 12


def of_study(persons: int, generator: np.random.Generator) -> dict[str, Figure]:
    """All figures of one simulated study: persons differ in how often they show a label, and how well."""
    number = np.repeat(np.arange(persons), FRAMES)
    truth = generator.random(len(number)) < generator.beta(2, 2, persons)[number]
    scores = generator.normal(0, 1, len(number)) + 1.2 * truth + generator.normal(0, 0.5, persons)[number]
    predicted, ones = scores > 0.6, np.ones(len(number))
    apart = generator.normal(3, 20, persons)
    figures = [
        *rates(truth, predicted, number, ones),
        auroc(truth, scores, number, ones),
        balanced_accuracy(
            truth.astype(np.intp), predicted.astype(np.intp), number, ones, "balanced_accuracy"
        ),
        *agreement(np.zeros(persons), apart, np.arange(persons)),
    ]
    return {figure.metric: figure for figure in figures}


def true_values() -> dict[str, float]:
    """What the figures of endless many persons would be."""
    spread = np.sqrt(1 + 0.5**2)
    sensitivity, specificity = norm.cdf((1.2 - 0.6) / spread), norm.cdf(0.6 / spread)
    # half of all frames show the label
    bias, deviation = 3.0, 20.0
    absolute = deviation * np.sqrt(2 / np.pi) * np.exp(-0.5 * (bias / deviation) ** 2)
    absolute += bias * (1 - 2 * norm.cdf(-bias / deviation))
    return {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "positive_predictive_value": sensitivity / (sensitivity + 1 - specificity),
        "negative_predictive_value": specificity / (specificity + 1 - sensitivity),
        "auroc": norm.cdf(1.2 / (np.sqrt(2) * spread)),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "mean_absolute_error": absolute,
        "bias": bias,
        "limit_of_agreement_high": bias + 1.96 * deviation,
        "limit_of_agreement_low": bias - 1.96 * deviation,
    }


@pytest.mark.slow
def test_the_true_value_is_inside_as_often_as_the_interval_says() -> None:
    """Of 1,000 studies with 40 persons, 93 to 97 % of the intervals hold the true value."""
    studies, persons = 1000, 40
    generator, bootstrap = np.random.default_rng(2), Bootstrap(resamples=500)
    inside = dict.fromkeys(true_values(), 0)
    for _ in range(studies):
        figures = of_study(persons, generator)
        for metric, true in true_values().items():
            found = bootstrap.interval(figures[metric].statistic, persons, is_rate=figures[metric].is_rate)
            assert found is not None
            inside[metric] += found[0] <= true <= found[1]
    shares = {metric: count / studies for metric, count in inside.items()}
    assert all(0.93 <= share <= 0.97 for share in shares.values()), shares


def test_a_statistic_of_everybody_once_is_the_value() -> None:
    for metric, figure in of_study(9, np.random.default_rng(0)).items():
        assert figure.statistic(np.ones((1, 9)))[0] == pytest.approx(figure.value), metric


def test_what_a_person_changes_is_the_slope_of_the_figure() -> None:
    """Each statistic's changes beside a difference of its values."""
    drawn, step = np.random.default_rng(8).multinomial(9, np.full(9, 1 / 9), 4), 1e-6
    counts = (drawn + 0.5).astype(np.float64)
    for metric, figure in of_study(9, np.random.default_rng(0)).items():
        values, changes = figure.statistic(counts)
        for person in range(9):
            more = counts.copy()
            more[:, person] += step
            slope = (figure.statistic(more)[0] - values) / step
            assert changes[:, person] == pytest.approx(slope, abs=1e-3), metric


def test_a_person_drawn_twice_counts_as_two() -> None:
    """The figures of a study in which one person is there twice, all rows of which are copied."""
    generator = np.random.default_rng(3)
    number = np.repeat(np.arange(6), FRAMES)
    truth, scores = generator.random(len(number)) < 0.5, generator.normal(0, 1, len(number))
    again = np.concatenate([np.arange(len(number)), np.flatnonzero(number == 2)])
    own, ones = np.concatenate([number, np.full(FRAMES, 6)]), np.ones(len(again))
    counts = np.array([[1.0, 1, 2, 1, 1, 1]])
    makers: list[Callable[[Values, Values, Values], Figure]] = [
        lambda t, s, p: auroc(t.astype(bool), s, p.astype(np.intp), np.ones(len(t))),
        lambda t, s, p: next(rates(t.astype(bool), s > 0, p.astype(np.intp), np.ones(len(t)))),
        lambda t, s, p: list(agreement(t.astype(float), s, p.astype(np.intp)))[3],
    ]
    assert len(ones) == len(number) + FRAMES
    for make in makers:
        drawn = make(truth.astype(float), scores, number.astype(float)).statistic(counts)[0]
        copied = make(truth[again].astype(float), scores[again], own.astype(float)).value
        assert drawn == pytest.approx(copied)


def test_the_same_seed_draws_the_same_and_few_persons_tell_nothing() -> None:
    statistic = of_study(20, np.random.default_rng(1))["auroc"].statistic
    one, two = (Bootstrap(resamples=200, seed=4).interval(statistic, 20) for _ in range(2))
    assert one == two != Bootstrap(resamples=200, seed=5).interval(statistic, 20)
    few = of_study(LEAST_PERSONS - 1, np.random.default_rng(1))["auroc"].statistic
    assert Bootstrap().interval(few, LEAST_PERSONS - 1) is None


def test_many_scores_are_counted_in_bins_and_the_interval_hardly_moves() -> None:
    generator = np.random.default_rng(6)
    number = np.repeat(np.arange(10), 1000)
    truth = generator.random(len(number)) < 0.3
    scores = generator.normal(0, 1, len(number)) + truth
    figure = auroc(truth, scores, number, np.ones(len(number)))
    assert figure.statistic(np.ones((1, 10)))[0] == pytest.approx(figure.value, abs=1e-3)
