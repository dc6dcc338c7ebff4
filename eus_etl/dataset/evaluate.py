"""What a model's predictions for a release are worth, by frame and by person, with intervals over persons."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eus_etl.dataset.bootstrap import Bootstrap
from eus_etl.dataset.figures import Figure, agreement, auroc, balanced_accuracy, rates
from eus_etl.dataset.predictions import (
    FRAME,
    OF_TARGET,
    SCORE,
    VISIT,
    Predictions,
    PredictionsError,
    Targets,
    read_predictions,
)
from eus_etl.dataset.truth import Truth

VOTE_S = 2.0
THRESHOLD = 0.5
_SCHEMA = {
    "target": pl.String(),
    "label": pl.String(),
    "unit": pl.String(),
    "metric": pl.String(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "rows": pl.Int64(),
    "persons": pl.Int64(),
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found.

    Attributes:
        release: id of the release.
        split: the split that was evaluated.
        figures: ``target, label`` (null for all of the target) ``, unit`` (frame: each frame counts the same;
            person: each person does, however many frames; visit) ``, metric, value, low, high`` (null where
            they cannot be told) ``, rows, persons``.
        expected: frames or visits of the split that a prediction could be evaluated of.
        missing: pseudonyms of frames or visits of the split without a prediction that could be evaluated.
        missing_persons: pseudonyms of persons of whom none of these has a prediction.
        uncertain: predictions of frames whose label is not certain: they are not counted.
        unlabelled: predictions of frames or visits without a known truth: they are not counted.
        other_split: predictions of another split than the one evaluated: they are not counted.
    """

    release: str
    split: str
    figures: pl.DataFrame
    expected: int
    missing: tuple[str, ...]
    missing_persons: tuple[str, ...]
    uncertain: int
    unlabelled: int
    other_split: int

    def as_json(self) -> str:
        """All of it, for a file."""
        facts = {name: getattr(self, name) for name in self.__slots__ if name != "figures"}
        return json.dumps(facts | {"figures": self.figures.to_dicts()}, indent=2) + "\n"


def evaluate(
    predictions: Path | str,
    release: Path | str,
    *,
    split: str = "test",
    vote_s: float = VOTE_S,
    threshold: float = THRESHOLD,
    bootstrap: Bootstrap | None = None,
) -> Evaluation:
    """Compare predictions with a release's labels and patient columns.

    Args:
        predictions: a CSV file with ``frame_id`` and a column per family (the label) or per label
            (``station:Station 1``, a score), or patient columns (``cancer``, ``cancer:score``, ``cap_db_m``);
            or with ``visit`` and patient columns. Patient columns by frame are averaged over each visit.
        release: the release's folder.
        split: the split to evaluate.
        vote_s: length of the window in seconds of the video: the frame in its middle gets the label that most
            of its frames have.
        threshold: scores from here on count as yes.
        bootstrap: how intervals are made.

    Raises:
        PredictionsError: the file cannot be used, it predicts training persons, or nothing can be evaluated.
    """
    folder = Path(release)
    known = Truth.read(folder)
    given = read_predictions(Path(predictions), known.targets)
    table, other_split = known.of_split(given, split)
    measured = bootstrap or Bootstrap()
    figures: list[Mapping[str, object]] = []
    missing = pl.DataFrame(schema={given.key: pl.String(), "subject": pl.String()})
    expected = uncertain = unlabelled = 0
    columns = set(given.table.columns)
    if families := [f for f in known.targets.families if _predicts(columns, f)]:
        certain = pl.col("label_certain").fill_null(value=False)
        has_label = pl.any_horizontal(pl.col(family).is_not_null() for family in families)
        frames = known.frames.filter(split=split)
        wanted = frames.filter(certain & has_label)
        uncertain = table.join(frames.filter(~certain), on=FRAME, how="semi").height
        unlabelled = table.join(frames.filter(certain & ~has_label), on=FRAME, how="semi").height
        expected = wanted.height
        missing = wanted.join(table, on=FRAME, how="anti").select(FRAME, "subject")
        # the vote sees all frames that have a prediction, also those whose own truth is not known
        voted = frames.join(table, on=FRAME, suffix="_predicted").sort("video", "video_s")
        for family in families:
            figures += _of_family(known.targets, voted, family, vote_s, threshold, measured)
    if patient_columns := [name for name in known.patient_columns if _predicts(columns, name)]:
        visits = known.visits.filter(split=split)
        of_visits = _by_visit(known, given, table, patient_columns, threshold)
        truth = pl.any_horizontal(pl.col(name).is_not_null() for name in patient_columns)
        if not families:
            expected = visits.filter(truth).height
            lacking = visits.filter(truth).join(of_visits, on=VISIT, how="anti")
            missing = lacking.select(pl.col(VISIT).alias(given.key), "subject")
            unlabelled = of_visits.join(visits.filter(~truth), on=VISIT, how="semi").height
        joined = visits.join(of_visits, on=VISIT, suffix="_predicted").sort(VISIT)
        for name in patient_columns:
            figures += _of_patient_column(known.targets, joined, name, measured)
    if not figures:
        raise PredictionsError("predictions", f"nothing in the split {split} can be compared with them")
    predicted = known.subjects(table, given.key)
    return Evaluation(
        release=folder.resolve().name,
        split=split,
        figures=pl.DataFrame(figures, _SCHEMA),
        expected=expected,
        missing=tuple(missing[given.key]),
        missing_persons=tuple(sorted(set(missing["subject"]) - predicted)),
        uncertain=uncertain,
        unlabelled=unlabelled,
        other_split=other_split,
    )


