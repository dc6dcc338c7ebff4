"""What a release would hold: the frames that are taken, the places of their visits, and all tables."""

import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

import polars as pl

from eus_etl.domain.labels.item_values import MORPHOLOGY
from eus_etl.domain.release.pseudonyms import FRAME_DIGITS, Pseudonyms, distinct
from eus_etl.domain.release.selection import cap_persons, left_out, select_frames, visits_that_fit
from eus_etl.domain.release.splits import SPLIT_NAMES, Assignment, assign_splits
from eus_etl.domain.tables import catalog
from eus_etl.domain.tables.released import year_of
from eus_etl.domain.tables.schema import Column
from eus_etl.settings import ReleaseConfig, StudyConfig
from eus_etl.steps.release.source import Source, families_of

ROWS_AT_ONCE = 65_536
_SPLIT = pl.Enum(SPLIT_NAMES)


@dataclass(frozen=True, slots=True)
class Content:
    """What a release would hold.

    Attributes:
        frames: the frames of ``Source.frames`` that are taken, in order, with ``subject, split, fold``.
        patients: ``tables.released_patients``.
        labels: ``tables.RELEASED_LABELS``.
        assignment: the place of each visit; ``since`` of new rows of the ledger is empty.
        left_out: reasons to the ``frames`` and ``visits`` that are not taken.
        cells_dropped: patient columns to how many of their values did not fit their declaration.
        unreviewed: how many visits are taken though nobody signed off all of their regions.
        families: the label families.
        columns: the patient columns, as they are released.
    """

    frames: pl.DataFrame
    patients: pl.DataFrame
    labels: pl.DataFrame
    assignment: Assignment
    left_out: Mapping[str, Mapping[str, int]]
    cells_dropped: Mapping[str, int]
    unreviewed: int
    families: Sequence[str]
    columns: Sequence[Column]


def choose(
    study: StudyConfig,
    rule: ReleaseConfig,
    source: Source,
    pseudonyms: Pseudonyms,
    ledger: pl.DataFrame,
    *,
    accept_unreviewed: bool,
    stale: Set[str] = frozenset(),
) -> Content:
    """Apply a selection.

    Args:
        study: the configuration.
        rule: the selection.
        source: the study's tables.
        pseudonyms: of the study, by the release's key.
        ledger: ``tables.SPLITS`` of all releases so far.
        accept_unreviewed: take visits that nobody signed off, unless they are blocked.
        stale: ids of visits that are not current.
    """
    fitting = visits_that_fit(source.patients, rule.persons)["patient_id"].implode()
    patient = pl.col("patient_id").cast(pl.String)
    flagged = source.frames.with_columns(
        has_picture=pl.col("sha256").is_not_null(),
        excluded=patient.is_in(rule.exclude_visits),
        stale=patient.is_in(sorted(stale)),
        unreviewed=patient.is_in([] if accept_unreviewed else sorted(source.unsigned)),
        fits=patient.is_in(fitting) if rule.persons else pl.lit(value=True),
    )
    reasons = select_frames(flagged, rule)
    families = families_of(study, rule)
    taken = source.frames.select("patient_id", *families).filter(reasons.is_null())
    assignment = _assign(rule, source, taken, families, ledger)
    placed = _placed(assignment, pseudonyms, source.frames.schema["patient_id"])
    places = placed.drop("grouped_by")
    people = source.frames.select("patient_id")
    people = people.join(places, on="patient_id", how="left", maintain_order="left")
    reasons = cap_persons(people, reasons, rule.frames_per_person)
    frames = source.frames.drop("blocked").filter(reasons.is_null())
    frames = frames.join(places, on="patient_id", how="left", maintain_order="left")
    columns = catalog.released_columns(rule.patient_columns, study.patients.columns)
    checked, dropped = _checked_cells(study, rule, source.patients)
    patients = _patients(frames, placed, checked, columns)
    visits = set(frames["patient_id"].unique().cast(pl.String))
    return Content(
        frames=frames,
        patients=patients,
        labels=_labels(source.labels, frames, families),
        assignment=assignment,
        left_out=left_out(source.frames, reasons),
        cells_dropped=dropped,
        unreviewed=len(visits & source.unsigned),
        families=families,
        columns=columns,
    )


