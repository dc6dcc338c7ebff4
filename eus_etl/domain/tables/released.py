"""The tables of a release: pseudonyms only, and the columns that a selection allows."""

from collections.abc import Iterable, Mapping

from eus_etl.domain.tables.columns import FRAME_INDEX, VIDEO_S
from eus_etl.domain.tables.frames import label_columns
from eus_etl.domain.tables.preprocessed import PREPROCESSED
from eus_etl.domain.tables.schema import BOOLEAN, INTEGER, NUMBER, TEXT, Column, Table
from eus_etl.domain.tables.visits import LABELS, patients
from eus_etl.settings import PatientColumnConfig

_FRAME = Column("frame_id", TEXT, "visit/video/frame_index with 8 digits, by pseudonyms")
_SUBJECT = Column(
    "subject",
    TEXT,
    "pseudonym of the person; of the visit where the person is not known: s and 16 hex digits",
)
_VISIT = Column("visit", TEXT, "pseudonym of the visit: p and 16 hex digits")
_VIDEO = Column("video", TEXT, "pseudonym of the video in its visit: v and 16 hex digits")
_SPLIT = Column("split", TEXT, "train, validation or test")
_FOLD = Column("fold", INTEGER, "part of the split for cross-validation, from 0")
_PROCEDURE_S = Column(
    "procedure_s", NUMBER, "procedure time; empty where it is not known", "s of procedure time"
)
_CERTAIN = Column("label_certain", BOOLEAN, "the nearest label border is further away than it may be off")
_STATUS = Column("status", TEXT, "ok or disturbed")

RELEASED_METADATA = Table(
    "metadata",
    "a picture of the split",
    (
        Column("file_name", TEXT, "picture below the split's folder"),
        _FRAME,
        _SUBJECT,
        _VISIT,
        _VIDEO,
        VIDEO_S,
        _PROCEDURE_S,
        _CERTAIN,
        _STATUS,
    ),
)

RELEASED_FRAMES = Table(
    "frames",
    "a picture of the release",
    (
        _FRAME,
        Column("path", TEXT, "picture below the release"),
        _SPLIT,
        _FOLD,
        _SUBJECT,
        _VISIT,
        _VIDEO,
        FRAME_INDEX,
        VIDEO_S,
        _PROCEDURE_S,
        _CERTAIN,
        _STATUS,
        Column("reasons", TEXT, "why it is disturbed, |-joined; empty for none"),
        *PREPROCESSED.columns[PREPROCESSED.names.index("crop_x") :],
    ),
)

RELEASED_LABELS = Table(
    "labels",
    "an interval of one label that was used",
    (_VISIT, *LABELS.columns[1:]),
)

RELEASED_PATIENTS = Table(
    "patients",
    "a visit of the release",
    (
        _VISIT,
        _SUBJECT,
        Column(
            "subject_known", BOOLEAN, "whether the person is known; else subject stands for the visit alone"
        ),
        _SPLIT,
        _FOLD,
        Column("frames", INTEGER, "its pictures in the release", "frames"),
        Column("procedure_end_s", NUMBER, "time of Stop Procedure", "s of procedure time"),
    ),
)

RELEASED_SPLITS = Table(
    "splits",
    "a visit of the release, with its place",
    (_SUBJECT, _VISIT, _SPLIT, _FOLD, Column("since", TEXT, "the release that placed it")),
)

KEPT_FRAMES = Table(
    "kept_frames",
    "a picture of a release, with what it was made from (in the study's root only)",
    (
        _FRAME,
        Column("path", TEXT, "picture below the release"),
        Column("source_frame_id", TEXT, "the study's frame_id"),
        Column("patient_id", TEXT, "the visit"),
        Column("video_id", TEXT, "the video"),
        Column("source_path", TEXT, "preprocessed image below the study's root"),
        Column("sha256", TEXT, "SHA-256 of the picture, hex"),
    ),
)


def year_of(column: str) -> str:
    """Under which name the year of a date column is released: ``visit_year`` for ``visit_date``."""
    return f"{column.removesuffix('_date')}_year"


def released_columns(names: Iterable[str], of_sheet: Iterable[PatientColumnConfig]) -> list[Column]:
    """The patient columns of a release: dates become years.

    Args:
        names: columns of ``patients.csv`` that the selection allows.
        of_sheet: the study's own columns.
    """
    known: Mapping[str, Column] = {column.name: column for column in patients(of_sheet).columns}
    found = []
    for name in names:
        column = known[name]
        if column.dtype.is_temporal():
            column = Column(year_of(name), INTEGER, f"year of: {column.meaning}")
        found.append(column)
    return found


def released_metadata(families: Iterable[str], of_patients: Iterable[Column]) -> Table:
    """``metadata.csv`` of a split."""
    labelled = RELEASED_METADATA.insert(label_columns(families), after="procedure_s")
    return labelled.insert(list(of_patients), after="status")


def released_frames(families: Iterable[str]) -> Table:
    """``frames.parquet`` of a release."""
    return RELEASED_FRAMES.insert(label_columns(families), after="procedure_s")


def released_patients(of_patients: Iterable[Column]) -> Table:
    """``patients.csv`` of a release."""
    return RELEASED_PATIENTS.insert(list(of_patients), after="procedure_end_s")
