"""What is known of a visit: label intervals, facts of the patient, corrections of time."""

from collections.abc import Iterable, Mapping

import polars as pl

from eus_etl.domain.tables.columns import PATIENT
from eus_etl.domain.tables.schema import BOOLEAN, DATE, INTEGER, NUMBER, TEXT, Column, Table
from eus_etl.settings import PatientColumnConfig

_SHEET_TYPES: Mapping[str, pl.DataType] = {
    "text": TEXT,
    "number": NUMBER,
    "integer": INTEGER,
    "boolean": BOOLEAN,
    "date": DATE,
}


LABELS = Table(
    "labels",
    "an interval of one label",
    (
        PATIENT,
        Column("family", TEXT, "group of labels that exclude one another"),
        Column("label", TEXT, "the label's name as in the configuration"),
        Column("occurrence", INTEGER, "number of the interval within its label, as the app counted, from 1"),
        Column("start_s", NUMBER, "start of the interval, included", "s of procedure time"),
        Column("stop_s", NUMBER, "stop of the interval, excluded", "s of procedure time"),
        Column("status", TEXT, "ok, suspect (used, with doubt) or rejected (not used)"),
        Column(
            "problem",
            TEXT,
            "stop_before_start, no_stop, no_start, bad_time, overlaps_same_family, past_procedure_end, "
            "stale_rerun or unknown_label; several are joined by |; empty for none",
        ),
    ),
)


PROCEDURE_ENDS = Table(
    "procedure_ends",
    "a visit whose labels are made (internal: read by the frame table)",
    (PATIENT, Column("procedure_s", NUMBER, "time of Stop Procedure", "s of procedure time")),
)


PATIENTS = Table(
    "patients",
    "a patient's visit",
    (
        PATIENT,
        Column(
            "subject_id", TEXT, "the person: keyed HMAC-SHA256 of the source's hash; empty without access"
        ),
        Column("pseudo_name", TEXT, "readable alias of the visit"),
        Column("org", TEXT, "hospital"),
        Column("visit_date", DATE, "UTC day on which the labels were submitted"),
        Column("morphology", TEXT, "findings, |-joined"),
        Column("morphology_presumed", TEXT, "findings presumed before the procedure, |-joined"),
        Column("cancer", BOOLEAN, "cancer found; empty where unknown"),
        Column("procedure_s", NUMBER, "time of Stop Procedure", "s of procedure time"),
    ),
)


SYNC = Table(
    "sync",
    "a hand-written correction of time (read, never written)",
    (
        PATIENT,
        Column("video_id", TEXT, "the video it holds for; empty for all of the visit"),
        Column("offset_s", NUMBER, "timeline time at which the procedure started", "s"),
        Column("scale", NUMBER, "timeline seconds per second of procedure time; empty for 1"),
        Column("method", TEXT, "how it was found"),
        Column("by", TEXT, "initials of who found it"),
    ),
)


def patients(columns: Iterable[PatientColumnConfig]) -> Table:
    """The patients table of a study with these sheet columns."""
    extra = [Column(c.name, _SHEET_TYPES[c.type], c.meaning, c.unit) for c in columns]
    return PATIENTS.insert(extra, after="procedure_s")
