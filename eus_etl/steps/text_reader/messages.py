"""What passes between the two sides: a line of JSON each way, after a request the bytes of its picture.

The words of an answer are in the pipe and in memory only.
"""

from pydantic import BaseModel, ConfigDict


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True)


class Request(_Message):
    """One picture; its bytes follow the line.

    Attributes:
        shape: (h, w) or (h, w, 3), of uint8.
        side_px: longer side to which it is brought before; None takes it as it is.
        recognize: whether its words are read, or only found.
    """

    shape: tuple[int, int] | tuple[int, int, int]
    side_px: int | None
    recognize: bool


FoundWord = tuple[int, int, int, int, float, str]
"""The fields of a ``Word``."""


class Reply(_Message):
    """One answer.

    Attributes:
        words: what was found.
        broken: why the engine cannot work as it is installed; the process then ends.
        failed: type of the exception that a picture caused; its message may hold anything.
        cpu_s: seconds of a core that this process has taken so far.
        peak_mb: the most memory that it has had.
    """

    words: list[FoundWord] = []
    broken: str | None = None
    failed: str | None = None
    cpu_s: float = 0.0
    peak_mb: int = 0
