"""Why Dagster's automation conditions are not used: an input that changes while its consumer is made is lost.

The test shows what the pinned version does: where it fails after an upgrade, look at the decision again.
"""

import dagster as dg
import pytest

SOURCE, TABLE = dg.AssetKey("source"), dg.AssetKey("table")


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


def report(instance: dg.DagsterInstance, key: dg.AssetKey) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(key))


@pytest.mark.parametrize(
    "condition",
    [dg.AutomationCondition.eager(), dg.AutomationCondition.any_deps_updated().since_last_handled()],
    ids=["eager", "any dependency updated"],
)
def test_an_input_that_changes_while_its_consumer_is_made_is_lost(
    instance: dg.DagsterInstance, condition: "dg.AutomationCondition[dg.AssetKey]"
) -> None:
    @dg.asset(key=TABLE, deps=[SOURCE], automation_condition=condition)
    def table() -> None: ...

    definitions = dg.Definitions(assets=[dg.AssetSpec(SOURCE), table])
    report(instance, SOURCE)
    report(instance, TABLE)
    tick = dg.evaluate_automation_conditions(definitions, instance)

    report(instance, SOURCE)
    tick = dg.evaluate_automation_conditions(definitions, instance, cursor=tick.cursor)
    assert tick.get_num_requested(TABLE) == 1

    report(instance, SOURCE)  # while the table is being made of the one before
    report(instance, TABLE)
    for _ in range(3):
        tick = dg.evaluate_automation_conditions(definitions, instance, cursor=tick.cursor)
        assert tick.get_num_requested(TABLE) == 0  # nobody will ever make it of the last one
