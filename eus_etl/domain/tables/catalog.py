"""All tables: each is declared once, by subject, in a module of this folder.

``docs/data_dictionary.md`` is generated from here.
"""

from eus_etl.domain.tables.frames import DATASET, FRAME_TABLE, dataset, frame_table, label_columns
from eus_etl.domain.tables.preprocessed import PREPROCESSED, preprocess_metadata
from eus_etl.domain.tables.rejection import REJECTED
from eus_etl.domain.tables.released import (
    KEPT_FRAMES,
    RELEASED_LABELS,
    RELEASED_SPLITS,
    released_columns,
    released_frames,
    released_metadata,
    released_patients,
)
from eus_etl.domain.tables.screens import LAYOUTS, REGIONS, TEXT_CHECKS
from eus_etl.domain.tables.splits import LEAKS, SPLITS
from eus_etl.domain.tables.videos import DECODED, EXTRACTED, VIDEOS
from eus_etl.domain.tables.visits import LABELS, PATIENTS, PROCEDURE_ENDS, SYNC, patients

__all__ = [
    "DATASET",
    "DECODED",
    "EXTRACTED",
    "FRAME_TABLE",
    "KEPT_FRAMES",
    "LABELS",
    "LAYOUTS",
    "LEAKS",
    "PATIENTS",
    "PREPROCESSED",
    "PROCEDURE_ENDS",
    "REGIONS",
    "REJECTED",
    "RELEASED_LABELS",
    "RELEASED_SPLITS",
    "SPLITS",
    "SYNC",
    "TEXT_CHECKS",
    "VIDEOS",
    "dataset",
    "frame_table",
    "label_columns",
    "patients",
    "preprocess_metadata",
    "released_columns",
    "released_frames",
    "released_metadata",
    "released_patients",
]
