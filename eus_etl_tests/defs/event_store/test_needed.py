"""Which runs stay: whoever counts, names or continues runs finds the same after the others are gone."""

from collections.abc import Sequence
from itertools import takewhile

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eus_etl.defs.event_store.needed import Run, needed_runs
from eus_etl.defs.keys import (
    BACKFILL_TAG,
    CONSUMED_TAG,
    PARENT_TAG,
    PARTITION_TAG,
    ROOT_TAG,
    SCOPE_TAG,
    STUDY_TAG,
    TABLES,
    VISIT,
)
from eus_etl.defs.reconcile.retry import COUNTED

SUCCESS, FAILURE, CANCELED = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
OLD, NOW, YOUNG = 1.0, 2.0, 3.0


def run(
    name: str,
    tags: dict[str, str] | None = None,
    *,
    status: dg.DagsterRunStatus = SUCCESS,
    ended_at: float = OLD,
    releases: bool = False,
) -> Run:
    return Run(
        run_id=name, status=status, ended_at=ended_at, tags=tags or {}, job_name="a_job", releases=releases
    )


def needed(*older_first: Run, named: Sequence[str] = (), backfills: Sequence[str] = ()) -> set[str]:
    """Ids of the runs that stay, beside one that is the last of its job."""
    newest = run("newest", ended_at=YOUNG)
    return needed_runs([newest, *reversed(older_first)], named, backfills, NOW) - {"newest"}


def test_what_nothing_reads_goes() -> None:
    assert needed(run("one"), run("two", status=FAILURE), run("three", status=CANCELED)) == set()


@pytest.mark.parametrize("status", [s for s in dg.DagsterRunStatus if s not in (SUCCESS, FAILURE, CANCELED)])
def test_what_has_not_ended_stays_however_old(status: dg.DagsterRunStatus) -> None:
    assert needed(run("one", status=status)) == {"one"}


def test_what_is_young_what_holds_something_and_what_made_a_release_stays() -> None:
    assert needed(run("young", ended_at=YOUNG)) == {"young"}
    assert needed(run("holder"), named=["holder"]) == {"holder"}
    assert needed(run("release", releases=True)) == {"release"}


def test_what_a_kept_run_repeats_stays() -> None:
    second = run("second", {PARENT_TAG: "first", ROOT_TAG: "first"})
    third = run("third", {PARENT_TAG: "second", ROOT_TAG: "first"}, ended_at=YOUNG)
    assert needed(run("first"), second, third) == {"first", "second", "third"}
    assert needed(run("first"), second, run("third", {PARENT_TAG: "second", ROOT_TAG: "first"})) == set()


def test_runs_of_a_backfill_stay_while_it_goes_on() -> None:
    one = run("one", {BACKFILL_TAG: "many"})
    assert needed(one, backfills=["many"]) == {"one"}
    assert needed(one, backfills=["another"]) == set()


statuses = st.sampled_from([SUCCESS, FAILURE, CANCELED])
whole = {STUDY_TAG: st.sampled_from(["a", "b"]), CONSUMED_TAG: st.sampled_from(["x", "y", "z"])}
visits = {SCOPE_TAG: st.just(VISIT), PARTITION_TAG: st.sampled_from(["p", "q"])}
again = {PARENT_TAG: st.just("gone")}
tags = st.one_of(
    st.fixed_dictionaries({**whole, **visits}, optional=again),
    st.fixed_dictionaries({**whole, SCOPE_TAG: st.just(TABLES)}, optional=again),
    st.fixed_dictionaries({}, optional={STUDY_TAG: whole[STUDY_TAG], PARTITION_TAG: visits[PARTITION_TAG]}),
)
histories = st.lists(st.tuples(tags, statuses), max_size=25)


@given(histories)
def test_a_plan_is_due_as_if_all_runs_were_there(history: list[tuple[dict[str, str], object]]) -> None:
    runs = [
        run(str(number), found, status=status)  # type: ignore[arg-type]
        for number, (found, status) in enumerate(history)
    ]
    kept = needed_runs(runs, (), (), NOW)
    left = [one for one in runs if one.run_id in kept]
    for study in ("a", "b"):
        for scope, partition in ((VISIT, "p"), (VISIT, "q"), (TABLES, None)):
            for target in ("x", "y", "z"):
                asked = (study, scope, partition, target)
                assert tries(runs, *asked) == tries(left, *asked)


def tries(runs: Sequence[Run], study: str, scope: str, partition: str | None, target: str) -> list[str]:
    """The runs that decide when a plan is due, as ``due_at`` asks for them."""
    filters = {STUDY_TAG: study, SCOPE_TAG: scope} | ({PARTITION_TAG: partition} if partition else {})
    found = [one for one in runs if filters.items() <= one.tags.items()][:COUNTED]
    counted = takewhile(
        lambda one: one.tags.get(CONSUMED_TAG) == target and PARENT_TAG not in one.tags, found
    )
    return [one.run_id for one in counted]


@given(histories)
def test_how_something_ended_last_is_told_as_if_all_runs_were_there(
    history: list[tuple[dict[str, str], object]],
) -> None:
    runs = [
        run(str(number), found, status=status)  # type: ignore[arg-type]
        for number, (found, status) in enumerate(history)
    ]
    kept = needed_runs(runs, (), (), NOW)
    left = [one for one in runs if one.run_id in kept]
    for named in ((STUDY_TAG, PARTITION_TAG), (PARTITION_TAG,), (STUDY_TAG, SCOPE_TAG)):
        for one in runs:
            if all(tag in one.tags for tag in named):
                asked = {tag: one.tags[tag] for tag in named}
                assert last_ended(runs, asked) == last_ended(left, asked)


def last_ended(runs: Sequence[Run], asked: dict[str, str]) -> str | None:
    found = (one for one in runs if asked.items() <= one.tags.items() and one.status in (SUCCESS, FAILURE))
    return next((one.run_id for one in found), None)
