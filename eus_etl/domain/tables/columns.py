"""Columns that several tables share."""

from eus_etl.domain.tables.schema import BOOLEAN, INTEGER, NUMBER, TEXT, Column

PATIENT = Column("patient_id", TEXT, "the visit: the label item's pk, a UUID")
VIDEO = Column("video_id", TEXT, "v and the first 12 hex digits of the file's MD5")
FRAME = Column("frame_id", TEXT, "patient_id/video_id/pts, stable across machines and frame rates")
LAYOUT = Column("layout_id", TEXT, "video_id and number of the display layout within it")
IMAGE = Column("path", TEXT, "image below the study's root")
FRAME_INDEX = Column(
    "frame_index", INTEGER, "place in the video, in presentation order, of all its frames, from 0"
)
PTS = Column("pts", INTEGER, "presentation time stamp", "time_base")
TIME_BASE = Column("time_base", TEXT, "unit of pts", "s, as a fraction")
VIDEO_S = Column(
    "video_s", NUMBER, "presentation time from the first frame that the packets hold, decoded or not", "s"
)
DHASH = Column("dhash", TEXT, "difference hash of the picture, h and 16 hex digits")
FRAMES_DECODED = Column("frames_decoded", INTEGER, "frames decoded by the extraction", "frames")
FRAMES_SKIPPED = Column(
    "frames_skipped", INTEGER, "frames left undecoded, because no kept frame needs them", "frames"
)
DECODE_ERRORS = Column(
    "decode_errors", INTEGER, "of what was decoded: packets or frames that could not be", "frames"
)
FRAMES_BEFORE_KEY = Column(
    "frames_before_key",
    INTEGER,
    "frames before the first that can be decoded: the recording begins between two key frames",
    "frames",
)
CLOCK_RESTARTS = Column(
    "clock_restarts",
    INTEGER,
    "how often the video's clock restarts (joined parts); a stretch begins where the last one ends",
)
FRAMES_MISSING = Column(
    "frames_missing", INTEGER, "frames that an MP4's index lists and that the file, cut off, lacks", "frames"
)
INTERLACED = Column("interlaced", BOOLEAN, "a decoded frame is marked as interlaced")
DEINTERLACED = Column("deinterlaced", BOOLEAN, "interlaced frames were made whole: extraction.deinterlace")

FRAME_IN_VIDEO = (FRAME, PATIENT, VIDEO, IMAGE, FRAME_INDEX, PTS, TIME_BASE, VIDEO_S)
"""Which frame it is, where its image is, and when it is shown in its video."""

DECODE_COUNTS = (
    FRAMES_DECODED,
    FRAMES_SKIPPED,
    DECODE_ERRORS,
    FRAMES_BEFORE_KEY,
    FRAMES_MISSING,
    CLOCK_RESTARTS,
    INTERLACED,
    DEINTERLACED,
)
"""What decoding a video found."""
