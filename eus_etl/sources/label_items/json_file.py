"""Label items in a JSON file: an export of the table, in DynamoDB JSON or plain JSON.

Read in any of the shapes that DynamoDB's tools write: a list of items, the output of a scan
(``{"Items": [...]}``), the output of get-item (``{"Item": {...}}``) or lines of an export, one such object
a line.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from eus_etl.errors import SourceError, SourceUnavailableError
from eus_etl.sources.label_items.base import JSON, ItemScan
from eus_etl.sources.label_items.parsing import KeptItem, kept_item, taken_items
from eus_etl.storage.stable_read import read_settled

_ROLE = "sources.label_items"
_EXPORT_AGAIN = "export the items again, for one with `aws dynamodb scan`"
_CORRECT = "correct the item in the labelling app's table and export again"


class JsonItems:
    """Items of a JSON file.

    Args:
        path: the file.
        items_at: keys joined by dots that lead to the items in a file that holds several tables.
    """

    def __init__(self, path: Path, items_at: str | None = None) -> None:
        self._path = path
        self._items_at = items_at

    def scan(self) -> ItemScan:
        """Read all items; see ``LabelItemSource``."""
        try:
            raw = read_settled(self._path, _ROLE)
        except OSError as error:
            raise SourceUnavailableError(
                _ROLE,
                f"the JSON file cannot be read ({os.strerror(error.errno or 0)})",
                "check the path in the configuration and that its disk is mounted",
            ) from error
        try:
            found = _items_of(_parsed(raw), self._items_at)
            return taken_items(map(_kept, found), _CORRECT)
        except (ValueError, RecursionError) as error:
            # without its cause: a parser's message may hold what the file says
            raise SourceError(_ROLE, f"the file is not valid JSON{_place(error)}", _EXPORT_AGAIN) from None


def _place(error: ValueError | RecursionError) -> str:
    return f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""


def _parsed(raw: bytes) -> JSON:
    # UTF-16 is what a Windows shell makes of redirected output
    text = raw.decode(json.detect_encoding(raw))
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) > 1 and all(line.lstrip().startswith("{") for line in lines):
        return [json.loads(line) for line in lines]
    parsed: JSON = json.loads(text)
    return parsed


def _items_of(document: JSON, items_at: str | None) -> list[JSON]:
    match document:
        case list():
            return document
        case {"Items": list(), "LastEvaluatedKey": dict()} | {"Items": list(), "NextToken": str()}:
            raise SourceError(_ROLE, "the file holds one page of a longer scan", "export all pages")
        case {"Items": list(items)}:
            return items
        case {"Item": dict()} | {"pk": _}:
            return [document]
    found = _at(document, items_at.split(".")) if items_at else None
    if isinstance(found, list):
        return found
    where = f"at {items_at!r}" if items_at else "and `items_at` does not say where they stand"
    raise SourceError(
        _ROLE, f"the file holds no list of items {where}", f"set `items_at` right, or {_EXPORT_AGAIN}"
    )


def _at(document: JSON, keys: Sequence[str]) -> JSON:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _kept(found: JSON) -> KeptItem | None:
    if not isinstance(found, dict):
        return None
    inner = found.get("Item")
    return kept_item(inner if isinstance(inner, dict) else found)
