"""What a release says is true, and whether predictions may be compared with it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from eus_etl.dataset.predictions import FRAME, VISIT, Predictions, PredictionsError, Targets

TRAIN = "train"
_OWN_COLUMNS = frozenset(
    {"visit", "subject", "subject_known", "split", "fold", "frames", "procedure_end_s", "visit_year"}
)


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of a release's frames and visits.

    Attributes:
        frames: ``frame_id, split, subject, visit, video, video_s, label_certain`` and the label families.
        visits: ``patients.csv``.
        targets: what can be predicted.
    """

    frames: pl.DataFrame
    visits: pl.DataFrame
    targets: Targets

    @property
    def patient_columns(self) -> list[str]:
        """Patient columns that can be predicted."""
        return [*self.targets.yes_no, *self.targets.numbers]

    @classmethod
    def read(cls, folder: Path) -> "Truth":
        """The truth of a release's folder.

        Raises:
            PredictionsError: it is not the folder of a release.
        """
        try:
            statistics = json.loads((folder / "statistics.json").read_bytes())
            families: Mapping[str, Sequence[str]] = statistics["families"]
            columns = [FRAME, "split", "subject", VISIT, "video", "video_s", "label_certain", *families]
            frames = pl.read_parquet(folder / "frames.parquet", columns=columns)
            visits = pl.read_csv(folder / "patients.csv", infer_schema_length=None)
        except (OSError, ValueError, KeyError, pl.exceptions.PolarsError):
            remedy = "name a folder that `eus-etl release` made, whole and unchanged"
            raise PredictionsError("release", "it cannot be read", remedy) from None
        types = {name: kind for name, kind in visits.schema.items() if name not in _OWN_COLUMNS}
        return cls(
            frames,
            visits,
            Targets(
                families,
                [name for name, kind in types.items() if kind == pl.Boolean()],
                [name for name, kind in types.items() if kind.is_numeric()],
            ),
        )

    def of_split(self, given: Predictions, split: str) -> tuple[pl.DataFrame, int]:
        """The predictions of a split, and how many there are of others.

        Raises:
            PredictionsError: one is not of this release, or of a person in the training split.
        """
        known = (self.frames if given.key == FRAME else self.visits).select(given.key, "split", "subject")
        placed = given.table.join(known, on=given.key, how="left", maintain_order="left")
        if (stray := placed.filter(pl.col("split").is_null())).height:
            raise PredictionsError(
                f"predictions, line {stray['line'][0]}, column {given.key}",
                f"is not in this release, as in {stray.height} rows in all",
                "predict the frames of this release",
            )
        trained = self.frames.filter(split=TRAIN)["subject"].unique().to_list()
        refused = placed.filter(pl.col("subject").is_in(trained))
        if refused.height and split != TRAIN:
            raise PredictionsError(
                f"predictions, line {refused['line'][0]}",
                f"{refused.height} rows are of {refused['subject'].n_unique()} persons in the training split",
                f"leave them out: predict the split {split} alone",
            )
        own = placed.filter(split=split).drop("split", "subject")
        return own, placed.height - own.height

    def subjects(self, table: pl.DataFrame, key: str) -> set[str]:
        """Who has a prediction."""
        known = self.frames if key == FRAME else self.visits
        return set(known.join(table, on=key, how="semi")["subject"])
