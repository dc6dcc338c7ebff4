"""The ledger of splits, and what the search for leaks between them found."""

from eus_etl.domain.tables.columns import PATIENT
from eus_etl.domain.tables.schema import BOOLEAN, INTEGER, NUMBER, TEXT, Column, Table

SPLITS = Table(
    "splits",
    "a visit that a release placed; rows are appended, never changed",
    (
        Column("subject_id", TEXT, "the person, as known by then; empty where only the visit is known"),
        PATIENT,
        Column(
            "split", TEXT, "train, validation or test: of all visits of the person, in every later release"
        ),
        Column("fold", INTEGER, "part of the person's split for cross-validation, from 0"),
        Column("since", TEXT, "the release that placed it"),
    ),
)


LEAKS = Table(
    "leaks",
    "a frame of validation or test, and the training frame that is most like it",
    (
        Column("frame_id", TEXT, "the frame"),
        Column("split", TEXT, "validation or test"),
        Column("nearest_frame_id", TEXT, "the nearest training frame; empty where training holds none"),
        Column(
            "distance",
            NUMBER,
            "one minus the likeness of the two pictures: 0 for equal ones, about 1 for unlike ones",
        ),
        Column("shared_video", BOOLEAN, "a training frame comes from the same video file"),
        Column("shared_subject", BOOLEAN, "a training frame shows the same person"),
    ),
)
