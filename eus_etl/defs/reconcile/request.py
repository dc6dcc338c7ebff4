"""What is made only when a person asks: releases, from a terminal as from the page."""

import uuid

import dagster as dg

from eus_etl.defs.assets.names import Asset
from eus_etl.defs.graph import StudyGraph
from eus_etl.defs.keys import STUDY_TAG, TERMINAL_TAG, WHY_TAG
from eus_etl.defs.leases import run_lease
from eus_etl.defs.reconcile.local_session import QUIET, RunReport, StudySession
from eus_etl.defs.reconcile.outcomes import failed_in, made_in
from eus_etl.defs.reconcile.staleness import StudyState, Why
from eus_etl.defs.root import take_root
from eus_etl.errors import BlockedError
from eus_etl.steps.release.draft import Draft, draft
from eus_etl.storage.leases.work import work_lease
from eus_etl.storage.provenance import STUDY


def request_release(session: StudySession, name: str, *, accept_unreviewed: bool = False) -> RunReport:
    """Make a release, or find it.

    Args:
        session: the study and its instance.
        name: of the selection.
        accept_unreviewed: take visits that nobody signed off, unless they are blocked.
    """
    state, graph = session.state, session.graph
    take_root(state.instance, graph.study)
    definitions = dg.Definitions(assets=graph.assets(), executor=dg.in_process_executor)
    key = graph.key(Asset.RELEASE)
    options = {"name": name, "accept_unreviewed": accept_unreviewed}
    run_id = str(uuid.uuid4())
    with run_lease(state.instance, run_id):
        result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config={**QUIET, "ops": {key.to_python_identifier(): {"config": options}}},
            instance=state.instance,
            asset_selection=[key],
            run_id=run_id,
            tags={STUDY_TAG: graph.study.study, WHY_TAG: f"release {name}", TERMINAL_TAG: "true"},
            raise_on_error=False,
        )
    return RunReport(made=made_in(result, None), failed=failed_in(result, None))


def draft_release(session: StudySession, name: str, *, accept_unreviewed: bool = False) -> Draft:
    """What a release would hold; writes nothing of it.

    Args:
        session: the study and its instance.
        name: of the selection.
        accept_unreviewed: take visits that nobody signed off, unless they are blocked.

    Raises:
        BlockedError: a table of the study is not current.
    """
    state, graph = session.state, session.graph
    take_root(state.instance, graph.study)
    node = graph.nodes[graph.key(Asset.RELEASE)]
    with work_lease(state.paths, STUDY):
        reasons = state.reasons(None, upto=node)
        stale = [f"{key.path[-1]} ({reason.why})" for key, reason in reasons.items() if key != node.key]
        if stale:
            raise BlockedError(
                f"release of {graph.study.study}",
                f"something upstream is not current: {', '.join(stale)}",
                "`eus-etl run`",
            )
        stale_ones = stale_visits(graph, state)
        return draft(graph.study, name, accept_unreviewed=accept_unreviewed, stale=stale_ones)


def stale_visits(graph: StudyGraph, state: StudyState) -> frozenset[str]:
    """Ids of the visits of which something that a release holds is not current.

    What was made of such a visit is not what its sources, regions and labels say now: a name may have been
    the reason for an edit.

    Args:
        graph: the study's graph.
        state: what is known of it.
    """
    upstream = state.before(graph.nodes[graph.key(Asset.RELEASE)])
    made = {node.key for node in graph.made(per_patient=True) if node.key in upstream}
    visits = {patient for key in made for patient in state.versions(key)}
    return frozenset(
        str(patient)
        for patient in visits
        if any(
            key in made and reason.why not in (Why.DUE_AGAIN, Why.NOT_DRAWN)
            for key, reason in state.reasons(patient).items()
        )
    )