def frame_rows(content: Content) -> pl.LazyFrame:
    """``tables.released_frames``, in order."""
    table = catalog.released_frames(content.families)
    rows = content.frames.lazy().with_columns(
        _frame_id().alias("frame_id"),
        pl.format("{}/{}.png", pl.col("split").cast(pl.String), _frame_id()).alias("path"),
        pl.col("sha256").bin.encode("hex"),
    )
    return rows.select(pl.col(column.name).cast(column.dtype) for column in table.columns)


def metadata_rows(content: Content, split: str) -> pl.LazyFrame:
    """``tables.released_metadata`` of a split, in order."""
    table = catalog.released_metadata(content.families, content.columns)
    of_patients = content.patients.select("visit", *(column.name for column in content.columns))
    rows = content.frames.lazy().filter(pl.col("split") == split)
    rows = rows.with_columns(
        _frame_id().alias("frame_id"), pl.format("{}.png", _frame_id()).alias("file_name")
    ).with_columns(pl.col("visit").cast(pl.String))
    if content.columns:
        rows = rows.join(of_patients.lazy(), on="visit", how="left", maintain_order="left")
    return rows.select(pl.col(column.name).cast(column.dtype) for column in table.columns)


def kept_rows(content: Content, recipe: str) -> pl.LazyFrame:
    """``tables.KEPT_FRAMES``, in order: what leads back to the study."""
    patient, video = pl.col("patient_id").cast(pl.String), pl.col("video_id").cast(pl.String)
    return content.frames.lazy().select(
        _frame_id().alias("frame_id"),
        pl.format("{}/{}.png", pl.col("split").cast(pl.String), _frame_id()).alias("path"),
        pl.format("{}/{}/{}", patient, video, "stem").alias("source_frame_id"),
        patient.alias("patient_id"),
        video.alias("video_id"),
        pl.format(f"master-dataset/Preprocessed/{recipe}/{{}}/{{}}/{{}}.png", patient, video, "stem").alias(
            "source_path"
        ),
        pl.col("sha256").bin.encode("hex"),
    )


def splits_rows(content: Content, ledger: pl.DataFrame, since: str) -> pl.DataFrame:
    """``tables.RELEASED_SPLITS``: where each visit is, and which release placed it there.

    Args:
        content: the content.
        ledger: ``tables.SPLITS`` before this release.
        since: what stands for this release.
    """
    rows = pl.concat([ledger, content.assignment.appended.with_columns(since=pl.lit(since))])
    first = rows.unique(["patient_id", "split"], keep="first", maintain_order=True)
    of_visits = content.assignment.visits.join(first, on=["patient_id", "split"], how="left")
    ids = content.frames.select("patient_id", "visit").unique()
    ids = ids.with_columns(pl.all().cast(pl.String))
    named = content.patients.select("visit", "subject").join(ids, on="visit")
    found = named.join(of_visits.select("patient_id", "split", "fold", "since"), on="patient_id")
    return catalog.RELEASED_SPLITS.conform(found).sort("visit")


def digest(content: Content) -> str:
    """SHA-256 of ``frame_rows`` as CSV, which no file needs to hold."""
    found = hashlib.sha256()
    for start in range(0, content.frames.height, ROWS_AT_ONCE):
        rows = frame_rows(replace(content, frames=content.frames.slice(start, ROWS_AT_ONCE)))
        found.update(rows.collect().write_csv(include_header=False, line_terminator="\n").encode())
    return found.hexdigest()


def pictures_digest(content: Content) -> str:
    """SHA-256 of the sorted hashes of the pictures."""
    found, hashes = hashlib.sha256(), content.frames["sha256"].sort()
    for start in range(0, len(hashes), ROWS_AT_ONCE):
        found.update(b"".join(hashes.slice(start, ROWS_AT_ONCE)))
    return found.hexdigest()


def _frame_id() -> pl.Expr:
    number = pl.col("frame_index").cast(pl.String).str.zfill(FRAME_DIGITS)
    return pl.format("{}/{}/{}", pl.col("visit").cast(pl.String), pl.col("video").cast(pl.String), number)


