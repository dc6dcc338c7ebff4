"""The names of the assets that a study makes; those of its observed sources are in ``steps.observation``."""

from enum import StrEnum


class Asset(StrEnum):
    """Second part of an asset's key, after the study."""

    # of one visit
    RAW_VIDEOS = "raw_videos"
    LABELS = "labels"
    PATIENTS = "patients"
    FRAMES = "frames"
    REGIONS = "regions"
    FRAME_TABLE = "frame_table"
    PREPROCESSED_FRAMES = "preprocessed_frames"
    TIMELINE = "timeline"

    # of the whole study
    LABELS_CSV = "labels_csv"
    PATIENTS_CSV = "patients_csv"
    VIDEOS_CSV = "videos_csv"
    PREPROCESS_METADATA_CSV = "preprocess_metadata_csv"
    REJECTED_CSV = "rejected_csv"
    DATASET = "dataset"
    RELEASE = "release"
