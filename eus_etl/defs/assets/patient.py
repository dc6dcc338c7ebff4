"""The assets of one visit: from raw videos to preprocessed frames, partitioned by patient.

Each is one function, which holds everything about it. To add one, name it in ``names``, write its function
and list it in ``patient_assets``. Raise its ``..._FORMAT`` when its step makes something different from the
same inputs and configuration: the asset is then stale for every visit.
"""

import dagster as dg

from eus_etl.defs.assets.checks import or_broken, or_look
from eus_etl.defs.assets.factory import StepSpec
from eus_etl.defs.assets.names import Asset
from eus_etl.defs.keys import DECODING, asset_key, asset_keys
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables import catalog
from eus_etl.settings import StudyConfig
from eus_etl.steps.frame_table import make_frame_table
from eus_etl.steps.frames import extract_patient
from eus_etl.steps.labels import make_labels, procedure_end_of
from eus_etl.steps.observation.connect import connect_videos
from eus_etl.steps.observation.known_screens import KNOWN_SCREENS, known_screens
from eus_etl.steps.observation.snapshot import (
    DRIVE_VIDEOS,
    LABEL_ITEMS,
    PATIENT_ROWS,
    REGION_ROWS,
    SYNC_ROWS,
    alias_of,
    attributes_of,
    observed_files,
    refused_sync_rows_of,
    region_rows_of,
    rows_of,
    subject_of,
    sync_rows_of,
)
from eus_etl.steps.patients import make_patient
from eus_etl.steps.preprocessed_frames import job as preprocessed_job
from eus_etl.steps.preprocessed_frames import step as preprocessed_step
from eus_etl.steps.preprocessed_frames.step import preprocess_patient
from eus_etl.steps.raw_videos.step import fetch_videos
from eus_etl.steps.regions.step import find_regions
from eus_etl.steps.result import StepResult, version_of
from eus_etl.steps.text_check import check as text_check
from eus_etl.steps.text_reader.rapid import installed_engine
from eus_etl.steps.timeline import make_timeline
from eus_etl.storage import manifests


def patient_assets(study: StudyConfig) -> list[StepSpec]:
    """The partitioned assets of a study, in topological order."""
    return [
        raw_videos(study),
        labels(study),
        patients(study),
        frames(study),
        regions(study),
        frame_table(study),
        preprocessed_frames(study),
        timeline(study),
    ]


RAW_VIDEOS_FORMAT = 3


def raw_videos(study: StudyConfig) -> StepSpec:
    """Copies of the visit's videos."""

    def step(context: dg.AssetExecutionContext, patient: str) -> StepResult:
        files = observed_files(StudyPaths(study.root), patient)
        return fetch_videos(study, patient, connect_videos(study), files, progress=context.log.info)

    return StepSpec(
        key=asset_key(study.study, Asset.RAW_VIDEOS),
        step=step,
        code=fetch_videos,
        deps=asset_keys(study.study, DRIVE_VIDEOS),
        code_version=version_of(
            RAW_VIDEOS_FORMAT,
            study.timeline.fingerprint(),
            study.reading.fingerprint(),
            study.extraction.still_images,
        ),
        description="Verified local copies of the visit's videos, probed and placed in time.",
        kinds=frozenset({"video"}),
        checks={"videos_open": or_broken("each raw video opens and its first frame decodes")},
        table=catalog.VIDEOS,
        per_patient=True,
    )


LABELS_FORMAT = 2


def labels(study: StudyConfig) -> StepSpec:
    """The visit's labels as intervals."""

    def step(_: dg.AssetExecutionContext, patient: str) -> StepResult:
        return make_labels(study, patient, attributes_of(StudyPaths(study.root), patient))

    spellings = {family: [label.model_dump() for label in found] for family, found in study.families.items()}
    return StepSpec(
        key=asset_key(study.study, Asset.LABELS),
        step=step,
        code=make_labels,
        deps=asset_keys(study.study, LABEL_ITEMS),
        code_version=version_of(LABELS_FORMAT, spellings),
        description="Intervals of the stopwatches, with every problem that was found.",
        kinds=frozenset({"parquet"}),
        checks={
            "no_problem_unseen": or_broken(
                "each doubtful interval names its problem, each rejected one is recorded"
            )
        },
        table=catalog.LABELS,
        per_patient=True,
    )


PATIENTS_FORMAT = 1


def patients(study: StudyConfig) -> StepSpec:
    """The visit's row of the patient table."""
    paths = StudyPaths(study.root)

    def step(_: dg.AssetExecutionContext, patient: str) -> StepResult:
        return make_patient(
            study, patient, attributes_of(paths, patient), rows_of(paths, patient), subject_of(paths, patient)
        )

    return StepSpec(
        key=asset_key(study.study, Asset.PATIENTS),
        step=step,
        code=make_patient,
        deps=asset_keys(study.study, LABEL_ITEMS, PATIENT_ROWS),
        code_version=version_of(PATIENTS_FORMAT, study.patients.fingerprint()),
        description="Facts about the patient, joined from the label item and the sheet.",
        kinds=frozenset({"parquet"}),
        checks={},
        table=catalog.patients(study.patients.columns),
        per_patient=True,
    )


FRAMES_FORMAT = manifests.FORMAT


