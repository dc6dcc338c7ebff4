"""From a step to an asset: versions, checks, locks and errors are handled here, once."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import dagster as dg

from eus_etl.defs.assets.checks import DeclaredCheck
from eus_etl.defs.assets.columns import COLUMN_SCHEMA, column_schema
from eus_etl.defs.assets.events import NO_VIDEO, facts_of, picture_event, rejections_of
from eus_etl.defs.keys import (
    ALIAS_TAG,
    CONSUMED_TAG,
    PARENT_TAG,
    RELEASES_GROUP,
    STUDY_TAG,
    TABLES_GROUP,
    TERMINAL_TAG,
    VISIT_GROUP,
    asset_key,
    patients_of,
)
from eus_etl.defs.leases import declare_to_the_end
from eus_etl.defs.reconcile.confirm import check_results, confirmed, decide, state_for_run
from eus_etl.defs.reconcile.retry import PERMANENT
from eus_etl.defs.reconcile.staleness import Node, StudyState
from eus_etl.defs.root import take_root
from eus_etl.domain.images.memory import give_back_freed_memory
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.schema import Table
from eus_etl.errors import BlockedError, LeaseLostError, PermanentError, SourceError
from eus_etl.settings import StudyConfig
from eus_etl.steps.observation.snapshot import (
    DRIVE_VIDEOS,
    alias_of,
    require_known_visit,
    require_snapshots,
)
from eus_etl.steps.result import StepResult
from eus_etl.storage.files.fence import publishing
from eus_etl.storage.leases.work import work_lease
from eus_etl.storage.outputs import describe
from eus_etl.storage.provenance import STUDY, CheckOutcome, Entry, write_entry
from eus_etl.storage.trouble import told

Step = Callable[[dg.AssetExecutionContext, str], StepResult]
"""A step for one visit; for an unpartitioned asset the patient id is the empty string."""

_RETRIES = dg.RetryPolicy(max_retries=2, delay=20, backoff=dg.Backoff.EXPONENTIAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpec(Node):
    """One asset that is made: what staleness needs to know of it, and how it is made and shown.

    Attributes:
        step: what it does.
        description: what it holds, for the page.
        kinds: shown as icons in the page.
        checks: names of the checks that its step reports, with what each says.
        code: the function that does the work: the page links to it.
        table: the table that it holds; of several, the main one; None where it holds none.
        pool: the pool that its runs belong to; None for those that need no place in one.
        options: what a person chooses when asking for it, by name; None where there is nothing to choose.
    """

    code_version: str
    step: Step
    description: str
    kinds: frozenset[str]
    checks: Mapping[str, DeclaredCheck]
    code: Callable[..., StepResult]
    table: Table | None = None
    options: Mapping[str, dg.Field] | None = None
    pool: str | None = None

    @property
    def metadata(self) -> dict[str, object]:
        """What the page shows of the asset itself."""
        code = self.code.__code__
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)  # code references, in this pinned version
            place = dg.LocalFileCodeReference(
                file_path=code.co_filename, line_number=code.co_firstlineno, label=self.code.__name__
            )
            references = dg.CodeReferencesMetadataValue(code_references=[place])
        shown: dict[str, object] = {"dagster/code_references": references}
        return shown if self.table is None else shown | {COLUMN_SCHEMA: column_schema(self.table)}


def build_asset(study: StudyConfig, spec: StepSpec, nodes: Mapping[dg.AssetKey, Node]) -> dg.AssetsDefinition:
    """The asset of ``spec``.

    A permanent error fails the run at once; others are retried. Two processes on one visit take turns. Before
    an asset is made, the run checks again whether it is stale: a current asset is confirmed, unless someone
    asked for it in Dagster's page, and an asset downstream of a stale one is left alone.
    """
    key = spec.key
    partitions = patients_of(study.study) if spec.per_patient else None
    with warnings.catch_warnings():
        # partitioned checks are a preview in this pinned version; one warning per check would bury all others
        warnings.simplefilter("ignore", dg.PreviewWarning)
        checks = [
            dg.AssetCheckSpec(name, asset=key, description=check.meaning, partitions_def=partitions)
            for name, check in spec.checks.items()
        ]

    @dg.multi_asset(
        name=key.to_python_identifier(),
        specs=[
            dg.AssetSpec(
                key,
                deps=spec.deps,
                description=spec.description,
                group_name=_group(spec),
                owners=study.owners,
                tags={STUDY_TAG: study.study},
                metadata=spec.metadata,
                code_version=spec.code_version,
                kinds=set(spec.kinds),
                partitions_def=partitions,
                skippable=True,
            )
        ],
        check_specs=checks,
        config_schema=dict(spec.options) if spec.options else None,
        retry_policy=_RETRIES,
        pool=spec.pool,
        can_subset=True,  # otherwise Dagster expects check results of assets that are left alone
    )
    def asset(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]  # dagster reads the annotation and knows only the bare name
        patient = context.partition_key if spec.per_patient else None
        paths = StudyPaths(study.root)
        if not (by_command := TERMINAL_TAG in context.run.tags):  # a command does so already
            declare_to_the_end(context.instance, context.run.run_id)
        try:
            take_root(context.instance, study)
            alias = None
            if patient is not None:
                require_known_visit(paths, patient)
            with work_lease(paths, patient or STUDY):
                if patient is not None:
                    require_known_visit(paths, patient)  # it may have been forgotten while this waited
                    alias = alias_of(paths, patient)
                    _name_run(context, alias)
                state = state_for_run(context.instance, paths, nodes, patient, context.run.run_id)
                decision = decide(state, spec, patient, context.run.run_id)
                if decision.blocked_by:
                    blocked = BlockedError(
                        f"{spec.name} of {patient or study.study}",
                        f"something upstream is not current: {', '.join(decision.blocked_by)}",
                        "`eus-etl run`" if spec.on_request else "select these assets as well",
                    )
                    if _by_hand(context.run):
                        raise blocked
                    context.log.warning(str(blocked))
                elif decision.entry is None or _by_hand(context.run):
                    result, entry = _made(context, patient, state)
                    facts = facts_of(paths, result.metadata, alias)
                    facts |= rejections_of(paths, result.outputs, patient)
                    if patient and state.version(asset_key(study.study, DRIVE_VIDEOS), patient) is None:
                        # the other assets of the visit stay missing in the page, which needs a reason
                        facts["videos"] = NO_VIDEO
                    # the event is written before Dagster asks for the next result
                    with publishing():
                        yield dg.MaterializeResult(
                            metadata=facts,
                            data_version=dg.DataVersion(result.version),
                            check_results=check_results(entry, spec.checks),
                        )
                    # after it: the page shows with an asset what was observed of it since it was made
                    if event := picture_event(key, patient, alias, result):
                        context.log_event(event)
                else:
                    run_id = context.run.run_id
                    told_again = confirmed(state, spec, patient, alias, decision.entry, run_id, spec.checks)
                    with publishing():
                        yield told_again
        except Exception as error:
            fit = told(error, f"{spec.name} of {patient or study.study}", paths)
            if by_command or isinstance(error, PermanentError | LeaseLostError):
                # a source may recover without our noticing: its plan is tried again, after growing pauses
                for_good = isinstance(error, PermanentError) and not isinstance(error, SourceError)
                raise dg.Failure(str(fit), metadata={PERMANENT: for_good}, allow_retries=False) from fit
            if fit is error:
                raise
            raise fit from None

    def _made(
        context: dg.AssetExecutionContext, patient: str | None, state: StudyState
    ) -> tuple[StepResult, Entry]:
        inputs = state.inputs(spec, patient)
        if patient:
            observed = [node for node in nodes.values() if node.observed]
            versions = {
                node.name: state.version(node.key, patient if node.per_patient else None) for node in observed
            }
            require_snapshots(state.paths, patient, versions)
        result = spec.step(context, patient or "")
        give_back_freed_memory()
        entry = Entry(
            inputs={**inputs, **result.shares},
            configuration=spec.code_version,
            version=result.version,
            made_by=context.run.run_id,
            settled_by=context.run.run_id,
            checks={
                check.name: CheckOutcome(passed=check.passed, detail=check.detail) for check in result.checks
            },
            outputs=describe(state.paths, result.outputs),
            again_at=result.again_at,
            screens=result.screens,
        )
        write_entry(state.paths, patient or STUDY, spec.name, entry)
        return result, entry

    return asset


def _group(spec: StepSpec) -> str:
    if spec.on_request:
        return RELEASES_GROUP
    return VISIT_GROUP if spec.per_patient else TABLES_GROUP


def _by_hand(run: dg.DagsterRun) -> bool:
    """Whether someone started the run in Dagster's page: then it makes its assets whatever is recorded."""
    return CONSUMED_TAG not in run.tags or PARENT_TAG in run.tags


def _name_run(context: dg.AssetExecutionContext, alias: str | None) -> None:
    """Let a run that a person asked for carry its visit's alias, as those that are planned do."""
    if alias and ALIAS_TAG not in context.run.tags:
        context.instance.add_run_tags(context.run.run_id, {ALIAS_TAG: alias})
