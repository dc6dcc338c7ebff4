"""What is recorded about a layout's region in ``rejected.csv``."""

from eus_etl.domain.tables.rejection import Rejection


def no_region(layout_id: str) -> Rejection:
    """No region was found."""
    return Rejection(
        item=layout_id,
        reason="no_region",
        detail="too little moves or is bright to tell the ultrasound picture from the rest of the screen",
        remedy="write the region's polygon into regions.csv; until then its frames are not preprocessed",
    )


def uncertain_region(layout_id: str, doubt: str) -> Rejection:
    """A region was found, but a person has to look at it."""
    return Rejection(
        item=layout_id,
        reason="uncertain_region",
        detail=f"{doubt}; the visit is marked release_blocked",
        remedy="look at its preprocessed frames, then sign the region off in regions.csv, or draw it there",
    )


def unknown_videos(rows: int) -> Rejection:
    """Rows of ``regions.csv`` that mean no video of the visit."""
    return Rejection(
        item="regions.csv",
        reason="unknown_video",
        detail=f"{rows} of the visit's rows name a video that it does not have, or no longer has",
        remedy="if the video was uploaded again, write the new video_id of videos.csv",
    )


def bad_polygon(layout_id: str, why: str) -> Rejection:
    """A row of ``regions.csv`` whose polygon cannot be used."""
    return Rejection(
        item=layout_id,
        reason="bad_polygon",
        detail=why,
        remedy="correct the polygon in regions.csv: x,y x,y ... in picture pixels",
    )