def frames(study: StudyConfig) -> StepSpec:
    """The kept frames of the visit's videos."""

    def step(context: dg.AssetExecutionContext, patient: str) -> StepResult:
        return extract_patient(study, patient, progress=context.log.info)

    return StepSpec(
        key=asset_key(study.study, Asset.FRAMES),
        step=step,
        code=extract_patient,
        deps=asset_keys(study.study, Asset.RAW_VIDEOS),
        code_version=version_of(FRAMES_FORMAT, study.extraction.fingerprint(), study.reading.fingerprint()),
        description="Images and cell statistics of every kept frame: the only place that decodes video.",
        pool=DECODING,
        kinds=frozenset({"video", "jpeg"}),
        checks={"images_equal_rows": or_broken("there are as many images on the disk as rows")},
        table=catalog.EXTRACTED,
        per_patient=True,
    )


REGIONS_FORMAT = 10


def regions(study: StudyConfig) -> StepSpec:
    """The layouts of the visit's screens."""
    paths = StudyPaths(study.root)

    def step(_: dg.AssetExecutionContext, patient: str) -> StepResult:
        return find_regions(study, patient, region_rows_of(paths, patient), known_screens(paths))

    return StepSpec(
        key=asset_key(study.study, Asset.REGIONS),
        step=step,
        code=find_regions,
        deps=asset_keys(study.study, Asset.FRAMES, REGION_ROWS, KNOWN_SCREENS),
        code_version=version_of(
            REGIONS_FORMAT,
            study.regions.fingerprint(),
            _text_reader_of(study),
            study.preprocess.text_check.strict,
        ),
        description="Display layouts and the ultrasound region of each.",
        kinds=frozenset({"parquet"}),
        checks={
            "every_layout_has_a_region": or_look(
                "every layout has a region; one without gives no preprocessed frames"
            )
        },
        table=catalog.LAYOUTS,
        per_patient=True,
    )


FRAME_TABLE_FORMAT = 4


def frame_table(study: StudyConfig) -> StepSpec:
    """The visit's table of frames."""
    paths = StudyPaths(study.root)

    def step(_: dg.AssetExecutionContext, patient: str) -> StepResult:
        end_s = procedure_end_of(paths, patient)
        refused = refused_sync_rows_of(paths, patient)
        return make_frame_table(study, patient, sync_rows_of(paths, patient), end_s, refused)

    return StepSpec(
        key=asset_key(study.study, Asset.FRAME_TABLE),
        step=step,
        code=make_frame_table,
        deps=asset_keys(study.study, Asset.RAW_VIDEOS, Asset.FRAMES, Asset.REGIONS, Asset.LABELS, SYNC_ROWS),
        code_version=version_of(
            FRAME_TABLE_FORMAT, study.quality.fingerprint(), study.timeline.fingerprint(), _labels_of(study)
        ),
        description="One row per frame: times, labels, scores, status. Opens no image.",
        kinds=frozenset({"csv"}),
        checks={
            "frames_equal_rows": or_broken("there are as many rows as extracted frames"),
            "labels_inside_recording": or_look("no label lies outside the recording"),
            "synchronised": or_look("recording and procedure agree, or sync.csv says how they relate"),
        },
        table=catalog.frame_table(study.families),
        per_patient=True,
    )


PREPROCESSED_FRAMES_FORMAT = (preprocessed_job.FORMAT, text_check.FORMAT, preprocessed_step.FORMAT)


def preprocessed_frames(study: StudyConfig) -> StepSpec:
    """The visit's images for training."""

    def step(context: dg.AssetExecutionContext, patient: str) -> StepResult:
        return preprocess_patient(study, patient, progress=context.log.info)

    return StepSpec(
        key=asset_key(study.study, Asset.PREPROCESSED_FRAMES),
        step=step,
        code=preprocess_patient,
        deps=asset_keys(study.study, Asset.FRAMES, Asset.REGIONS),
        code_version=version_of(
            PREPROCESSED_FRAMES_FORMAT, study.preprocess.fingerprint(), _text_reader_of(study)
        ),
        description="Frames masked to the ultrasound region, cropped and resized, for each recipe.",
        kinds=frozenset({"png"}),
        checks={
            "images_equal_rows": or_broken("there are as many images on the disk as rows"),
            text_check.CHECK: or_look("no text is found in a sample of the images, or someone signed it off"),
        },
        table=catalog.PREPROCESSED,
        per_patient=True,
    )


TIMELINE_FORMAT = 3


def timeline(study: StudyConfig) -> StepSpec:
    """The visit in one picture."""

    def step(_: dg.AssetExecutionContext, patient: str) -> StepResult:
        return make_timeline(study, patient, alias_of(StudyPaths(study.root), patient))

    return StepSpec(
        key=asset_key(study.study, Asset.TIMELINE),
        step=step,
        code=make_timeline,
        deps=asset_keys(study.study, LABEL_ITEMS, Asset.LABELS, Asset.FRAME_TABLE, Asset.PREPROCESSED_FRAMES),
        code_version=version_of(TIMELINE_FORMAT, _labels_of(study), list(study.preprocess.recipes)),
        description="A picture of the visit: labels and status over time, with a few masked frames.",
        kinds=frozenset({"png"}),
        checks={},
        per_patient=True,
    )


def _labels_of(study: StudyConfig) -> str:
    """A fingerprint of each family's labels, without their spellings in items."""
    return version_of({family: [label.name for label in found] for family, found in study.families.items()})


def _text_reader_of(study: StudyConfig) -> str | None:
    """The engine that reads the study's pictures: what another one has read is read again."""
    return None if study.preprocess.text_check.enabled == "never" else installed_engine()
