"""What a sensor remembers from one tick to the next."""

from pydantic import BaseModel

from eus_etl.steps.observation.marks import LOOK_AGAIN_S, looked_within


class Cursor(BaseModel):
    """What a sensor remembers.

    Attributes:
        number: how many times it has planned.
        seen: the state when it last planned everything; empty if it has to look again.
        again_at: when it has to plan again regardless, in seconds since 1970.
        looked_at: sources to the time they were last read in full, and reported.
        marks: sources to their marks by then, where a mark can tell.
        after: the last visit that it has planned for, if it had no time for all; empty otherwise.
        found: whether one of those before was not up to date.
    """

    number: int = 0
    seen: str = ""
    again_at: float = 0.0
    looked_at: dict[str, float] = {}
    marks: dict[str, str] = {}
    after: str = ""
    found: bool = False

    @property
    def still_again_at(self) -> list[float]:
        """``again_at``, if that is of visits which the next part of a pass does not look at."""
        return [self.again_at] if self.after else []

    def waits_at(self, now: float) -> bool:
        """Whether ``again_at`` is still to come; not if the clock was set back since."""
        return now < self.again_at <= now + LOOK_AGAIN_S

    def known_mark(self, source: str, now: float) -> str | None:
        """The mark that a source had when it was last read in full; None where it is to be read again."""
        looked = self.looked_at.get(source, 0.0)
        return self.marks.get(source) if looked_within(LOOK_AGAIN_S, looked, now) else None

    def having_looked(self, source: str, mark: str | None, now: float) -> "Cursor":
        """The cursor once a source was read in full, and all that is new in it reported."""
        marks = {other: known for other, known in self.marks.items() if other != source}
        return self.model_copy(
            update={
                "looked_at": {**self.looked_at, source: now},
                "marks": marks if mark is None else {**marks, source: mark},
            }
        )

    @staticmethod
    def read(text: str | None) -> "Cursor":
        """The cursor of the last tick; a new one before the first."""
        return Cursor.model_validate_json(text) if text else Cursor()
