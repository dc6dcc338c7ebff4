"""What a release is made from: the study's assembled tables, which one lock keeps as they are.

Ids and labels are held as numbers: a million frames take some hundred megabytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.release.pseudonyms import Pseudonyms, distinct
from eus_etl.domain.tables import catalog
from eus_etl.errors import OutputLostError, PermanentError
from eus_etl.settings import ReleaseConfig, StudyConfig
from eus_etl.steps.release_blocks import blocked_patients
from eus_etl.storage.tables.table_files import read_csv, readable

GEOMETRY = (
    "crop_x",
    "crop_y",
    "crop_w",
    "crop_h",
    "scale",
    "pad_x",
    "pad_y",
    "width",
    "height",
    "mean",
    "std",
)
_SMALL = pl.selectors.signed_integer().cast(pl.Int32)
_STATUSES = pl.Enum(["ok", "disturbed"])


@dataclass(frozen=True, slots=True)
class Source:
    """The study's tables as a release needs them.

    Attributes:
        frames: every frame of the study: ``patient_id, video_id, stem`` (the last part of its id),
            ``visit, video`` (pseudonyms, in whose order rows are), ``frame_index, video_s, procedure_s``, the
            families, ``label_certain, status, reasons, blocked``, and of its picture ``layout_id, sha256``
            and ``GEOMETRY``, null where there is none.
        patients: ``tables.patients``.
        labels: ``tables.LABELS``.
        unsigned: ids of visits to which a layout belongs that has pictures and that nobody signed off.
        rejected: stages, and in them reasons, to how often they are recorded.
    """

    frames: pl.DataFrame
    patients: pl.DataFrame
    labels: pl.DataFrame
    unsigned: frozenset[str]
    rejected: Mapping[str, Mapping[str, int]]


def recipe_of(study: StudyConfig, rule: ReleaseConfig) -> str:
    """Name of the recipe of a selection."""
    return rule.recipe or next(iter(study.preprocess.recipes))


def families_of(study: StudyConfig, rule: ReleaseConfig) -> list[str]:
    """The label families of a selection, in the order of the configuration."""
    return [family for family in study.families if rule.families is None or family in rule.families]


def read_source(study: StudyConfig, rule: ReleaseConfig, pseudonyms: Pseudonyms) -> Source:
    """Read the study's tables; the caller holds the study's lock.

    Raises:
        OutputLostError: a table is missing or cannot be read, or two do not fit together.
        PermanentError: a table holds what the configuration does not know.
    """
    paths = StudyPaths(study.root)
    frames = _with_pseudonyms(_read_frames(study, rule), pseudonyms)
    # what was found since the index was made counts too
    found = pl.col("patient_id").cast(pl.String).is_in(sorted(blocked_patients(study)))
    frames = frames.with_columns(pl.col("blocked") | found)
    layouts = read_csv(paths.table(catalog.LAYOUTS.name), catalog.LAYOUTS)
    signed = layouts.filter(pl.col("signed_off"))["layout_id"]
    shown = frames.filter(pl.col("sha256").is_not_null()).select("patient_id", "layout_id").unique()
    unsigned = shown.filter(~pl.col("layout_id").cast(pl.String).is_in(signed.implode()))["patient_id"]
    rejected = read_csv(paths.table(catalog.REJECTED.name), catalog.REJECTED)
    counted: dict[str, dict[str, int]] = {}
    for stage, reason, count in (
        rejected.group_by("stage", "reason").len().sort("stage", "reason").iter_rows()
    ):
        counted.setdefault(stage, {})[reason] = count
    return Source(
        frames=frames,
        patients=read_csv(paths.table(catalog.PATIENTS.name), catalog.patients(study.patients.columns)),
        labels=read_csv(paths.table(catalog.LABELS.name), catalog.LABELS),
        unsigned=frozenset(unsigned.cast(pl.String)),
        rejected=counted,
    )


def _read_frames(study: StudyConfig, rule: ReleaseConfig) -> pl.DataFrame:
    paths, recipe = StudyPaths(study.root), recipe_of(study, rule)
    index_file = paths.table(catalog.DATASET.name).with_suffix(".parquet")
    made_file = paths.table(catalog.PREPROCESSED.name).with_suffix(".parquet")
    index, made = pl.scan_parquet(index_file), pl.scan_parquet(made_file).filter(pl.col("recipe") == recipe)
    with readable(lambda: [index_file, made_file]):
        visits = _enum(index, "patient_id")
        videos, layouts = _enum(index, "video_id"), _enum(made, "layout_id")
        labels = {name: _labels(study, index, name) for name in families_of(study, rule)}
        of_frames = index.select(
            *_key(),
            pl.col("patient_id").cast(visits),
            pl.col("video_id").cast(videos),
            pl.col("frame_id").str.split("/").list.last().alias("stem"),
            pl.col("frame_index").cast(pl.Int32),
            "video_s",
            "procedure_s",
            *(pl.col(name).cast(dtype) for name, dtype in labels.items()),
            "label_certain",
            pl.col("status").cast(_STATUSES),
            pl.col("reasons").cast(pl.Categorical),
            pl.col("release_blocked").alias("blocked"),
            pl.col(f"path_{recipe}").is_not_null().alias("listed"),
        )
        of_pictures = made.select(
            *_key(),
            pl.col("layout_id").cast(layouts),
            *GEOMETRY,
            pl.col("sha256").str.decode("hex"),
        ).with_columns(_SMALL)
        joined = of_frames.join(of_pictures, on=["key", "second_key"], how="left")
        frames = joined.drop("key", "second_key").collect(engine="streaming")
        pictures = made.select(pl.len()).collect(engine="streaming").item()
    found = int(frames["sha256"].is_not_null().sum())
    if found != pictures or not frames["listed"].eq(frames["sha256"].is_not_null()).all():
        raise OutputLostError(
            study.study, "dataset.csv and preprocess_metadata.csv do not fit together", "`eus-etl run`"
        )
    return frames.drop("listed")


def _key() -> tuple[pl.Expr, pl.Expr]:
    """128 bits that stand for a frame's id: joining a million texts takes a gigabyte."""
    frame_id = pl.col("frame_id")
    return frame_id.hash(seed=1).alias("key"), frame_id.hash(seed=2).alias("second_key")


