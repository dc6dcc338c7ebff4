"""Which names a forgotten visit had: told by keyed hashes, so that no list of the names is kept.

A tombstone cannot be read backwards. Whoever holds it can only ask whether a name that they already know is
one of a forgotten visit, as each observation has to.
"""

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from eus_etl.domain.patient_matching import as_compared, key_pattern

_DIGEST_BYTES = 16
_IN_WORDS = frozenset("0123456789abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True)
class ForgottenNames:
    """Recognizes ids, aliases and uploads of forgotten visits.

    Args:
        key: the key of the hashes.
        marks: hashes of their ids, aliases and ids of uploads.
    """

    key: bytes
    marks: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.marks)

    def mark_of_key(self, key: str) -> str:
        """The hash of a visit's id or alias, however it is written."""
        return self._mark("key", as_compared(key.strip()))

    def mark_of_upload(self, source_id: str) -> str:
        """The hash of an upload's id in its source."""
        return self._mark("upload", source_id)

    def has_key(self, key: str) -> bool:
        """Whether an id or alias is a forgotten visit's."""
        return bool(self.marks) and self.mark_of_key(key) in self.marks

    def has_compared(self, text: str) -> bool:
        """Whether a text, in the form in which names are compared, is a forgotten visit's id or alias."""
        return self._mark("key", text) in self.marks

    def has_upload(self, source_id: str) -> bool:
        """Whether an upload, by its id in the source, was a forgotten visit's."""
        return bool(self.marks) and self.mark_of_upload(source_id) in self.marks

    def has_path(self, parts: Sequence[str], pattern: str) -> bool:
        """Whether any folder or file name of a path matches a forgotten visit.

        Args:
            parts: the names.
            pattern: as for ``PatientMatcher``.
        """
        return bool(self.marks) and any(_has_name(self, as_compared(part), pattern) for part in parts)

    def _mark(self, kind: str, text: str) -> str:
        digest = hashlib.blake2b(
            text.encode("utf-8", "surrogateescape"),
            key=self.key,
            person=kind.encode(),
            digest_size=_DIGEST_BYTES,
        )
        return digest.hexdigest()


@lru_cache(maxsize=1 << 16)
def _has_name(names: ForgottenNames, name: str, pattern: str) -> bool:
    return any(
        names.has_compared(text) and key_pattern(pattern, re.escape(text)).search(name)
        for text in set(_candidates(name, pattern))
    )


def _candidates(name: str, pattern: str) -> Iterator[str]:
    """All parts of a folded name that may be a key: ``key_pattern`` takes no part of a longer word."""
    starts = [at for at in range(len(name)) if at == 0 or name[at - 1] not in _IN_WORDS]
    ends = [at for at in range(1, len(name) + 1) if at == len(name) or name[at] not in _IN_WORDS]
    at_the_beginning = pattern.startswith("^{key}") and "|" not in pattern
    for start in starts[:1] if at_the_beginning else starts:
        for end in ends[bisect_right(ends, start) :]:
            yield name[start:end]
