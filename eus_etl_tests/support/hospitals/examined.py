"""What the doctor finds of a hospital."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from benchmarks.support.hospitals.tiny_hospital import TinyHospital
from eus_etl.commands.doctor.finding import Finding
from eus_etl.commands.doctor.run import examine


def look(hospital: TinyHospital, seen: Callable[[Path], float | None] | None = None) -> dict[str, Finding]:
    findings = examine(hospital.study, hospital.config, hospital.home, seen or (lambda _: None))
    assert len({finding.check for finding in findings}) == len(findings)
    assert all(bool(finding.remedy) == (finding.outcome != "ok") for finding in findings)
    return {finding.check: finding for finding in findings}


def tree(folder: Path) -> dict[str, tuple[int, str]]:
    """Everything below a folder: times of change and content, of folders too."""
    return {
        str(path): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in (folder, *folder.rglob("*"))
    }
