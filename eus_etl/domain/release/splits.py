"""Splits that hold people apart, and the ledger that keeps each person where it is once placed.

Who is who stays in ``persons``, how people are spread evenly in ``balance``, pictures in ``leaks``.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from eus_etl.domain.release.balance import spread
from eus_etl.domain.release.persons import persons, traits
from eus_etl.domain.tables.splits import SPLITS
from eus_etl.errors import PermanentError
from eus_etl.settings import SplitConfig

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLIT_NAMES = (TRAIN, VALIDATION, TEST)


@dataclass(frozen=True, slots=True)
class Merged:
    """A person whose visits had been placed in several splits before they were known to be one person's.

    Attributes:
        person: as in ``Assignment.visits``.
        patient_ids: the person's visits that were placed before.
        were_in: the splits they were placed in; all of the person is in training from now on.
        since_now: whether this release is the first to know it.
    """

    person: str
    patient_ids: tuple[str, ...]
    were_in: tuple[str, ...]
    since_now: bool


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where each visit of a release is.

    Attributes:
        visits: ``patient_id, person, grouped_by, split, fold``, sorted by ``patient_id``. ``person`` is a
            ``subject_id``, or a ``patient_id`` where the person is not known; ``grouped_by`` says which.
        appended: rows to append to the ledger, sorted; none where the ledger says all of it already.
        merged: persons found in several splits, by ``person``.
        balance: ``trait, value, split, persons, share, target``: a row for each trait and split; ``trait`` is
            ``persons`` for all, else the column or family. ``share`` is of the persons with this value.
    """

    visits: pl.DataFrame
    appended: pl.DataFrame
    merged: tuple[Merged, ...]
    balance: pl.DataFrame


def assign_splits(
    visits: pl.DataFrame, labels: pl.DataFrame, ledger: pl.DataFrame, config: SplitConfig, since: str
) -> Assignment:
    """Give each visit a split and a fold: by person, evenly, and as before for whoever has a place.

    The same rows in any order, on any machine, give the same assignment. Persons of the ledger who are not
    among ``visits`` keep their place, but do not count for the balance.

    Args:
        visits: the release's visits: ``patient_id, subject_id`` (null where unknown), ``stratify_by``.
        labels: ``patient_id, family, label`` of the intervals or frames to be spread evenly, any number.
        ledger: ``tables.SPLITS`` of all releases so far.
        config: shares, folds, seed and the patient columns whose values are spread evenly.
        since: the name of the release, for new rows of the ledger.

    Raises:
        PermanentError: the ledger is not one, or has more folds than ``config``; a visit is listed twice.
    """
    _check(visits, ledger, config.folds)
    of_persons = persons(visits, ledger)
    known = _Known(of_persons, ledger)
    has = traits(visits, of_persons, labels, config.stratify_by)
    order = sorted(has, key=lambda person: _drawn(config.seed, person))
    target = {TRAIN: config.train, VALIDATION: config.validation, TEST: config.test}

    split_of = {person: known.split[person] for person in order if person in known.split}
    shares = {split: share for split, share in target.items() if share}
    split_of |= spread(has, split_of, [person for person in order if person not in split_of], shares)
    fold_of = _folds(has, order, split_of, known.fold, config.folds)

    placed = of_persons.join(visits.select("patient_id"), on="patient_id").sort("patient_id")
    placed = placed.with_columns(
        pl.Series("split", [split_of[person] for person in placed["person"]], pl.String),
        pl.Series("fold", [fold_of[person] for person in placed["person"]], pl.Int64),
    )
    return Assignment(
        visits=placed,
        appended=_appended(placed, visits, ledger, since),
        merged=_merged(of_persons, ledger, set(has)),
        balance=_balance(has, split_of, target),
    )


class _Known:
    """What the ledger says of persons.

    Whoever has rows of several splits is in training: so what was once learned of a merge is never unlearned,
    in whatever order rows are read.
    """

    def __init__(self, of_persons: pl.DataFrame, ledger: pl.DataFrame) -> None:
        rows = ledger.join(of_persons, on="patient_id")
        self.split: dict[str, str] = {}
        self.fold: dict[str, int] = {}
        for person, splits, folds in rows.group_by("person").agg("split", "fold").iter_rows():
            self.split[person] = split = splits[0] if len(set(splits)) == 1 else TRAIN
            in_split = [fold for at, fold in zip(splits, folds, strict=True) if at == split]
            if in_split:
                self.fold[person] = min(in_split)


