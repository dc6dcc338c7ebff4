"""Data versions of assets as Dagster's event log holds them; ``staleness`` compares them."""

from collections.abc import Collection

import dagster as dg

from eus_etl.defs.event_store.database import latest_tags, latest_tags_of_partitions, wiped
from eus_etl.defs.keys import DATA_VERSION_TAG

Versions = dict[str | None, str]
"""Partitions (None for an unpartitioned asset) to data versions."""


def versions_of_all_visits(
    instance: dg.DagsterInstance, keys: Collection[dg.AssetKey]
) -> dict[dg.AssetKey, Versions]:
    """Versions of all visits of partitioned assets, by two statements for all of them."""
    apart = wiped(instance, keys)
    found = latest_tags_of_partitions(instance, set(keys) - apart, DATA_VERSION_TAG)
    return {key: _of_visits(instance, key) if key in apart else found[key] for key in keys}


def versions_together(
    instance: dg.DagsterInstance, keys: Collection[dg.AssetKey], patient: str | None
) -> dict[dg.AssetKey, Versions]:
    """Versions of one visit, or (None) of assets of the study, by two statements for all of them."""
    apart = wiped(instance, keys)
    found = latest_tags(instance, set(keys) - apart, DATA_VERSION_TAG, patient)

    def wiped_before(key: dg.AssetKey) -> Versions:
        return _of_visits(instance, key, patient) if patient else _of_study(instance, key)

    return {
        key: wiped_before(key) if key in apart else {patient: found[key]} if key in found else {}
        for key in keys
    }


def _of_visits(instance: dg.DagsterInstance, key: dg.AssetKey, patient: str | None = None) -> Versions:
    """Versions of a partitioned asset: of one visit, or (None) of all."""
    rows = instance.event_log_storage.get_latest_tags_by_partition(
        key,
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        [DATA_VERSION_TAG],
        asset_partitions=[patient] if patient else None,
    )
    return {partition: tags[DATA_VERSION_TAG] for partition, tags in rows.items()}


def _of_study(instance: dg.DagsterInstance, key: dg.AssetKey) -> Versions:
    event = instance.get_latest_materialization_event(key)
    materialization = event.asset_materialization if event else None
    tags = (materialization.tags or {}) if materialization else {}
    return {None: tags[DATA_VERSION_TAG]} if DATA_VERSION_TAG in tags else {}
