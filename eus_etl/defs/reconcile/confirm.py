"""Within a run, before each asset: is it to be made, or is it current and only to be confirmed?"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from eus_etl.defs.reconcile.staleness import Node, StudyState, Why
from eus_etl.domain.paths import StudyPaths
from eus_etl.storage.provenance import STUDY, Entry, write_entry

CONFIRMED = "confirmed"
"""On an event that carries the version of before: nothing was made, because nothing had to be."""

MADE_BY = "made_by_run"
"""On such an event: the run that made what is confirmed."""


@dataclass(frozen=True, slots=True)
class Todo:
    """What a run does about an asset.

    Attributes:
        blocked_by: what comes before it, at any distance, and is not current; then nothing is done.
        entry: its provenance, where it is current and need only be confirmed; None where it is to be made.
    """

    blocked_by: tuple[str, ...] = ()
    entry: Entry | None = None


def what_to_do(state: StudyState, node: Node, patient: str | None, run_id: str) -> Todo:
    """Whether an asset is blocked, current, or to be made.

    What this run has made or confirmed counts as current, even if its source has changed meanwhile: the next
    plan sees to that.

    Args:
        state: as things are now; the caller holds the visit's lock.
        node: the asset.
        patient: the visit; None for an asset of the whole study.
        run_id: the run that asks.
    """
    reasons = state.reasons(patient, upto=node)
    blocked_by = []
    for key, reason in reasons.items():
        entry = state.entry(state.nodes[key], patient)
        settled = entry is not None and entry.settled_by == run_id
        if key != node.key and (not settled or reason.why is Why.OUTPUT_LOST):
            blocked_by.append(f"{key.path[-1]} ({reason.why})")
    if blocked_by:
        return Todo(blocked_by=tuple(blocked_by))
    own = reasons.get(node.key)
    current = own is None or own.why is Why.BLOCKED
    return Todo(entry=state.entry(node, patient) if current else None)


def confirmed(
    state: StudyState, node: Node, patient: str | None, entry: Entry, run_id: str, checks: Collection[str]
) -> dg.MaterializeResult[None]:
    """The event that an asset is current: its version, checks and pictures of before.

    Counts do not come along, since nothing was done.
    """
    write_entry(state.paths, patient or STUDY, node.name, entry.model_copy(update={"settled_by": run_id}))
    asked = dg.AssetRecordsFilter(asset_key=node.key, asset_partitions=[patient] if patient else None)
    records = state.instance.fetch_materializations(asked, limit=1).records
    last = records[0].asset_materialization if records else None
    pictures = {
        name: value
        for name, value in (last.metadata if last else {}).items()
        if isinstance(value, dg.MarkdownMetadataValue)
    }
    return dg.MaterializeResult(
        metadata={CONFIRMED: True, MADE_BY: dg.MetadataValue.dagster_run(entry.made_by), **pictures},
        data_version=dg.DataVersion(entry.version),
        check_results=check_results(entry, checks),
    )


def check_results(entry: Entry, checks: Collection[str]) -> Sequence[dg.AssetCheckResult]:
    """What these checks of the asset said when it was made.

    An entry may name a check that has been dropped since; Dagster fails on the result of an unknown check.
    """
    return [
        dg.AssetCheckResult(
            passed=outcome.passed,
            check_name=name,
            description=outcome.detail,
            severity=dg.AssetCheckSeverity.WARN,
        )
        for name, outcome in entry.checks.items()
        if name in checks
    ]


def state_in_run(
    instance: dg.DagsterInstance,
    paths: StudyPaths,
    nodes: Mapping[dg.AssetKey, Node],
    patient: str | None,
    run_id: str,
) -> StudyState:
    """What a run knows: of a visit as it is now; of all visits as they were at the run's first table.

    A visit that changes while the tables are made is found by the next plan.
    """
    if patient is not None:
        return StudyState(instance, paths, nodes, only=patient)
    if run_id not in _STATES:
        _STATES.clear()
        _STATES[run_id] = StudyState(instance, paths, nodes)
    state = _STATES[run_id]
    state.refresh(None)
    return state


_STATES: dict[str, StudyState] = {}
"""Of the run that this process works on, if it makes tables of a study."""
