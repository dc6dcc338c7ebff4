"""``labels.csv`` from an export of label items, without a study's root: ``eus-etl labels``."""

from pathlib import Path

import polars as pl

from eus_etl.domain.labels.items import intervals_from_item
from eus_etl.domain.tables.catalog import LABELS
from eus_etl.settings import JsonFileSource, StudyConfig
from eus_etl.sources.label_items.base import ItemScan
from eus_etl.sources.label_items.json_file import JsonItems
from eus_etl.steps.observation.connect import item_rules


def labels_from_export(path: Path, study: StudyConfig) -> tuple[pl.DataFrame, ItemScan]:
    """The intervals of all items of a JSON export, and the items read and rejected.

    Args:
        path: an export that ``JsonItems`` reads.
        study: the configuration, which also says where in such a file the study's items are.

    Returns:
        Rows of ``tables.LABELS`` in the order of the items.

    Raises:
        SourceUnavailableError, SourceError: the file cannot be read, or holds no items.
    """
    source = study.sources.label_items
    items_at = source.items_at if isinstance(source, JsonFileSource) else None
    scan = JsonItems(path, items_at, item_rules(study)).scan()
    found = (intervals_from_item(item.patient_id, item.attributes, study.families) for item in scan.items)
    return pl.concat([LABELS.empty(), *found]), scan
