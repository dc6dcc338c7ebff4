"""Label items for tests, and what the pipeline makes of them in a form that is short to compare."""

from collections.abc import Mapping

from eus_etl.domain.labels.items import intervals_from_item
from eus_etl.domain.tables.catalog import LABELS
from eus_etl.settings import LabelConfig, load_study, shipped

EUS = load_study(shipped("configs") / "eus_config.yaml").families
LIVER = load_study(shipped("configs") / "liver_config.yaml").families
LABELS_OF_EUS = [label.name for labels in EUS.values() for label in labels]

Judged = tuple[float | None, float | None, str, str | None]


def clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def item(*timers: tuple[str, int | None, int | None], end: int | None = None) -> dict[str, object]:
    """An item from ("Station 1 2", start, stop) and the time of Stop Procedure."""
    attributes: dict[str, object] = {} if end is None else {"Stop Procedure": clock(end)}
    for timer, start, stop in timers:
        if start is not None:
            attributes[f"Start {timer}"] = clock(start)
        if stop is not None:
            attributes[f"Stop {timer}"] = clock(stop)
    return attributes


def judged(
    attributes: Mapping[str, object], families: Mapping[str, tuple[LabelConfig, ...]] = EUS
) -> dict[str, Judged]:
    """ "<label> <occurrence>" to start, stop, status and problem."""
    rows = intervals_from_item("p1", attributes, families)
    assert rows.schema == LABELS.schema
    found = {
        f"{row['label']} {row['occurrence']}": (row["start_s"], row["stop_s"], row["status"], row["problem"])
        for row in rows.to_dicts()
    }
    assert len(found) == rows.height
    return found