def _predicts(columns: Iterable[str], name: str) -> bool:
    return any(column == name or column.startswith(f"{name}{SCORE}") for column in columns)


def _of_family(
    targets: Targets, frames: pl.DataFrame, family: str, vote_s: float, threshold: float, bootstrap: Bootstrap
) -> Iterator[Mapping[str, object]]:
    """Figures of one family: of each label against the others, and of all labels together."""
    labels = list(targets.families[family])
    scores = {label: f"{family}{SCORE}{label}" for label in labels}
    given = f"{family}_predicted"
    if given in frames.columns:
        predicted = _numbers(frames[given], labels)
    elif len(labels) == 1:
        # the only label, or none of it
        predicted = np.where(frames[scores[labels[0]]].to_numpy() >= threshold, 0, 1).astype(np.intp)
    else:
        predicted = frames.select(scores.values()).to_numpy().argmax(axis=1).astype(np.intp)
    voted = _voted(frames, predicted, len(labels) + 1, vote_s)
    counted = (frames[family].is_not_null() & frames["label_certain"].fill_null(value=False)).to_numpy()
    if not counted.any():
        return
    truth = _numbers(frames.filter(counted)[family], labels)
    persons = _persons(frames.filter(counted)["subject"])
    per_person = (1 / np.bincount(persons))[persons]
    for unit, weights in (("frame", np.ones(len(truth))), ("person", per_person)):
        for number, label in enumerate(labels):
            of_label: list[Figure] = list(
                rates(truth == number, predicted[counted] == number, persons, weights)
            )
            if scores[label] in frames.columns:
                values = frames.filter(counted)[scores[label]].to_numpy()
                of_label.append(auroc(truth == number, values, persons, weights))
            yield from _rows(family, label, unit, of_label, persons, bootstrap)
        together = [
            balanced_accuracy(truth, predicted[counted], persons, weights, "balanced_accuracy"),
            balanced_accuracy(
                truth, voted[counted], persons, weights, f"balanced_accuracy_vote_{vote_s:g}_s"
            ),
        ]
        yield from _rows(family, None, unit, together, persons, bootstrap)


