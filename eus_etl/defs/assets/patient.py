"""The assets of one visit: from raw videos to preprocessed frames, partitioned by patient."""

import dagster as dg

from eus_etl.defs.assets.factory import StepSpec
from eus_etl.domain.paths import StudyPaths
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
    TEXT_READER,
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
from eus_etl.steps.preprocessed_frames.step import preprocess_patient
from eus_etl.steps.raw_videos.step import fetch_videos
from eus_etl.steps.regions import find_regions
from eus_etl.steps.result import StepResult, version_of
from eus_etl.steps.text_check import check as text_check
from eus_etl.steps.timeline import make_timeline
from eus_etl.storage import extraction_store as extractions

RAW_VIDEOS, LABELS, PATIENTS, FRAMES = "raw_videos", "labels", "patients", "frames"
REGIONS_ASSET, FRAME_TABLE, PREPROCESSED = "regions", "frame_table", "preprocessed_frames"
TIMELINE = "timeline"

CHAIN = (RAW_VIDEOS, LABELS, PATIENTS, FRAMES, REGIONS_ASSET, FRAME_TABLE, PREPROCESSED, TIMELINE)
"""What one run of a new or changed visit makes."""

FORMATS = {
    RAW_VIDEOS: 3,
    LABELS: 2,
    PATIENTS: 1,
    FRAMES: extractions.FORMAT,
    REGIONS_ASSET: 3,
    FRAME_TABLE: 3,
    PREPROCESSED: (preprocessed_job.FORMAT, text_check.FORMAT),
    TIMELINE: 2,
}
"""Raised when a step makes something else of equal inputs and configuration, so that it is made anew."""


def patient_assets(study: StudyConfig) -> list[StepSpec]:
    """The partitioned assets of a study, in topological order."""
    paths = StudyPaths(study.root)

    def raw_videos(context: dg.AssetExecutionContext, patient: str) -> StepResult:
        files = observed_files(paths, patient)
        return fetch_videos(study, patient, connect_videos(study), files, progress=context.log.info)

    def labels(_: dg.AssetExecutionContext, patient: str) -> StepResult:
        return make_labels(study, patient, attributes_of(paths, patient))

    def patients(_: dg.AssetExecutionContext, patient: str) -> StepResult:
        return make_patient(
            study, patient, attributes_of(paths, patient), rows_of(paths, patient), subject_of(paths, patient)
        )

    def frames(context: dg.AssetExecutionContext, patient: str) -> StepResult:
        return extract_patient(study, patient, progress=context.log.info)

    def regions(_: dg.AssetExecutionContext, patient: str) -> StepResult:
        return find_regions(study, patient, region_rows_of(paths, patient), known_screens(paths))

    def frame_table(_: dg.AssetExecutionContext, patient: str) -> StepResult:
        end_s = procedure_end_of(paths, patient)
        refused = refused_sync_rows_of(paths, patient)
        return make_frame_table(study, patient, sync_rows_of(paths, patient), end_s, refused)

    def preprocessed_frames(context: dg.AssetExecutionContext, patient: str) -> StepResult:
        return preprocess_patient(study, patient, progress=context.log.info)

    def timeline(_: dg.AssetExecutionContext, patient: str) -> StepResult:
        return make_timeline(study, patient)

    spellings = {family: [x.model_dump() for x in found] for family, found in study.families.items()}
    families = version_of(
        {family: [label.name for label in labels] for family, labels in study.families.items()}
    )
    return [
        StepSpec(
            RAW_VIDEOS,
            raw_videos,
            (DRIVE_VIDEOS,),
            version_of(
                FORMATS[RAW_VIDEOS],
                study.timeline.fingerprint(),
                study.reading.fingerprint(),
                study.extraction.still_images,
            ),
            "Verified local copies of the visit's videos, probed and placed in time.",
            frozenset({"video"}),
            {"videos_open": "each raw video opens and its first frame decodes"},
        ),
        StepSpec(
            LABELS,
            labels,
            (LABEL_ITEMS,),
            version_of(FORMATS[LABELS], spellings),
            "Intervals of the stopwatches, with every problem that was seen.",
            frozenset({"parquet"}),
            {"no_problem_unseen": "each doubtful interval names its problem, each rejected one is recorded"},
        ),
        StepSpec(
            PATIENTS,
            patients,
            (LABEL_ITEMS, PATIENT_ROWS),
            version_of(FORMATS[PATIENTS], study.patients.fingerprint()),
            "Facts of the patient, joined from the label item and the sheet.",
            frozenset({"parquet"}),
            {},
        ),
        StepSpec(
            FRAMES,
            frames,
            (RAW_VIDEOS,),
            version_of(FORMATS[FRAMES], study.extraction.fingerprint(), study.reading.fingerprint()),
            "Images and cell statistics of every kept frame: the only place that decodes video.",
            frozenset({"video", "jpeg"}),
            {"images_equal_rows": "as many images on the disk as rows"},
        ),
        StepSpec(
            REGIONS_ASSET,
            regions,
            (FRAMES, REGION_ROWS, KNOWN_SCREENS),
            version_of(FORMATS[REGIONS_ASSET], study.regions.fingerprint()),
            "Display layouts and the ultrasound region of each.",
            frozenset({"parquet"}),
            {"every_layout_has_a_region": "a layout without a region gives no preprocessed frames"},
        ),
        StepSpec(
            FRAME_TABLE,
            frame_table,
            (RAW_VIDEOS, FRAMES, REGIONS_ASSET, LABELS, SYNC_ROWS),
            version_of(
                FORMATS[FRAME_TABLE], study.quality.fingerprint(), study.timeline.fingerprint(), families
            ),
            "A row a frame: times, labels, scores, status. Opens no image.",
            frozenset({"csv"}),
            {
                "frames_equal_rows": "as many rows as extracted frames",
                "labels_inside_recording": "no label lies outside the recording",
                "synchronised": "recording and procedure agree, or sync.csv says how they relate",
            },
        ),
        StepSpec(
            PREPROCESSED,
            preprocessed_frames,
            (FRAMES, REGIONS_ASSET, TEXT_READER),
            version_of(FORMATS[PREPROCESSED], study.preprocess.fingerprint()),
            "Frames masked to the ultrasound region, cropped and resized, for each recipe.",
            frozenset({"png"}),
            {
                "images_equal_rows": "as many images on the disk as rows",
                text_check.CHECK: "no text is read in a sample of the images, or a person let it pass",
            },
        ),
        StepSpec(
            name=TIMELINE,
            step=timeline,
            deps=(LABELS, FRAME_TABLE, PREPROCESSED),
            code_version=version_of(FORMATS[TIMELINE], families, list(study.preprocess.recipes)),
            description="A picture of the visit: labels and status over time, with a few masked frames.",
            kinds=frozenset({"png"}),
            checks={},
        ),
    ]
