"""A real daemon on a hospital's study."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.support.hospitals.tiny_hospital import TinyHospital
from eus_etl.settings import shipped


@contextmanager
def daemon(hospital: TinyHospital) -> Iterator[None]:
    """A ``dagster-daemon`` with the hospital's study, until the block ends; it writes to ``daemon.log``."""
    environment = {**os.environ, "DAGSTER_HOME": str(hospital.home), "EUS_ETL_CONFIGS": str(hospital.configs)}
    program = Path(sys.executable).with_name("dagster-daemon")
    command: list[str | Path] = [program, "run", "-w", shipped("workspace.yaml")]
    with (hospital.folder / "daemon.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=hospital.folder
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=60)
