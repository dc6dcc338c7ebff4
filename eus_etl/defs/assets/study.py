"""The assets of a whole study: its tables and its dataset."""

from collections.abc import Callable

from eus_etl.defs.assets.factory import StepSpec
from eus_etl.defs.assets.patient import (
    FRAME_TABLE,
    FRAMES,
    LABELS,
    PATIENTS,
    PREPROCESSED,
    RAW_VIDEOS,
    REGIONS_ASSET,
)
from eus_etl.settings import StudyConfig
from eus_etl.steps.dataset import make_dataset
from eus_etl.steps.observation.snapshot import UNASSIGNED
from eus_etl.steps.result import StepResult
from eus_etl.steps.study_tables import (
    assemble_labels,
    assemble_patients,
    assemble_preprocess_metadata,
    assemble_rejected,
    assemble_videos,
)

_FORMAT = "2"
"""Raised when a table's columns change, so that it is assembled anew."""


def study_assets(study: StudyConfig) -> list[StepSpec]:
    """The unpartitioned assets of a study, in topological order."""

    def table(
        name: str, assemble: Callable[[StudyConfig], StepResult], deps: tuple[str, ...], description: str
    ) -> StepSpec:
        return StepSpec(
            name,
            lambda _context, _patient: assemble(study),
            deps,
            _FORMAT,
            description,
            frozenset({"csv"}),
            {},
            per_patient=False,
        )

    return [
        table("labels_csv", assemble_labels, (LABELS,), "labels.csv: a row an interval."),
        table("patients_csv", assemble_patients, (PATIENTS,), "patients.csv: a row a visit."),
        table("videos_csv", assemble_videos, (RAW_VIDEOS, FRAMES), "videos.csv: a row a video."),
        table(
            "preprocess_metadata_csv",
            assemble_preprocess_metadata,
            (PREPROCESSED, REGIONS_ASSET, FRAME_TABLE),
            "preprocess_metadata.csv: a row a preprocessed frame; layouts.csv and text_checks.csv.",
        ),
        table(
            "rejected_csv",
            assemble_rejected,
            (UNASSIGNED, RAW_VIDEOS, LABELS, PATIENTS, FRAMES, REGIONS_ASSET, FRAME_TABLE, PREPROCESSED),
            "rejected.csv: what could not be used, and why.",
        ),
        table(
            "dataset",
            make_dataset,
            (FRAME_TABLE, PREPROCESSED, PATIENTS),
            "The study-wide index of frames, with statistics and pictures.",
        ),
    ]
