"""Plain values from DynamoDB's typed ones, as an export's JSON or the service itself gives them.

``domain.labels.item_values`` decides which attributes are kept, ``label_items.parsing`` which items are used.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from eus_etl.sources.label_items.base import JSON

Raw: TypeAlias = bool | int | float | str | bytes | Sequence["Raw"] | Mapping[str, "Raw"] | None
"""A value with or without DynamoDB's types: ``{"N": "5"}`` or ``5``. Only the service gives bytes."""


def plain_attributes(item: Mapping[str, Raw]) -> dict[str, JSON]:
    """An item's attributes, each with a plain value: see ``plain_value``."""
    return {_text(name): plain_value(value) for name, value in item.items()}


def plain_value(value: Raw) -> JSON:
    """A value without DynamoDB's types; a plain value stays as it is. Bytes become base64 text."""
    if isinstance(value, str):  # most are, of thousands of items
        return _text(value)
    match value:
        case {"S": str(text), **rest} if not rest:
            return _text(text)
        case {"N": str(text), **rest} if not rest:
            return _number(text)
        case {"BOOL": bool(flag), **rest} if not rest:
            return flag
        case {"NULL": True, **rest} if not rest:
            return None
        case {"B": bytes() | str() as content, **rest} if not rest:
            return plain_value(content)
        case {"NS": list(texts), **rest} if not rest:
            return [_number(text) if isinstance(text, str) else plain_value(text) for text in texts]
        case {"SS": list(values), **rest} | {"BS": list(values), **rest} | {"L": list(values), **rest} if (
            not rest
        ):
            return [plain_value(inner) for inner in values]
        case {"M": dict(values), **rest} if not rest:
            return plain_attributes(values)
        case bytes():
            return base64.b64encode(value).decode()
        case Mapping():
            return plain_attributes(value)
        case Sequence():
            return [plain_value(inner) for inner in value]
    return value


def _number(text: str) -> JSON:
    try:
        return int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        return _text(text)


def _text(text: str) -> str:
    """Text that can be stored: a JSON escape may encode half a character (a lone surrogate)."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
