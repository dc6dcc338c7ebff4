"""A study of thousands of visits that was observed and made long ago, recorded in bulk for the benchmarks.

Dagster records some hundred events a second; here the rows of one event are multiplied in its database.
"""

import sqlite3
import uuid
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import dagster as dg

from eus_etl.defs.graph import StudyGraph
from eus_etl.defs.keys import DATA_VERSION_TAG, patients_of
from eus_etl.defs.reconcile.staleness import StudyState
from eus_etl.domain.paths import StudyPaths
from eus_etl.steps.result import version_of
from eus_etl.storage.provenance import Entry, write_entry


def visit_ids(number: int) -> list[str]:
    """Ids of so many visits."""
    return [str(uuid.uuid5(uuid.NAMESPACE_OID, str(visit))) for visit in range(number)]


def record_versions(
    instance: dg.DagsterInstance, home: Path, key: dg.AssetKey, versions: Mapping[str, str]
) -> None:
    """Record a materialisation a partition, with its data version."""
    (first, version), *others = versions.items()
    instance.report_runless_asset_event(
        dg.AssetMaterialization(key, partition=first, tags={DATA_VERSION_TAG: version})
    )
    with closing(sqlite3.connect(home / "history" / "runs" / "index.db")) as database, database:
        (like, *_) = database.execute("SELECT max(id) FROM event_logs").fetchone()
        columns = "run_id, event, dagster_event_type, timestamp, step_key, asset_key"
        database.executemany(
            f"INSERT INTO event_logs ({columns}, partition) SELECT {columns}, ? FROM event_logs WHERE id = ?",  # noqa: S608 - names of columns
            [(partition, like) for partition, _ in others],
        )
        ids = dict(
            database.execute("SELECT partition, max(id) FROM event_logs WHERE id > ? GROUP BY 1", (like,))
        )
        columns = "asset_key, key, event_timestamp"
        database.executemany(
            f"INSERT INTO asset_event_tags (event_id, value, {columns}) SELECT ?, ?, {columns} "  # noqa: S608 - names of columns
            "FROM asset_event_tags WHERE event_id = ?",
            [(ids[partition], version, like) for partition, version in others],
        )


def record_made(
    instance: dg.DagsterInstance, home: Path, graph: StudyGraph, names: Iterable[str], visits: Iterable[str]
) -> None:
    """Record that these assets were made of all visits, of their inputs as they are now."""
    visits, paths = list(visits), StudyPaths(graph.study.root)
    for name in names:
        state, node = StudyState(instance, paths, graph.nodes), graph.nodes[graph.key(name)]
        versions: dict[str, str] = {}
        for visit in visits:
            inputs = state.inputs(node, visit)
            versions[visit] = version_of(inputs)
            entry = Entry(
                inputs=inputs,
                configuration=str(node.code_version),
                version=versions[visit],
                made_by="",
                settled_by="",
                checks={},
                outputs={},
            )
            write_entry(paths, visit, name, entry)
        record_versions(instance, home, node.key, versions)


def record_visits(instance: dg.DagsterInstance, graph: StudyGraph, visits: Iterable[str]) -> None:
    """Record that these visits are known."""
    instance.add_dynamic_partitions(str(patients_of(graph.study.study).name), list(visits))
