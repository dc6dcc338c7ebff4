"""One thing that needs a person, in ids and in words of fixed vocabularies."""

import hashlib
import re
from dataclasses import dataclass

from eus_etl.settings.alerts import Kind

_WORD = re.compile(r"[A-Za-z0-9_|-]{1,120}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem that is there now. Nothing in it comes from outside, except for the alias.

    Attributes:
        kind: what kind it is.
        study: name of the study; empty for what concerns all.
        visit: the visit's id; empty where it concerns none.
        alias: the visit's alias.
        word: an asset, a source, a reason or the like: one word of a fixed vocabulary.
        detail: what was found, in our own words.
        apart: tells problems of one word apart, such as an item's id; it is hashed and shown nowhere.
        since: since when it is there, in seconds since 1970; None where only this look found it.
        link: path of a page that shows it, below the address of Dagster's page; empty for none.
        look: what to do, or where to look; empty where the link is enough.

    Raises:
        ValueError: the word is not one of a vocabulary.
    """

    kind: Kind
    study: str
    word: str
    visit: str = ""
    alias: str | None = None
    detail: str = ""
    apart: str = ""
    since: float | None = None
    link: str = ""
    look: str = ""

    def __post_init__(self) -> None:
        if not _WORD.fullmatch(self.word):
            raise ValueError("the word of a problem comes from a vocabulary")

    @property
    def key(self) -> str:
        """The same for as long as the problem is the same one; tells nothing about it."""
        parts = (self.kind, self.study, self.visit, self.word, self.apart)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:24]

    @property
    def group(self) -> str:
        """Study and kind: what comes in numbers is told together."""
        return f"{self.study}/{self.kind}"

    @property
    def line(self) -> str:
        """The problem in one line."""
        of = " ".join(part for part in (self.study, self.visit) if part)
        return f"{self.kind}: {of + ': ' if of else ''}{self.word}{': ' + self.detail if self.detail else ''}"
