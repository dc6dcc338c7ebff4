"""A Celery worker of the instance's launcher, which works on runs and says what its machine sees.

Not `dagster-celery worker start`: that takes broker and settings from a second file, falls back to AMQP in
silence where it does not find them below `execution: config:`, and writes the broker's password to the disk.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery.worker.control import inspect_command
from dagster_celery.tasks import create_execute_job_task, create_resume_job_task

from eus_etl.defs.cluster.broker import LOOK, celery_of
from eus_etl.defs.cluster.sight import code_now, look_around
from eus_etl.defs.event_store.database import database_id
from eus_etl.defs.instance import open_instance
from eus_etl.settings import shipped

CONFIGS_VARIABLE = "EUS_ETL_CONFIGS"


def work(home: Path, name: str, places: int) -> None:
    """Take runs from the broker until this process is told to stop; it then lets those under way end.

    Args:
        home: the Dagster home of this machine.
        name: of the worker on this machine.
        places: how many runs it works on at once.

    Raises:
        ConfigError: the instance does not launch runs with Celery over Redis.
        DatabaseError: its PostgreSQL does not answer.
    """
    with open_instance(home) as instance:
        app = celery_of(instance)
        database = database_id(instance)
    code = code_now()  # what this process runs, whatever is installed meanwhile
    configs = Path(os.environ.get(CONFIGS_VARIABLE) or shipped("configs"))

    @inspect_command(name=LOOK, args=[("study", str), ("note", str)], signature="STUDY NOTE")  # type: ignore[untyped-decorator]  # Celery has no types
    def _look(_state: Any, study: str, note: str) -> Mapping[str, object]:
        """What this machine sees of a study."""
        return look_around(
            study, note, configs=configs, code=code, database=database, places=places
        ).model_dump()

    create_execute_job_task(app)
    create_resume_job_task(app)
    app.worker_main(
        [
            "worker",
            f"--hostname={name}@%h",
            f"--concurrency={places}",
            "--loglevel=INFO",
            "--without-gossip",
            "--without-mingle",
        ]
    )
