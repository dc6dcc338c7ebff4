"""A display layout: its region, by hand or found, and whether text was read in it."""

from eus_etl.domain.tables.columns import LAYOUT, PATIENT, VIDEO
from eus_etl.domain.tables.schema import BOOLEAN, INTEGER, NUMBER, TEXT, Column, Table

LAYOUTS = Table(
    "layouts",
    "a display layout of a video",
    (
        PATIENT,
        VIDEO,
        LAYOUT,
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
            "linear (a rectangle), trapezoid, sector, hull (no field's shape fits), polygon (hand-written), "
            "or none where no region was found",
        ),
        Column("polygon", TEXT, "region's outline, x y pairs in picture pixels: x,y x,y ..."),
        Column("area_fraction", NUMBER, "region's share of the picture"),
        Column("solidity", NUMBER, "area seen to move (or lit) over the area of its hull"),
        Column(
            "confidence",
            NUMBER,
            "0 to 1: the share of a fitted outline that lies on an edge, times the share of what was seen "
            "that is inside; at most 0.8 for a hull, half where nothing moves, 1 by hand",
        ),
        Column("found_by", TEXT, "auto_motion, auto_structure (frozen recording), regions.csv or none"),
        Column(
            "uncertain",
            BOOLEAN,
            "a person has to look at the region: until it is signed off, or drawn by hand, its pictures are "
            "not shown and the visit is marked release_blocked",
        ),
        Column("doubt", TEXT, "why the region is uncertain; empty where it is not"),
        Column("marks", TEXT, "boxes around bright marks that stand still inside: x,y,w,h x,y,w,h ..."),
        Column("inpainted", BOOLEAN, "the marks are painted over in preprocessed frames: regions.marks"),
        Column("picture_in_picture", TEXT, "boxes of insets inside: x,y,w,h x,y,w,h ..."),
        Column(
            "signed_off",
            BOOLEAN,
            "a person has reviewed the region: signed_off in a row of regions.csv that names visit and video",
        ),
        Column(
            "covered_rows",
            TEXT,
            "rows of the segment's grid in which something else enters the region (a label, a window, a page,"
            " a code): first-last first-last ...; these frames are not preprocessed",
        ),
        Column("covered_boxes", TEXT, "boxes around what enters: x,y,w,h x,y,w,h ..."),
        Column("overlay", TEXT, "picture of the outline on a blank screen, below the study's root"),
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
        Column(
            "signed_off",
            TEXT,
            "who has reviewed the region, or when; empty for not reviewed. It counts only in rows with "
            "patient_id and video_id; XX and words that say no sign nothing off",
        ),
    ),
)


TEXT_CHECKS = Table(
    "text_checks",
    "a display layout by one recipe, checked for readable text",
    (
        PATIENT,
        LAYOUT,
        Column("recipe", TEXT, "name of the recipe"),
        Column("images", TEXT, "what was checked: h and a hash of the images' SHA-256"),
        Column("engine", TEXT, "program that read, with its version"),
        Column("frames_read", INTEGER, "preprocessed frames checked", "frames"),
        Column("frames_with_words", INTEGER, "of these, frames that may show a word", "frames"),
        Column(
            "words",
            INTEGER,
            "words read, one that is read in pieces more than once; what they say is kept nowhere",
        ),
        Column("frame_id", TEXT, "first frame that may show a word; empty for none"),
        Column("signed_off", BOOLEAN, "a person has reviewed the layout and accepted it"),
        Column(
            "blocks",
            BOOLEAN,
            "words were read and nobody signed off, or the images are being made again and not checked yet: "
            "the visit is marked release_blocked",
        ),
    ),
)
