"""A visit at a glance: labels, status and masked thumbnails over procedure time, as a small PNG.

Draws what it is given and opens no file. Which thumbnails may be shown is decided by the caller.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eus_etl.domain.images.picture import Picture
from eus_etl.domain.labels.on_frames import used_intervals
from eus_etl.domain.plots.contact_sheet import contact_sheet, small_png, with_time
from eus_etl.domain.plots.strips import edges_over, occupied, reasons_of, runs, span
from eus_etl.domain.quality.scores import REASONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

THUMBNAILS = 10
"""As many fit side by side."""

_DPI = 80
_WIDTH_PX = 960
_LEFT_PX, _RIGHT_PX, _BOTTOM_PX, _TOP_PX = 96, 14, 36, 24
_ROW_PX = 20
_THUMBNAIL_PX = 80
_GAP_PX = 16
_STRIP_COLUMNS = 800
_CHARACTER_PX = 6

_CERTAIN = "label certain"
_OK, _DISTURBED, _UNCERTAIN, _INK = "#4c9f70", "#d1495b", "#e3c567", "#333333"
# distinguishable for color-blind people too: Paul Tol's scheme "light"
_LABEL_COLORS = (
    "#77aadd",
    "#ee8866",
    "#eedd88",
    "#ffaabb",
    "#99ddff",
    "#44bb99",
    "#bbcc33",
    "#aaaa00",
    "#dddddd",
)


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A masked picture, square, grey or BGR, and the procedure time at which it was taken."""

    procedure_s: float
    picture: Picture


def draw_timeline(
    frames: pl.DataFrame,
    intervals: pl.DataFrame,
    families: Mapping[str, Sequence[str]],
    thumbnails: Sequence[Thumbnail],
    *,
    alias: str | None = None,
    end_s: float | None = None,
) -> bytes:
    """Draw one visit: a row of bars for each family with labels, for certainty, status and each reason.

    Where nothing was recorded the status is blank, so that a label without a recording under it shows.
    The same input gives the same bytes.

    Args:
        frames: the visit's frame table; frames without ``procedure_s`` are counted, not drawn.
        intervals: ``tables.LABELS`` of the visit; used ones are drawn, suspect ones hatched.
        families: names of the labels of each family.
        thumbnails: by time; no more than ``THUMBNAILS`` are shown.
        alias: the visit's alias, for the title.
        end_s: when the procedure was stopped, in procedure time.

    Returns:
        A PNG file of some ten kilobytes, twice that with thumbnails.
    """
    # takes half a second to import: only who draws pays for it
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    timed = frames.drop_nulls("procedure_s").sort("procedure_s")
    used = used_intervals(intervals).filter(pl.col("family").is_in(list(families)))
    held = reasons_of(timed)
    held_reasons = set(held["reasons"].unique())
    reasons = [reason for reason in REASONS if reason in held_reasons]
    present = set(used["family"])
    shown = {family: labels for family, labels in families.items() if family in present}
    rows = [*shown, *([_CERTAIN] if shown else []), "status", *reasons]
    head_px = _THUMBNAIL_PX + _GAP_PX if thumbnails else 0
    height_px = _TOP_PX + head_px + _ROW_PX * len(rows) + _BOTTOM_PX
    span_s = span(timed, used, end_s)
    # a label is text, whatever it holds, and looks the same on every machine
    with mpl.rc_context({"text.parse_math": False, "font.family": "DejaVu Sans", "font.size": 8}):
        figure = Figure(figsize=(_WIDTH_PX / _DPI, height_px / _DPI), dpi=_DPI)
        FigureCanvasAgg(figure)
        width_px = _WIDTH_PX - _LEFT_PX - _RIGHT_PX
        axes = figure.add_axes(
            (
                _LEFT_PX / _WIDTH_PX,
                _BOTTOM_PX / height_px,
                width_px / _WIDTH_PX,
                _ROW_PX * len(rows) / height_px,
            )
        )
        axes.set_xlim(*span_s)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_yticks(range(len(rows)), labels=rows)
        axes.set_xlabel("procedure time, min:s", labelpad=1)
        axes.xaxis.set_major_formatter(lambda seconds, _: clock(seconds))
        for row, (family, labels) in enumerate(shown.items()):
            _draw_bars(axes, row, used.filter(pl.col("family") == family), labels)
        _draw_strips(axes, rows, timed, held)
        if end_s is not None:
            _draw_end(axes, end_s)
        _draw_thumbnails(figure, axes, thumbnails[:THUMBNAILS], height_px - _TOP_PX - _THUMBNAIL_PX)
        figure.text(_LEFT_PX / _WIDTH_PX, 1 - 16 / height_px, _title(alias, frames, timed))
        drawn = io.BytesIO()
        figure.savefig(drawn, format="rgba")
    pixels = np.frombuffer(drawn.getvalue(), np.uint8).reshape(height_px, _WIDTH_PX, 4)
    return small_png(pixels[:, :, 2::-1])


