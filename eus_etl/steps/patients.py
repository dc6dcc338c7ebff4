"""One visit's part of ``patients.csv``, from its label item and the sheet's rows."""

from collections.abc import Mapping, Sequence

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.patients import patient_row
from eus_etl.domain.tables import catalog
from eus_etl.settings import StudyConfig
from eus_etl.steps.result import StepResult, version_of
from eus_etl.storage.tables.parts import part_outputs, write_part, write_rejected

STAGE = "patients"


def make_patient(
    study: StudyConfig,
    patient_id: str,
    attributes: Mapping[str, object] | None,
    rows: Sequence[Mapping[str, str]],
    subject_id: str | None = None,
) -> StepResult:
    """Make one visit's row of ``patients.csv``; every value that cannot be used is recorded as rejected.

    Args:
        study: the configuration.
        patient_id: the visit.
        attributes: its label item; None for a visit without one.
        rows: the sheet's rows of the visit, header to cell.
        subject_id: keyed id of the person; None where unknown.
    """
    paths = StudyPaths(study.root)
    table = catalog.patients(study.patients.columns)
    row, rejected = patient_row(patient_id, attributes, rows, study.patients)
    part = write_part(paths, table, patient_id, table.frame([row | {"subject_id": subject_id}]))
    recorded = write_rejected(paths, STAGE, patient_id, rejected)
    return StepResult(
        version=version_of(part.to_dicts(), recorded.to_dicts()),
        metadata={
            "values": sum(value is not None for value in part.row(0)),
            "sheet_rows": len(rows),
            "rejected": recorded.height,
        },
        outputs=part_outputs(paths, STAGE, patient_id, table),
    )
