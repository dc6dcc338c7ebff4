"""What may be kept of a label item: an allowlist of attributes, and of what each may hold.

Free text gets into every field that a person or a program can fill in. So a value that is no time, date or
word of its list is dropped before anything is kept, and an unknown label is called by a number; both are
recorded where the attribute is used, and never what they said.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from eus_etl.domain.labels.item_keys import is_missing, seconds_of, timer_key
from eus_etl.settings import label_key

MORPHOLOGY = ("Normal", "CCP", "Cysts", "Mass", "Others")
"""The findings that the labelling app offers."""

BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
"""Words, in small letters, that stand for true and false."""

UNREADABLE = "?"
"""Stands for a value that was dropped: it is no time, no date and no word of a list."""

UNKNOWN_LABEL = "unknown label"
"""With a number within its item, the name of a label that no family has."""

_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(T.*)?", re.DOTALL)
_ALIAS_LENGTH = 64


@dataclass(frozen=True, slots=True)
class ItemRules:
    """What a study's configuration lets an item say.

    Attributes:
        spellings: of all labels, as ``label_key`` folds them.
        orgs: hospitals that ``org`` may name.
    """

    spellings: frozenset[str] = frozenset()
    orgs: tuple[str, ...] = ()


def kept_attributes(attributes: Mapping[str, object], rules: ItemRules) -> dict[str, object]:
    """The attributes that the pipeline reads, with values that were checked: timers and facts.

    Everything else (``biopsy``, names, record numbers, whatever an app may add later) is dropped.
    """
    kept: dict[str, object] = {}
    unknown: dict[str, int] = {}
    for name in sorted(attributes):
        value, kept_as = attributes[name], name
        if (key := timer_key(name)) is not None:
            if not key.is_procedure and all(
                label_key(text) not in rules.spellings for text, _ in key.readings
            ):
                text, occurrence = key.readings[0]
                number = unknown.setdefault(text, len(unknown) + 1)
                kept_as = f"{key.edge.capitalize()} {UNKNOWN_LABEL} {number} {occurrence}"
            kept[kept_as] = None if is_missing(value) else _time(value)
        elif name == "pseudo_name":
            kept[name] = _alias(value)
        elif name in ("org", "Date", "morphology", "morphology_presumed", "cancer"):
            kept[name] = None if is_missing(value) else _fact(name, value, rules)
    return kept


def word_of(value: object, words: Iterable[str]) -> str | None:
    """The word of a list that ``value`` is, spaces and case aside; None where it is none."""
    if not isinstance(value, str):
        return None
    folded = " ".join(value.split()).casefold()
    return next((word for word in words if " ".join(word.split()).casefold() == folded), None)


def _fact(name: str, value: object, rules: ItemRules) -> object:
    match name:
        case "org":
            return word_of(value, rules.orgs) or UNREADABLE
        case "Date":
            day = _DAY.fullmatch(value.strip()) if isinstance(value, str) else None
            return day[1] if day else UNREADABLE
        case "cancer":
            if isinstance(value, bool):
                return value
            return word_of(value, BOOLEANS) or UNREADABLE
    given = value if isinstance(value, list) else [value]
    return [word_of(finding, MORPHOLOGY) or UNREADABLE for finding in given if not is_missing(finding)]


def _time(value: object) -> str:
    return value.strip() if isinstance(value, str) and seconds_of(value) is not None else UNREADABLE


def _alias(value: object) -> str | None:
    text = " ".join(value.split()) if isinstance(value, str) else ""
    return text if text and text.isprintable() and len(text) <= _ALIAS_LENGTH else None
