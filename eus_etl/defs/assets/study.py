"""The assets of a whole study: its tables and its dataset."""

from collections.abc import Callable

import dagster as dg

from eus_etl.defs.assets.factory import StepSpec
from eus_etl.defs.assets.names import Asset
from eus_etl.defs.keys import asset_key, asset_keys
from eus_etl.defs.reconcile.staleness import StudyState
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables import catalog
from eus_etl.domain.tables.schema import Table
from eus_etl.settings import StudyConfig
from eus_etl.steps.dataset import make_dataset
from eus_etl.steps.observation.snapshot import UNASSIGNED
from eus_etl.steps.release.draft import FORMAT as RELEASE_FORMAT
from eus_etl.steps.release.step import make_release
from eus_etl.steps.result import StepResult, version_of
from eus_etl.steps.study_tables import (
    assemble_labels,
    assemble_patients,
    assemble_preprocess_metadata,
    assemble_rejected,
    assemble_videos,
)
from eus_etl.storage.vouched import one_look

TABLES_FORMAT = "4"
"""Raise it when the columns of any study table change, or what they mean: all of them are then made again."""


def study_assets(study: StudyConfig) -> list[StepSpec]:
    """The unpartitioned assets of a study, in topological order."""
    return [
        _table(
            study,
            name=Asset.LABELS_CSV,
            assemble=assemble_labels,
            deps=(Asset.LABELS,),
            table=catalog.LABELS,
            description="labels.csv: one row per interval.",
        ),
        _table(
            study,
            name=Asset.PATIENTS_CSV,
            assemble=assemble_patients,
            deps=(Asset.PATIENTS,),
            table=catalog.patients(study.patients.columns),
            description="patients.csv: one row per visit.",
        ),
        _table(
            study,
            name=Asset.VIDEOS_CSV,
            assemble=assemble_videos,
            deps=(Asset.RAW_VIDEOS, Asset.FRAMES),
            table=catalog.VIDEOS,
            description="videos.csv: one row per video.",
        ),
        _table(
            study,
            name=Asset.PREPROCESS_METADATA_CSV,
            assemble=assemble_preprocess_metadata,
            deps=(Asset.PREPROCESSED_FRAMES, Asset.REGIONS, Asset.FRAME_TABLE),
            table=catalog.preprocess_metadata(study.families),
            description="preprocess_metadata.csv: one row per preprocessed frame. Also layouts.csv.",
        ),
        _table(
            study,
            name=Asset.REJECTED_CSV,
            assemble=assemble_rejected,
            deps=(
                UNASSIGNED,
                Asset.RAW_VIDEOS,
                Asset.LABELS,
                Asset.PATIENTS,
                Asset.FRAMES,
                Asset.REGIONS,
                Asset.FRAME_TABLE,
                Asset.PREPROCESSED_FRAMES,
            ),
            table=catalog.REJECTED,
            description="rejected.csv: what could not be used, and why.",
        ),
        _table(
            study,
            name=Asset.DATASET,
            assemble=make_dataset,
            deps=(Asset.FRAME_TABLE, Asset.PREPROCESSED_FRAMES, Asset.PATIENTS),
            table=catalog.dataset(study.families, list(study.preprocess.recipes)),
            description="The study-wide index of frames, with statistics and pictures.",
        ),
        _release(study),
    ]


def _release(study: StudyConfig) -> StepSpec:
    def step(context: dg.AssetExecutionContext, _patient: str) -> StepResult:
        # the graph is made of what this module declares
        from eus_etl.defs.graph import study_graph
        from eus_etl.defs.reconcile.request import stale_visits

        graph = study_graph(study)
        state = StudyState(context.instance, StudyPaths(study.root), graph.nodes)
        options = context.op_execution_context.op_config
        return make_release(
            study,
            options["name"],
            accept_unreviewed=options["accept_unreviewed"],
            stale=stale_visits(graph, state),
            progress=context.log.info,
        )

    rules = {name: rule.fingerprint() for name, rule in study.releases.items()}
    return StepSpec(
        key=asset_key(study.study, Asset.RELEASE),
        step=step,
        code=make_release,
        table=catalog.released_frames(study.families),
        deps=asset_keys(
            study.study,
            Asset.LABELS_CSV,
            Asset.PATIENTS_CSV,
            Asset.PREPROCESS_METADATA_CSV,
            Asset.REJECTED_CSV,
            Asset.DATASET,
        ),
        code_version=version_of(RELEASE_FORMAT, rules),
        description="An immutable release of the dataset. Made only when somebody asks for it.",
        kinds=frozenset({"parquet"}),
        checks={},
        per_patient=False,
        on_request=True,
        options={
            "name": dg.Field(
                str, description="Name of a selection: a key of `releases` in the study's file."
            ),
            "accept_unreviewed": dg.Field(
                bool,
                default_value=False,
                description="Take visits that nobody signed off, unless they are blocked.",
            ),
        },
    )


def _table(
    study: StudyConfig,
    *,
    name: Asset,
    assemble: Callable[[StudyConfig], StepResult],
    deps: tuple[str, ...],
    table: Table,
    description: str,
) -> StepSpec:
    def step(context: dg.AssetExecutionContext, _patient: str) -> StepResult:
        with one_look(context.run.run_id):
            return assemble(study)

    return StepSpec(
        key=asset_key(study.study, name),
        step=step,
        code=assemble,
        table=table,
        deps=asset_keys(study.study, *deps),
        code_version=TABLES_FORMAT,
        description=description,
        kinds=frozenset({"csv"}),
        checks={},
        per_patient=False,
    )
