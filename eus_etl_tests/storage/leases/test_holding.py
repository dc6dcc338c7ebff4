"""Leases as processes hold them: renewed, kept from others, lost, and what a thread may publish by then."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sql

from benchmarks.support.servers.postgres import Postgres, postgres
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import DatabaseError, LeaseLostError
from eus_etl.storage.files.atomic import folder_beside, publish_folder, write_atomically
from eus_etl.storage.files.removal import remove_file, remove_folder, remove_partials
from eus_etl.storage.leases import holding
from eus_etl.storage.leases.database import FILE_NAME
from eus_etl.storage.leases.process import this_process
from eus_etl.storage.leases.table import Holder, LeaseTable, table_at
from eus_etl.storage.leases.work import lease_at, work_lease, work_name

VISIT, STUDY = "one", "eusml"
NAME = work_name(STUDY, VISIT)
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture(params=["file", pytest.param("server", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sql.URL]:
    if request.param == "file":
        (tmp_path / "home").mkdir()
        yield sql.URL.create("sqlite", database=str(tmp_path / "home" / "leases.db"))
    else:
        running: Postgres = request.getfixturevalue("server")
        table_at(running.url).remove([NAME])
        yield running.url


@pytest.fixture
def paths(tmp_path: Path, url: sql.URL) -> StudyPaths:
    """Of a root whose leases are in the database."""
    paths = StudyPaths(tmp_path / "root")
    paths.root.mkdir()
    lease_at(paths, url, STUDY)
    return paths


def take_over(table: LeaseTable) -> None:
    """Let another process have the visit's lease, as if this one had stood still."""
    (found,) = table.find([NAME]).values()
    table.release(found.lease)
    assert table.take(NAME, process=this_process(), said="another", lasts_s=600.0) is not None


