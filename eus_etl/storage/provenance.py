"""Provenance: what each asset of a visit was last made from, what came out, and what its checks said.

It is kept beside the data. Dagster's event log knows versions, but cannot say for thousands of partitions at
once what they were made from. A page is written after the data and before the event: a version that the event
log does not have counts as not made.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from eus_etl.domain.paths import StudyPaths
from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.files.listing import listed
from eus_etl.storage.files.marks import FileMark, mark_of
from eus_etl.storage.outputs import Outputs

STUDY = "_study"
"""Used as the id for assets of the whole study; no safe id begins with an underscore."""


class CheckOutcome(BaseModel):
    """The result of one check when its asset was made."""

    model_config = ConfigDict(frozen=True)

    passed: bool
    detail: str


class Entry(BaseModel):
    """One asset of one visit.

    Attributes:
        inputs: names of its inputs to the versions that it was made from; None for an input that was missing.
        configuration: fingerprint of the configuration it was made with.
        version: its data version.
        made_by: id of the run that made it.
        settled_by: id of the run that last made it, or found that it need not be made.
        checks: names of its checks to their results.
        outputs: what it wrote to the disk.
        again_at: when it has to be tried again whatever its inputs are, in seconds since 1970.
        screens: signatures of the screens that were seen; None where nobody looked for any.
    """

    model_config = ConfigDict(frozen=True)

    inputs: Mapping[str, str | None]
    configuration: str
    version: str
    made_by: str
    settled_by: str
    checks: Mapping[str, CheckOutcome]
    outputs: Outputs
    again_at: float | None = None
    screens: tuple[str, ...] | None = None


_PAGE = TypeAdapter(dict[str, Entry])


def read_page(paths: StudyPaths, patient_id: str) -> dict[str, Entry]:
    """Asset names to what they were last made from; empty for a visit that was never processed.

    A page that cannot be read counts as empty: all its assets are made again.
    """
    try:
        return dict(page_in(str(paths.ledger(patient_id))))
    except (FileNotFoundError, ValidationError):
        return {}


def page_in(file: str) -> Mapping[str, Entry]:
    """The page in a file, read again only if the file has changed: a pass asks for each several times.

    Raises:
        FileNotFoundError: there is no such file.
        ValidationError: it cannot be read.
    """
    return _page_at(file, mark_of(file))


@lru_cache(maxsize=1 << 16)
def _page_at(file: str, _mark: FileMark) -> Mapping[str, Entry]:
    return _PAGE.validate_json(Path(file).read_bytes())


def damaged_pages(paths: StudyPaths) -> list[str]:
    """Ids of visits whose page cannot be read, ``STUDY`` for that of the tables.

    Raises:
        OSError: a page may not be read.
    """
    damaged = []
    for page in listed(paths.pages, "*.json"):
        try:
            _PAGE.validate_json(page.read_bytes())
        except ValidationError:
            damaged.append(page.stem)
    return damaged


def forget_entry(paths: StudyPaths, patient_id: str, asset: str) -> None:
    """Make an asset of a visit count as never made; the caller holds the visit's lock."""
    page = {name: entry for name, entry in read_page(paths, patient_id).items() if name != asset}
    write_atomically(paths.ledger(patient_id), _PAGE.dump_json(page))


def write_entry(paths: StudyPaths, patient_id: str, asset: str, entry: Entry) -> None:
    """Record one asset of a visit; the caller holds the visit's lock."""
    page = {**read_page(paths, patient_id), asset: entry}
    write_atomically(paths.ledger(patient_id), _PAGE.dump_json(page))
