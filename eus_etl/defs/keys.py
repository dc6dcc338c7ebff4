"""Asset keys, the visits' partition, and the tags of runs."""

import dagster as dg

CONSUMED_TAG = "eus_etl/consumed"
"""On planned runs: a hash of the sources' versions and the configuration."""

WHY_TAG = "eus_etl/why"
"""On planned runs: why there is something to do, for people."""

SCOPE_TAG = "eus_etl/scope"
"""On planned runs: whether they make one visit or the study's tables."""
VISIT, TABLES = "visit", "tables"

STUDY_TAG = "eus_etl/study"
"""On all our runs: the study."""

ALIAS_TAG = "eus_etl/alias"
"""On runs of one visit: its alias, by which people know it."""

SOURCES_GROUP, VISIT_GROUP, TABLES_GROUP, RELEASES_GROUP = "sources", "visit", "tables", "releases"
"""The stages, as groups of assets; the study is the first part of each key."""

DECODING = "decoding"
"""The pool of runs that decode videos: as many as there are cores at once."""

DATA_VERSION_TAG = "dagster/data_version"
TERMINAL_TAG = "eus_etl/terminal"
"""On runs started from a terminal, where someone is waiting: errors are shown at once, not retried."""

PARTITION_TAG = "dagster/partition"
PRIORITY_TAG = "dagster/priority"
"""On requested runs: of those that are queued, the one with the highest number starts first."""
PARENT_TAG = "dagster/parent_run_id"
"""On runs that someone re-executed; they also have the tags of the original."""
ROOT_TAG = "dagster/root_run_id"
"""On such runs: the first of them all."""

BACKFILL_TAG = "dagster/backfill"
"""On runs that someone started for several partitions at once."""


def asset_key(study: str, name: str) -> dg.AssetKey:
    """``<study>/<name>``."""
    return dg.AssetKey([study, str(name)])  # Dagster cannot store a member of an enum


def asset_keys(study: str, *names: str) -> tuple[dg.AssetKey, ...]:
    """The keys of these assets of one study."""
    return tuple(asset_key(study, name) for name in names)


def patients_of(study: str) -> dg.DynamicPartitionsDefinition:
    """The partition of a study: one key per visit."""
    return dg.DynamicPartitionsDefinition(name=f"{study}_patients")