def start(code: str, url: sql.URL, paths: StudyPaths) -> "subprocess.Popen[str]":
    """Another process that has these leases for the same root, renewed often and lapsing soon."""
    begin = f"""
import os, sys, time
from pathlib import Path
import sqlalchemy as sql
from eus_etl.domain.paths import StudyPaths
from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.leases import holding
from eus_etl.storage.leases.database import FILE_NAME
from eus_etl.storage.leases.work import lease_at, work_lease
holding.LASTS_S, holding.RENEW_S = 2.0, 0.2
paths = StudyPaths(Path({str(paths.root)!r}))
lease_at(paths, sql.make_url({url.render_as_string(hide_password=False)!r}), {STUDY!r})
"""
    return subprocess.Popen(
        [sys.executable, "-c", begin + code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def says(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == f"{line}\n", process.stderr and process.stderr.read()


def has_passed(file: Path, number: int) -> bool:
    return int(file.read_bytes()) > number


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_who_was_taken_over_publishes_and_removes_nothing(url: sql.URL, paths: StudyPaths) -> None:
    file, folder = paths.root / "file", paths.root / "folder"
    file.write_bytes(b"newer")
    folder.mkdir()
    (folder / "newer").touch()
    (paths.root / ".of the other.partial").mkdir()
    before = sorted(paths.root.rglob("*"))

    def publish() -> None:
        with folder_beside(folder) as beside:
            (beside / "older").touch()
            publish_folder(beside, folder)

    tries: list[Callable[[], object]] = [
        lambda: write_atomically(file, b"older"),
        publish,
        lambda: remove_file(file),
        lambda: remove_folder(folder),
        lambda: remove_partials(paths.root),
    ]
    with work_lease(paths, VISIT):
        take_over(table_at(url))
        for attempt in tries:
            with pytest.raises(LeaseLostError, match=f"^{VISIT}: .*nothing that it still wanted"):
                attempt()
    assert sorted(paths.root.rglob("*")) == before
    assert file.read_bytes() == b"newer"
    assert {holder.said for holder in table_at(url).all().values()} == {"another"}


def test_who_has_a_lease_publishes_and_removes(paths: StudyPaths) -> None:
    folder = paths.root / "folder"
    with work_lease(paths, VISIT), work_lease(paths, VISIT), work_lease(paths, "_study"):
        for name in ("older", "newer"):
            with folder_beside(folder) as beside:
                (beside / name).touch()
                publish_folder(beside, folder)
        write_atomically(paths.root / "file", b"")
        remove_file(paths.root / "file")
    assert [path.name for path in paths.root.rglob("*")] == ["folder", "newer"]


def test_nobody_takes_over_in_the_midst_of_publishing(url: sql.URL) -> None:
    table = table_at(url)
    held = holding.take(table, NAME, "a test")
    assert held is not None
    taken = threading.Event()

    def try_to_take() -> None:
        other = holding.wait_for(LeaseTable(table._engine), NAME, "another")
        taken.set()
        holding.give_back(other)

    with holding.published_under([held]):
        thread = threading.Thread(target=try_to_take)
        thread.start()
        assert not taken.wait(0.5)
        holding._KEEPER.leave(held)
    table.release(held.lease)
    thread.join(PATIENCE_S)
    assert taken.is_set()


@pytest.mark.slow
def test_a_lease_is_renewed_while_a_step_is_busy(url: sql.URL, paths: StudyPaths) -> None:
    """Four times as long as it lasts."""
    worker = start(
        f"with work_lease(paths, {VISIT!r}):\n    print('has it', flush=True)\n"
        "    until = time.monotonic() + 8\n    while time.monotonic() < until: pass\n"
        "    write_atomically(paths.root / 'file', b'')\nprint('done', flush=True)",
        url,
        paths,
    )
    says(worker, "has it")
    told: list[Holder] = []
    with work_lease(paths, VISIT, told.append):
        says(worker, "done")
    assert (paths.root / "file").exists()
    assert str(worker.pid) in told[0].said
    worker.communicate()
    assert worker.returncode == 0


def test_a_killed_process_keeps_nobody_waiting(url: sql.URL, paths: StudyPaths) -> None:
    """On its own machine: its lease would last an hour."""
    code = (
        f"holding.LASTS_S = 3600.0\nwith work_lease(paths, {VISIT!r}):\n"
        "    print('has it', flush=True)\n    time.sleep(600)"
    )
    worker = start(code, url, paths)
    says(worker, "has it")
    assert not table_at(url).find([NAME])[NAME].is_dead
    worker.kill()
    worker.communicate()
    with work_lease(paths, VISIT):
        pass


def test_who_stood_still_publishes_nothing(url: sql.URL, paths: StudyPaths) -> None:
    # it renews nothing by then: one that is stopped in the midst of a write keeps the file locked
    worker = start(
        f"holding.RENEW_S = 3600.0\nwith work_lease(paths, {VISIT!r}):\n    time.sleep(0.5)\n"
        "    print('has it', flush=True)\n    sys.stdin.readline()\n"
        "    write_atomically(paths.root / 'file', b'older')",
        url,
        paths,
    )
    says(worker, "has it")
    worker.send_signal(signal.SIGSTOP)
    with work_lease(paths, VISIT):
        write_atomically(paths.root / "file", b"newer")
    worker.send_signal(signal.SIGCONT)
    _, error = worker.communicate("go on\n")
    assert "LeaseLostError" in error
    assert worker.returncode != 0
    assert (paths.root / "file").read_bytes() == b"newer"


@pytest.mark.slow
def test_the_clocks_of_hosts_decide_nothing(url: sql.URL, paths: StudyPaths) -> None:
    """The worker's is a year ahead, that of who waits a year behind: neither is asked."""
    year_s = 365 * 86400.0
    worker = start(
        f"now = time.time\ntime.time = lambda: now() + {year_s}\n"
        f"with work_lease(paths, {VISIT!r}):\n    print('has it', flush=True)\n    sys.stdin.readline()",
        url,
        paths,
    )
    says(worker, "has it")
    behind = time.time
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: behind() - year_s)
        assert not table_at(url).find([NAME])[NAME].lapsed
        worker.send_signal(signal.SIGSTOP)
        wait_until(lambda: table_at(url).find([NAME])[NAME].lapsed)
    worker.send_signal(signal.SIGCONT)
    worker.communicate("go on\n")
    assert worker.returncode == 0  # nobody took it over in between


def test_a_database_that_is_away_for_a_moment_costs_no_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "RENEW_S", 0.1)
    monkeypatch.setattr(holding, "AGAIN_S", 0.1)
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    table = table_at(sql.URL.create("sqlite", database=str(home / "leases.db")))
    held = holding.take(table, NAME, "a test")
    assert held is not None
    home.rename(away)
    back = threading.Timer(1.0, lambda: away.rename(home))
    back.start()
    with holding.published_under([held]):  # waits for it
        assert home.exists()
    assert not held.lost
    assert table.renew(held.lease)
    holding.give_back(held)


def rubbish(file: bytes) -> bytes:
    return b"x" * len(file)


def half(file: bytes) -> bytes:
    return file[: len(file) // 2]


def zeros(file: bytes) -> bytes:
    return bytes(len(file))


@pytest.mark.parametrize("damage", [rubbish, half, zeros])
def test_a_damaged_file_is_told_at_once(
    damage: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, sleep = threading.current_thread(), time.sleep

    def only_others_sleep(seconds: float) -> None:
        if threading.current_thread() is me:
            pytest.fail("it was asked again")
        sleep(seconds)  # what renews leases goes on

    monkeypatch.setattr(time, "sleep", only_others_sleep)
    file = tmp_path / FILE_NAME
    table = table_at(sql.URL.create("sqlite", database=str(file)))
    held = holding.take(table, NAME, "a test")
    assert held is not None
    holding.give_back(held)
    table._engine.dispose()
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DatabaseError, match=f"damaged: `{FILE_NAME}` .*remove it"):
        holding.take(table, NAME, "a test")
    for part in tmp_path.glob(f"{FILE_NAME}*"):
        part.unlink()
    again = holding.take(table, NAME, "a test")  # what the error says to do helps
    assert again is not None
    holding.give_back(again)


@pytest.mark.slow
def test_a_server_that_starts_again_costs_no_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "RENEW_S", 0.1)
    monkeypatch.setattr(holding, "AGAIN_S", 0.1)
    with postgres() as server:
        table = table_at(server.url)
        held = holding.take(table, NAME, "a test")
        assert held is not None
        server.stop()
        time.sleep(1)
        server.start()
        with holding.published_under([held]):
            assert not held.lost
        holding.give_back(held)
        assert table.all() == {}


@pytest.mark.slow
def test_many_processes_take_turns_though_some_are_killed(url: sql.URL, paths: StudyPaths) -> None:
    """Each adds one to a number in a file; what it published counts, and nothing else."""
    file = paths.root / "count"
    file.write_bytes(b"0")
    code = f"""
while True:
    with work_lease(paths, {VISIT!r}):
        number = int((paths.root / 'count').read_bytes())
        (paths.root / f'before-{{number + 1}}-{{os.getpid()}}').touch()
        write_atomically(paths.root / 'count', str(number + 1).encode())
        print(number + 1, flush=True)
"""
    workers = [start(code, url, paths) for _ in range(3)]
    wait_until(lambda: int(file.read_bytes()) > 5)
    said: list[int] = []
    for worker in workers:
        worker.send_signal(signal.SIGKILL)
        out, _ = worker.communicate()
        said += [int(line) for line in out.split()]
        if worker is not workers[-1]:
            reached = int(file.read_bytes())
            wait_until(partial(has_passed, file, reached + 1))
    assert len(said) == len(set(said))  # no number was published twice
    assert set(said) <= set(range(1, int(file.read_bytes()) + 1))
