"""Predictions beside a release's truth: scikit-learn's figures, figures by hand, and what is refused."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn import metrics

from eus_etl.dataset import Bootstrap, Evaluation, PredictionsError, evaluate
from eus_etl_tests.support.commands import call

STATIONS = ["Station 1", "Station 2", "Station 3"]
FAMILIES = {"station": STATIONS, "tumor": ["Tumor"]}
FEW = Bootstrap(resamples=50)
Frame = tuple[str, float, str | None]
"""Visit, second of its video, station."""


def release(
    folder: Path,
    frames: Sequence[Frame],
    train: Sequence[str] = (),
    columns: Mapping[str, Sequence[object]] | None = None,
    uncertain: Sequence[int] = (),
) -> Path:
    """A release as far as predictions are compared with it: one video per visit, a person ``s...`` each.

    ``columns`` are patient columns, in the order in which visits come in ``frames``.
    """
    visits = list(dict.fromkeys(visit for visit, _, _ in frames))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "statistics.json").write_text(json.dumps({"families": FAMILIES}))
    split_of = {visit: "train" if visit in train else "test" for visit in visits}
    pl.DataFrame(
        {
            "frame_id": [f"{visit}/v/{number}" for number, (visit, _, _) in enumerate(frames)],
            "split": [split_of[visit] for visit, _, _ in frames],
            "subject": [f"s{visit}" for visit, _, _ in frames],
            "visit": [visit for visit, _, _ in frames],
            "video": [f"v{visit}" for visit, _, _ in frames],
            "video_s": [time_s for _, time_s, _ in frames],
            "label_certain": [number not in uncertain for number in range(len(frames))],
            "station": [station for _, _, station in frames],
            "tumor": [None] * len(frames),
        },
        schema_overrides={"tumor": pl.String(), "station": pl.String()},
    ).write_parquet(folder / "frames.parquet")
    pl.DataFrame(
        {
            "visit": visits,
            "subject": [f"s{visit}" for visit in visits],
            "split": [split_of[visit] for visit in visits],
            **(columns or {}),
        },
        strict=False,
    ).write_csv(folder / "patients.csv")
    return folder


def written(file: Path, rows: Mapping[str, Sequence[object]]) -> Path:
    pl.DataFrame(rows, strict=False).write_csv(file)
    return file


def value(found: Evaluation, metric: str, unit: str, label: str | None = None) -> float | None:
    of_metric = found.figures.filter(metric=metric, unit=unit)
    of_label = of_metric.filter(pl.col("label").eq_missing(pl.lit(label)))
    (only,) = of_label["value"].to_list()
    return None if only is None else float(only)


def ids(folder: Path, split: str = "test") -> list[str]:
    return pl.read_parquet(folder / "frames.parquet").filter(split=split)["frame_id"].to_list()


def test_figures_by_frame_and_by_person_are_those_of_scikit_learn(tmp_path: Path) -> None:
    generator = np.random.default_rng(7)
    visits = [f"p{n}" for n in np.sort(generator.integers(0, 9, 300))]
    truth = generator.integers(0, 3, 300)
    folder = release(
        tmp_path / "r",
        [(visit, n / 5, STATIONS[k]) for n, (visit, k) in enumerate(zip(visits, truth, strict=True))],
    )
    scores = generator.normal(0, 1, (300, 3)) + np.eye(3)[truth]
    columns = {f"station:{label}": scores[:, n].tolist() for n, label in enumerate(STATIONS)}
    found = evaluate(written(tmp_path / "p.csv", {"frame_id": ids(folder), **columns}), folder, bootstrap=FEW)
    predicted = scores.argmax(axis=1)
    frames_of = {visit: visits.count(visit) for visit in visits}
    for unit, weights in (("frame", np.ones(300)), ("person", np.array([1 / frames_of[v] for v in visits]))):
        weighted = {"sample_weight": weights}
        assert value(found, "balanced_accuracy", unit) == pytest.approx(
            metrics.balanced_accuracy_score(truth, predicted, **weighted)
        )
        for k, label in enumerate(STATIONS):
            is_true, is_found = truth == k, predicted == k
            for metric, expected in (
                ("sensitivity", metrics.recall_score(is_true, is_found, **weighted)),
                ("specificity", metrics.recall_score(~is_true, ~is_found, **weighted)),
                (
                    "positive_predictive_value",
                    metrics.precision_score(is_true, is_found, **weighted),
                ),
                (
                    "negative_predictive_value",
                    metrics.precision_score(~is_true, ~is_found, **weighted),
                ),
                ("auroc", metrics.roc_auc_score(is_true, scores[:, k], **weighted)),
            ):
                assert value(found, metric, unit, label) == pytest.approx(expected), (metric, unit, label)
    assert found.figures["persons"].unique().to_list() == [len(frames_of)]
    assert (found.missing, found.missing_persons) == ((), ())


def test_figures_of_a_small_table_are_those_of_a_calculation_by_hand(tmp_path: Path) -> None:
    """Two persons: four frames of one, one of the other."""
    one, two = "Station 1", "Station 2"
    folder = release(
        tmp_path / "r", [("a", 0, one), ("a", 1, one), ("a", 2, two), ("a", 3, two), ("b", 0, one)]
    )
    predictions = written(tmp_path / "p.csv", {"frame_id": ids(folder), "station": [one, two, two, two, two]})
    found = evaluate(predictions, folder, vote_s=0, bootstrap=FEW)
    assert value(found, "sensitivity", "frame", one) == pytest.approx(1 / 3)
    assert value(found, "specificity", "frame", one) == 1
    assert value(found, "positive_predictive_value", "frame", two) == pytest.approx(2 / 4)
    assert value(found, "negative_predictive_value", "frame", one) == pytest.approx(2 / 4)
    assert value(found, "balanced_accuracy", "frame") == pytest.approx((1 / 3 + 1) / 2)
    # each frame of person a counts a quarter, that of b counts one
    assert value(found, "sensitivity", "person", one) == pytest.approx(0.25 / 1.5)
    assert value(found, "positive_predictive_value", "person", two) == pytest.approx(0.5 / 1.75)
    # no frame shows it: nothing was missed, and nothing found
    assert value(found, "sensitivity", "frame", "Station 3") is None
    assert found.figures["low"].null_count() == found.figures.height, "two persons tell no interval"


def test_a_window_votes_in_true_seconds_and_never_across_videos(tmp_path: Path) -> None:
    one, two = "Station 1", "Station 2"
    # frame 2 is wrong beside right ones; frame 4 lies alone, far away; b is another video
    times = [("a", 0.0), ("a", 0.4), ("a", 0.8), ("a", 1.2), ("a", 9.0), ("b", 0.9)]
    folder = release(tmp_path / "r", [(visit, time_s, one) for visit, time_s in times])
    predictions = written(
        tmp_path / "p.csv", {"frame_id": ids(folder), "station": [one, one, two, one, two, two]}
    )
    found = evaluate(predictions, folder, vote_s=0.8, bootstrap=FEW)
    assert value(found, "balanced_accuracy", "frame") == pytest.approx(3 / 6)
    assert value(found, "balanced_accuracy_vote_0.8_s", "frame") == pytest.approx(4 / 6)


def test_numbers_of_patients_are_compared_by_visit(tmp_path: Path) -> None:
    true, given = [200.0, 250.0, 300.0, 350.0], [210.0, 240.0, 330.0, 350.0]
    folder = release(tmp_path / "r", [(v, 0, None) for v in "abcd"], columns={"cap_db_m": true})
    found = evaluate(
        written(tmp_path / "p.csv", {"visit": list("abcd"), "cap_db_m": given}), folder, bootstrap=FEW
    )
    apart = [10.0, -10.0, 30.0, 0.0]
    bias = sum(apart) / 4
    deviation = math.sqrt(sum((x - bias) ** 2 for x in apart) / 3)
    assert value(found, "mean_absolute_error", "visit") == pytest.approx(50 / 4)
    assert value(found, "bias", "visit") == pytest.approx(bias)
    assert value(found, "limit_of_agreement_low", "visit") == pytest.approx(bias - 1.96 * deviation)
    assert value(found, "limit_of_agreement_high", "visit") == pytest.approx(bias + 1.96 * deviation)


def test_scores_by_frame_are_averaged_over_each_visit(tmp_path: Path) -> None:
    frames: list[Frame] = [(visit, n, None) for visit in "abcd" for n in range(2)]
    folder = release(tmp_path / "r", frames, columns={"cancer": [True, True, False, False]})
    scores = [0.9, 0.5, 0.2, 0.4, 0.1, 0.2, 0.6, 0.7]
    found = evaluate(
        written(tmp_path / "p.csv", {"frame_id": ids(folder), "cancer:score": scores}), folder, bootstrap=FEW
    )
    assert value(found, "sensitivity", "visit") == 1 / 2
    assert value(found, "specificity", "visit") == 1 / 2
    assert value(found, "auroc", "visit") == 3 / 4


def test_what_is_missing_is_named_and_what_is_not_certain_does_not_count(tmp_path: Path) -> None:
    one = "Station 1"
    folder = release(
        tmp_path / "r", [("a", 0, one), ("a", 1, one), ("a", 2, None), ("b", 0, one)], uncertain=[1]
    )
    first, uncertain, unlabelled, of_b = ids(folder)
    predictions = written(
        tmp_path / "p.csv", {"frame_id": [first, uncertain, unlabelled], "station": [one] * 3}
    )
    found = evaluate(predictions, folder, bootstrap=FEW)
    assert (found.missing, found.missing_persons) == ((of_b,), ("sb",))
    assert (found.uncertain, found.unlabelled) == (1, 1)
    assert found.figures["rows"].unique().to_list() == [1]


def test_predictions_for_training_persons_are_refused(tmp_path: Path) -> None:
    folder = release(tmp_path / "r", [("a", 0, "Station 1"), ("b", 0, "Station 1")], train=["a"])
    both = [*ids(folder), *ids(folder, "train")]
    predictions = written(tmp_path / "p.csv", {"frame_id": both, "station": ["Station 1"] * 2})
    with pytest.raises(PredictionsError, match=r"line 3: 1 rows are of 1 persons in the training split"):
        evaluate(predictions, folder, bootstrap=FEW)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("frame_id,station\nSECRET,Station 1\n", "line 2, column frame_id: is not in this release"),
        ("frame_id,station\n{0},SECRET\n", "line 2, column station: is not one of: Station 1"),
        ("frame_id,station\n{0},\n", "line 2, column station: is empty"),
        ('frame_id,station\n\n"{0}",Station 1\n{0},Station 1\n', "line 4, column frame_id: stands in line 3"),
        ("frame_id,station\n{0},Station 1,SECRET\n", "line 2: has 3 cells, the header has 2"),
        ("frame_id,SECRET\n{0},1\n", "line 1, column 2: is not a column that can be evaluated"),
        ("name,station\n{0},Station 1\n", "line 1: needs either the column frame_id or the column visit"),
        ("frame_id\n{0}\n", "line 1: has no column of predictions"),
        ("frame_id,station:Station 1\n{0},0.5\n", "line 1, column station: has scores for some labels only"),
        ("frame_id,tumor:Tumor\n{0},SECRET\n", "line 2, column tumor:Tumor: is not a finite number"),
        ("frame_id,tumor:Tumor\n{0},nan\n", "line 2, column tumor:Tumor: is not a finite number"),
        ("frame_id,cancer\n{0},SECRET\n", "line 2, column cancer: is neither true nor false"),
        ("", "line 1: needs either"),
        ("frame_id,station\n", "predictions: the file has no row"),
        ('frame_id,station\n"SECRET', "predictions: is not a well-formed CSV file"),
    ],
)
def test_errors_name_line_and_column_and_never_a_cell(text: str, said: str, tmp_path: Path) -> None:
    folder = release(tmp_path / "r", [("a", 0, "Station 1")], columns={"cancer": [True]})
    file = tmp_path / "p.csv"
    file.write_text(text.format(*ids(folder)))
    with pytest.raises(PredictionsError) as refused:
        evaluate(file, folder, bootstrap=FEW)
    assert said in str(refused.value)
    assert "SECRET" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_the_command_prints_figures_and_what_is_missing(tmp_path: Path) -> None:
    folder = release(tmp_path / "r", [(f"p{n}", 0, STATIONS[n % 2]) for n in range(8)])
    rows = {"frame_id": ids(folder)[:7], "station": [STATIONS[n % 2] for n in range(7)]}
    predictions, out = written(tmp_path / "p.csv", rows), tmp_path / "out.json"
    done = call("evaluate", "--predictions", predictions, "--release", folder, "--out", out)
    assert done.exit_code == 0, done.output
    assert "1 of 8 frames have no prediction" in done.output
    assert "sp7" in done.output
    saved = json.loads(out.read_text())
    assert saved["missing"] == ["p7/v/7"]
    best = next(row for row in saved["figures"] if row["metric"] == "balanced_accuracy")
    # all seven persons are right: drawing them says nothing, the binomial bound does
    assert (best["value"], best["high"]) == (1, 1)
    assert best["low"] == pytest.approx(0.025 ** (1 / 7))


def test_a_folder_that_is_no_release_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "p.csv", {"frame_id": ["a"], "station": ["Station 1"]})
    done = call("evaluate", "--predictions", file, "--release", tmp_path)
    assert done.exit_code == 1
    assert "release: it cannot be read" in done.output
