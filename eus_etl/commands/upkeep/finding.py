"""What a verification finds."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["damaged", "missing", "not recorded"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written.

    Attributes:
        kind: ``damaged``, ``missing``, or ``not recorded``: made by a version that took no checksum.
        subject: what it is, by ids: no uploaded name.
        cause: what is wrong with it.
        remedy: what a person can do; empty where the next run mends it.
    """

    kind: Kind
    subject: str
    cause: str
    remedy: str = ""

    @property
    def is_loss(self) -> bool:
        """Whether data was lost."""
        return self.kind != "not recorded"

    @property
    def line(self) -> str:
        """The finding in one line."""
        what_to_do = f" What to do: {self.remedy}." if self.remedy else ""
        return f"{self.kind}: {self.subject}: {self.cause}.{what_to_do}"
