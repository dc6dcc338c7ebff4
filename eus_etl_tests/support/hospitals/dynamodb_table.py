"""A table of label items in DynamoDB, as tests fill and scan it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from eus_etl.domain.labels.item_values import ItemRules
from eus_etl.sources.label_items.base import ItemScan

TABLE = "EusmlLabeller88d9Production-PatientTable-1ABC"
PARAMETER = "/EusmlLabeller88d9Production/tables/patient"


Scan = Callable[..., ItemScan]
Put = Callable[[list[dict[str, Any]]], None]


RULES = ItemRules(frozenset({"fna", "a"}))


def visit_item(number: int) -> dict[str, Any]:
    return {
        "pk": {"S": str(UUID(int=number))},
        "pseudo_name": {"S": f"Coming-Ola-{number}"},
        "Start FNA 1": {"S": "00:01:40"},
    }
