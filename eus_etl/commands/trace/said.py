"""How the links of a frame look on a terminal."""

from collections.abc import Iterator, Mapping, Sequence

from eus_etl.commands.trace.address import Address
from eus_etl.commands.trace.link import Link

_MARKS = {True: "ok", False: "BROKEN", None: "-"}
_WIDTH = 6


def lines(address: Address, links: Sequence[Link]) -> Iterator[str]:
    """One line per link, and its facts below it."""
    yield address.frame_id
    for link in links:
        yield f"{_MARKS[link.holds]:{_WIDTH}}  {link.name}: {link.said}"
        for name, value in link.facts.items():
            if value is not None:
                yield f"{'':{_WIDTH}}    {name}: {_shown(value)}"


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(inner)}" for name, inner in value.items() if inner is not None)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