def _voted(frames: pl.DataFrame, predicted: NDArray[np.intp], kinds: int, vote_s: float) -> NDArray[np.intp]:
    """For each frame the label that most frames of its video have within half a window; its own on a tie."""
    voted = predicted.copy()
    videos, times = frames["video"].to_numpy(), frames["video_s"].to_numpy()
    borders = np.flatnonzero(videos[1:] != videos[:-1]) + 1
    for rows in np.split(np.arange(len(times)), borders):
        if not len(rows):
            continue
        counts = np.zeros((len(rows) + 1, kinds), np.int64)
        counts[np.arange(1, len(rows) + 1), predicted[rows]] = 1
        counts = counts.cumsum(axis=0)
        # what lies half a window away counts, whatever its last binary digit
        half_s = vote_s / 2 + 1e-6
        first = np.searchsorted(times[rows], times[rows] - half_s, side="left")
        last = np.searchsorted(times[rows], times[rows] + half_s, side="right")
        votes = counts[last] - counts[first]
        most = votes.max(axis=1)
        own = votes[np.arange(len(rows)), predicted[rows]] == most
        voted[rows] = np.where(own, predicted[rows], votes.argmax(axis=1))
    return voted


def _by_visit(
    known: Truth, given: Predictions, table: pl.DataFrame, names: Sequence[str], threshold: float
) -> pl.DataFrame:
    """Predictions of patient columns by visit: ``<name>_predicted`` and ``<name>_score``."""
    columns = [column for column in table.columns if any(_predicts([column], name) for name in names)]
    if given.key == FRAME:
        visits = known.frames.select(FRAME, VISIT)
        means = pl.col(columns).cast(pl.Float64()).mean()
        table = table.join(visits, on=FRAME).group_by(VISIT).agg(means)
    chosen = []
    for name in names:
        score = f"{name}{SCORE}{OF_TARGET}"
        if score in columns:
            chosen.append(pl.col(score).alias(f"{name}_score"))
        value = pl.col(name if name in columns else score).cast(pl.Float64())
        chosen.append(
            (value >= threshold if name in known.targets.yes_no else value).alias(f"{name}_predicted")
        )
    return table.select(VISIT, *chosen)


def _of_patient_column(
    targets: Targets, visits: pl.DataFrame, name: str, bootstrap: Bootstrap
) -> Iterator[Mapping[str, object]]:
    rows = visits.drop_nulls(name)
    if rows.is_empty():
        return
    persons = _persons(rows["subject"])
    predicted = rows[f"{name}_predicted"].to_numpy()
    truth = rows[name].to_numpy()
    if name in targets.yes_no:
        figures = list(rates(truth, predicted, persons, np.ones(len(truth))))
        if f"{name}_score" in rows.columns:
            figures.append(auroc(truth, rows[f"{name}_score"].to_numpy(), persons, np.ones(len(truth))))
    else:
        figures = list(agreement(truth.astype(np.float64), predicted, persons))
    yield from _rows(name, None, "visit", figures, persons, bootstrap)


def _rows(
    target: str,
    label: str | None,
    unit: str,
    figures: Iterable[Figure],
    persons: NDArray[np.intp],
    bootstrap: Bootstrap,
) -> Iterator[Mapping[str, object]]:
    for figure in figures:
        size = int(persons.max()) + 1
        interval = bootstrap.interval(figure.statistic, size, is_rate=figure.is_rate)
        low, high = interval or (None, None)
        yield {
            "target": target,
            "label": label,
            "unit": unit,
            "metric": figure.metric,
            "value": figure.value if np.isfinite(figure.value) else None,
            "low": low,
            "high": high,
            "rows": len(persons),
            "persons": size,
        }


def _numbers(labels: pl.Series, known: Sequence[str]) -> NDArray[np.intp]:
    """The place of each label among the known ones; as many as there are for one that is not known."""
    places = {label: place for place, label in enumerate(known)}
    return np.array([places.get(label, len(known)) for label in labels], np.intp)


def _persons(subjects: pl.Series) -> NDArray[np.intp]:
    return np.unique(subjects.to_numpy(), return_inverse=True)[1].astype(np.intp)
