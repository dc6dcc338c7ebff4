"""An extracted frame with its times, labels and scores, and the index over the study's frames."""

from collections.abc import Iterable

from eus_etl.domain.tables.columns import (
    DHASH,
    FRAME,
    FRAME_IN_VIDEO,
    FRAME_INDEX,
    PATIENT,
    VIDEO,
    VIDEO_S,
)
from eus_etl.domain.tables.schema import BOOLEAN, NUMBER, TEXT, Column, Table

FRAME_TABLE = Table(
    "frames",
    "an extracted frame, in time order (Frames/<patient_id>.csv)",
    (
        *FRAME_IN_VIDEO,
        Column("timeline_s", NUMBER, "time over the visit's videos; empty where the video has no place", "s"),
        Column("procedure_s", NUMBER, "procedure time, after sync.csv", "s of procedure time"),
        Column("border_s", NUMBER, "distance to the nearest label border; empty without labels", "s"),
        Column("label_uncertainty_s", NUMBER, "how far label borders may be off", "s"),
        Column("label_certain", BOOLEAN, "border_s is above label_uncertainty_s"),
        Column("status", TEXT, "ok or disturbed"),
        Column("disturbed", BOOLEAN, "whether any reason holds"),
        Column(
            "reasons",
            TEXT,
            "|-joined: no_signal, frozen, duplicate, blurred, color_mode, optical_view, split_layout, "
            "report_screen, overlay, low_contact, decode_error; empty for none",
        ),
        Column("brightness", NUMBER, "mean grey level inside the region", "grey levels"),
        Column("contrast", NUMBER, "standard deviation of grey inside the region", "grey levels"),
        Column(
            "sharpness",
            NUMBER,
            "mean square of the Laplacian of Gaussian inside the region",
            "grey levels squared",
        ),
        Column(
            "sharpness_z",
            NUMBER,
            "robust z of the logarithm of sharpness over brightness, among frames of the same screen",
        ),
        Column(
            "motion",
            NUMBER,
            "mean absolute change to the extracted frame before, in the region",
            "grey levels",
        ),
        Column("motion_share", NUMBER, "motion over what is usual within a second around the frame"),
        Column("color_fraction", NUMBER, "share of colored pixels inside the region"),
        Column("outside_color_fraction", NUMBER, "share of colored pixels outside of the region"),
        Column("static_s", NUMBER, "length of the still stretch that holds the frame", "s"),
        Column(
            "shadow_fraction", NUMBER, "share of the field's beams that are dark from the transducer down"
        ),
        DHASH,
    ),
)


DATASET = Table(
    "dataset",
    "an extracted frame of the study: what a loader needs, over all visits",
    (
        FRAME,
        PATIENT,
        Column(
            "subject_id", TEXT, "the person, from patients.csv; splits group by it, by patient_id where empty"
        ),
        VIDEO,
        Column("path", TEXT, "extracted image below the study's root"),
        FRAME_INDEX,
        VIDEO_S,
        Column("procedure_s", NUMBER, "procedure time", "s of procedure time"),
        Column("label_certain", BOOLEAN, "the nearest label border is further away than it may be off"),
        Column("status", TEXT, "ok or disturbed"),
        Column("reasons", TEXT, "why it is disturbed, |-joined; empty for none"),
        Column(
            "release_blocked",
            BOOLEAN,
            "in the visit, words were read in preprocessed frames, a region is uncertain, "
            "or a frame was not checked for text, and nobody signed it off; with "
            "text_check.enabled never, frames that were not checked do not count",
        ),
    ),
)


def label_columns(families: Iterable[str]) -> list[Column]:
    """One column per label family, as the frame table and the preprocess metadata carry them."""
    return [Column(name, TEXT, f"label of the family {name}; empty where none holds") for name in families]


def frame_table(families: Iterable[str]) -> Table:
    """The frame table of a study with these label families."""
    return FRAME_TABLE.insert(label_columns(families), after="procedure_s")


def dataset(families: Iterable[str], recipes: Iterable[str]) -> Table:
    """The study-wide index: label families, and the preprocessed image of each recipe."""
    images = [
        Column(f"path_{name}", TEXT, f"image of recipe {name} below the study's root; empty for none")
        for name in recipes
    ]
    return DATASET.insert(label_columns(families), after="procedure_s").insert(images, after="path")
