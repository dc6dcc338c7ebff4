"""What is made already, told once more: a run owes Dagster a result of each of its assets."""

from collections.abc import Sequence

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from eus_etl.defs.reconcile.staleness import Node, StudyState

MADE_BY = "made_by_run"
"""On a result that is told once more: the run that made it."""

_DONE = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}


def recorded_result(
    state: StudyState, node: Node, patient: str | None, checks: Sequence[dg.AssetCheckSpec]
) -> dg.MaterializeResult[None] | None:
    """The result that an asset's partition has now; None where it is stale or cannot be told completely.

    Pictures come along; counts do not, since nothing was done.

    Args:
        state: what is known; the caller holds the visit's lock.
        node: the asset.
        patient: the partition; None for an asset of the whole study.
        checks: the asset's checks.
    """
    version = state.version(node.key, patient)
    if version is None or state.is_stale(node, patient):
        return None
    last = state.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=node.key, asset_partitions=[patient] if patient else None), limit=1
    ).records[0]
    results = [_last_result(state.instance, check, patient) for check in checks]
    found = [result for result in results if result is not None]
    if len(found) < len(checks):
        return None
    materialization = last.asset_materialization
    metadata = materialization.metadata if materialization else {}
    return dg.MaterializeResult(
        metadata={
            MADE_BY: dg.MetadataValue.dagster_run(last.run_id),
            **{
                name: value
                for name, value in metadata.items()
                if name == MADE_BY or isinstance(value, dg.MarkdownMetadataValue)
            },
        },
        data_version=dg.DataVersion(version),
        check_results=found,
    )


def _last_result(
    instance: dg.DagsterInstance, check: dg.AssetCheckSpec, patient: str | None
) -> dg.AssetCheckResult | None:
    records = instance.event_log_storage.get_asset_check_execution_history(
        check.key, limit=1, status=_DONE, partition_filter=PartitionKeyFilter(key=patient)
    )
    event = records[0].event if records else None
    if event is None or event.dagster_event is None:
        return None
    found = event.dagster_event.asset_check_evaluation_data
    return dg.AssetCheckResult(
        passed=found.passed,
        check_name=check.name,
        description=found.description,
        severity=found.severity,
    )
