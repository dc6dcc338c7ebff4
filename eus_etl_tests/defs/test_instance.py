"""The Dagster home is made whole, however many processes come first."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

PROCESSES = 8

_FIRST_USES = """
import os, sys, time
from pathlib import Path
import dagster as dg
from eus_etl.defs.instance import make_home_ready, open_instance

home, processes = Path(sys.argv[1]), int(sys.argv[2])
os.environ["DAGSTER_HOME"] = str(home)
start, children = time.time() + 0.5, []
for number in range(processes):
    if not (child := os.fork()):
        time.sleep(max(0.0, start - time.time()))
        try:
            if number % 2:
                make_home_ready()
            else:
                with open_instance(home) as instance:
                    instance.add_dynamic_partitions("visits", [str(number)])
        except BaseException as error:
            print(type(error).__name__, error, flush=True)
            os._exit(1)
        os._exit(0)
    children.append(child)
sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
"""


@pytest.mark.slow
@pytest.mark.parametrize("attempt", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_many_first_uses_at_once_make_one_home(tmp_path: Path, attempt: int) -> None:
    home = tmp_path / "new" / "dagster_home"
    done = subprocess.run(
        [sys.executable, "-c", _FIRST_USES, str(home), str(PROCESSES)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("history/runs.db", "history/runs/index.db", "schedules/schedules.db"):
        with closing(sqlite3.connect(home / name)) as database:
            assert len(database.execute("SELECT version_num FROM alembic_version").fetchall()) == 1, name
    with closing(sqlite3.connect(home / "history" / "runs" / "index.db")) as database:
        partitions = database.execute("SELECT partition FROM dynamic_partitions").fetchall()
    assert len(partitions) == PROCESSES / 2
