"""Every table and column once: type, unit, meaning. ``docs/data_dictionary.md`` is generated from here."""

from collections.abc import Iterable, Mapping

import polars as pl

from eus_etl.domain.tables.schema import BOOLEAN, DATE, INTEGER, NUMBER, TEXT, Column, Table
from eus_etl.settings import PatientColumnConfig

_SHEET_TYPES: Mapping[str, pl.DataType] = {
    "text": TEXT,
    "number": NUMBER,
    "integer": INTEGER,
    "boolean": BOOLEAN,
    "date": DATE,
}


_PATIENT = Column("patient_id", TEXT, "the visit: the label item's pk, a UUID")
_VIDEO = Column("video_id", TEXT, "first 12 hex digits of the file's MD5")
_FRAME = Column("frame_id", TEXT, "patient_id/video_id/pts, stable across machines and frame rates")
_LAYOUT = Column("layout_id", TEXT, "video_id and number of the display layout within it")

_IMAGE = Column("path", TEXT, "image below the study's root")
_FRAME_INDEX = Column(
    "frame_index", INTEGER, "place in the video, in presentation order, of all its frames, from 0"
)
_PTS = Column("pts", INTEGER, "presentation time stamp", "time_base")
_TIME_BASE = Column("time_base", TEXT, "unit of pts", "s, as a fraction")
_VIDEO_S = Column("video_s", NUMBER, "presentation time from the video's first frame", "s")
_DHASH = Column("dhash", TEXT, "difference hash of the picture, 16 hex digits")
_FRAMES_DECODED = Column("frames_decoded", INTEGER, "frames decoded by the extraction", "frames")
_FRAMES_SKIPPED = Column(
    "frames_skipped", INTEGER, "frames left undecoded, because no kept frame needs them", "frames"
)
_DECODE_ERRORS = Column(
    "decode_errors", INTEGER, "of what was decoded: packets or frames that could not be", "frames"
)
_FRAMES_MISSING = Column(
    "frames_missing", INTEGER, "frames that an MP4's index lists and that the file, cut off, lacks", "frames"
)
_INTERLACED = Column("interlaced", BOOLEAN, "a decoded frame is marked as interlaced")
_DEINTERLACED = Column("deinterlaced", BOOLEAN, "interlaced frames were made whole: extraction.deinterlace")

LABELS = Table(
    "labels",
    "an interval of one label",
    (
        _PATIENT,
        Column("family", TEXT, "group of labels that exclude one another"),
        Column("label", TEXT, "the label's name as in the configuration"),
        Column("occurrence", INTEGER, "number of the interval within its label, as the app counted, from 1"),
        Column("start_s", NUMBER, "start of the interval, included", "s of procedure time"),
        Column("stop_s", NUMBER, "stop of the interval, excluded", "s of procedure time"),
        Column("status", TEXT, "ok, suspect (used, with a doubt) or rejected (not used)"),
        Column(
            "problem",
            TEXT,
            "stop_before_start, no_stop, no_start, bad_time, overlaps_same_family, past_procedure_end, "
            "stale_rerun or unknown_label; several are joined by |; empty for none",
        ),
    ),
)

