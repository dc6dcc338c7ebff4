"""The real clips' fields and texts, drawn by hand, and their pictures as the search for a region gets them.

Coordinates only, in picture pixels: no pixel of a clip is kept here.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from benchmarks.support.places import DATA
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.screen.region import Polygon
from eus_etl.domain.video.reader import decode


def _corners_of(name: str) -> Mapping[str, Polygon]:
    return {
        clip: np.array(corners, np.int32) for clip, corners in json.loads((DATA / name).read_text()).items()
    }


FIELDS = _corners_of("field_polygons.json")
"""By clip: the outline of its field, (n, 2) x y, drawn by hand."""

TEXTS: Mapping[str, list[tuple[int, int, int, int]]] = {
    clip: [(x, y, width, height) for x, y, width, height in boxes]
    for clip, boxes in json.loads((DATA / "text_boxes.json").read_text()).items()
}
"""By clip: boxes x, y, width, height around what is written or drawn beside the field."""

FOUND = _corners_of("region_polygons.json")
"""By clip: the region that was found when its overlay was judged by eye."""


def spread_pictures(video: Path, count: int) -> list[Picture]:
    """At most ``count`` pictures of a video, grey, evenly spread from the first to the last."""
    frames = [cv2.cvtColor(frame.picture(), cv2.COLOR_BGR2GRAY) for frame in decode(video, "v0123456789ab")]
    places = np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int))
    return [np.asarray(frames[place], np.uint8) for place in places]
