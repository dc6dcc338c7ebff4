"""Observe: read all sources and report to the instance what has changed. Nothing is made here."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import dagster as dg

from eus_etl.defs.assets.external import changed_versions, events, study_events
from eus_etl.defs.keys import patients_of
from eus_etl.defs.reconcile.staleness import StudyState
from eus_etl.defs.root import take_root
from eus_etl.errors import EusEtlError
from eus_etl.settings import StudyConfig
from eus_etl.steps.observation.all_sources import observe_all
from eus_etl.steps.observation.connect import connect
from eus_etl.steps.observation.observe import relist_videos
from eus_etl.steps.observation.snapshot import DRIVE_VIDEOS
from eus_etl.steps.observation.stored import Failure, Observation


@dataclass(slots=True)
class Seen:
    """What an observation of all sources found.

    Attributes:
        whole: what the other sources hold.
        failures: sources that could not be read.
        changes: how many versions were reported.
        missed: changes of videos that the change feed had missed and a full listing found.
        waits: reasons to how many files wait, to be taken later.
        ready_in_s: when those are taken that were copied a moment ago; None where there are none.
    """

    whole: list[Observation] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    changes: int = 0
    missed: int = 0
    waits: Mapping[str, int] = field(default_factory=dict)
    ready_in_s: float | None = None


def observe_study(study: StudyConfig, state: StudyState, *, relist: bool = False) -> Seen:
    """Observe all sources, and report what changed to the instance of ``state``, which is then up to date.

    Args:
        study: the configuration.
        state: what is known of the study.
        relist: read every source, also what seems not to have changed, and list the videos in full even if
            their source has a change feed.

    Raises:
        ForeignRootError: the root holds data that this package did not make.
        RootUnavailableError: the root existed before and is missing now.
    """
    take_root(state.instance, study)
    instance, sources, seen = state.instance, connect(study), Seen()
    if relist:
        try:
            seen.missed = relist_videos(sources)
        except EusEtlError as error:
            seen.failures.append(Failure(DRIVE_VIDEOS, error, attempt="listed in full"))
    seen.whole, failures = observe_all(study, sources, in_full=relist)
    seen.failures += failures
    partitions = str(patients_of(study.study).name)
    known = set(instance.get_dynamic_partitions(partitions))
    for observation in seen.whole:
        changed = changed_versions(state, study.study, observation)
        if new := sorted(changed.keys() - known):
            instance.add_dynamic_partitions(partitions, new)
            known.update(new)
        for event in events(study, observation.source, changed):
            instance.report_runless_asset_event(event)
        state.assume(dg.AssetKey([study.study, observation.source]), changed)
        seen.changes += len(changed)
        if observation.source == DRIVE_VIDEOS:
            seen.waits, seen.ready_in_s = observation.waits, observation.ready_in_s
    for event in study_events(state, study):
        instance.report_runless_asset_event(event)
        seen.changes += 1
    state.refresh(None)
    return seen
