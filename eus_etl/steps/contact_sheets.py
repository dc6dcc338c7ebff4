"""Masked thumbnails of the dataset, a row a label, for a person's look."""

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.pictures import contact_sheet
from eus_etl.settings import StudyConfig
from eus_etl.storage.atomic import write_atomically

_COLUMNS, _TILE_PX = 8, 128
_CAPTION_PX = (6, _TILE_PX // 2)


def draw_contact_sheet(study: StudyConfig, recipe: str, index: pl.LazyFrame) -> None:
    """Write ``pictures/contact_sheet_<recipe>.png``: the label's name, then its frames spread over the study.

    Args:
        study: the configuration.
        recipe: whose preprocessed images are shown; extracted ones never are.
        index: the dataset's index; only undisturbed frames of it are shown.
    """
    paths, column = StudyPaths(study.root), f"path_{recipe}"
    tiles: list[NDArray[np.uint8]] = []
    fit = index.filter(pl.col("status") == "ok", pl.col(column).is_not_null())
    for family, labels in study.families.items():
        for label in labels:
            of_label = fit.filter(pl.col(family) == label.name).select(column).collect().to_series()
            row = [_caption(label.name), *(_read(paths, path) for path in _spread(of_label))]
            empty = np.zeros((_TILE_PX, _TILE_PX), np.uint8)
            tiles += row + [empty] * (_COLUMNS + 1 - len(row))
    encoded = cv2.imencode(".png", contact_sheet(tiles, _COLUMNS + 1, _TILE_PX))[1]
    write_atomically(paths.contact_sheet(recipe), encoded.tobytes())


def _spread(paths: pl.Series) -> list[str]:
    """At most a row's worth of ``paths``, evenly spread from the first to the last."""
    if paths.len() <= _COLUMNS:
        return paths.to_list()
    places = np.linspace(0, paths.len() - 1, _COLUMNS).round().astype(int).tolist()
    return paths.gather(places).to_list()


def _read(paths: StudyPaths, path: str) -> NDArray[np.uint8]:
    coded = np.frombuffer((paths.root / path).read_bytes(), np.uint8)
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_UNCHANGED), np.uint8)


def _caption(text: str) -> NDArray[np.uint8]:
    tile = np.zeros((_TILE_PX, _TILE_PX), np.uint8)
    cv2.putText(tile, text, _CAPTION_PX, cv2.FONT_HERSHEY_SIMPLEX, 0.55, 255, 1, cv2.LINE_AA)
    return tile
