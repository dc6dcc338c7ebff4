"""Pseudonyms of a release: beginnings of keyed hashes, so that only the key's holder can make them."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

DIGITS = 16
FRAME_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """The pseudonyms of one study by one key.

    The same key and id give the same pseudonym in all releases of the study, and another one in any other.

    Args:
        study: name of the study.
        key: the secret.
    """

    study: str
    key: bytes = field(repr=False)

    def subject(self, person: str) -> str:
        """Of a person: a ``subject_id``, or a ``patient_id`` where the person is not known."""
        return f"s{self._keyed('subject', person)}"

    def visit(self, patient_id: str) -> str:
        """Of a visit."""
        return f"p{self._keyed('visit', patient_id)}"

    def video(self, patient_id: str, video_id: str) -> str:
        """Of a video of a visit: the same file in another visit has another one."""
        return f"v{self._keyed('video', patient_id, video_id)}"

    @property
    def fingerprint(self) -> str:
        """Twelve digits that tell keys apart and say nothing of them."""
        return self._keyed("fingerprint")[:12]

    def _keyed(self, *what: str) -> str:
        text = json.dumps(["eus_etl release", self.study, *what], ensure_ascii=True)
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()[:DIGITS]


def distinct(pseudonyms: Mapping[str, str]) -> Mapping[str, str]:
    """Ids to pseudonyms, once it is sure that no two ids share one.

    Raises:
        ValueError: two do; no study is so large that this can be expected.
    """
    if len(set(pseudonyms.values())) != len(pseudonyms):
        raise ValueError("two ids have one pseudonym")
    return pseudonyms


def looks_like_release(text: str) -> bool:
    """Whether a text is spelled as the id of a release."""
    return len(text) == DIGITS + 1 and text[0] == "r" and set(text[1:]) <= set("0123456789abcdef")


def release_id(facts: Iterable[object]) -> str:
    """The id of a release that is made from these facts: ``r`` and 16 hex digits."""
    text = json.dumps(list(facts), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return f"r{hashlib.sha256(text.encode()).hexdigest()[:DIGITS]}"