def _draw_bars(axes: "Axes", row: int, intervals: pl.DataFrame, labels: Sequence[str]) -> None:
    first_s, last_s = axes.get_xlim()
    bars = intervals.with_columns(length_s=pl.col("stop_s") - pl.col("start_s"))
    for (label, status), alike in bars.group_by("label", "status", maintain_order=True):
        number = labels.index(str(label)) if label in labels else len(labels)
        axes.broken_barh(
            alike.select("start_s", "length_s").rows(),
            (row - 0.4, 0.8),
            facecolor=_LABEL_COLORS[number % len(_LABEL_COLORS)],
            edgecolor=_INK,
            linewidth=0.4,
            hatch="//" if status == "suspect" else None,
        )
        room_s = len(str(label)) * _CHARACTER_PX / (_WIDTH_PX - _LEFT_PX) * (last_s - first_s)
        for start_s, length_s in alike.select("start_s", "length_s").iter_rows():
            if length_s > room_s:
                axes.text(start_s + length_s / 2, row, str(label), ha="center", va="center", clip_on=True)


def _draw_strips(axes: "Axes", rows: Sequence[str], timed: pl.DataFrame, held: pl.DataFrame) -> None:
    """The status: green where frames are undisturbed, red where not; above it where the label is certain, and
    below it when each reason holds.
    """
    edges = edges_over(timed, axes.get_xlim(), _STRIP_COLUMNS)

    def columns(frames: pl.DataFrame) -> NDArray[np.bool_]:
        return occupied(frames["procedure_s"], edges)

    disturbed = columns(timed.filter("disturbed"))
    for row, name in enumerate(rows):
        match name:
            case "status":
                strips = [(columns(timed) & ~disturbed, _OK), (disturbed, _DISTURBED)]
            case str() if name == _CERTAIN:
                certain = columns(timed.filter("label_certain"))
                strips = [(certain, _OK), (columns(timed) & ~certain, _UNCERTAIN)]
            case _:
                strips = [(columns(held.filter(pl.col("reasons") == name)), _DISTURBED)]
        for drawn, color in strips:
            starts, stops = runs(drawn)
            spans = list(zip(edges[starts], edges[stops] - edges[starts], strict=True))
            axes.broken_barh(spans, (row - 0.4, 0.8), color=color)


def _draw_end(axes: "Axes", end_s: float) -> None:
    """A line where the procedure was stopped."""
    axes.axvline(end_s, color=_INK, linewidth=1.5, linestyle="--")
    first_s, last_s = axes.get_xlim()
    left = end_s - first_s > (last_s - first_s) / 2
    axes.annotate(
        "Stop Procedure",
        (end_s, axes.get_ylim()[0]),
        xytext=(-3 if left else 3, 3),
        textcoords="offset points",
        ha="right" if left else "left",
    )


def _draw_thumbnails(figure: "Figure", axes: "Axes", thumbnails: Sequence[Thumbnail], bottom_px: int) -> None:
    """Thumbnails side by side above the rows, each with a line down to its time."""
    step_px = (_WIDTH_PX - _LEFT_PX - _RIGHT_PX) // THUMBNAILS
    to_place = axes.transData.inverted()
    for number, thumbnail in enumerate(thumbnails):
        left_px = _LEFT_PX + step_px * number
        timed = with_time(thumbnail.picture, clock(thumbnail.procedure_s), _THUMBNAIL_PX)
        tile = contact_sheet([timed], 1, _THUMBNAIL_PX)[:, :, ::-1]
        figure.figimage(tile, left_px, bottom_px, origin="upper")
        x_s, y = to_place.transform((left_px + _THUMBNAIL_PX / 2, bottom_px))
        axes.plot(
            [x_s, thumbnail.procedure_s, thumbnail.procedure_s],
            [y, -0.5, axes.get_ylim()[0]],
            color=_INK,
            linewidth=0.5,
            alpha=0.5,
            clip_on=False,
            scalex=False,
            scaley=False,
        )


def _title(alias: str | None, frames: pl.DataFrame, timed: pl.DataFrame) -> str:
    disturbed = int(frames["disturbed"].sum())
    said = [f"{frames.height} frames, {disturbed} disturbed (red)"]
    first_s, last_s = timed["procedure_s"].min(), timed["procedure_s"].max()
    if isinstance(first_s, float) and isinstance(last_s, float):
        said.insert(0, f"{clock(first_s)} to {clock(last_s)}")
    if untimed := frames.height - timed.height:
        said.append(f"{untimed} without a place in time (not drawn)")
    return "   ".join([alias, *said] if alias else said)


def clock(seconds: float) -> str:
    """``1:05`` for 65 s."""
    minutes, rest = divmod(round(abs(seconds)), 60)
    return f"{'-' if seconds < 0 and minutes + rest else ''}{minutes}:{rest:02d}"
