"""Asset keys, the partition of patients, and the tags that tie a materialisation to what it consumed."""

import dagster as dg

CONSUMED_TAG = "eus_etl/consumed"
"""On runs of sensors and commands: a hash of the versions and configuration that they answer."""

STUDY_TAG = "eus_etl/study"
"""On all runs that are asked for here: whose they are."""

DATA_VERSION_TAG = "dagster/data_version"
TERMINAL_TAG = "eus_etl/terminal"
"""On runs started from a terminal, where a person waits: errors are shown at once, not retried."""

PARTITION_TAG = "dagster/partition"
PARENT_TAG = "dagster/parent_run_id"
"""On runs that a person executes once more: they bear the tags of the first as well."""


def asset_key(study: str, name: str) -> dg.AssetKey:
    """``<study>/<name>``."""
    return dg.AssetKey([study, name])


def patients_of(study: str) -> dg.DynamicPartitionsDefinition:
    """The partition of a study: one key a patient id."""
    return dg.DynamicPartitionsDefinition(name=f"{study}_patients")
