"""Label items in DynamoDB, where the labelling app writes them.

How a table is reached and read stays in ``dynamodb_table``.
"""

from eus_etl.sources.dynamodb.table import DynamoTable
from eus_etl.sources.label_items.base import ItemScan
from eus_etl.sources.label_items.parsing import kept_item, taken_items

_CORRECT = "correct the item in the labelling app's table"


class DynamoItems:
    """Items of a table.

    Whole items are asked for, since attribute names are open-ended; of each only what ``kept_attributes``
    lets through outlives the page it came in.

    Args:
        table, ssm_parameter, region, endpoint_url, segments, attempts: see ``DynamoTable``.
    """

    def __init__(
        self,
        table: str | None,
        ssm_parameter: str | None,
        region: str,
        endpoint_url: str | None = None,
        segments: int = 1,
        attempts: int = 5,
    ) -> None:
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
        return taken_items(self._table.scan(kept_item), _CORRECT)
