"""Scores of a study's frames beside its thresholds, to set them for a new scanner.

Reads frame tables and preprocessed images, which are masked; writes pictures to look at and changes nothing
that other steps read. What the pictures show is decided in ``domain.plots.thresholds``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from eus_etl.domain.images.picture import Picture
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.plots.thresholds import THRESHOLDS, Threshold, draw_distributions, draw_nearest
from eus_etl.domain.quality.scores import SCORES
from eus_etl.domain.tables.catalog import FRAME_TABLE
from eus_etl.errors import FramesMissingError
from eus_etl.settings import StudyConfig
from eus_etl.steps.previews.safe_images import read_shown, shown_frames
from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.files.listing import listed

_COLUMNS = 8
_CANDIDATES = 25
"""Frames considered for each picture shown: one per second is enough, and some have no image."""

_NEEDED = ("frame_id", "patient_id", "video_id", "video_s", "reasons", *SCORES)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was found and drawn.

    Attributes:
        table: one row per threshold: ``reason``, ``key`` in the study's file, ``threshold`` with its score,
            ``frames`` beyond it, their ``share`` of the frames it applies to, ``pictures`` shown.
        distributions: the picture of all scores.
        sheets: one sheet per threshold with the masked frames nearest to it.
    """

    table: pl.DataFrame
    distributions: Path
    sheets: tuple[Path, ...]


def calibrate(study: StudyConfig, out: Path) -> Calibration:
    """Draw the distributions of all scores and the frames nearest to each threshold into ``out``.

    Raises:
        FramesMissingError: no visit has a frame table yet.
    """
    paths = StudyPaths(study.root)
    files = listed(paths.frames, "*.parquet")
    if not files:
        raise FramesMissingError(study.study, "no visit has a frame table yet", "run `eus-etl run` first")
    schema = {name: FRAME_TABLE.schema[name] for name in _NEEDED}
    frames = pl.scan_parquet(files, schema=schema, missing_columns="insert", extra_columns="ignore")
    rows: list[dict[str, object]] = []
    sheets: list[Path] = []
    images = _Images(study)
    for threshold in THRESHOLDS:
        beyond = threshold.beyond(study.quality)
        concerned = frames.filter(threshold.concerned())
        counts = concerned.select(frames=pl.len(), beyond=beyond.sum()).collect(engine="streaming")
        total, found = counts.row(0)
        sides = [list(images.nearest(concerned, threshold, side)) for side in (~beyond, beyond)]
        sheet = out / f"{threshold.key}.png"
        write_atomically(sheet, draw_nearest(sides[0], sides[1], _COLUMNS))
        sheets.append(sheet)
        rows.append(
            {
                "reason": threshold.reason,
                "key": f"quality.{threshold.key}",
                "threshold": f"{threshold.score} {threshold.relation} {threshold.value(study.quality):g}",
                "frames": found,
                "share": round(found / total, 4) if total else None,
                "pictures": sum(map(len, sides)),
            }
        )
    values = {
        threshold.score: frames.filter(threshold.concerned())
        .select(threshold.score)
        .collect(engine="streaming")
        .to_series()
        .to_numpy()
        for threshold in THRESHOLDS
    }
    distributions = out / "distributions.png"
    write_atomically(distributions, draw_distributions(values, study.quality))
    return Calibration(pl.DataFrame(rows), distributions, tuple(sheets))


class _Images:
    """Masked images of the study's first recipe, looked up by visit when one of its frames is asked for."""

    def __init__(self, study: StudyConfig) -> None:
        self._quality = study.quality
        self._paths = StudyPaths(study.root)
        self._recipe = next(iter(study.preprocess.recipes))
        self._of_visits: dict[str, dict[str, str]] = {}

    def nearest(
        self, frames: pl.LazyFrame, threshold: Threshold, side: pl.Expr
    ) -> Iterator[tuple[float, Picture]]:
        """Score and picture of the frames on one side that are nearest to the threshold, one per second."""
        ranked = (
            frames.filter(side)
            .with_columns(threshold.distance(self._quality).alias("distance"))
            .bottom_k(_COLUMNS * _CANDIDATES, by=["distance", "frame_id"])
            .sort("distance", "frame_id")
            .collect(engine="streaming")
            .unique(["video_id", pl.col("video_s").floor()], keep="first", maintain_order=True)
        )
        shown = 0
        for patient_id, frame_id, score in ranked.select(
            "patient_id", "frame_id", threshold.score
        ).iter_rows():
            path = self._paths_of(patient_id).get(frame_id)
            if path is not None:
                yield score, read_shown(self._paths, path)
                shown += 1
            if shown == _COLUMNS:
                return

    def _paths_of(self, patient_id: str) -> dict[str, str]:
        if patient_id not in self._of_visits:
            rows = shown_frames(self._paths, patient_id, self._recipe).select("frame_id", "path").iter_rows()
            self._of_visits[patient_id] = dict(rows)
        return self._of_visits[patient_id]
