"""The versions that staleness reads in one statement are those that Dagster tells asset by asset."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from eus_etl.defs.keys import DATA_VERSION_TAG
from eus_etl.defs.reconcile.staleness import Node, StudyState
from eus_etl.domain.paths import StudyPaths

VISITS = ["visit-1", "visit-2", "visit-3"]
OF_VISITS = [dg.AssetKey(["study", name]) for name in ("source", "frames", "labels")]
OF_STUDY = [dg.AssetKey(["study", name]) for name in ("labels_csv", "dataset")]


def nodes() -> dict[dg.AssetKey, Node]:
    return {
        key: Node(key=key, deps=(), code_version="1", per_patient=key in OF_VISITS)
        for key in (*OF_VISITS, *OF_STUDY)
    }


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def report(instance: dg.DagsterInstance, key: dg.AssetKey, visit: str | None, version: str | None) -> None:
    tags = {} if version is None else {DATA_VERSION_TAG: version}
    instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=visit, tags=tags))


def told_by_dagster(instance: dg.DagsterInstance, key: dg.AssetKey, visit: str | None) -> str | None:
    if visit is not None:
        found = instance.event_log_storage.get_latest_tags_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG], asset_partitions=[visit]
        )
        return found.get(visit, {}).get(DATA_VERSION_TAG)
    event = instance.get_latest_materialization_event(key)
    materialization = event.asset_materialization if event else None
    return (materialization.tags or {}).get(DATA_VERSION_TAG) if materialization else None


@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_reported_wiped_or_left_out(
    instance: dg.DagsterInstance, tmp_path: Path, seed: int
) -> None:
    """By a run of one visit, by one of all, and by one that keeps what it knows and reads one visit again."""
    chance, paths = random.Random(seed), StudyPaths(tmp_path)
    of_all = StudyState(instance, paths, nodes())
    for key in (*OF_VISITS, *OF_STUDY):
        of_all.versions(key)
    for number in range(30):
        key = chance.choice([*OF_VISITS, *OF_STUDY])
        visit = chance.choice(VISITS) if key in OF_VISITS else None
        what = chance.random()
        if what < 0.05:
            instance.wipe_assets([key])
            time.sleep(0.002)  # Dagster takes what has the moment of a wipe for older
            for one in (*VISITS, None):
                of_all.refresh(one)
        elif what < 0.1 and visit:
            instance.report_runless_asset_event(dg.AssetObservation(key, partition=visit))
        elif what < 0.15 and visit:
            report(instance, key, None, "seen whole")  # concerns no visit
        else:
            report(instance, key, visit, f"version {number}" if chance.random() < 0.9 else None)
        of_all.refresh(visit)
        if number % 3:
            continue
        of_one = StudyState(instance, paths, nodes(), only=VISITS[0])
        begun_now = StudyState(instance, paths, nodes())
        for asked in OF_VISITS:
            assert of_one.version(asked, VISITS[0]) == told_by_dagster(instance, asked, VISITS[0])
            for one in VISITS:
                expected = told_by_dagster(instance, asked, one)
                assert of_all.version(asked, one) == begun_now.version(asked, one) == expected
        for asked in OF_STUDY:
            expected = told_by_dagster(instance, asked, None)
            assert of_one.version(asked, None) == of_all.version(asked, None) == expected


def test_a_visit_that_is_asked_for_reads_no_other(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    for visit in VISITS:
        report(instance, OF_VISITS[0], visit, f"of {visit}")
    state = StudyState(instance, StudyPaths(tmp_path), nodes(), only=VISITS[1])
    assert state.versions(OF_VISITS[0]) == {VISITS[1]: f"of {VISITS[1]}"}
