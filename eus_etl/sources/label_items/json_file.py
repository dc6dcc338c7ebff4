"""Label items in a JSON file: an export of the table, in DynamoDB JSON or plain JSON.

Read in any of the shapes that DynamoDB's tools write: a list of items, the output of a scan
(``{"Items": [...]}``), the output of get-item (``{"Item": {...}}``), or an export with one such object per
line.
"""

import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from eus_etl.domain.labels.item_values import ItemRules
from eus_etl.errors import SourceError, SourceUnavailableError
from eus_etl.sources.label_items.base import JSON, ItemScan
from eus_etl.sources.label_items.parsing import KeptItem, kept_item, taken_items
from eus_etl.storage.files.stable_read import read_settled, revision_of

_ROLE = "sources.label_items"
_NOTHING = ItemRules()
_GZIP = b"\x1f\x8b"
_WHITE = re.compile(r"[ \t\n\r]*")
_MAX_BYTES, _BLOCK_BYTES = 1 << 30, 16 << 20
_EXPORT_AGAIN = "export the items again, for example with `aws dynamodb scan`"
_CORRECT = "correct the item in the labelling app's table and export again"


class JsonItems:
    """Items of a JSON file.

    Args:
        path: the file.
        items_at: keys joined by dots that lead to the items in a file that holds several tables.
        rules: what an item may say.
    """

    def __init__(self, path: Path, items_at: str | None = None, rules: ItemRules = _NOTHING) -> None:
        self._path = path
        self._rules = rules
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
            return taken_items((_kept(item, self._rules) for item in found), _CORRECT)
        except (ValueError, RecursionError) as error:
            # without its cause: a parser's message may quote the file
            raise SourceError(_ROLE, f"the file is not valid JSON{_place(error)}", _EXPORT_AGAIN) from None

    def revision(self) -> str | None:
        """By the file's size and times; see ``LabelItemSource``."""
        return revision_of(self._path)


def _place(error: ValueError | RecursionError) -> str:
    return f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""


def _parsed(raw: bytes) -> JSON:
    """The file's JSON document, or a list of those that follow one another in it."""
    if raw.startswith(_GZIP):
        raw = _unpacked(raw)
    # a Windows shell writes redirected output as UTF-16
    text = raw.decode(json.detect_encoding(raw)).removeprefix("\ufeff")
    documents: list[JSON] = []
    decoder, at = json.JSONDecoder(), _WHITE.match(text, 0).end()  # type: ignore[union-attr]  # matches nothing, too
    while at < len(text) or not documents:
        document, at = decoder.raw_decode(text, at)
        documents.append(document)
        at = _WHITE.match(text, at).end()  # type: ignore[union-attr]  # as above
    return documents if len(documents) > 1 else documents[0]


def _unpacked(raw: bytes) -> bytes:
    unpacked = bytearray()
    try:
        with gzip.open(io.BytesIO(raw)) as packed:
            while block := packed.read(_BLOCK_BYTES):
                unpacked += block
                if len(unpacked) > _MAX_BYTES:
                    cause = f"the gzip file holds more than {_MAX_BYTES >> 30} GiB"
                    raise SourceError(_ROLE, cause, _EXPORT_AGAIN)
    except (OSError, EOFError, zlib.error):
        raise SourceError(_ROLE, "the gzip file is damaged", _EXPORT_AGAIN) from None
    return bytes(unpacked)


def _items_of(document: JSON, items_at: str | None) -> list[JSON]:
    match document:
        case [{"Items": list()}, *_]:
            return _of_pages(document)
        case [{"Keys": _}, *_] | {"Keys": _}:
            raise SourceError(
                _ROLE, "the file holds changes since an earlier export", "export the whole table"
            )
        case list():
            return document
        case {"Items": list()}:
            return _of_pages([document])
        case {"Item": dict()} | {"pk": _}:
            return [document]
    found = _at(document, items_at.split(".")) if items_at else None
    if isinstance(found, list):
        return found
    where = f"at {items_at!r}" if items_at else "and `items_at` does not say where they are"
    raise SourceError(
        _ROLE, f"the file holds no list of items {where}", f"correct `items_at`, or {_EXPORT_AGAIN}"
    )


def _of_pages(pages: Sequence[JSON]) -> list[JSON]:
    """The items of a scan's pages, once all are there: the last one says that nothing follows."""
    items: list[JSON] = []
    for page in pages:
        match page:
            case {"Items": list(found)}:
                items += found
            case _:
                raise SourceError(_ROLE, "the file holds something between a scan's pages", _EXPORT_AGAIN)
    match pages[-1]:
        case {"LastEvaluatedKey": dict()} | {"NextToken": str()}:
            raise SourceError(_ROLE, "the file holds one page of a longer scan", "export all pages")
    return items


def _at(document: JSON, keys: Sequence[str]) -> JSON:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _kept(found: JSON, rules: ItemRules) -> KeptItem | None:
    if not isinstance(found, dict):
        return None
    inner = found.get("Item")
    return kept_item(inner if isinstance(inner, dict) else found, rules)
