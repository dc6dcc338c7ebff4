"""What a Dagster instance knows of its own health, asked from outside: daemons, sensors, failed runs.

Dagster tells nobody that a sensor fails or skips, nor that its daemon is gone (dagster-io/dagster#29625 and
#18130). Nothing here starts or changes anything.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from urllib.parse import quote

import dagster as dg

from eus_etl.defs.keys import PARTITION_TAG, SCOPE_TAG, STUDY_TAG, TABLES
from eus_etl.defs.triggers.skipped import is_in_trouble
from eus_etl.domain.alerts.problem import Problem

LOOK_BACK_S = 30 * 24 * 3600.0
"""Runs that failed before are not looked at: they were told, or are beyond telling."""

_MOST_RUNS = 1000
_TICKS = 200
_SILENT_S = 90.0
"""A daemon's heart beats every 30 s. A sensor is silent after this, or after three of its intervals."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One tick of a sensor, as Dagster stored it."""

    status: str
    started_at: float
    skip_reason: str | None = None

    @property
    def is_bad(self) -> bool:
        """Whether it failed, or skipped because it could not do its work."""
        return self.status == "FAILURE" or (self.status == "SKIPPED" and is_in_trouble(self.skip_reason))


def silent_daemons(instance: dg.DagsterInstance, now: float) -> Iterator[Problem]:
    """One problem where any of the instance's daemons has no heartbeat, or an old one."""
    beats = instance.get_daemon_heartbeats()
    wanted = set(instance.get_required_daemon_types())
    seen = {name: beats[name].timestamp for name in wanted if name in beats}
    silent = sorted(name for name in wanted if now - seen.get(name, 0.0) > _SILENT_S)
    if silent:
        last = [seen[name] for name in silent if name in seen]
        which = "all of its parts" if len(silent) == len(wanted) else ", ".join(silent)
        yield Problem(
            kind="daemon",
            study="",
            word="dagster-daemon",
            detail=f"no sign of life from {which}",
            since=min(last) if last else None,
            look="start its service, or start it again: nothing is processed meanwhile; its journal says why",
        )


def troubled_sensors(
    instance: dg.DagsterInstance, studies: Collection[str], now: float, *, ticking: bool = True
) -> Iterator[Problem]:
    """Sensors of these studies that fail, cannot look or do not tick; and schedules that are switched off.

    Args:
        instance: the instance.
        studies: names of the studies.
        now: seconds since 1970.
        ticking: whether the daemon is alive: without it no sensor ticks, which is told already.
    """
    states = {state.name: state for state in instance.all_instigator_state()}
    wanted = {f"{study}_{sensor}": study for study in studies for sensor in ("videos", "edits")}
    for name in sorted(wanted.keys() - states.keys() if ticking else ()):
        yield Problem(
            kind="sensor",
            study=wanted[name],
            word=name,
            detail="has never ticked",
            look="see whether the code location is loaded (*Deployment* in the page)",
        )
    for name, study in (wanted | {f"{study}_nightly": study for study in studies}).items():
        if (state := states.get(name)) is None:
            continue
        is_sensor = state.instigator_type.value == "SENSOR"
        place = f"locations/{quote(state.origin.location_name, safe='')}"
        link = f"{place}/{'sensors' if is_sensor else 'schedules'}/{name}"
        if not state.is_running:
            yield Problem(
                kind="sensor_off",
                study=study,
                word=name,
                detail="switched off by somebody",
                link=link,
                look="switch it on again in the page: without it changes are not seen",
            )
        elif is_sensor:
            ticks = [
                Tick(tick.status.value, tick.timestamp, tick.skip_reason)
                for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=_TICKS)
            ]
            interval_s = getattr(state.instigator_data, "min_interval", None) or 0.0
            if found := trouble_of(ticks, interval_s, now, ticking=ticking):
                detail, since = found
                yield Problem(
                    kind="sensor",
                    study=study,
                    word=name,
                    detail=detail,
                    since=since,
                    link=link,
                    look="its ticks in the page say why",
                )


def trouble_of(
    ticks: Sequence[Tick], interval_s: float, now: float, *, ticking: bool = True
) -> tuple[str, float] | None:
    """What is wrong with a sensor that is on, and since when; None where nothing is.

    Args:
        ticks: its last ticks, the newest first.
        interval_s: its interval.
        now: seconds since 1970.
        ticking: whether the daemon is alive.
    """
    if ticking and ticks and now - ticks[0].started_at > max(_SILENT_S, 3 * interval_s):
        return "has not ticked", ticks[0].started_at
    bad = list(takewhile(lambda tick: tick.is_bad, (tick for tick in ticks if tick.status != "STARTED")))
    if not bad:
        return None
    failed = sum(tick.status == "FAILURE" for tick in bad)
    said = [f"{failed} failed"] * (failed > 0)
    said += [f"{len(bad) - failed} could not look"] * (failed < len(bad))
    return f"of its last ticks {' and '.join(said)}", bad[-1].started_at


def failed_runs(instance: dg.DagsterInstance, now: float) -> Iterator[Problem]:
    """Visits, tables and passes whose last run failed."""
    failures = instance.get_run_records(
        dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.FAILURE],
            updated_after=datetime.fromtimestamp(now - LOOK_BACK_S, UTC),
        ),
        limit=_MOST_RUNS,
    )
    done: set[tuple[str, ...]] = set()
    for failure in failures:
        run = failure.dagster_run
        of_plan = PARTITION_TAG in run.tags or SCOPE_TAG in run.tags
        # a plan's run and one that a person started may be of different jobs
        job = "" if of_plan else run.job_name
        scope = (job, *(run.tags.get(tag, "") for tag in (STUDY_TAG, PARTITION_TAG, SCOPE_TAG)))
        if scope in done:
            continue
        done.add(scope)
        last = _last_ended(instance, run)
        if last.dagster_run.status is not dg.DagsterRunStatus.FAILURE:
            continue
        visit = run.tags.get(PARTITION_TAG, "")
        yield Problem(
            kind="failed_run",
            study=_study_of(run),
            visit=visit,
            word="visit" if visit else "tables" if run.tags.get(SCOPE_TAG) == TABLES else "job",
            detail=f"run {last.dagster_run.run_id.partition('-')[0]} failed",
            apart=job,
            since=last.end_time,
            link=f"runs/{last.dagster_run.run_id}",
            look="`eus-etl status --patient ID` or the run in the page says why; it is tried again by itself "
            "unless it would fail again",
        )


def _last_ended(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.RunRecord:
    """The last run of the same visit, tables or job that has succeeded or failed."""
    named = {tag: run.tags[tag] for tag in (STUDY_TAG, PARTITION_TAG) if tag in run.tags}
    if PARTITION_TAG not in named and SCOPE_TAG in run.tags:
        named[SCOPE_TAG] = run.tags[SCOPE_TAG]
    whole = PARTITION_TAG in named or SCOPE_TAG in named
    (last,) = instance.get_run_records(
        dg.RunsFilter(
            tags=named if whole else {},
            job_name=None if whole else run.job_name,
            statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE],
        ),
        limit=1,
    )
    return last


def _study_of(run: dg.DagsterRun) -> str:
    """The study of a run; empty where it is of none."""
    keys = sorted(key.path[0] for key in run.asset_selection or ())
    return run.tags.get(STUDY_TAG) or (keys[0] if keys else "")
