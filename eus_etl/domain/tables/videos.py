"""What is known of a video, and of the frames that the extraction kept of it."""

from eus_etl.domain.tables.columns import DECODE_COUNTS, DHASH, FRAME_IN_VIDEO, PATIENT, VIDEO
from eus_etl.domain.tables.schema import BOOLEAN, INTEGER, NUMBER, TEXT, Column, Table

VIDEOS = Table(
    "videos",
    "a video file of a visit",
    (
        PATIENT,
        VIDEO,
        Column("file_name", TEXT, "name in raw_data/<patient_id>; must not leave the hospital"),
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
        Column(
            "duration_s", NUMBER, "from the first frame that the packets hold to the end of the last", "s"
        ),
        Column(
            "frames_declared",
            INTEGER,
            "frames that the container states; empty where it states none",
            "frames",
        ),
        *DECODE_COUNTS,
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
        *FRAME_IN_VIDEO,
        Column("segment", INTEGER, "number of the stretch of equal picture size within the video, from 0"),
        Column("grid_row", INTEGER, "row of the frame in its segment's grid, from 0"),
        Column("synthetic_time", BOOLEAN, "the stream has no pts: frames are counted at the nominal rate"),
        Column("decode_error", BOOLEAN, "the decoder marked the picture as damaged"),
        DHASH,
    ),
)


DECODED = Table(
    "decoded",
    "a video that the extraction went through (internal: joined into videos.csv)",
    (
        PATIENT,
        VIDEO,
        *DECODE_COUNTS,
        Column("frames_kept", INTEGER, "frames kept as images", "frames"),
    ),
)