def _check(visits: pl.DataFrame, ledger: pl.DataFrame, folds: int) -> None:
    remedy = "restore the file from a backup or from the splits.csv of the last release; never edit it"
    if missing := set(SPLITS.names) - set(ledger.columns):
        raise PermanentError("splits.csv", f"the columns {', '.join(sorted(missing))} are missing", remedy)
    bad = ledger.filter(
        pl.col("patient_id").is_null()
        | ~pl.col("split").is_in(SPLIT_NAMES).fill_null(False)
        | (pl.col("fold").fill_null(-1) < 0)
    )
    if bad.height:
        raise PermanentError(
            "splits.csv", f"{bad.height} of {ledger.height} rows lack a visit, a split or a fold", remedy
        )
    highest = max(ledger["fold"].to_list(), default=0)
    if highest >= folds:
        raise PermanentError(
            "splits.csv",
            f"it holds fold {highest}, and the configuration has only {folds} folds, from 0",
            "configure at least as many folds as before",
        )
    if visits["patient_id"].n_unique() != visits.height:
        raise PermanentError("splits", "a visit is listed twice", "give each visit once")


def _drawn(seed: int, person: str) -> tuple[bytes, str]:
    """A place in a random order that depends on nothing but the seed and the person."""
    return hashlib.sha256(f"{seed} {person}".encode()).digest(), person


def _folds(
    has: Mapping[str, set[tuple[str, str]]],
    order: Iterable[str],
    split_of: Mapping[str, str],
    known: Mapping[str, int],
    folds: int,
) -> dict[str, int]:
    shares = {str(fold): 1 / folds for fold in range(folds)}
    found: dict[str, int] = {}
    for split in SPLIT_NAMES:
        members = [person for person in order if split_of[person] == split]
        placed = {person: str(known[person]) for person in members if person in known}
        added = spread(has, placed, [person for person in members if person not in placed], shares)
        found |= {person: int(fold) for person, fold in (placed | added).items()}
    return found


def _appended(placed: pl.DataFrame, visits: pl.DataFrame, ledger: pl.DataFrame, since: str) -> pl.DataFrame:
    """What the ledger does not say yet: a new visit, a newly known subject, another split or fold."""
    rows = placed.join(visits.select("patient_id", "subject_id"), on="patient_id")
    said = ["subject_id", "patient_id", "split", "fold"]
    new = rows.select(said).join(ledger.select(said), on=said, how="anti", nulls_equal=True)
    # a subject that is not known today was known before: nothing new
    before = ledger.select("patient_id", "split", "fold").unique()
    unknown = pl.col("subject_id").is_null()
    new = pl.concat(
        [
            new.filter(~unknown),
            new.filter(unknown).join(before, on=["patient_id", "split", "fold"], how="anti"),
        ]
    )
    return SPLITS.conform(new.with_columns(pl.lit(since).alias("since"))).sort("patient_id")


def _merged(of_persons: pl.DataFrame, ledger: pl.DataFrame, present: set[str]) -> tuple[Merged, ...]:
    before = _splits_of(persons(ledger.select("patient_id", "subject_id").clear(), ledger), ledger)
    found = []
    for person, (patient_ids, splits) in _splits_of(of_persons, ledger).items():
        if person in present and len(splits) > 1:
            known = any(splits == then and visits <= patient_ids for visits, then in before.values())
            were_in = tuple(split for split in SPLIT_NAMES if split in splits)
            found.append(Merged(person, tuple(sorted(patient_ids)), were_in, since_now=not known))
    return tuple(sorted(found, key=lambda merged: merged.person))


def _splits_of(of_persons: pl.DataFrame, ledger: pl.DataFrame) -> dict[str, tuple[set[str], set[str]]]:
    """Person to the visits and splits that the ledger has rows of."""
    groups = ledger.join(of_persons, on="patient_id").group_by("person")
    return {
        str(person): (set(visits), set(splits))
        for person, visits, splits in groups.agg("patient_id", "split").iter_rows()
    }


def _balance(
    has: Mapping[str, set[tuple[str, str]]], split_of: Mapping[str, str], target: Mapping[str, float]
) -> pl.DataFrame:
    pairs = [
        (trait, value, split_of[person])
        for person, of_person in has.items()
        for trait, value in (("persons", "all"), *of_person)
    ]
    schema = {"trait": pl.String(), "value": pl.String(), "split": pl.String()}
    counted = pl.DataFrame(pairs, schema, orient="row").group_by("trait", "value", "split").len("persons")
    every = counted.select("trait", "value").unique().join(pl.DataFrame({"split": SPLIT_NAMES}), how="cross")
    return (
        every.join(counted, on=["trait", "value", "split"], how="left")
        .with_columns(pl.col("persons").fill_null(0).cast(pl.Int64))
        .with_columns(
            (pl.col("persons") / pl.col("persons").sum().over("trait", "value")).alias("share"),
            pl.col("split").replace_strict(target, return_dtype=pl.Float64).alias("target"),
            pl.col("split").replace_strict({s: i for i, s in enumerate(SPLIT_NAMES)}).alias("_at"),
        )
        .sort((pl.col("trait") != "persons"), "trait", "value", "_at")
        .drop("_at")
    )
