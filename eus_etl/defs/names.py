"""Asset keys, the partition of patients, and the tags that tie a materialisation to what it consumed."""

import dagster as dg

CONSUMED_TAG = "eus_etl/consumed"
"""On the runs that a sensor asks for: a hash of the versions and configuration that they answer."""

DATA_VERSION_TAG = "dagster/data_version"
TERMINAL_TAG = "eus_etl/terminal"
"""On runs started from a terminal, where a person waits: errors are shown at once, not retried."""

PARTITION_TAG = "dagster/partition"


def asset_key(study: str, name: str) -> dg.AssetKey:
    """``<study>/<name>``."""
    return dg.AssetKey([study, name])


def patients_of(study: str) -> dg.DynamicPartitionsDefinition:
    """The partition of a study: one key a patient id."""
    return dg.DynamicPartitionsDefinition(name=f"{study}_patients")
