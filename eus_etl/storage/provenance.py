"""The ledger: what each asset of a visit was last made from, and the version that came out.

Dagster's event log knows versions but not, for thousands of partitions at once, what they were made
from. It is written after the data and before the event, so that a version that the event log does not
have counts as not made.
"""

from pydantic import BaseModel, ConfigDict, TypeAdapter

from eus_etl.domain.paths import StudyPaths
from eus_etl.storage.atomic import write_atomically

STUDY = "_study"
"""Stands for the patient's id where an asset is of the whole study; no safe id begins so."""


class Entry(BaseModel):
    """One asset of one visit.

    Attributes:
        consumed: hash of the versions and the configuration that it was made from.
        version: the data version that came out.
        at: when, in seconds since 1970.
    """

    model_config = ConfigDict(frozen=True)

    consumed: str
    version: str
    at: float


_PAGE = TypeAdapter(dict[str, Entry])


def read_page(paths: StudyPaths, patient_id: str) -> dict[str, Entry]:
    """Asset names to what they were last made from; nothing for a visit that was never worked on."""
    path = paths.ledger(patient_id)
    return _PAGE.validate_json(path.read_bytes()) if path.is_file() else {}


def write_entry(paths: StudyPaths, patient_id: str, asset: str, entry: Entry) -> None:
    """Record one asset of a visit; the caller holds the visit's lock."""
    page = {**read_page(paths, patient_id), asset: entry}
    write_atomically(paths.ledger(patient_id), _PAGE.dump_json(page))
