"""From items as read to the scan of a source: what is kept of each, and which cannot be used.

Each source's own module reaches and reads the items.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from eus_etl.domain.labels.item_values import ItemRules, kept_attributes
from eus_etl.domain.patient_matching import UUID, canonical_id
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.sources.dynamodb.attribute_values import Raw, plain_attributes
from eus_etl.sources.label_items.base import JSON, ItemScan, LabelItem


@dataclass(frozen=True, slots=True)
class KeptItem:
    """What is kept of one item.

    Attributes:
        pk: its ``pk``, whatever that holds; None where it has none.
        attributes: values by attribute name; only what ``item_values.kept_attributes`` lets through.
    """

    pk: JSON
    attributes: Mapping[str, object]


def kept_item(item: Mapping[str, Raw], rules: ItemRules) -> KeptItem:
    """What is kept of an item, in plain JSON or with DynamoDB's types.

    Readers call this before they hold on to anything of it.
    """
    attributes = plain_attributes(item)
    return KeptItem(attributes.get("pk"), kept_attributes(attributes, rules))


def taken_items(found: Iterable[KeptItem | None], remedy: str) -> ItemScan:
    """The scan of a source: at most one item per patient id, and the items that cannot be used.

    Args:
        found: what was kept of the items, in the source's order; None for what is not an item. Of two with
            the same ``pk`` the later one is used.
        remedy: what a person can do about a rejected item.
    """
    items: dict[str, LabelItem] = {}
    rejected: list[Rejection] = []

    def reject(item: str, reason: str, detail: str, patient_id: str | None = None) -> None:
        rejected.append(
            Rejection(item=item, reason=reason, detail=detail, remedy=remedy, patient_id=patient_id)
        )

    for number, kept in enumerate(found, start=1):
        match kept:
            case KeptItem(pk=str(pk), attributes=attributes) if UUID.fullmatch(pk):
                patient_id = canonical_id(pk)
                if patient_id in items:
                    reject(
                        patient_id,
                        "duplicate_pk",
                        "a later item has the same `pk` and is used",
                        patient_id=patient_id,
                    )
                alias = attributes.get("pseudo_name")
                items[patient_id] = LabelItem(
                    patient_id, alias if isinstance(alias, str) else None, attributes
                )
            case KeptItem(pk=str(text)) if text:
                reject(f"item {number}", "unsafe_pk", "its `pk` is not a UUID")
            case KeptItem():
                reject(f"item {number}", "no_pk", "it has no `pk`, or one that is not text")
            case None:
                reject(f"item {number}", "not_an_item", "it is not a JSON object")
    return ItemScan(tuple(items.values()), tuple(rejected))
