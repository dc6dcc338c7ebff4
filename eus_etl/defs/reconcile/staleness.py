"""What is known of a study's assets: versions, what is stale, what failed.

Versions are Dagster's; what an asset was made from stands in the ledger. An asset is stale when its
inputs' versions or its configuration are not those it was made from, or when either record lacks it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import dagster as dg
from dagster import DagsterEventType

from eus_etl.defs.keys import DATA_VERSION_TAG
from eus_etl.domain.paths import StudyPaths
from eus_etl.steps.result import version_of
from eus_etl.storage.provenance import STUDY, Entry, read_page


@dataclass(frozen=True, slots=True)
class Node:
    """One asset as staleness sees it.

    Attributes:
        key: the asset's key.
        deps: keys of its inputs.
        code_version: fingerprint of its configuration; None for observed sources.
        per_patient: whether it is partitioned.
    """

    key: dg.AssetKey
    deps: tuple[dg.AssetKey, ...]
    code_version: str | None
    per_patient: bool

    @property
    def observed(self) -> bool:
        """Whether it is a source, observed and not made."""
        return self.code_version is None

    @property
    def name(self) -> str:
        """The asset's name within its study."""
        return self.key.path[-1]


Versions = Mapping[str | None, str]
"""Partitions (None for an unpartitioned asset) to data versions."""


@dataclass(slots=True)
class StudyState:
    """A reader of an instance and a root; what was read is remembered until ``forget``.

    Args:
        instance: the Dagster instance.
        paths: the study's paths.
        nodes: the study's assets, in topological order.
    """

    instance: dg.DagsterInstance
    paths: StudyPaths
    nodes: Mapping[dg.AssetKey, Node]
    _versions: dict[dg.AssetKey, Versions] = field(default_factory=dict)
    _pages: dict[str, Mapping[str, Entry]] = field(default_factory=dict)

    def forget(self, keys: Iterable[dg.AssetKey]) -> None:
        """Read these assets' versions, and the ledger, again when next asked."""
        self._pages.clear()
        for key in keys:
            self._versions.pop(key, None)

    def assume(self, key: dg.AssetKey, versions: Mapping[str, str]) -> None:
        """Take these versions for reported: they are, once the tick that carries them ends."""
        assumed: dict[str | None, str] = dict(self.versions(key))
        assumed.update(versions)
        self._versions[key] = assumed

    def versions(self, key: dg.AssetKey) -> Versions:
        """Data versions of an asset's partitions, as last materialised or reported."""
        if key not in self._versions:
            self._versions[key] = self._read(key)
        return self._versions[key]

    def version(self, key: dg.AssetKey, partition: str | None) -> str | None:
        """Data version of an asset's partition; None while it is missing."""
        return self.versions(key).get(partition)

    def consumable(self, node: Node, partition: str | None) -> str:
        """Hash of the inputs' data versions and the configuration as they are now."""
        inputs: list[object] = []
        for dep in node.deps:
            if self.nodes[dep].per_patient and not node.per_patient:
                inputs.append([dep.to_user_string(), {str(p): v for p, v in self.versions(dep).items()}])
            else:
                inputs.append([dep.to_user_string(), self.version(dep, partition)])
        return version_of(node.code_version, inputs)

    def entry(self, node: Node, partition: str | None) -> Entry | None:
        """What the asset's partition was last made from; None where the ledger has no record of it."""
        page = partition or STUDY
        if page not in self._pages:
            self._pages[page] = read_page(self.paths, page)
        return self._pages[page].get(node.name)

    def is_missing(self, node: Node, partition: str | None) -> bool:
        """Whether the asset's partition was never materialised."""
        return partition not in self.versions(node.key)

    def is_stale(self, node: Node, partition: str | None) -> bool:
        """Whether the partition is missing, or was made from other inputs or another configuration."""
        entry = self.entry(node, partition)
        if entry is None or entry.version != self.version(node.key, partition):
            return True
        return entry.consumed != self.consumable(node, partition)

    def failed(self, key: dg.AssetKey) -> Mapping[str, str]:
        """Partitions whose last attempt failed, with the id of its run."""
        log = self.instance.event_log_storage
        attempts = log.get_latest_asset_partition_materialization_attempts_without_materializations(key)
        failed = {}
        for partition, (run_id, _) in attempts.items():
            run = self.instance.get_run_by_id(run_id)
            if run is not None and run.status == dg.DagsterRunStatus.FAILURE:
                failed[partition] = run_id
        return failed

    def _read(self, key: dg.AssetKey) -> Versions:
        if self.nodes[key].per_patient:
            rows = self.instance.event_log_storage.get_latest_tags_by_partition(
                key, DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
            )
            return {partition: tags[DATA_VERSION_TAG] for partition, tags in rows.items()}
        event = self.instance.get_latest_materialization_event(key)
        materialization = event.asset_materialization if event else None
        tags = (materialization.tags or {}) if materialization else {}
        return {None: tags[DATA_VERSION_TAG]} if DATA_VERSION_TAG in tags else {}
