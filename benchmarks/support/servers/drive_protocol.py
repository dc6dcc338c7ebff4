"""The rules of Drive v3 that a server is strict about: parameters, field masks, page tokens, queries.

They come from the discovery document that is bundled with Google's client.
"""

import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import googleapiclient

_DOCUMENT = json.loads(
    (Path(googleapiclient.__file__).parent / "discovery_cache/documents/drive.v3.json").read_bytes()
)
_PARENT = re.compile(r"'([^']+)' in parents")


class RefusalError(Exception):
    """An answer that is no success, in Drive's form."""

    def __init__(self, status: int, reason: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        entry = {"domain": "global", "reason": reason, "message": message}
        self.body = {"error": {"code": status, "message": message, "errors": [entry]}}


_METHODS = {
    "list": _DOCUMENT["resources"]["files"]["methods"]["list"],
    "get": _DOCUMENT["resources"]["files"]["methods"]["get"],
    "changes": _DOCUMENT["resources"]["changes"]["methods"]["list"],
    "startPageToken": _DOCUMENT["resources"]["changes"]["methods"]["getStartPageToken"],
}


def check_parameters(method: str, query: Mapping[str, str]) -> None:
    if method not in _METHODS:
        raise RefusalError(404, "notFound", "Not Found")
    known: dict[str, Any] = {**_DOCUMENT["parameters"], **_METHODS[method]["parameters"]}
    for name, value in query.items():
        if name not in known:
            raise RefusalError(400, "invalidParameter", f"unknown parameter {name}")
        facts = known[name]
        right = (
            value in ("true", "false") if facts["type"] == "boolean" else value in facts.get("enum", [value])
        )
        if name == "pageSize":
            right = 1 <= int(value) <= 1000
        if not right:
            raise RefusalError(400, "invalidParameter", f"bad value of {name}")
    for name, facts in _METHODS[method]["parameters"].items():
        if facts.get("required") and facts["location"] == "query" and name not in query:
            raise RefusalError(400, "required", f"missing {name}")


def folders_of(query: str) -> list[str]:
    found = [_PARENT.fullmatch(term.strip()) for term in query.split(" or ")]
    folders = [match[1] for match in found if match]
    if len(folders) != len(found):
        raise RefusalError(400, "invalid", "Invalid Value")
    return folders


def no_folder() -> None:
    raise RefusalError(404, "notFound", "File not found: .")


def page_token(position: int, of: str) -> str:
    return urllib.parse.quote(json.dumps([of, position]), safe="").replace("%", "~")


def position_of(token: str | None, of: str) -> int:
    if token is None:
        return 0
    try:
        made_for, position = json.loads(urllib.parse.unquote(token.replace("~", "%")))
    except ValueError:
        made_for, position = None, 0
    if made_for != of:
        raise RefusalError(400, "invalid", "Invalid Value")
    return int(position)


def masked(resource: Mapping[str, Any], fields: str, schema: str) -> dict[str, object]:
    """What ``fields`` names of a resource.

    Raises:
        RefusalError: a field is not in the schema of the discovery document.
    """
    if fields == "*":
        return dict(resource)
    known = _DOCUMENT["schemas"][schema]["properties"]
    kept: dict[str, object] = {}
    for name, inner in _fields(fields):
        if name not in known:
            raise RefusalError(400, "invalidParameter", f"Invalid field selection {name}")
        if name not in resource:
            continue
        value, facts = resource[name], known[name]
        below = facts.get("$ref") or facts.get("items", {}).get("$ref")
        if inner is None or below is None:
            kept[name] = value
        elif isinstance(value, list):
            kept[name] = [masked(entry, inner, below) for entry in value]
        else:
            kept[name] = masked(value, inner, below)
    return kept


def _fields(text: str) -> Iterator[tuple[str, str | None]]:
    """Names at the top of a field mask, each with the mask in its brackets."""
    depth, start = 0, 0
    for place, character in enumerate([*text, ","]):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            name, bracket, inner = text[start:place].partition("(")
            yield name, inner.removesuffix(")") if bracket else None
            start = place + 1
