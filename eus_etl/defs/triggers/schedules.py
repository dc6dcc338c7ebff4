"""The nightly pass: everything is looked at anew and made, as the 5 o'clock script did."""

import dagster as dg

from eus_etl.defs.graph import StudyGraph
from eus_etl.defs.instance import run_locks
from eus_etl.defs.keys import STUDY_TAG
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.defs.reconcile.run_health import runs_under_way
from eus_etl.storage.locks import hold_to_the_end

NIGHTLY = "0 5 * * *"
TIME_ZONE = "Asia/Kolkata"


def nightly_schedule(graph: StudyGraph) -> dg.ScheduleDefinition:
    """At 05:00 in India: list everything, report what the change feed had missed, make what is stale.

    The sensors leave alone what it works on, and it finds nothing to do where they were first. A pass that
    takes longer than a day is not joined by a second one.
    """
    study = graph.study
    name = f"{study.study}_nightly"

    @dg.op(name=f"{study.study}_sync")
    def sync(context: dg.OpExecutionContext) -> None:
        hold_to_the_end(run_locks(context.instance), context.run.run_id)
        report = StudySession(study, context.instance).run(
            progress=lambda patient, asset, done, total: context.log.info(
                f"{asset} of {patient or 'the study'}, visit {min(done + 1, total)} of {total}"
            ),
            relist=True,
        )
        context.add_output_metadata(
            {
                "assets_made": len(report.made),
                "videos_decoded": report.videos_decoded,
                "missed_by_the_feed": report.missed,
                "failed": len(report.failed),
            }
        )
        if not report.complete:
            problems = [f"{failed.asset} of {failed.patient_id}: {failed.error}" for failed in report.failed]
            problems += [str(failure.error) for failure in report.unobserved]
            raise dg.Failure("; ".join(problems), allow_retries=False)

    @dg.job(
        name=name,
        tags={STUDY_TAG: study.study},
        executor_def=dg.in_process_executor,
        description=f"{study.title}: look at all sources anew and make what is missing or changed.",
    )
    def nightly() -> None:
        sync()

    @dg.schedule(
        name=name,
        job=nightly,
        cron_schedule=NIGHTLY,
        execution_timezone=TIME_ZONE,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="05:00 in India: a full pass over all sources.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if any(run.job_name == name for run in runs_under_way(graph, context.instance)):
            return dg.SkipReason("the last pass is still under way")
        return dg.RunRequest()

    return schedule
