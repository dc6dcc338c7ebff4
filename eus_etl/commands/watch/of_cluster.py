"""Broker and workers of a home whose runs are launched on other machines."""

from collections.abc import Iterator
from pathlib import Path

from eus_etl.commands.watch.of_services import silent_service
from eus_etl.defs.instance import is_ready, launches_elsewhere, opened
from eus_etl.domain.alerts.problem import Problem
from eus_etl.errors import DatabaseError


def silent_workers(home: Path) -> Iterator[Problem]:
    """A broker that does not answer, and workers that are missing, told by their places.

    Raises:
        ConfigError: the home's settings cannot be used.
        ModuleNotFoundError: Celery is not installed.
    """
    if not (launches_elsewhere(home) and is_ready(home)):
        return
    from eus_etl.defs.cluster.broker import celery_of, places_of_workers, reached

    with opened(home) as instance:
        app, queue = celery_of(instance), instance.get_concurrency_config().run_queue_config
    try:
        with reached(app) as broker:
            places = places_of_workers(app, broker)
    except DatabaseError:
        yield silent_service("broker")
        return
    wanted = max(1, queue.max_concurrent_runs if queue else 1)
    if sum(places.values()) < wanted:
        yield Problem(
            kind="service",
            study="",
            word="workers",
            detail=f"{len(places)} answer, with {sum(places.values())} of {wanted} places",
            look="start the others (`systemctl start eus-etl-worker` on their machines); for fewer, "
            "lower `max_concurrent_runs` in dagster.yaml",
        )