def _enum(rows: pl.LazyFrame, column: str) -> pl.Enum:
    return pl.Enum(
        rows.select(pl.col(column).unique()).collect(engine="streaming")[column].drop_nulls().sort()
    )


def _labels(study: StudyConfig, index: pl.LazyFrame, family: str) -> pl.Enum:
    """The labels of a family, all of which the configuration names."""
    known = [label.name for label in study.families[family]]
    found = index.select(pl.col(family).unique()).collect(engine="streaming")[family].drop_nulls()
    if not found.is_in(known).all():
        raise PermanentError(
            f"dataset.csv, column {family}",
            "it holds a label that the configuration does not name",
            "`eus-etl run`",
        )
    return pl.Enum(known)


def _with_pseudonyms(frames: pl.DataFrame, pseudonyms: Pseudonyms) -> pl.DataFrame:
    """``frames`` with ``visit`` and ``video``, sorted by them."""
    pairs = frames.select("patient_id", "video_id").unique().with_columns(pl.all().cast(pl.String)).rows()
    visits = distinct({patient_id: pseudonyms.visit(patient_id) for patient_id, _ in pairs})
    videos = distinct({"/".join(pair): pseudonyms.video(*pair) for pair in pairs})
    named = pl.DataFrame(
        {
            "patient_id": pl.Series(
                [patient_id for patient_id, _ in pairs], dtype=frames.schema["patient_id"]
            ),
            "video_id": pl.Series([video_id for _, video_id in pairs], dtype=frames.schema["video_id"]),
            "visit": pl.Series(
                [visits[patient_id] for patient_id, _ in pairs], dtype=pl.Enum(sorted(visits.values()))
            ),
            "video": pl.Series(
                [videos["/".join(pair)] for pair in pairs], dtype=pl.Enum(sorted(videos.values()))
            ),
        }
    )
    return frames.join(named, on=["patient_id", "video_id"], how="left").sort("visit", "video", "frame_index")
