"""On PostgreSQL, too, nothing but the tombstone is left, in the tables' files and in the home."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sql

from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from benchmarks.support.servers.postgres import (
    PASSWORD,
    PASSWORD_VARIABLE,
    Postgres,
    on_postgres,
    postgres,
)
from eus_etl.commands.forget.names import names_of
from eus_etl.commands.forget.run import forget_visit
from eus_etl.defs.event_store.stores import stores_of
from eus_etl.defs.graph import study_graph
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl_tests.commands.forget.traces import places_of, words_of


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Postgres]:
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    with postgres() as running:
        yield running


@pytest.mark.slow
def test_only_the_tombstone_is_left(tmp_path: Path, server: Postgres) -> None:
    hospital = TinyHospital(tmp_path)
    study = hospital.study
    with on_postgres(hospital.home, server) as instance:
        assert StudySession(study, instance).run().failed == []
        words = words_of(hospital, instance, ONE, "Brisk-Heron-1")
        database = stores_of(instance).events
        checkpoint(database.engine)
        assert tables_with(server, words)
        done = forget_visit(study, instance, study_graph(study), names_of(study, ONE))
        assert done.runs == 1
        assert done.events == 3
        checkpoint(database.engine)
        assert tables_with(server, words) == []
        assert instance.get_dynamic_partitions("eusml_patients") == [TWO]
        again = StudySession(study, instance).run()
        assert (again.made, again.failed) == ([], [])
    assert places_of(hospital.home, words) == []
    assert places_of(hospital.paths.root, words) == []


def checkpoint(engine: sql.Engine) -> None:
    """Let the server write what it holds in memory to its files."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CHECKPOINT")


def tables_with(server: Postgres, words: list[str]) -> list[str]:
    """Files of tables, so without the write-ahead log, that hold one of these words."""
    files = (path for path in (server.data / "base").rglob("*") if path.is_file())
    return [str(path) for path in files if any(word.encode() in path.read_bytes() for word in words)]
