"""A study's folder on a drive, and what a listing of it gives."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.support.servers.drive_files import Drive
from benchmarks.support.servers.drive_server import DriveServer
from eus_etl.sources.videos.google_drive.source import DriveListing, GoogleDrive


@dataclass
class Study:
    drive: Drive
    server: DriveServer
    folder: str
    source: GoogleDrive
    mirror: Path

    def visit(self, name: str, *files: str) -> str:
        visit = self.drive.folder(name, self.folder)
        for file in files:
            self.drive.upload(file, visit, f"{name}/{file}".encode())
        return visit

    def paths(self) -> set[str]:
        return paths(self.source.list_files())

    def requests_of(self, kind: str | None = None) -> int:
        return self.server.counts[kind] if kind else self.server.requests


def paths(listing: DriveListing) -> set[str]:
    return {"/".join(file.parts) for file in listing.files}


def reasons(listing: DriveListing) -> dict[str, str]:
    return {file.source_id: file.reason for file in (*listing.waiting, *listing.left_out)}
