"""Thresholds plotted against the scores they cut, for whoever sets them.

What a score is and what follows from it is decided in ``quality``, which frames are shown in
``commands.calibrate``. Callers hand over preprocessed pictures, never an extracted frame.
"""

import io
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from eus_etl.domain.images.codec import encode_png
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.plots.contact_sheet import contact_sheet
from eus_etl.settings import QualityConfig

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = NDArray[np.float64]

_WITHOUT_PICTURE = ("no_signal", "optical_view", "report_screen")
_BINS = 80
_LEAST_LOG = 1e-4
_PANEL_COLUMNS, _PANEL_INCHES, _DPI = 3, (4.2, 2.6), 100
_BAR, _LINE = "#7f9bb3", "#d1495b"
_TILE_PX = 128
_FONT = cv2.FONT_HERSHEY_SIMPLEX


_COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True, slots=True)
class Threshold:
    """One key of ``quality``: frames whose ``score`` is in ``relation`` to it lie beyond.

    Attributes:
        reason: to which it leads; docs/quality.md says what else must hold.
        key: name in the configuration.
        score: column of the frame table.
        relation: of score to threshold.
        log: whether the score's range spans decades.
    """

    reason: str
    key: str
    score: str
    relation: Literal["<", "<=", ">", ">="]
    log: bool = False

    def value(self, config: QualityConfig) -> float:
        """The threshold that is set."""
        return float(getattr(config, self.key))

    def beyond(self, config: QualityConfig) -> pl.Expr:
        """Whether a frame lies beyond; null without a score."""
        is_beyond: pl.Expr = _COMPARISONS[self.relation](pl.col(self.score), self.value(config))
        return is_beyond

    def concerned(self) -> pl.Expr:
        """Whether the reason is asked for at all: most need an ultrasound picture."""
        not_for = [reason for reason in _WITHOUT_PICTURE if reason != self.reason]
        if self.reason == "no_signal":
            not_for = ["report_screen"]
        found = pl.col("reasons").fill_null("").str.split("|")
        return pl.col(self.score).is_not_null() & ~pl.any_horizontal(found.list.contains(r) for r in not_for)

    def distance(self, config: QualityConfig) -> pl.Expr:
        """How far a frame lies from the threshold, in any unit."""
        if not self.log:
            return (pl.col(self.score) - self.value(config)).abs()
        return (_logged(pl.col(self.score)) - _logged(pl.lit(self.value(config)))).abs()


THRESHOLDS = (
    Threshold("no_signal", "no_signal_brightness", "brightness", "<"),
    Threshold("no_signal", "no_signal_contrast", "contrast", "<"),
    Threshold("frozen", "frozen_motion", "motion", "<", log=True),
    Threshold("frozen", "frozen_min_s", "static_s", ">="),
    Threshold("duplicate", "duplicate_motion", "motion", "<=", log=True),
    Threshold("duplicate", "duplicate_motion_share", "motion_share", "<=", log=True),
    Threshold("blurred", "blurred_sharpness_z", "sharpness_z", "<"),
    Threshold("color_mode", "color_fraction", "color_fraction", ">", log=True),
    Threshold("optical_view", "optical_outside_fraction", "outside_color_fraction", ">", log=True),
    Threshold("low_contact", "low_contact_fraction", "shadow_fraction", ">"),
)
"""Every threshold of ``quality``."""


def draw_distributions(values: Mapping[str, Values], config: QualityConfig) -> bytes:
    """One panel per score: how many frames have each value, and the thresholds, as a PNG file.

    The same input gives the same bytes.

    Args:
        values: of each score, those of all frames that are asked for it.
        config: the thresholds drawn in.
    """
    # takes half a second to import: only who draws pays for it
    from matplotlib.figure import Figure

    rows = -(-len(values) // _PANEL_COLUMNS)
    size = _PANEL_COLUMNS * _PANEL_INCHES[0], rows * _PANEL_INCHES[1]
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    for number, (score, found) in enumerate(values.items(), 1):
        panel = figure.add_subplot(rows, _PANEL_COLUMNS, number)
        _draw_panel(panel, score, found, [t for t in THRESHOLDS if t.score == score], config)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def draw_nearest(
    within: Sequence[tuple[float, Picture]], beyond: Sequence[tuple[float, Picture]], columns: int
) -> bytes:
    """Masked pictures nearest to a threshold: within it in the upper row, beyond it below, as a PNG file.

    Args:
        within: score and picture, square uint8, grey or BGR, the nearest first; at most ``columns``.
        beyond: the same of the other side.
        columns: pictures a row.
    """
    tiles: list[Picture] = []
    for caption, side in (("within", within), ("beyond", beyond)):
        row = [_labelled(None, caption)]
        row += [_labelled(picture, f"{score:.4g}") for score, picture in side]
        tiles += row + [_labelled(None, "")] * (columns + 1 - len(row))
    return encode_png(contact_sheet(tiles, columns + 1, _TILE_PX))


def _draw_panel(
    panel: "Axes", score: str, values: Values, thresholds: Sequence[Threshold], config: QualityConfig
) -> None:
    log = any(threshold.log for threshold in thresholds)
    cuts = [threshold.value(config) for threshold in thresholds]
    shown = np.maximum(values, _LEAST_LOG) if log else values
    # what lies in the last thousandth at either end would press the rest together
    ends = [*np.quantile(shown, [0.001, 0.999]), *cuts] if len(shown) else cuts
    low, high = float(min(ends)), float(max(ends))
    if log:
        edges = np.geomspace(max(low, _LEAST_LOG), 1.1 * max(high, _LEAST_LOG), _BINS)
        panel.set_xscale("log")
    else:
        margin = 0.02 * (high - low) or 1.0
        edges = np.linspace(low - margin, high + margin, _BINS)
    panel.hist(np.clip(shown, edges[0], edges[-1]), bins=list(edges), color=_BAR, log=True)
    for threshold, cut in zip(thresholds, cuts, strict=True):
        x = max(cut, float(edges[0]))
        panel.axvline(x, color=_LINE, linewidth=1)
        panel.text(
            x,
            0.97,
            threshold.key,
            transform=panel.get_xaxis_transform(),
            color=_LINE,
            fontsize=7,
            rotation=90,
            ha="right",
            va="top",
        )
    panel.set_ylim(bottom=0.8)
    panel.set_xlabel(score, fontsize=8)
    panel.tick_params(which="both", labelsize=7)


def _labelled(picture: Picture | None, text: str) -> Picture:
    """A tile with a text at its lower edge."""
    tile = np.zeros((_TILE_PX, _TILE_PX, 3), np.uint8) if picture is None else _tile(picture)
    cv2.rectangle(tile, (0, _TILE_PX - 16), (_TILE_PX, _TILE_PX), (0, 0, 0), -1)
    cv2.putText(tile, text, (4, _TILE_PX - 4), _FONT, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return tile


def _tile(picture: Picture) -> Picture:
    tile = np.asarray(cv2.resize(picture, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_AREA), np.uint8)
    return tile if tile.ndim == 3 else np.asarray(cv2.cvtColor(tile, cv2.COLOR_GRAY2BGR), np.uint8)


def _logged(value: pl.Expr) -> pl.Expr:
    return value.clip(_LEAST_LOG).log10()