def _assign(
    rule: ReleaseConfig,
    source: Source,
    taken: pl.DataFrame,
    families: Sequence[str],
    ledger: pl.DataFrame,
) -> Assignment:
    visits = taken.select(pl.col("patient_id").cast(pl.String)).unique().sort("patient_id")
    of_visits = visits.join(source.patients, on="patient_id", how="left")
    labels = [
        taken.select(
            pl.col("patient_id").cast(pl.String),
            pl.lit(family).alias("family"),
            pl.col(family).cast(pl.String).alias("label"),
        ).unique()
        for family in families
    ]
    return assign_splits(
        of_visits.select("patient_id", "subject_id", *rule.splits.stratify_by),
        pl.concat(labels).sort("patient_id", "family", "label"),
        ledger,
        rule.splits,
        since="",
    )


def _placed(assignment: Assignment, pseudonyms: Pseudonyms, visit_type: pl.DataType) -> pl.DataFrame:
    """``patient_id, subject, grouped_by, split, fold`` of the visits."""
    people = {person: pseudonyms.subject(person) for person in assignment.visits["person"].unique()}
    subjects = pl.Enum(sorted(distinct(people).values()))
    return assignment.visits.select(
        pl.col("patient_id").cast(visit_type),
        pl.col("person").replace_strict(people, return_dtype=subjects).alias("subject"),
        "grouped_by",
        pl.col("split").cast(_SPLIT),
        pl.col("fold").cast(pl.Int32),
    )


def _patients(
    frames: pl.DataFrame, placed: pl.DataFrame, checked: pl.DataFrame, columns: Sequence[Column]
) -> pl.DataFrame:
    visits = (
        frames.group_by("patient_id", "visit").agg(pl.len().alias("frames")).join(placed, on="patient_id")
    )
    rows = visits.with_columns(
        pl.col("patient_id").cast(pl.String), subject_known=pl.col("grouped_by") == "subject_id"
    ).join(checked, on="patient_id", how="left")
    table = catalog.released_patients(columns)
    return table.conform(rows.with_columns(pl.col("visit").cast(pl.String))).sort("visit")


def _checked_cells(
    study: StudyConfig, rule: ReleaseConfig, patients: pl.DataFrame
) -> tuple[pl.DataFrame, Mapping[str, int]]:
    """``patient_id``, ``procedure_end_s`` and the columns as released, and how many cells were dropped.

    The tables were checked when they were made. They are checked again: a release trusts no file.
    """
    of_sheet = {column.name: column for column in study.patients.columns}
    words = {"org": study.patients.orgs, "morphology": MORPHOLOGY, "morphology_presumed": MORPHOLOGY}
    shown: list[pl.Expr] = []
    dropped: dict[str, int] = {}
    for name in rule.patient_columns:
        cell, column = pl.col(name), of_sheet.get(name)
        fits = pl.lit(value=True)
        allowed = words.get(name) if column is None else column.allowed
        if allowed is not None:
            fits &= cell.str.split("|").list.eval(pl.element().is_in(list(allowed))).list.all()
        if column is not None and column.minimum is not None:
            fits &= cell >= column.minimum
        if column is not None and column.maximum is not None:
            fits &= cell <= column.maximum
        dropped[name] = int(patients.select((cell.is_not_null() & ~fits).sum()).item())
        kept = pl.when(fits).then(cell)
        is_date = patients.schema[name].is_temporal()
        shown.append(kept.dt.year().alias(year_of(name)) if is_date else kept.alias(name))
    rows = patients.select("patient_id", pl.col("procedure_s").alias("procedure_end_s"), *shown)
    return rows, {name: count for name, count in dropped.items() if count}


def _labels(labels: pl.DataFrame, frames: pl.DataFrame, families: Sequence[str]) -> pl.DataFrame:
    """The intervals of the release's visits and families that were used."""
    visits = frames.select("patient_id", "visit").unique().with_columns(pl.all().cast(pl.String))
    used = labels.filter(pl.col("family").is_in(families), pl.col("status") != "rejected")
    rows = used.join(visits, on="patient_id").sort("visit", "start_s", "family", "label", "occurrence")
    return catalog.RELEASED_LABELS.conform(rows)
