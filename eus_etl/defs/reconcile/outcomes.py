"""What a run that a command made has made, and what failed in it."""

from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

from eus_etl.defs.reconcile.confirm import CONFIRMED
from eus_etl.defs.reconcile.retry import failed_asset


@dataclass(frozen=True, slots=True)
class Made:
    """One materialisation of a session.

    Attributes:
        asset: name of the asset within its study.
        patient_id: None for a table of the whole study.
        metadata: counts that the step reported.
    """

    asset: str
    patient_id: str | None
    metadata: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Failed:
    """An asset that could not be made, and why."""

    asset: str
    patient_id: str | None
    error: str


def made_in(result: dg.ExecuteInProcessResult, patient: str | None) -> list[Made]:
    """What a run made, without what it only confirmed."""
    made = []
    for event in result.get_asset_materialization_events():
        materialization = event.materialization
        metadata = {name: value.value for name, value in materialization.metadata.items()}
        if CONFIRMED not in metadata:
            made.append(Made(materialization.asset_key.path[-1], patient, metadata))
    return made


def failed_in(result: dg.ExecuteInProcessResult, patient: str | None) -> list[Failed]:
    """What a run could not make."""
    return [
        Failed(failed_asset(event), patient, failure_text(event))
        for event in result.get_step_failure_events()
    ]


def failure_text(event: dg.DagsterEvent) -> str:
    """Why a step failed: the text of our own error, or the innermost cause of any other."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else "failed without a message"
