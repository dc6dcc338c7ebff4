"""The Protocol of a source of label items, and what is kept of an item.

How a particular source is reached and read stays in its own module.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

JSON: TypeAlias = bool | int | float | str | list["JSON"] | dict[str, "JSON"] | None


@dataclass(frozen=True, slots=True)
class LabelItem:
    """One visit's label item.

    Attributes:
        patient_id: the item's pk.
        pseudo_name: readable alias of the visit.
        attributes: values by attribute name; only what ``item_values.kept_attributes`` lets through.
    """

    patient_id: str
    pseudo_name: str | None
    attributes: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RejectedItem:
    """An item that could not be taken.

    Attributes:
        item: the patient's id, or the item's position in the source, from 1.
        reason: not_an_item, no_pk, unsafe_pk or duplicate_pk.
    """

    item: str
    reason: str
    detail: str
    remedy: str


@dataclass(frozen=True, slots=True)
class ItemScan:
    """All items of a source at one moment; no patient id comes twice."""

    items: tuple[LabelItem, ...]
    rejected: tuple[RejectedItem, ...]


class LabelItemSource(Protocol):
    """Where label items are read from."""

    def scan(self) -> ItemScan:
        """Read all items.

        Raises:
            SourceUnavailableError: the source did not answer; this is not an empty scan.
            SourceError: the source answers with something that holds no items.
        """
        ...
