"""A withdrawn consent leaves nothing of a visit but its tombstone, and nothing brings it back."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import sqlalchemy as sa

from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, ONE, TWO, TinyHospital
from eus_etl.commands.upkeep.orphans import find_orphans
from eus_etl.defs.event_store.stores import stores_of
from eus_etl.defs.event_store.visit import ANONYMOUS
from eus_etl.defs.instance import HOME_VARIABLE, open_instance
from eus_etl.defs.reconcile.local_session import RunReport, StudySession
from eus_etl.storage.tombstones import tombstones
from eus_etl_tests.commands.forget.traces import places_of, words_of
from eus_etl_tests.support.commands import call

ALIAS_ONE = "Brisk-Heron-1"
SYNC = "patient_id,offset_s,scale,method,by\n"
OF_TWO = f"{TWO},0,1,x,AB\r\n"


def plant_traces(hospital: TinyHospital) -> None:
    """What people, earlier scripts, killed processes and other commands left of the first visit."""
    paths = hospital.paths
    paths.sync_csv.write_bytes(f"{SYNC}{ALIAS_ONE},0,1,x,AB\n{OF_TWO}".encode())
    paths.sync_proposal.write_bytes(f"{SYNC}{ONE},0,1,x,\n{OF_TWO}".encode())
    for folder in (paths.legacy / "raw_data" / ALIAS_ONE, paths.legacy_tables, paths.review / ONE):
        folder.mkdir(parents=True)
    (paths.legacy / "raw_data" / ALIAS_ONE / "a.mp4").write_bytes(b"x")
    (paths.legacy_tables / "labels.csv").write_text(f"visit,label\n{ONE},a\n{ALIAS_ONE},b\n{TWO},c\n")
    (paths.frames / f".{ONE}.csv.1-2.partial").write_bytes(b"half")
    paths.report.write_text(f"<p>{ONE} {ALIAS_ONE}</p>")
    # matches two visits, so it is in rejected.csv with its name
    hospital.add_video(f"{ALIAS_ONE}/{ALIAS_TWO} scan.mp4", first=300)


def plant_events(instance: dg.DagsterInstance) -> None:
    """Rows of ticks and backfills that name the first visit."""
    stores = stores_of(instance)
    ticks, backfills = (
        {table.name: table for table in store.tables()}[name]
        for store, name in ((stores.schedules, "job_ticks"), (stores.runs, "bulk_actions"))
    )
    with stores.schedules.connected() as connection:
        body = f'{{"run_keys": ["{ONE}:abc:1", "{TWO}:abc:1"]}}'
        now = sa.func.now()
        connection.execute(ticks.insert().values(status="SUCCESS", tick_body=body, timestamp=now))
    with stores.runs.connected() as connection:
        values = {"key": "b1", "status": "COMPLETED_SUCCESS", "timestamp": sa.func.now(), "body": f"[{ONE}]"}
        connection.execute(backfills.insert().values(**values))


@dataclass(frozen=True)
class After:
    """A hospital whose first visit was forgotten.

    Attributes:
        hospital: the hospital.
        words: what told the visit.
        said: what the dry run and the call said.
        before: files below the root to when they were changed, before.
    """

    hospital: TinyHospital
    words: list[str]
    said: tuple[str, str]
    before: dict[Path, int]


@pytest.fixture(scope="module")
def after(finished_hospital: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[After]:
    folder = tmp_path_factory.mktemp("forgotten") / "hospital"
    shutil.copytree(finished_hospital, folder)
    hospital = TinyHospital(folder)
    plant_traces(hospital)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(HOME_VARIABLE, str(hospital.home))
        with open_instance(hospital.home) as instance:
            assert StudySession(hospital.study, instance).run().failed == []
            plant_events(instance)
            words = words_of(hospital, instance, ONE, ALIAS_ONE)
        assert places_of(hospital.paths.root, words)
        assert len(places_of(hospital.home, words)) > 3
        before = changed_at(hospital)
        dry = call("forget", "--config", hospital.config, ONE, "--dry-run")
        assert changed_at(hospital) == before
        done = call("forget", "--config", hospital.config, ONE)
        assert (dry.exit_code, done.exit_code) == (0, 0), done.output
        yield After(hospital, words, (dry.output, done.output), before)


def changed_at(hospital: TinyHospital) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for p in hospital.paths.root.rglob("*") if p.is_file()}


def run(hospital: TinyHospital) -> RunReport:
    with open_instance(hospital.home) as instance:
        return StudySession(hospital.study, instance).run()


def test_a_search_finds_only_the_tombstone(after: After) -> None:
    assert places_of(after.hospital.paths.root, after.words) == []
    assert places_of(after.hospital.home, after.words) == []
    (stone,) = tombstones(after.hospital.paths)
    assert stone.finished


def test_it_says_what_it_removes_by_ids_alone(after: After) -> None:
    dry, done = after.said
    assert "would be removed" in dry
    assert dry.split(" would")[0] == done.split(" removed")[0]
    assert "2 runs, 4 events" in done
    assert "1 rows of master-dataset/Data/sync.csv" in done
    assert ALIAS_ONE not in dry + done


def test_what_other_visits_have_is_neither_changed_nor_made_again(after: After) -> None:
    paths, now = after.hospital.paths, changed_at(after.hospital)
    visits = [path for path in after.before if TWO in path.as_posix()]
    assert len(visits) > 20
    assert [path for path in visits if now.get(path) != after.before[path]] == []
    assert paths.sync_csv.read_bytes() == f"{SYNC}{OF_TWO}".encode()
    assert paths.sync_proposal.read_bytes() == f"{SYNC}{OF_TWO}".encode()
    assert (paths.legacy_tables / "labels.csv").read_text() == f"visit,label\n{TWO},c\n"


def test_the_tables_of_the_study_are_made_without_it(after: After) -> None:
    for name in ("labels", "patients", "videos", "preprocess_metadata", "dataset"):
        rows = pl.read_csv(after.hospital.paths.table(name))
        assert rows["patient_id"].unique().to_list() == [TWO]


def test_ticks_of_others_stay_and_name_it_no_more(after: After) -> None:
    with open_instance(after.hospital.home) as instance:
        store = stores_of(instance).schedules
        with store.connected() as connection:
            bodies = connection.execute(sa.text("SELECT tick_body FROM job_ticks")).scalars().all()
        assert bodies == [f'{{"run_keys": ["{ANONYMOUS}:abc:1", "{TWO}:abc:1"]}}']
        assert instance.get_dynamic_partitions("eusml_patients") == [TWO]


def test_no_source_brings_it_back_and_status_counts_it(after: After) -> None:
    after.hospital.add_video(f"{ALIAS_ONE} again/later.mp4", first=500)
    again = run(after.hospital)
    assert (again.made, again.failed, again.waits) == ([], [], [])
    said = call("status", "--config", after.hospital.config).output
    assert "1 forgotten" in said
    assert "not removed completely" not in said
    assert places_of(after.hospital.paths.root, after.words) == []
    assert places_of(after.hospital.home, after.words) == []


def test_verify_and_gc_find_nothing_amiss(after: After) -> None:
    verified = call("verify", "--config", after.hospital.config)
    assert verified.exit_code == 0, verified.output
    assert find_orphans(after.hospital.paths, 1e12) == []


def test_a_second_call_finds_nothing_more(after: After) -> None:
    done = call("forget", "--config", after.hospital.config, ONE.upper())
    assert done.exit_code == 0
    assert "0 files" in done.output
    assert "0 runs, 0 events" in done.output


@pytest.mark.parametrize("given", [ALIAS_TWO, "33333333-aaaa-4aaa-8aaa-000000000003", "../..", ""])
def test_only_the_id_of_a_visit_is_taken(after: After, given: str) -> None:
    done = call("forget", "--config", after.hospital.config, given)
    assert done.exit_code == 1
    assert "give `patient_id` as patients.csv" in done.output
    assert after.hospital.paths.table("patients").is_file()
