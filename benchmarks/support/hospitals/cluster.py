"""A cluster on one machine: PostgreSQL, Redis, a server's services, and workers on machines of their own."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg
import yaml

from benchmarks.support.hospitals.services import Services
from benchmarks.support.hospitals.two_studies import TwoStudies
from benchmarks.support.servers.machines import Machines, machines
from benchmarks.support.servers.postgres import PASSWORD, PASSWORD_VARIABLE, Postgres, postgres
from benchmarks.support.servers.redis_server import RedisServer, redis_server
from eus_etl.defs.instance import open_instance
from eus_etl.settings import shipped

SETTINGS = "deploy/celery/dagster.celery.yaml"


class Cluster:
    """What is running, and what can be killed.

    Attributes:
        services: code server, daemon and page.
        broker: the Redis.
        instance: as the server sees it.
        machines: where the workers are.
    """

    def __init__(
        self,
        hospital: TwoStudies,
        *,
        places: Machines,
        database: Postgres,
        broker: RedisServer,
        hurry_s: float | None,
    ) -> None:
        self._hospital = hospital
        self.machines = places
        self.broker = broker
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        self._environment = {
            PASSWORD_VARIABLE: PASSWORD,
            "EUS_ETL_POSTGRES_HOST": places.host,
            "EUS_ETL_BROKER": broker.url(places.host),
            "EUS_ETL_CONFIGS": str(hospital.configs),
            "PYTHONPATH": os.pathsep.join([str(hospital.folder), os.environ.get("PYTHONPATH", "")]),
        }
        for home in (hospital.home, *map(self._home, range(len(places.prefixes)))):
            home.mkdir(parents=True)
            (home / "dagster.yaml").write_text(self._settings(database, len(places.prefixes)))
        self.services = Services(hospital, hurry_s=hurry_s, environment=self._environment)

    def start_worker(self, number: int, core: int | None = None) -> None:
        """Start a worker on its machine, which may have one core of this one."""
        command = [
            *self.machines.prefixes[number],
            *(("taskset", "--cpu-list", str(core)) if core is not None else ()),
            str(Path(sys.executable).with_name("eus-etl")),
            *("worker", "--name", f"worker{number}", "--places", "1"),
        ]
        with (self._hospital.folder / f"worker{number}.log").open("ab") as log:
            self._workers[number] = subprocess.Popen(
                command,
                cwd=self._hospital.folder,
                env={**os.environ, **self._environment, "DAGSTER_HOME": str(self._home(number))},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill_worker(self, number: int) -> None:
        """Kill a worker and all that it started, as the end of its machine does."""
        process = self._workers.pop(number)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)

    def kill_workers(self) -> None:
        """Kill all workers."""
        for number in list(self._workers):
            self.kill_worker(number)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a command on the server needs."""
        return {**self._environment, "DAGSTER_HOME": str(self._hospital.home)}

    def _home(self, number: int) -> Path:
        return self._hospital.folder / "homes" / f"worker{number}"

    def _settings(self, database: Postgres, places: int) -> str:
        raw = yaml.safe_load(shipped(SETTINGS).read_text(encoding="utf-8"))
        raw["storage"]["postgres"]["postgres_db"]["port"] = database.port
        raw["concurrency"]["runs"]["max_concurrent_runs"] = places
        # sooner than for real: a run that a worker took and did not begin is tried again
        raw["run_monitoring"] |= {"start_timeout_seconds": 120, "poll_interval_seconds": 10}
        raw["compute_logs"] = {
            "module": "dagster._core.storage.local_compute_log_manager",
            "class": "LocalComputeLogManager",
            "config": {"base_dir": str(self._hospital.folder / "run_logs")},
        }
        return yaml.safe_dump(raw)


@contextmanager
def cluster(
    hospital: TwoStudies, workers: int, *, hurry_s: float | None = None
) -> Iterator[tuple[Cluster, dg.DagsterInstance]]:
    """All of a cluster but its services, until the block ends; and its instance as the server sees it.

    Args:
        hospital: the hospital whose studies are made.
        workers: how many; each works on one run at a time.
        hurry_s: as of ``Services``.
    """
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="eus_etl_redis")))
        places = held.enter_context(machines(workers))
        hosts = tuple({"127.0.0.1": None, places.host: None})
        database = held.enter_context(postgres(hosts))
        broker = held.enter_context(redis_server(folder, hosts))
        found = Cluster(hospital, places=places, database=database, broker=broker, hurry_s=hurry_s)
        held.callback(found.kill_workers)
        kept = {name: os.environ.get(name) for name in found.environment}
        held.callback(_restore, kept)
        os.environ.update(found.environment)
        yield found, held.enter_context(open_instance(hospital.home))


def _restore(kept: Mapping[str, str | None]) -> None:
    for name, value in kept.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
