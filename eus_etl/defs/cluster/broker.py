"""The broker and the workers behind it, asked from any machine of a cluster."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
from celery import Celery
from dagster_celery.launcher import CeleryRunLauncher
from kombu.connection import Connection
from kombu.exceptions import OperationalError
from pydantic import ValidationError
from redis import RedisError

from eus_etl.defs.cluster.sight import Sight
from eus_etl.errors import ConfigError, DatabaseError

LOOK = "eus_etl_look"
"""The command that workers answer with what they see."""

_PATIENCE_S = 5.0
_BROKER = "broker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a worker answered.

    Attributes:
        sight: what it sees; None where it did not say.
        off_s: how far its clock is ahead of this machine's, at least; negative where it is behind, 0 where
            they may agree.
    """

    sight: Sight | None
    off_s: float = 0.0


def celery_of(instance: dg.DagsterInstance) -> Celery:
    """The Celery application of an instance's launcher: broker and settings stand in one place.

    Raises:
        ConfigError: the instance does not launch runs with Celery, or not over Redis.
    """
    remedy = "use deploy/celery/dagster.celery.yaml; docs/cluster.md shows how"
    launcher = instance.run_launcher
    if not isinstance(launcher, CeleryRunLauncher):
        raise ConfigError("dagster.yaml", "its run_launcher is not CeleryRunLauncher", remedy)
    for role, url in (("broker", launcher.broker), ("backend", launcher.backend)):
        # without one, Celery would look for an AMQP server, and say nothing
        if urlsplit(url or "").scheme not in ("redis", "rediss", "sentinel", "unix", "redis+socket"):
            raise ConfigError("dagster.yaml", f"the {role} of its run_launcher is not a Redis", remedy)
    return launcher.celery


@contextmanager
def reached(app: Celery) -> Iterator[Connection]:
    """A connection to the broker for the block.

    Raises:
        DatabaseError: it does not answer, refuses the password, or ended the connection.
    """
    try:
        # one of its own: a pooled one may be left from before the broker was started again
        with app.connection_for_write(connect_timeout=_PATIENCE_S) as connection:
            connection.ensure_connection(max_retries=1, timeout=_PATIENCE_S)
            yield connection
    except (RedisError, OperationalError, OSError) as error:  # their texts may hold the address
        raise DatabaseError(
            _BROKER,
            f"it does not answer ({type(error).__name__})",
            "start Redis, and compare its address and password with EUS_ETL_BROKER",
        ) from None


def facts_of_broker(broker: Connection) -> Mapping[str, str]:
    """How the Redis keeps what it is given: ``aof_enabled``, ``maxmemory_policy`` and the like."""
    channel: Any = broker.default_channel  # of kombu's Redis transport
    return {str(name): str(value) for name, value in channel.client.info().items()}


def workers(app: Celery, broker: Connection) -> list[str]:
    """Names of the workers that answer, sorted."""
    replies = app.control.ping(timeout=_PATIENCE_S / 2, connection=broker)
    return sorted(name for reply in replies for name in reply)


def places_of_workers(app: Celery, broker: Connection) -> dict[str, int]:
    """Names of the workers that answer, with how many runs each works on at once."""
    replies = app.control.inspect(timeout=_PATIENCE_S, connection=broker).stats() or {}
    return {name: int(said["pool"]["max-concurrency"]) for name, said in replies.items()}


def ask(app: Celery, broker: Connection, worker: str, study: str, note: str) -> Answer:
    """Ask a worker what it sees of a study.

    Args:
        app: the application of the instance's launcher.
        broker: a connection to its broker.
        worker: its name.
        study: the study's name.
        note: name of the note that it is to read.
    """
    before = time.time()
    replies = app.control.broadcast(
        LOOK,
        arguments={"study": study, "note": note},
        destination=[worker],
        connection=broker,
        reply=True,
        limit=1,
        timeout=_PATIENCE_S,
    )
    after = time.time()
    for reply in replies or ():
        with suppress(ValidationError):  # one that runs other code may answer with something else
            sight = Sight.model_validate(reply.get(worker))
            ahead, behind = max(0.0, sight.time_s - after), max(0.0, before - sight.time_s)
            return Answer(sight=sight, off_s=ahead - behind)
    return Answer(sight=None)
