"""Where an uploaded file's name may stand; ``docs/privacy.md`` lists the same places."""

MAY_NAME_UPLOADS = (
    "raw_data/",
    "master-dataset/Data/videos.csv",
    "master-dataset/Data/rejected.csv",
    "master-dataset/Data/parts/videos/",
    "master-dataset/Data/parts/rejected/",
    ".eus_etl/gathered/videos.parquet",
    ".eus_etl/gathered/rejected.parquet",
    ".eus_etl/inventory/drive_videos/",
    ".eus_etl/inventory/drive.sqlite",
    ".eus_etl/raw/",
)
"""Files and folders below a study's root."""
