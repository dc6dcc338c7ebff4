"""HTML and SVG from values: every text is escaped, wherever it came from."""

from collections.abc import Iterable
from html import escape


class Markup(str):
    """Text that is markup already: made here from escaped parts, never from what came from outside."""

    __slots__ = ()


Part = str | Markup | None
Attribute = str | int | float | None

_EMPTY_ELEMENTS = frozenset({"br", "hr", "img", "input", "meta", "rect", "line"})


def text(value: object) -> Markup:
    """Any value as text, so that it can be nothing else."""
    return value if isinstance(value, Markup) else Markup(escape(str(value)))


def join(parts: Iterable[Part]) -> Markup:
    """Parts one after the other; None is left out."""
    return Markup("".join(text(part) for part in parts if part is not None))


def element(name: str, /, *parts: Part, **attributes: Attribute) -> Markup:
    """An element with these parts; ``class_`` is written ``class``, ``data_v`` ``data-v``; None: nothing."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY_ELEMENTS:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{join(parts)}</{name}>")


def number(value: str | float) -> str:
    """A number as short as can be, a text as it is."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
