"""Charts as inline SVG. Colors come from classes of the page's style: dark and light share one drawing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eus_etl.commands.report.markup import Markup, element, join

WIDTH = 1000
ROW = 20
_BAR = 14
LABEL_COLORS = 9
"""Classes ``l0`` to ``l8``."""

Spans = Sequence[tuple[float, float]]
"""Start and stop, in the units of the axis."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Bars of one color and one meaning within a row."""

    color: str
    title: str
    spans: Spans


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a strip chart, drawn layer over layer."""

    name: str
    layers: Sequence[Layer]


def strips(rows: Sequence[Row], span: tuple[float, float], mark: float | None = None) -> Markup:
    """Rows of bars over one axis, stretched to the width it is given; ``mark`` is a line across all rows."""
    first, last = span
    scale = WIDTH / max(last - first, 1e-9)
    drawn = []
    for place, row in enumerate(rows):
        top = place * ROW + (ROW - _BAR) // 2
        drawn.append(element("rect", class_="ground", x=0, y=top, width=WIDTH, height=_BAR))
        for layer in row.layers:
            bars = "".join(
                f"M{_short((start - first) * scale)} {top}h{_short(max((stop - start) * scale, 0.8))}v{_BAR}"
                f"h-{_short(max((stop - start) * scale, 0.8))}z"
                for start, stop in layer.spans
            )
            if bars:
                drawn.append(element("path", element("title", layer.title), class_=layer.color, d=bars))
    height = ROW * len(rows)
    if mark is not None:
        x = _short((mark - first) * scale)
        drawn.append(element("path", element("title", "Stop Procedure"), class_="mark", d=f"M{x} 0v{height}"))
    return element(
        "svg",
        *drawn,
        class_="strips",
        viewBox=f"0 0 {WIDTH} {height}",
        preserveAspectRatio="none",
        height=height,
        role="img",
    )


def stacked(parts: Sequence[tuple[str, str, float]], whole: float) -> Markup:
    """One bar of several parts: color, title and size of each; ``whole`` fills the width."""
    drawn, at = [], 0.0
    for color, title, size in parts:
        width = WIDTH * size / whole if whole else 0.0
        if width > 0:
            box = _box(at, max(width - 1.5, 0.5))
            drawn.append(element("path", element("title", title), class_=color, d=box))
        at += width
    return element(
        "svg",
        element("rect", class_="ground", x=0, y=0, width=WIDTH, height=_BAR),
        *drawn,
        class_="bar",
        viewBox=f"0 0 {WIDTH} {_BAR}",
        preserveAspectRatio="none",
        height=_BAR,
        role="img",
    )


def diverging(value: float, most: float, color: str, title: str) -> Markup:
    """A bar to the left or right of the middle; ``most`` reaches the edge."""
    half = WIDTH / 2
    length = half * min(abs(value) / most, 1.0) if most else 0.0
    return element(
        "svg",
        element("rect", class_="ground", x=0, y=0, width=WIDTH, height=_BAR),
        element(
            "path",
            element("title", title),
            class_=color,
            d=_box(half if value >= 0 else half - length, max(length, 2.0)),
        ),
        element("path", class_="axis", d=f"M{half:g} 0v{_BAR}"),
        class_="bar",
        viewBox=f"0 0 {WIDTH} {_BAR}",
        preserveAspectRatio="none",
        height=_BAR,
        role="img",
    )


def histogram(values: Sequence[float], cuts: Sequence[float], *, log: bool, bins: int = 48) -> Markup:
    """How many values lie where, on a logarithmic scale of counts, with a line at each cut.

    The outermost thousandth at either end is counted at the edge.
    """
    found = np.asarray(values, np.float64)
    if log:
        found, marks = np.log10(np.maximum(found, 1e-4)), [float(np.log10(max(cut, 1e-4))) for cut in cuts]
    else:
        marks = list(cuts)
    ends = [*np.quantile(found, [0.001, 0.999]), *marks] if len(found) else marks or [0.0, 1.0]
    low, high = float(min(ends)), float(max(ends))
    margin = 0.03 * (high - low) or 1.0
    low, high = low - margin, high + margin
    counts = np.histogram(np.clip(found, low, high), bins, (low, high))[0]
    width, height = 320, 110
    tall = np.log1p(counts) / max(float(np.log1p(counts.max(initial=1))), 1e-9) * height
    step = width / bins
    bars = "".join(
        f"M{_short(n * step)} {height}v-{_short(up)}h{_short(step - 0.6)}v{_short(up)}z"
        for n, up in enumerate(tall.tolist())
        if up
    )
    lines = "".join(f"M{_short((mark - low) / (high - low) * width)} 0v{height}" for mark in marks)

    def at(position: float) -> str:
        value = float(10**position if log else position)
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2g}"

    return join(
        [
            element(
                "svg",
                element("path", class_="l0", d=bars),
                element("path", class_="cut", d=lines),
                element("path", class_="axis", d=f"M0 {height}h{width}"),
                class_="histogram",
                viewBox=f"0 0 {width} {height + 1}",
                preserveAspectRatio="none",
                height=height,
                role="img",
            ),
            element(
                "div", element("span", at(low + margin)), element("span", at(high - margin)), class_="ticks"
            ),
        ]
    )


def legend(entries: Sequence[tuple[str, str]]) -> Markup:
    """What each color means."""

    def swatch(color: str) -> Markup:
        square = element("rect", class_=color, x=0, y=0, width=12, height=12)
        return element("svg", square, class_="swatch", viewBox="0 0 12 12", width=12, height=12)

    return element("div", *(element("span", swatch(color), name) for color, name in entries), class_="legend")


def bars(rows: Sequence[tuple[str, Markup, str]]) -> Markup:
    """Bars below one another, each with its name on the left and what it says on the right."""
    drawn = [element("div", element("span", name), bar, element("em", said)) for name, bar, said in rows]
    return element("div", *drawn, class_="bars")


def label_color(place: int) -> str:
    """The class of a label by its place in its family."""
    return f"l{place % LABEL_COLORS}"


def _box(left: float, width: float) -> str:
    return f"M{_short(left)} 0h{_short(width)}v{_BAR}h-{_short(width)}z"


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
