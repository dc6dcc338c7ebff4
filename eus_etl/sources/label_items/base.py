"""The Protocol of a source of label items, and what is kept of an item.

Each implementation has a module of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from eus_etl.domain.tables.rejection import Rejection

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
class ItemScan:
    """All items of a source at one moment.

    Attributes:
        items: at most one for each patient id.
        rejected: items that cannot be used, named by patient id or by position in the source, from 1, as
            not_an_item, no_pk, unsafe_pk or duplicate_pk.
    """

    items: tuple[LabelItem, ...]
    rejected: tuple[Rejection, ...]


class LabelItemSource(Protocol):
    """Where label items are read from."""

    def scan(self) -> ItemScan:
        """Read all items, on all pages; an empty source gives an empty scan, and one that ends early raises.

        Errors are about ``sources.label_items``, have no cause attached, and repeat nothing of the answer.

        Raises:
            SourceUnavailableError: the source does not answer now, or answers with something else.
            SourceAccessError: it refuses the credentials.
            SourceError: the answer is not a list of items.
        """
        ...

    def revision(self) -> str | None:
        """A value that changes whenever the scan would; None where only a scan can tell."""
        ...
