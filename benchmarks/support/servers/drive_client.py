"""``GoogleDrive`` pointed at a server on loopback, in a hurry."""

from pathlib import Path
from typing import Any

from google.auth.credentials import AnonymousCredentials

from benchmarks.support.servers.drive_server import DriveServer
from eus_etl.sources.videos.google_drive.retry import Pace
from eus_etl.sources.videos.google_drive.source import GoogleDrive

HASTE = Pace(requests_per_s=10_000, attempts=6, first_wait_s=0.001, longest_wait_s=0.01)


def drive_at(server: DriveServer, folder_id: str, mirror: Path, **options: Any) -> GoogleDrive:
    """The unmodified source with another root, short waits and no credentials."""
    defaults: dict[str, Any] = {
        "credentials": AnonymousCredentials(),  # type: ignore[no-untyped-call]  # not annotated there
        "api_root": server.api_root,
        "pace": HASTE,
        "timeout_s": 0.3,
    }
    return GoogleDrive(folder_id, mirror, **{**defaults, **options})
