"""Where it is remembered what was told: outside the Dagster home, written whole or not at all.

A full disk is one of the things to tell, and without a record everything would be told again each minute. So
where the record cannot be written, a second place is used, which systemd provides in memory.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from eus_etl.domain.alerts.record import Record
from eus_etl.errors import DiskFullError, MachineError
from eus_etl.storage.files.checked_json import DamagedStateError, read_checked, write_checked

SECOND_PLACE_VARIABLE = "RUNTIME_DIRECTORY"
"""Set by systemd for units with ``RuntimeDirectory=``."""


def places_of(record: Path) -> list[Path]:
    """Where the record may be, the preferred place first."""
    second = os.environ.get(SECOND_PLACE_VARIABLE, "").partition(":")[0]
    return [record, *([Path(second) / record.name] if second else [])]


def read_record(record: Path) -> Record:
    """What was told; the newest of its places counts. Nothing where none can be read."""
    found: list[tuple[float, Record]] = []
    for place in places_of(record):
        try:
            found.append((place.stat().st_mtime, Record.model_validate(read_checked(place))))
        except (OSError, DamagedStateError, ValidationError):
            continue
    return max(found, key=lambda pair: pair[0])[1] if found else Record()


def write_record(record: Path, told: Record) -> None:
    """Remember what was told.

    Raises:
        MachineError: it can be written to neither place.
    """
    value: Mapping[str, object] = told.model_dump(mode="json")
    for place in places_of(record):
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if not write_checked(place, value):
                os.utime(place)
        except (OSError, DiskFullError):
            continue
        return
    raise MachineError(
        "alerts.record",
        "what was told cannot be remembered, so nothing is sent: it would be sent again each minute",
        "free space on its disk, and let the pipeline's user write to its folder",
    )
