"""Who is who: visits to persons, by all that was ever known of them."""

from collections.abc import Iterable

import polars as pl

_SUBJECT, _VISIT = "subject_id", "patient_id"


def persons(visits: pl.DataFrame, ledger: pl.DataFrame) -> pl.DataFrame:
    """The person of each visit: visits are one person's where a chain of equal ``subject_id`` joins them.

    Chains run through the ledger too. So a visit whose ``subject_id`` is not known today (access was lost) or
    has changed (another key) is still the person's that it was.

    Args:
        visits: ``patient_id, subject_id`` (null where unknown), each visit once.
        ledger: ``tables.SPLITS``.

    Returns:
        ``patient_id, person, grouped_by`` for each visit of either table, sorted by ``patient_id``.
        ``person`` is the smallest of the person's subject ids, else the visit's id; ``grouped_by`` is the
        name of the column that it is from.
    """
    links = pl.concat([visits.select(_VISIT, _SUBJECT), ledger.select(_VISIT, _SUBJECT)]).unique()
    leaders = _Leaders()
    for patient_id, subject_id in links.iter_rows():
        # subjects sort before visits, so that a group is led by its smallest subject
        visit = (1, patient_id)
        leaders.join(visit, visit if subject_id is None else (0, subject_id))
    rows = [
        (patient_id, leader, _VISIT if is_visit else _SUBJECT)
        for patient_id in sorted(links[_VISIT].unique())
        for is_visit, leader in [leaders.of((1, patient_id))]
    ]
    schema = {"patient_id": pl.String(), "person": pl.String(), "grouped_by": pl.String()}
    return pl.DataFrame(rows, schema, orient="row")


def traits(
    visits: pl.DataFrame, of_persons: pl.DataFrame, labels: pl.DataFrame, columns: Iterable[str]
) -> dict[str, set[tuple[str, str]]]:
    """What is to be spread evenly: each person's values of ``columns``, and labels.

    A ``|``-joined cell counts as several values; a number counts by the third of all numbers that it is in;
    an empty cell is a value of its own.

    Args:
        visits: ``patient_id`` and ``columns``.
        of_persons: what ``persons`` returned.
        labels: ``patient_id, family, label``, in any number; of other visits too.
        columns: the columns that count.

    Returns:
        Person to (column or family, value) pairs, for the persons of ``visits``.
    """
    named = visits.join(of_persons.select("patient_id", "person"), on="patient_id")
    found: dict[str, set[tuple[str, str]]] = {person: set() for person in named["person"]}
    for column in columns:
        cells = named[column]
        values = _thirds(cells) if cells.dtype.is_numeric() else cells.cast(pl.String).str.split("|")
        for person, of_visit in zip(named["person"], values.to_list(), strict=True):
            found[person] |= {(column, value) for value in of_visit or [""]}
    labelled = named.select("patient_id", "person").join(
        labels.select("patient_id", "family", "label").drop_nulls().unique(), on="patient_id"
    )
    for person, family, label in labelled.select("person", "family", "label").iter_rows():
        found[person].add((family, label))
    return found


def _thirds(cells: pl.Series) -> pl.Series:
    """Numbers as one-element lists: ``low``, ``middle`` or ``high`` third of all; null stays null."""
    ordered = cells.drop_nulls().sort()
    if ordered.is_empty():
        return pl.Series([None] * len(cells), dtype=pl.List(pl.String))
    first, second = ordered[len(ordered) // 3], ordered[2 * len(ordered) // 3]
    names = [
        None if value is None else ["low" if value < first else "middle" if value < second else "high"]
        for value in cells
    ]
    return pl.Series(names, dtype=pl.List(pl.String))


class _Leaders:
    """Groups that grow by joining; each is led by its smallest member."""

    def __init__(self) -> None:
        self._above: dict[tuple[int, str], tuple[int, str]] = {}

    def of(self, member: tuple[int, str]) -> tuple[int, str]:
        """The leader of the member's group."""
        above = self._above.setdefault(member, member)
        while above != self._above[above]:
            self._above[member] = self._above[above]
            member, above = above, self._above[above]
        return above

    def join(self, one: tuple[int, str], other: tuple[int, str]) -> None:
        """Make one group of the groups of both."""
        first, second = sorted((self.of(one), self.of(other)))
        self._above[second] = first
