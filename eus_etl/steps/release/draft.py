"""What a release would be: chosen, counted and named, before anything is written."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

import polars as pl

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.release.pseudonyms import Pseudonyms, release_id
from eus_etl.domain.release.selection import BLOCKED, UNREVIEWED
from eus_etl.errors import ConfigError, PermanentError
from eus_etl.settings import ReleaseConfig, StudyConfig
from eus_etl.settings.secrets import secret_key
from eus_etl.steps.release.content import Content, choose, digest, pictures_digest, splits_rows
from eus_etl.steps.release.records import Record, read_ledger, records
from eus_etl.steps.release.source import read_source, recipe_of
from eus_etl.steps.release.statistics import statistics_of
from eus_etl.steps.result import version_of

FORMAT = "1"
"""Raise it when equal inputs have to give another release."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A release before it is made.

    Attributes:
        name: of the selection.
        rule: the selection.
        pseudonyms: by its key.
        content: what it would hold.
        statistics: ``statistics.json``, without ``release`` and ``parent``.
        ledger: ``tables.SPLITS`` before it.
        record: its record; of a release that exists already where ``found``.
        parent: the release that it follows.
        found: whether it exists already, whole.
    """

    name: str
    rule: ReleaseConfig
    pseudonyms: Pseudonyms
    content: Content
    statistics: Mapping[str, object]
    ledger: pl.DataFrame
    record: Record
    parent: Record | None
    found: bool


def draft(
    study: StudyConfig, name: str, *, accept_unreviewed: bool = False, stale: Set[str] = frozenset()
) -> Draft:
    """What a release would hold; writes nothing. The caller holds the study's lock.

    Args:
        study: the configuration.
        name: of the selection.
        accept_unreviewed: take visits that nobody signed off, unless they are blocked.
        stale: ids of visits that are not current: they are left out.

    Raises:
        ConfigError: the selection or its parent does not exist, or its key is not set.
        PermanentError: it would hold no frame.
        OutputLostError: a table of the study cannot be read.
    """
    rule = rule_of(study, name)
    paths, recipe = StudyPaths(study.root), recipe_of(study, rule)
    key = secret_key(rule.key_variable, f"releases.{name}.key_variable", "other pseudonyms")
    pseudonyms = Pseudonyms(study.study, key)
    ledger = read_ledger(paths)
    content, rejected = _chosen(study, rule, pseudonyms, ledger, accept_unreviewed, stale)
    if content.frames.is_empty():
        to_sign = {UNREVIEWED, BLOCKED} & content.left_out.keys()
        raise PermanentError(
            f"release {name}",
            f"it would hold no frame: {_why_empty(content)}",
            _TO_SIGN if to_sign else "change the selection; docs/releases.md says what each reason means",
        )
    statistics = statistics_of(study, rule, name, content, rejected)
    selection = rule.model_dump(mode="json", exclude={"parent"})
    facts = {
        "format": FORMAT,
        "study": study.study,
        "name": name,
        "selection": selection,
        "recipe": [recipe, study.preprocess.recipes[recipe].fingerprint()],
        "key": pseudonyms.fingerprint,
        "pictures": pictures_digest(content),
        "frames": digest(content),
        "patients": version_of(content.patients.write_csv()),
        "labels": version_of(content.labels.write_csv()),
        "statistics": statistics,
    }
    content_hash = release_id([facts, content.assignment.visits.write_csv()])
    known = records(paths)
    record = _found(rule, name, known, content_hash)
    by_id = {other.release: other for other in known}
    if record is not None:
        parent = by_id[record.parent] if record.parent else None
        exists = (paths.releases / record.release).is_dir()
    else:
        parent, exists = _parent(rule, name, known), False
        places = splits_rows(content, ledger, "").write_csv()
        record = Record(
            release=release_id([facts, places, parent.release if parent else None]),
            name=name,
            number=max((other.number for other in known), default=0) + 1,
            parent=parent.release if parent else None,
            content=content_hash,
            selection=selection,
            facts={key: value for key, value in facts.items() if key not in ("selection", "statistics")},
        )
    return Draft(
        name=name,
        rule=rule,
        pseudonyms=pseudonyms,
        content=content,
        statistics=statistics,
        ledger=ledger,
        record=record,
        parent=parent,
        found=exists,
    )


def _chosen(
    study: StudyConfig,
    rule: ReleaseConfig,
    pseudonyms: Pseudonyms,
    ledger: pl.DataFrame,
    accept_unreviewed: bool,
    stale: Set[str],
) -> tuple[Content, Mapping[str, object]]:
    """The content, and what was rejected; the study's frames, which take the most memory, are let go."""
    source = read_source(study, rule, pseudonyms)
    content = choose(
        study, rule, source, pseudonyms, ledger, accept_unreviewed=accept_unreviewed, stale=stale
    )
    return content, source.rejected


def rule_of(study: StudyConfig, name: str) -> ReleaseConfig:
    """The selection of this name.

    Raises:
        ConfigError: there is none.
    """
    if name not in study.releases:
        known = ", ".join(study.releases) or "none"
        raise ConfigError(
            "--name",
            "the study's file has no such selection",
            f"name one of `releases` ({known}), or add it there",
        )
    return study.releases[name]


_TO_SIGN = (
    "`eus-etl regions` draws sheets and prints the lines that sign regions off in regions.csv; then "
    "`eus-etl run`; `--accept-unreviewed` takes visits that nobody has reviewed, but never blocked ones"
)


def _why_empty(content: Content) -> str:
    said = [f"{n['frames']} frames of {n['visits']} visits: {why}" for why, n in content.left_out.items()]
    return "; ".join(said) or "the study has no frames"


def _found(rule: ReleaseConfig, name: str, known: list[Record], content: str) -> Record | None:
    """The release that was already made of the same; with ``parent: last``, only the last one of the name."""
    same_name = [record for record in known if record.name == name]
    if rule.parent == "last":
        candidates = same_name[-1:]
    else:
        wanted = None if rule.parent == "none" else rule.parent
        candidates = [record for record in same_name if record.parent == wanted]
    return next((record for record in candidates if record.content == content), None)


def _parent(rule: ReleaseConfig, name: str, known: list[Record]) -> Record | None:
    if rule.parent == "none":
        return None
    if rule.parent == "last":
        return next((record for record in reversed(known) if record.name == name), None)
    for record in known:
        if record.release == rule.parent:
            return record
    raise ConfigError(
        f"releases.{name}.parent",
        f"there is no release {rule.parent}",
        "name one below `releases`, `last` or `none`",
    )
