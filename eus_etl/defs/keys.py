"""Asset keys, the partition of patients, and the tags that tie a materialisation to what it consumed."""

import dagster as dg

CONSUMED_TAG = "eus_etl/consumed"
"""On runs that were planned: a hash of the sources' versions and the configuration that they lead to."""

WHY_TAG = "eus_etl/why"
"""On runs that were planned: for people, why there is something to do."""

SCOPE_TAG = "eus_etl/scope"
"""On runs that were planned: whether they work on one visit or on the study's tables."""
VISIT, TABLES = "visit", "tables"

STUDY_TAG = "eus_etl/study"
"""On all runs that are asked for here: whose they are."""

DATA_VERSION_TAG = "dagster/data_version"
TERMINAL_TAG = "eus_etl/terminal"
"""On runs started from a terminal, where a person waits: errors are shown at once, not retried."""

PARTITION_TAG = "dagster/partition"
PARENT_TAG = "dagster/parent_run_id"
"""On runs that a person executes once more: they carry the tags of the first as well."""


def asset_key(study: str, name: str) -> dg.AssetKey:
    """``<study>/<name>``."""
    return dg.AssetKey([study, str(name)])  # Dagster stores no member of an enum


def asset_keys(study: str, *names: str) -> tuple[dg.AssetKey, ...]:
    """The keys of these assets of one study."""
    return tuple(asset_key(study, name) for name in names)


def patients_of(study: str) -> dg.DynamicPartitionsDefinition:
    """The partition of a study: one key a patient id."""
    return dg.DynamicPartitionsDefinition(name=f"{study}_patients")
