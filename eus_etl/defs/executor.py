"""The executor of all runs: Dagster's in-process one, which works on a visit only while it has its lease."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from eus_etl.defs.leases import run_lease, work_of_run
from eus_etl.storage.leases.table import Holder


class _Leased(dg.Executor):
    def __init__(self, inner: dg.Executor) -> None:
        self._inner = inner

    @property
    def retries(self) -> Any:
        return self._inner.retries

    @property
    def step_dependency_config(self) -> Any:
        return self._inner.step_dependency_config

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        instance, run = plan_context.instance, plan_context.dagster_run

        def tell(holder: Holder) -> None:
            plan_context.log.info(f"Waits: {holder.said} works on the same. Nothing is to be done.")

        with run_lease(instance, run.run_id), work_of_run(instance, run, tell):
            yield from self._inner.execute(plan_context, execution_plan)


def _create(context: dg.InitExecutorContext) -> dg.Executor:
    inner = dg.in_process_executor.executor_creation_fn
    assert inner is not None  # noqa: S101 - Dagster's own has one
    return _Leased(inner(context))


leased_executor = dg.ExecutorDefinition(
    name=dg.in_process_executor.name,
    config_schema=dg.in_process_executor.config_field,
    executor_creation_fn=_create,
    description="One process for all steps of a run, which works on its visit only while it has its lease.",
)
"""A process per step would cost more than most steps do."""
