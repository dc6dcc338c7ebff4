"""Before each asset of a run: make it, or confirm that it is current?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from eus_etl.defs.assets.checks import DeclaredCheck
from eus_etl.defs.reconcile.staleness import Node, StudyState, Why
from eus_etl.domain.paths import StudyPaths
from eus_etl.storage.provenance import STUDY, Entry, write_entry

CONFIRMED = "confirmed"
"""On an event that repeats the last version: the asset was current, so nothing was made."""

MADE_BY = "made_by_run"
"""On such an event: the run that made what is confirmed."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a run does with an asset.

    Attributes:
        blocked_by: everything upstream that is not current; if there is any, nothing is done.
        entry: its provenance if it is current and need only be confirmed; None if it is to be made.
    """

    blocked_by: tuple[str, ...] = ()
    entry: Entry | None = None


def decide(state: StudyState, node: Node, patient: str | None, run_id: str) -> Decision:
    """Whether an asset is blocked, current, or to be made.

    What this run has made or confirmed counts as current, even if its source has changed in the meantime: the
    next plan takes care of that.

    Args:
        state: the state of things now; the caller holds the visit's lock.
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
        return Decision(blocked_by=tuple(blocked_by))
    own = reasons.get(node.key)
    current = own is None or own.why is Why.BLOCKED
    return Decision(entry=state.entry(node, patient) if current else None)


def confirmed(
    state: StudyState,
    node: Node,
    patient: str | None,
    alias: str | None,
    entry: Entry,
    run_id: str,
    checks: Mapping[str, DeclaredCheck],
) -> dg.MaterializeResult[None]:
    """The event that an asset is current, with its last version and checks.

    It has no counts, since nothing was done, and no pictures: the run that made them holds them.
    """
    write_entry(state.paths, patient or STUDY, node.name, entry.model_copy(update={"settled_by": run_id}))
    named = {} if alias is None else {"alias": alias}
    return dg.MaterializeResult(
        metadata={**named, CONFIRMED: True, MADE_BY: dg.MetadataValue.dagster_run(entry.made_by)},
        data_version=dg.DataVersion(entry.version),
        check_results=check_results(entry, checks),
    )


def check_results(entry: Entry, checks: Mapping[str, DeclaredCheck]) -> Sequence[dg.AssetCheckResult]:
    """The results of these checks when the asset was made.

    An entry may name a check that has been dropped since; Dagster fails on the result of an unknown check.
    """
    return [
        dg.AssetCheckResult(
            passed=outcome.passed,
            check_name=name,
            description=outcome.detail,
            severity=checks[name].severity,
        )
        for name, outcome in entry.checks.items()
        if name in checks
    ]


def state_for_run(
    instance: dg.DagsterInstance,
    paths: StudyPaths,
    nodes: Mapping[dg.AssetKey, Node],
    patient: str | None,
    run_id: str,
) -> StudyState:
    """What a run knows: one visit as it is now, or all visits as they were at the run's first table.

    The next plan finds a visit that changes while the tables are being made.
    """
    if patient is not None:
        return StudyState(instance, paths, nodes, only=patient)
    if run_id not in _STATES:
        share_state(run_id, StudyState(instance, paths, nodes))
    state = _STATES[run_id]
    state.refresh(None)
    return state


def share_state(run_id: str, state: StudyState) -> None:
    """Let a run of the study's tables in this process use what its planner knows of all visits."""
    _STATES.clear()
    _STATES[run_id] = state


_STATES: dict[str, StudyState] = {}
"""The state for the run that this process is working on, if that makes a study's tables."""
