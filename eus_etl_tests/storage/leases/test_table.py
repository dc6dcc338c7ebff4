"""The table of leases by itself: in whatever order things happen, one holder at most, and growing numbers."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import sqlalchemy as sql
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from benchmarks.support.servers.postgres import postgres
from eus_etl.errors import LeaseLostError
from eus_etl.storage.leases.database import opened
from eus_etl.storage.leases.process import is_gone, this_process
from eus_etl.storage.leases.table import TABLE, Lease, LeaseTable

NAMES = ("work:eusml/one", "work:eusml/two", "run:one")
HOUR_S = 3600.0


def ended_process() -> str:
    """A process of this machine that has ended."""
    code = "from eus_etl.storage.leases.process import this_process; print(this_process())"
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


@contextmanager
def in_a_file() -> Iterator[LeaseTable]:
    with tempfile.TemporaryDirectory() as folder:
        engine = opened(sql.URL.create("sqlite", database=f"{folder}/leases.db"))
        yield LeaseTable(engine)
        engine.dispose()


class Leases(RuleBasedStateMachine):
    """Leases beside a model of them: who has each, and whether it is up for anybody."""

    taken = Bundle("taken")
    ended: str

    table: LeaseTable

    def __init__(self) -> None:
        super().__init__()
        self.table.remove([*self.table.all()])
        self.holders: dict[str, Lease] = {}
        self.up: set[str] = set()
        self.numbers = [0]

    @rule(target=taken, name=st.sampled_from(NAMES), ends=st.booleans())
    def take(self, name: str, ends: bool) -> Lease:
        process = self.ended if ends else this_process()
        lease = self.table.take(name, process=process, said="a test", lasts_s=HOUR_S)
        assert (lease is None) == (name in self.holders and name not in self.up)
        if lease is None:
            return self.holders[name]
        if self.numbers != [0]:  # the table of an earlier example goes on
            assert lease.number > max(self.numbers)
        self.numbers.append(lease.number)
        self.holders[name] = lease
        (self.up.add if ends else self.up.discard)(name)
        return lease

    @rule(lease=taken)
    def renew(self, lease: Lease) -> None:
        assert self.table.renew(lease) == self.has(lease)
        self.is_renewed(lease)

    @rule(lease=taken)
    def publish(self, lease: Lease) -> None:
        published = False
        with suppress(LeaseLostError), self.table.published_under([lease]):
            published = True
        assert published == self.has(lease)
        self.is_renewed(lease)

    @rule(lease=taken)
    def release(self, lease: Lease) -> None:
        self.table.release(lease)
        if self.has(lease):
            del self.holders[lease.name]
            self.up.discard(lease.name)

    @rule(name=st.sampled_from(NAMES), off_s=st.sampled_from([-1.0, 3 * HOUR_S]))
    def lapse(self, name: str, off_s: float) -> None:
        """Time passes; or the machine started again, and its clock with it."""
        with self.table._writing() as connection:
            at = self.table._now + off_s
            connection.execute(sql.update(TABLE).where(TABLE.c.name == name).values(lapses_at=at))
        if name in self.holders:
            self.up.add(name)

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        self.table.remove([name])
        self.holders.pop(name, None)
        self.up.discard(name)

    @invariant()
    def shows_who_has_what(self) -> None:
        found = self.table.all()
        assert {name: holder.lease for name, holder in found.items()} == self.holders
        assert {name for name, holder in found.items() if holder.is_dead} == self.up

    def has(self, lease: Lease) -> bool:
        return self.holders.get(lease.name) == lease

    def is_renewed(self, lease: Lease) -> None:
        """A renewed lease has not lapsed; whose process has ended is dead all the same."""
        if self.has(lease) and not is_gone(self.table.all()[lease.name].process):
            self.up.discard(lease.name)


def test_one_holder_at_most_and_growing_numbers() -> None:
    with in_a_file() as table:
        stays_consistent(table, examples=12, steps=25)


@pytest.mark.slow
def test_one_holder_at_most_and_growing_numbers_on_a_server() -> None:
    with postgres() as server:
        engine = opened(server.url)
        stays_consistent(LeaseTable(engine), examples=25, steps=30)
        engine.dispose()


def stays_consistent(table: LeaseTable, examples: int, steps: int) -> None:
    """Whatever is done to a table, it does as the model says."""
    Leases.table, Leases.ended = table, ended_process()
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    run_state_machine_as_test(Leases, settings=chosen)


def test_a_wiped_home_is_not_written_to_any_more(tmp_path: Path) -> None:
    """An open connection would write to a file that nobody else sees: its leases would keep nobody out."""
    file, aside = tmp_path / "home" / "leases.db", tmp_path / "aside"
    file.parent.mkdir()
    table = LeaseTable(opened(sql.URL.create("sqlite", database=str(file))))
    before = table.take(NAMES[0], process="", said="before", lasts_s=HOUR_S)
    assert before is not None
    file.parent.rename(aside)
    file.parent.mkdir()
    other = LeaseTable(opened(sql.URL.create("sqlite", database=str(file))))
    assert other.take(NAMES[0], process="", said="after", lasts_s=HOUR_S) is not None
    assert not table.renew(before)
    assert {holder.said for holder in table.all().values()} == {"after"}


def test_this_process_is_not_gone() -> None:
    assert not is_gone(this_process())
    assert not is_gone("")
    assert not is_gone(this_process().replace("pid:", "pid:1"))  # another container's
    assert is_gone(ended_process()) or not this_process()
