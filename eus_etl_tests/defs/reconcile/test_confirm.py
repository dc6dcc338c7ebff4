from eus_etl.defs.assets.checks import or_look
from eus_etl.defs.reconcile.confirm import check_results
from eus_etl.storage.provenance import CheckOutcome, Entry


def test_a_check_that_was_dropped_since_is_not_reported() -> None:
    """Dagster fails the asset on the result of a check that it does not know."""
    said = CheckOutcome(passed=True, detail="")
    entry = Entry(
        inputs={},
        configuration="c",
        version="v",
        made_by="run",
        settled_by="run",
        checks={"kept": said, "dropped": said},
        outputs={},
    )
    assert [result.check_name for result in check_results(entry, {"kept": or_look("it holds")})] == ["kept"]
