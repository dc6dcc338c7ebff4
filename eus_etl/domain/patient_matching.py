"""Which visit a file or a row belongs to: by the patient's id or alias in its path, never by guess."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def canonical_id(identifier: str) -> str:
    """A UUID in lower case, however a source writes it; any other id unchanged."""
    return identifier.lower() if UUID.fullmatch(identifier) else identifier


def as_compared(text: str) -> str:
    """Text as it is compared: in small letters, and composed, as a Mac does not write it."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def key_pattern(pattern: str, key: str) -> re.Pattern[str]:
    """The pattern of ``PatientMatcher`` for one key: a regular expression, for names as they are compared."""
    word = rf"(?<![0-9a-z]){key}(?![0-9a-z])"
    return re.compile(pattern.replace("{key}", word), re.IGNORECASE)


_PLACE = "\0"
"""Stands in a name where a key stands; no name of a file holds it."""


class PatientMatcher:
    """Finds the visits that names refer to.

    Args:
        aliases: patient ids to their aliases (None where a visit has none).
        pattern: regular expression in which ``{key}`` stands for an id or alias as a whole word; case
            does not matter.
    """

    def __init__(self, aliases: Mapping[str, str | None], pattern: str = "^{key}") -> None:
        self._pattern = pattern
        # compiling takes longer than all else; so a name is searched with the key's place marked in it
        self._of_any_key = self._compiled(_PLACE) if pattern.count("{key}") == 1 else None
        self._keys: dict[str, set[str]] = {}
        for patient_id, alias in aliases.items():
            for key in (patient_id, alias):
                if key and key.strip():
                    self._keys.setdefault(as_compared(key.strip()), set()).add(patient_id)
        # keys are grouped by their first letters: trying thousands of keys on each name is slow
        self._stem = min((len(key) for key in self._keys), default=1)
        self._by_stem: dict[str, list[str]] = {}
        for key in self._keys:
            self._by_stem.setdefault(key[: self._stem], []).append(key)
        self._of_name = lru_cache(maxsize=65536)(self._match_name)

    def of_path(self, parts: Sequence[str]) -> frozenset[str]:
        """The visits that any folder or file name of a path matches: none, one or several."""
        return frozenset().union(*(self._of_name(part) for part in parts))

    def of_key(self, key: str) -> frozenset[str]:
        """The visits whose id or alias equals ``key``, ignoring case, composition and outer spaces."""
        return frozenset(self._keys.get(as_compared(key.strip()), ()))

    def _match_name(self, name: str) -> frozenset[str]:
        folded = as_compared(name)
        found: set[str] = set()
        for key in self._keys_within(folded):
            if self._matches(key, folded):
                found |= self._keys[key]
        # a visit's folder may come before its item: then only the id in its name is known
        for uuid in {match.group() for match in UUID.finditer(folded)}:
            if uuid not in self._keys and self._matches(uuid, folded):
                found.add(uuid)
        return frozenset(found)

    def _keys_within(self, folded: str) -> Iterable[str]:
        stems = {folded[at : at + self._stem] for at in range(len(folded))}
        return (key for stem in stems for key in self._by_stem.get(stem, ()) if key in folded)

    def _matches(self, key: str, folded: str) -> bool:
        if self._of_any_key is None:
            return self._compiled(re.escape(key)).search(folded) is not None
        at = folded.find(key)
        while at >= 0:
            if self._of_any_key.search(folded[:at] + _PLACE + folded[at + len(key) :]):
                return True
            at = folded.find(key, at + 1)
        return False

    def _compiled(self, key: str) -> re.Pattern[str]:
        return key_pattern(self._pattern, key)