PATIENTS = Table(
    "patients",
    "a patient's visit",
    (
        _PATIENT,
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

VIDEOS = Table(
    "videos",
    "a video file of a visit",
    (
        _PATIENT,
        _VIDEO,
        Column("file_name", TEXT, "name in raw_data/<patient_id>; leaves the hospital in no release"),
        Column("source_id", TEXT, "the file's id in its source"),
        Column("md5", TEXT, "MD5 of the file, hex"),
        Column("bytes", INTEGER, "size of the file", "bytes"),
        Column("container", TEXT, "container format"),
        Column("codec", TEXT, "video codec"),
        Column("width", INTEGER, "width as shown, after rotation", "px"),
        Column("height", INTEGER, "height as shown, after rotation", "px"),
        Column("pixel_aspect", NUMBER, "width of a pixel over its height"),
        Column(
            "rotation",
            INTEGER,
            "rotation applied, counter-clockwise; a mirrored picture is flipped left to right after it",
            "degrees",
        ),
        Column("nominal_rate_hz", NUMBER, "frame rate that the container states", "Hz"),
        Column("variable_rate", BOOLEAN, "whether the time between frames varies by more than a rounding"),
        Column("duration_s", NUMBER, "from the first frame to the end of the last", "s"),
        Column(
            "frames_declared",
            INTEGER,
            "frames that the container states; empty where it states none",
            "frames",
        ),
        _FRAMES_DECODED,
        _FRAMES_SKIPPED,
        _DECODE_ERRORS,
        _FRAMES_MISSING,
        _INTERLACED,
        _DEINTERLACED,
        Column("recorded_at", TEXT, "recording time that the container states, ISO 8601"),
        Column("order", INTEGER, "place of the video in its visit, from 0"),
        Column("timeline_start_s", NUMBER, "start of the video on the visit's timeline", "s"),
        Column(
            "gap_s", NUMBER, "time between the end of the video before and this start; negative: overlap", "s"
        ),
        Column("timeline_source", TEXT, "stated (by recording times), assumed (laid end to end) or none"),
    ),
)

EXTRACTED = Table(
    "extracted",
    "a frame kept by the extraction (internal: in the state folder, not in a CSV)",
    (
        _FRAME,
        _PATIENT,
        _VIDEO,
        _IMAGE,
        Column(
            "frame_index", INTEGER, "place in the video, in presentation order, of all its frames, from 0"
        ),
        _PTS,
        _TIME_BASE,
        _VIDEO_S,
        Column("segment", INTEGER, "number of the stretch of equal picture size within the video, from 0"),
        Column("grid_row", INTEGER, "row of the frame in its segment's grid, from 0"),
        Column("synthetic_time", BOOLEAN, "the stream has no pts: frames are counted at the nominal rate"),
        Column("decode_error", BOOLEAN, "the decoder marked the picture as damaged"),
        _DHASH,
    ),
)

DECODED = Table(
    "decoded",
    "a video that the extraction went through (internal: joined into videos.csv)",
    (
        _PATIENT,
        _VIDEO,
        _FRAMES_DECODED,
        _FRAMES_SKIPPED,
        _DECODE_ERRORS,
        _FRAMES_MISSING,
        _INTERLACED,
        _DEINTERLACED,
        Column("frames_kept", INTEGER, "frames kept as images", "frames"),
    ),
)

FRAMES = Table(
    "frames",
    "an extracted frame, in time order (Frames/<patient_id>.csv)",
    (
        _FRAME,
        _PATIENT,
        _VIDEO,
        _IMAGE,
        Column(
            "frame_index", INTEGER, "place in the video, in presentation order, of all its frames, from 0"
        ),
        _PTS,
        _TIME_BASE,
        _VIDEO_S,
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
            "report_screen, low_contact, decode_error; empty for none",
        ),
        Column("brightness", NUMBER, "mean grey level inside the region", "grey levels"),
        Column("contrast", NUMBER, "standard deviation of grey inside the region", "grey levels"),
        Column("sharpness", NUMBER, "mean square of the Laplacian inside the region", "grey levels squared"),
        Column(
            "sharpness_z",
            NUMBER,
            "robust z of the logarithm of sharpness over brightness, among the layout's frames",
        ),
        Column(
            "motion",
            NUMBER,
            "mean absolute change to the extracted frame before, in the region",
            "grey levels",
        ),
        Column("motion_share", NUMBER, "motion over what is usual within a second around the frame"),
        Column("color_fraction", NUMBER, "share of coloured pixels inside the region"),
        Column("outside_color_fraction", NUMBER, "share of coloured pixels outside of the region"),
        Column("static_s", NUMBER, "length of the still stretch that holds the frame", "s"),
        Column(
            "shadow_fraction", NUMBER, "share of the field's beams that are dark from the transducer down"
        ),
        _DHASH,
    ),
)

LAYOUTS = Table(
    "layouts",
    "a display layout of a video",
    (
        _PATIENT,
        _VIDEO,
        _LAYOUT,
        Column("segment", INTEGER, "stretch of equal picture size within the video, from 0"),
        Column("first_row", INTEGER, "the layout's first row in the segment's grid, from 0"),
        Column("last_row", INTEGER, "the layout's last row in the segment's grid, included"),
        Column(
            "screen", TEXT, "ultrasound, split (two pictures side by side) or report (a page without one)"
        ),
        Column(
            "signature",
            TEXT,
            "the screen's arrangement, picture size and 32 hex digits: nearly the same wherever a machine "
            "shows it",
        ),
        Column("first_pts", INTEGER, "pts of the layout's first extracted frame", "time_base"),
        Column("last_pts", INTEGER, "pts of the layout's last extracted frame", "time_base"),
        Column("width", INTEGER, "picture width", "px"),
        Column("height", INTEGER, "picture height", "px"),
        Column(
            "kind",
            TEXT,
            "linear (a rectangle), sector, hull, polygon (hand-written), or none where no region was found",
        ),
        Column("polygon", TEXT, "region's outline, x y pairs in picture pixels: x,y x,y ..."),
        Column("area_fraction", NUMBER, "region's share of the picture"),
        Column("solidity", NUMBER, "area seen to move (or lit) over the area of its hull"),
        Column(
            "confidence",
            NUMBER,
            "0 to 1: how well a fitted outline agrees with what was seen; at most 0.8 for a hull, half where "
            "nothing moves, 1 by hand",
        ),
        Column("found_by", TEXT, "auto_motion, auto_structure (frozen recording), regions.csv or none"),
        Column("marks", TEXT, "boxes around bright marks that stand still inside: x,y,w,h x,y,w,h ..."),
        Column("inpainted", BOOLEAN, "the marks are painted over in preprocessed frames: regions.marks"),
        Column("picture_in_picture", TEXT, "boxes of insets inside: x,y,w,h x,y,w,h ..."),
        Column(
            "signed_off", BOOLEAN, "a person has reviewed the region: signed_off in its row of regions.csv"
        ),
        Column("overlay", TEXT, "picture of the outline on a blank screen, below the study's root"),
    ),
)

PREPROCESSED = Table(
    "preprocess_metadata",
    "a preprocessed frame",
    (
        _IMAGE,
        Column("recipe", TEXT, "name of the recipe"),
        _FRAME,
        _PATIENT,
        _VIDEO,
        _LAYOUT,
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

TEXT_CHECKS = Table(
    "text_checks",
    "a display layout by one recipe, looked at for readable text",
    (
        _PATIENT,
        _LAYOUT,
        Column("recipe", TEXT, "name of the recipe"),
        Column("images", TEXT, "what was looked at: a hash of the images' SHA-256"),
        Column("engine", TEXT, "program that read, with its version"),
        Column("frames_read", INTEGER, "preprocessed frames looked at", "frames"),
        Column("frames_with_words", INTEGER, "of these, frames that may show a word", "frames"),
        Column("words", INTEGER, "words read; what they say is kept nowhere"),
        Column("frame_id", TEXT, "first frame that may show a word; empty for none"),
        Column("signed_off", BOOLEAN, "a person has reviewed the layout, and let it pass"),
        Column("blocks", BOOLEAN, "words were read and nobody signed off: the visit goes into no release"),
    ),
)

REJECTED = Table(
    "rejected",
    "something that could not be used, or was used with a doubt",
    (
        Column("patient_id", TEXT, "the visit; empty where it is not known"),
        Column("stage", TEXT, "asset that rejected it"),
        Column("item", TEXT, "id of what was rejected: source id, video id, label or column name"),
        Column("file_name", TEXT, "uploaded name, for the hospital's eyes; empty where it is no file"),
        Column("reason", TEXT, "one word from the stage's fixed vocabulary"),
        Column("detail", TEXT, "what was found"),
        Column("remedy", TEXT, "what a person can do; empty where there is nothing to do"),
    ),
)

SYNC = Table(
    "sync",
    "a hand-written correction of time (read, never written)",
    (
        _PATIENT,
        Column("video_id", TEXT, "the video it holds for; empty for all of the visit"),
        Column("offset_s", NUMBER, "timeline time at which the procedure started", "s"),
        Column("scale", NUMBER, "timeline seconds per second of procedure time; empty for 1"),
        Column("method", TEXT, "how it was found"),
        Column("by", TEXT, "initials of who found it"),
    ),
)

REGIONS = Table(
    "regions",
    "a hand-written region (read, never written)",
    (
        Column("patient_id", TEXT, "the visit; empty for any visit that shows the screen of the signature"),
        Column("video_id", TEXT, "the video it holds for; empty for all of the visit"),
        Column("polygon", TEXT, "outline, x y pairs in picture pixels: x,y x,y ..."),
        Column(
            "signature",
            TEXT,
            "the screen it holds for, from layouts.csv; empty for all of the video or visit",
        ),
        Column("signed_off", TEXT, "who has reviewed the region, or when; empty for not reviewed"),
    ),
)


DATASET = Table(
    "dataset",
    "an extracted frame of the study: what a loader needs, over all visits",
    (
        _FRAME,
        _PATIENT,
        Column(
            "subject_id", TEXT, "the person, from patients.csv; splits group by it, by patient_id where empty"
        ),
        _VIDEO,
        Column("path", TEXT, "extracted image below the study's root"),
        Column("procedure_s", NUMBER, "procedure time", "s of procedure time"),
        Column("label_certain", BOOLEAN, "the frame is further from label borders than they are uncertain"),
        Column("status", TEXT, "ok or disturbed"),
        Column("reasons", TEXT, "why it is disturbed, |-joined; empty for none"),
        Column(
            "release_blocked",
            BOOLEAN,
            "readable text was found in preprocessed frames of the visit, see text_checks.csv",
        ),
    ),
)


def label_columns(families: Iterable[str]) -> list[Column]:
    """One column per label family, as the frame table and the preprocess metadata carry them."""
    return [Column(name, TEXT, f"label of the family {name}; empty where none holds") for name in families]


def frame_table(families: Iterable[str]) -> Table:
    """The frame table of a study with these label families."""
    return FRAMES.insert(label_columns(families), after="procedure_s")


def preprocess_metadata(families: Iterable[str]) -> Table:
    """The preprocess metadata of a study: ``PREPROCESSED`` plus label families and status."""
    status = Column("status", TEXT, "ok or disturbed, from the frame table")
    return PREPROCESSED.insert([*label_columns(families), status], after="sha256")


def patients(columns: Iterable[PatientColumnConfig]) -> Table:
    """The patients table of a study with these sheet columns."""
    extra = [Column(c.name, _SHEET_TYPES[c.type], c.meaning, c.unit) for c in columns]
    return PATIENTS.insert(extra, after="procedure_s")


def dataset(families: Iterable[str], recipes: Iterable[str]) -> Table:
    """The study-wide index: label families, and the preprocessed image of each recipe."""
    images = [
        Column(f"path_{name}", TEXT, f"image of recipe {name} below the study's root; empty for none")
        for name in recipes
    ]
    return DATASET.insert(label_columns(families), after="procedure_s").insert(images, after="path")
