"""The picture of a visit: what its labels, its frame table and its preprocessed frames show together."""

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables import catalog
from eus_etl.settings import StudyConfig
from eus_etl.steps.labels import procedure_end_of
from eus_etl.steps.previews.visit import timeline_of_visit
from eus_etl.steps.result import StepResult, version_of
from eus_etl.storage.files.checksums import sha256_of
from eus_etl.storage.tables.parts import load_frame_table, load_part


def make_timeline(study: StudyConfig, patient_id: str, alias: str | None) -> StepResult:
    """Draw the visit's timeline from its tables, with a few masked images where there are any.

    Opens no extracted frame. A timeline that cannot be drawn fails nothing: the metadata say why, and a later
    run draws it.

    Args:
        study: the configuration.
        patient_id: the visit.
        alias: the visit's alias, where it is known.

    Raises:
        OutputLostError: a table of the visit was made, and is missing or cannot be read.
    """
    paths = StudyPaths(study.root)
    table = load_frame_table(paths, catalog.frame_table(study.families), patient_id)
    drawn = timeline_of_visit(
        study,
        patient_id,
        table,
        load_part(paths, catalog.LABELS, patient_id),
        alias=alias,
        end_s=procedure_end_of(paths, patient_id),
    )
    return StepResult(
        version=version_of([sha256_of(shown) for shown in drawn.pictures.values()]),
        metadata={"videos_decoded": 0, "images_read": 0, **drawn.notes},
        pictures=drawn.pictures,
        outputs=(paths.timeline_picture(patient_id),),
    )
