"""The Dagster home is made whole, however many processes come first."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sql

from benchmarks.support.servers.postgres import PASSWORD, PASSWORD_VARIABLE, postgres, write_settings
from eus_etl.defs.instance import open_instance
from eus_etl.errors import DatabaseError

PROCESSES = 8

_IN_CHILDREN = """
import os, sys

def in_children(count, do):
    # forked, so that what is imported costs nothing; the number of those that failed
    children = []
    for number in range(count):
        if not (child := os.fork()):
            try:
                do(number)
            except BaseException as error:
                print(type(error).__name__, error, flush=True)
                os._exit(1)
            os._exit(0)
        children.append(child)
    return sum(os.waitpid(child, 0)[1] != 0 for child in children)
"""

_FIRST_USES = """
import time
from pathlib import Path
from eus_etl.defs.instance import make_home_ready, open_instance

home, processes = Path(sys.argv[1]), int(sys.argv[2])
os.environ["DAGSTER_HOME"] = str(home)
start = time.time() + 0.5

def use(number):
    time.sleep(max(0.0, start - time.time()))
    if number % 2:
        make_home_ready()
    else:
        with open_instance(home) as instance:
            instance.add_dynamic_partitions("visits", [str(number)])

sys.exit(in_children(processes, use))
"""


@pytest.mark.slow
@pytest.mark.parametrize("attempt", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_many_first_uses_at_once_make_one_home(tmp_path: Path, attempt: int) -> None:
    home = tmp_path / "new" / "dagster_home"
    run_in_children(_FIRST_USES, str(home), str(PROCESSES))
    for name in ("history/runs.db", "history/runs/index.db", "schedules/schedules.db"):
        with closing(sqlite3.connect(home / name)) as database:
            assert len(database.execute("SELECT version_num FROM alembic_version").fetchall()) == 1, name
    with closing(sqlite3.connect(home / "history" / "runs" / "index.db")) as database:
        partitions = database.execute("SELECT partition FROM dynamic_partitions").fetchall()
    assert len(partitions) == PROCESSES / 2


_FIRST_USES_OF_MACHINES = """
import multiprocessing
from pathlib import Path
import dagster_postgres
from eus_etl.defs.event_store.database import database_id
from eus_etl.defs.instance import open_instance
from eus_etl.defs.leases import leases_of
from eus_etl.storage.leases.process import this_process

homes = sorted(map(Path, sys.argv[1:]))
together = multiprocessing.get_context("fork").Barrier(len(homes), timeout=60)

def use(number):
    together.wait()
    with open_instance(homes[number]) as instance:
        together.wait()
        known = database_id(instance)
        together.wait()
        instance.add_dynamic_partitions("visits", ["of all", str(number)])
        taken = leases_of(instance).take("run:one", process=this_process(), said="it", lasts_s=60)
        together.wait()  # who ended has no lease
        said = f"{known} {'took it' if taken else 'did not'}"
        os.write(1, said.encode() + os.linesep.encode())  # at once: others print as well

sys.exit(in_children(len(homes), use))
"""


@pytest.mark.slow
def test_many_machines_that_come_first_at_once_make_one_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a home of its own, so that none waits for another's lock: they share the database alone."""
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    with postgres() as server:
        homes = [tmp_path / f"home{number}" for number in range(PROCESSES)]
        for home in homes:
            write_settings(home, server)
        for _ in range(4):
            said = run_in_children(_FIRST_USES_OF_MACHINES, *map(str, homes))
            lines = [line.split(maxsplit=1) for line in said.splitlines()]
            assert len({known for known, _ in lines}) == 1, said
            assert sorted(took for _, took in lines) == ["did not"] * (PROCESSES - 1) + ["took it"]
            engine = sql.create_engine(server.url)
            with engine.begin() as connection:
                for table, rows in (("instance_info", 1), ("alembic_version", 1), ("dynamic_partitions", 9)):
                    count = sql.select(sql.func.count()).select_from(sql.table(table))
                    assert connection.execute(count).scalar() == rows, table
                connection.execute(sql.text("DROP SCHEMA public CASCADE"))
                connection.execute(sql.text("CREATE SCHEMA public"))
            engine.dispose()


@pytest.mark.slow
def test_a_database_whose_user_may_not_create_tables_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    with postgres() as server:
        write_settings(tmp_path / "home", server)
        engine = sql.create_engine(server.url)
        with engine.begin() as connection:
            connection.execute(sql.text("DROP SCHEMA public CASCADE"))
        engine.dispose()
        with pytest.raises(DatabaseError, match="refuses what Dagster needs") as refused:
            open_instance(tmp_path / "home")
        assert "create tables" in str(refused.value)


def run_in_children(script: str, *arguments: str) -> str:
    """Run a script that uses ``in_children``, and check that none of them failed; what they printed."""
    done = subprocess.run(
        [sys.executable, "-c", _IN_CHILDREN + script, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
