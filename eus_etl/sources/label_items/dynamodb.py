"""Label items in DynamoDB, where the labelling app writes them.

``sources.dynamodb.table`` reaches and reads the table.
"""

from functools import partial

from eus_etl.domain.labels.item_values import ItemRules
from eus_etl.sources.dynamodb.table import DynamoTable
from eus_etl.sources.label_items.base import ItemScan
from eus_etl.sources.label_items.parsing import kept_item, taken_items

_NOTHING = ItemRules()
_CORRECT = "correct the item in the labelling app's table"


class DynamoItems:
    """Items of a table.

    Whole items are asked for, since attribute names are open-ended. Of each item only what
    ``kept_attributes`` lets through is kept; the rest is dropped with its page.

    Args:
        table, ssm_parameter, region, endpoint_url, segments, attempts: see ``DynamoTable``.
        rules: what an item may say.
    """

    def __init__(
        self,
        table: str | None,
        ssm_parameter: str | None,
        region: str,
        endpoint_url: str | None = None,
        segments: int = 1,
        attempts: int = 5,
        rules: ItemRules = _NOTHING,
    ) -> None:
        self._rules = rules
        self._table = DynamoTable(
            "sources.label_items",
            table=table,
            ssm_parameter=ssm_parameter,
            region=region,
            endpoint_url=endpoint_url,
            segments=segments,
            attempts=attempts,
        )

    def scan(self) -> ItemScan:
        """Read all items; see ``LabelItemSource``."""
        return taken_items(self._table.scan(partial(kept_item, rules=self._rules)), _CORRECT)

    def revision(self) -> None:
        """Only a scan can tell; see ``LabelItemSource``."""
