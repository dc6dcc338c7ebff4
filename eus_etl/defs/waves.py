"""What to make next: the stale assets of a visit whose inputs are settled.

The sensor and the commands ask the same question. It looks at the state as it is, never at what has
just happened: an edit that comes while its asset is being made is found afterwards, and a tick or a
process that dies loses nothing.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import dagster as dg

from eus_etl.defs.graph import StudyGraph
from eus_etl.defs.patient_assets import RAW_VIDEOS
from eus_etl.defs.state import Node, StudyState
from eus_etl.steps.observed import DRIVE_VIDEOS, LABEL_ITEMS
from eus_etl.steps.result import version_of


def wanted(graph: StudyGraph, state: StudyState, patient: str) -> list[Node]:
    """The assets that a visit can have: without videos, only what its item and rows give."""
    nodes = graph.made(per_patient=True)
    if state.version(graph.key(DRIVE_VIDEOS), patient) is not None:
        return nodes
    outside = {key for key, node in graph.nodes.items() if node.observed}
    return [node for node in nodes if graph.key(LABEL_ITEMS) in node.deps and outside.issuperset(node.deps)]


def next_wave(
    state: StudyState,
    nodes: Sequence[Node],
    patient: str | None,
    settled: AbstractSet[dg.AssetKey] = frozenset(),
    blocked: AbstractSet[dg.AssetKey] = frozenset(),
) -> list[Node]:
    """Stale assets whose inputs are settled, with the missing ones that follow them in any case.

    An asset that exists waits for its inputs to be made first: they may come out as they were.

    Args:
        state: what is known.
        nodes: the assets to choose from, in topological order.
        patient: the visit; None for assets of the whole study.
        settled: assets that are not made (again).
        blocked: assets that failed; what follows them is left, it would be made from old inputs.
    """
    wave: list[Node] = []
    left = set(blocked)
    for node in nodes:
        if not left.isdisjoint(node.deps):
            left.add(node.key)
        elif node.key not in settled and node.key not in left and state.is_stale(node, patient):
            follows = any(other.key in node.deps for other in wave)
            if not follows or state.is_missing(node, patient):
                wave.append(node)
    return wave


def wave_version(state: StudyState, wave: Sequence[Node], patient: str | None) -> str:
    """Equal for two waves of a visit that would make the same assets from the same inputs.

    With raw videos it is what these are made from: whatever else is made in the same run.
    """
    for node in wave:
        if node.name == RAW_VIDEOS:
            return state.consumable(node, patient)
    return version_of([[node.name, state.consumable(node, patient)] for node in wave])
