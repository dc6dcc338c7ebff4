"""What is recorded of something that could not be used, or was used with doubt."""

from dataclasses import asdict, dataclass

from eus_etl.domain.tables.schema import TEXT, Column, Table

REJECTED = Table(
    "rejected",
    "something that could not be used, or was used with doubt",
    (
        Column(
            "patient_id",
            TEXT,
            "the visit, of an upload the one that its path matches; empty where none is known, or several",
        ),
        Column("stage", TEXT, "asset that could not use it, or the source in which it was found"),
        Column("item", TEXT, "id of what was rejected: source id, video id, label or column name"),
        Column(
            "file_name", TEXT, "uploaded name, for use inside the hospital only; empty where it is no file"
        ),
        Column("reason", TEXT, "one word from the stage's fixed vocabulary"),
        Column("detail", TEXT, "what was found"),
        Column("remedy", TEXT, "what a person can do; empty where there is nothing to do"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One row of ``rejected.csv``, but for the asset or source that records it.

    Attributes:
        item: id of what was rejected: source id, video id, label or column name.
        reason: one word from the stage's fixed vocabulary.
        detail: what was found; repeats no text that came from outside.
        remedy: what a person can do; None where there is nothing to do.
        file_name: the uploaded name, where it is a file.
        patient_id: the visit, where the observation of a source knows it; a step records its own visit.

    Raises:
        ValueError: the reason or the detail is empty.
    """

    item: str
    reason: str
    detail: str
    remedy: str | None = None
    file_name: str | None = None
    patient_id: str | None = None

    def __post_init__(self) -> None:
        if not (self.reason and self.detail):
            raise ValueError(f"{self.item}: a rejection needs a reason and a detail")

    @property
    def row(self) -> dict[str, str | None]:
        """Columns of ``rejected.csv`` to values."""
        return asdict(self)
