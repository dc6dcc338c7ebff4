"""Verifies releases against the list of checksums that each holds."""

from collections.abc import Iterator
from pathlib import Path

from eus_etl.commands.upkeep.finding import Finding
from eus_etl.commands.upkeep.hashing import BoundedHasher
from eus_etl.domain.paths import StudyPaths
from eus_etl.storage.files.checksums import parse_sums
from eus_etl.storage.files.listing import is_clutter, listed

_SUMS = "SHA256SUMS"
_RESTORE = (
    "restore it from a copy; or delete the release's folder and make the release again: from the same data "
    "it has the same name and the same bytes"
)


def stored_releases(paths: StudyPaths) -> list[Path]:
    """The folders of all releases."""
    return [folder for folder in listed(paths.releases) if folder.is_dir()]


def verify_release(folder: Path, hasher: BoundedHasher) -> Iterator[Finding]:
    """Compare each file of a release with its list, and look for files that the list does not have."""
    try:
        sums = parse_sums((folder / _SUMS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        yield Finding("missing", f"release {folder.name}", f"it has no {_SUMS}", _RESTORE)
        return
    except ValueError:
        yield Finding("damaged", f"release {folder.name}", f"its {_SUMS} cannot be read", _RESTORE)
        return
    for name, digest in sums.items():
        subject = f"{name} of release {folder.name}"
        try:
            found = hasher.hash(folder / name, "sha256")
        except (FileNotFoundError, NotADirectoryError):
            yield Finding("missing", subject, "the file is gone", _RESTORE)
        except OSError:
            yield Finding("damaged", subject, "the disk cannot read it", _RESTORE)
        else:
            if found != digest:
                yield Finding("damaged", subject, "it is not what was released", _RESTORE)
    present = (path for path in folder.rglob("*") if path.is_file() and not is_clutter(path.name))
    added = sum(path.relative_to(folder).as_posix() not in {*sums, _SUMS} for path in present)
    if added:
        remedy = "remove them before the release is handed out"
        yield Finding("damaged", f"release {folder.name}", f"{added} files were added to it", remedy)
