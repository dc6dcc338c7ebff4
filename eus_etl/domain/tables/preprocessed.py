"""A preprocessed frame."""

from collections.abc import Iterable

from eus_etl.domain.tables.columns import FRAME, IMAGE, LAYOUT, PATIENT, VIDEO
from eus_etl.domain.tables.frames import label_columns
from eus_etl.domain.tables.schema import INTEGER, NUMBER, TEXT, Column, Table

PREPROCESSED = Table(
    "preprocess_metadata",
    "a preprocessed frame",
    (
        IMAGE,
        Column("recipe", TEXT, "name of the recipe"),
        FRAME,
        PATIENT,
        VIDEO,
        LAYOUT,
        Column("crop_x", INTEGER, "left edge of the crop in the frame", "px"),
        Column("crop_y", INTEGER, "top edge of the crop in the frame", "px"),
        Column("crop_w", INTEGER, "width of the crop", "px"),
        Column("crop_h", INTEGER, "height of the crop", "px"),
        Column("scale", NUMBER, "output pixels per frame pixel"),
        Column("pad_x", INTEGER, "columns of padding left of the picture in the output", "px"),
        Column("pad_y", INTEGER, "rows of padding above the picture in the output", "px"),
        Column("width", INTEGER, "output width", "px"),
        Column("height", INTEGER, "output height", "px"),
        Column("mean", NUMBER, "mean grey level inside the mask", "grey levels"),
        Column("std", NUMBER, "standard deviation inside the mask", "grey levels"),
        Column("sha256", TEXT, "SHA-256 of the image file, hex"),
    ),
)


def preprocess_metadata(families: Iterable[str]) -> Table:
    """The preprocess metadata of a study: ``PREPROCESSED`` plus label families and status."""
    status = Column("status", TEXT, "ok or disturbed, from the frame table")
    return PREPROCESSED.insert([*label_columns(families), status], after="sha256")
