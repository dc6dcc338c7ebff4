"""From a step to an asset: versions, checks, locks and errors are treated once, here."""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from eus_etl.defs.names import TERMINAL_TAG, asset_key, patients_of
from eus_etl.defs.state import Node, StudyState
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import PermanentError
from eus_etl.settings import StudyConfig
from eus_etl.steps.result import StepResult
from eus_etl.storage.ledger import STUDY, Entry, write_entry
from eus_etl.storage.locks import work_lock
from eus_etl.storage.ownership import claim_root

Step = Callable[[dg.AssetExecutionContext, str], StepResult]
"""A step for one patient; for an unpartitioned asset the patient is the empty string."""

_RETRIES = dg.RetryPolicy(max_retries=2, delay=20, backoff=dg.Backoff.EXPONENTIAL)


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One asset of the graph.

    Attributes:
        name: second part of the asset's key.
        step: what it does.
        deps: names of its inputs, in the same study.
        code_version: fingerprint of the configuration that its outcome depends on.
        description: what it holds, for the page.
        kinds: shown as icons in the page.
        checks: names of the checks that its step reports.
        per_patient: whether it is partitioned by patient.
    """

    name: str
    step: Step
    deps: tuple[str, ...]
    code_version: str
    description: str
    kinds: frozenset[str]
    checks: Mapping[str, str]
    per_patient: bool = True


def build_asset(study: StudyConfig, spec: StepSpec, nodes: Mapping[dg.AssetKey, Node]) -> dg.AssetsDefinition:
    """The asset of ``spec``.

    A permanent error fails the run at once; others are retried. Two processes on one visit take turns.
    """
    key = asset_key(study.study, spec.name)
    partitions = patients_of(study.study) if spec.per_patient else None
    with warnings.catch_warnings():
        # partitioned checks are a preview in this pinned version; a warning a check would bury the rest
        warnings.simplefilter("ignore", dg.PreviewWarning)
        checks = [
            dg.AssetCheckSpec(name, asset=key, description=description, partitions_def=partitions)
            for name, description in spec.checks.items()
        ]

    @dg.asset(
        key=key,
        deps=[asset_key(study.study, dep) for dep in spec.deps],
        partitions_def=partitions,
        code_version=spec.code_version,
        description=spec.description,
        group_name=study.study,
        kinds=set(spec.kinds),
        check_specs=checks,
        retry_policy=_RETRIES,
    )
    def asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]  # dagster reads the annotation and knows it bare
        patient = context.partition_key if spec.per_patient else ""
        paths = StudyPaths(study.root)
        consumed = StudyState(context.instance, paths, nodes).consumable(nodes[key], patient or None)
        try:
            claim_root(paths, study.study)
            with work_lock(paths, patient or STUDY):
                result = spec.step(context, patient)
                entry = Entry(consumed=consumed, version=result.version, at=time.time())
                write_entry(paths, patient or STUDY, spec.name, entry)
        except Exception as error:
            if isinstance(error, PermanentError) or TERMINAL_TAG in context.run.tags:
                raise dg.Failure(str(error), allow_retries=False) from error
            raise
        return dg.MaterializeResult(
            metadata=dict(result.metadata),
            data_version=dg.DataVersion(result.version),
            check_results=_check_results(result),
        )

    return asset


def _check_results(result: StepResult) -> Sequence[dg.AssetCheckResult]:
    return [
        dg.AssetCheckResult(
            passed=check.passed,
            check_name=check.name,
            description=check.detail,
            severity=dg.AssetCheckSeverity.WARN,
        )
        for check in result.checks
    ]
