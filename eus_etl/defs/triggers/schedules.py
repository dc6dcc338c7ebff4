"""The nightly pass: all sources are observed in full; the planner starts the runs that follow."""

import dagster as dg

from eus_etl.defs.assets.external import seen_whole
from eus_etl.defs.executor import leased_executor
from eus_etl.defs.graph import StudyGraph
from eus_etl.defs.keys import STUDY_TAG
from eus_etl.defs.leases import declare_to_the_end
from eus_etl.defs.reconcile.observe import observe_study
from eus_etl.defs.reconcile.run_health import runs_under_way
from eus_etl.defs.reconcile.staleness import StudyState
from eus_etl.domain.paths import StudyPaths

NIGHTLY = "0 5 * * *"
TIME_ZONE = "Asia/Kolkata"


def nightly_schedule(graph: StudyGraph) -> dg.ScheduleDefinition:
    """At 05:00 in India: list everything in full, and report what the change feed had missed.

    It makes nothing itself: the sensor for edits plans as it does by day. While a pass is running, no second
    one starts.
    """
    study = graph.study
    name = f"{study.study}_nightly"

    @dg.op(name=f"{study.study}_sync")
    def sync(context: dg.OpExecutionContext) -> None:
        declare_to_the_end(context.instance, context.run.run_id)
        state = StudyState(context.instance, StudyPaths(study.root), graph.nodes)
        seen = observe_study(study, state, relist=True)
        for observation in seen.whole:
            context.log_event(seen_whole(study, observation))
        context.add_output_metadata(
            {
                "changes_reported": seen.changes,
                "missed_by_the_feed": seen.missed,
                "unseen": len(seen.failures),
            }
        )
        if seen.failures:
            problems = [str(failure.error) for failure in seen.failures]
            raise dg.Failure("; ".join(problems), allow_retries=False)

    @dg.job(
        name=name,
        tags={STUDY_TAG: study.study},
        executor_def=leased_executor,
        description=f"{study.title}: observe all sources in full; separate runs make what follows.",
    )
    def nightly() -> None:
        sync()

    @dg.schedule(
        name=name,
        job=nightly,
        cron_schedule=NIGHTLY,
        execution_timezone=TIME_ZONE,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="05:00 in India: a full observation of all sources.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if any(run.job_name == name for run in runs_under_way(graph, context.instance)):
            return dg.SkipReason("the last pass is still running")
        return dg.RunRequest()

    return schedule
