"""Compare: whether an asset is current, and if not, why.

Versions are Dagster's; what an asset was made from is its provenance, which is kept beside the data. An equal
version does not prove that the bytes exist: a version counts only if both records agree.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import dagster as dg

from eus_etl.defs.event_store.versions import Versions, versions_of_all_visits, versions_together
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import SnapshotLostError
from eus_etl.steps.result import version_of
from eus_etl.storage.outputs import lost, not_made
from eus_etl.storage.provenance import STUDY, Entry, read_page

Share = Callable[[StudyPaths, str, Sequence[str] | None], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One asset as staleness sees it; ``StepSpec`` adds how an asset is made.

    Attributes:
        key: the asset's key.
        deps: keys of its inputs.
        code_version: fingerprint of its configuration and of its step's format; None for observed sources.
        per_patient: whether it is partitioned.
        share: for a source that is observed once for the study but concerns each visit only in part: gives
            the version of a visit's part, None if it has none, from the screens that it shows (None: not
            recorded). A visit's asset is stale when its part changes.
        on_request: whether it is made only when a person asks for it: no plan holds it.
        name: the asset's name within its study.
        observed: whether it is a source, which is observed and not made.
    """

    key: dg.AssetKey
    deps: tuple[dg.AssetKey, ...]
    code_version: str | None
    per_patient: bool
    share: Share | None = None
    on_request: bool = False
    name: str = field(init=False)
    observed: bool = field(init=False)

    def __post_init__(self) -> None:
        # frozen, and both are asked for many times of each visit
        object.__setattr__(self, "name", self.key.path[-1])
        object.__setattr__(self, "observed", self.code_version is None)


class Why(StrEnum):
    """Why an asset is not current."""

    MISSING = "never made"  # or without a record of what it was made from
    OUTPUT_LOST = "output lost"  # the disk no longer holds what was made
    CONFIGURATION_CHANGED = "configuration changed"
    INPUTS_CHANGED = "inputs changed"
    DUE_AGAIN = "due again"  # it depends on something outside that may have changed unnoticed
    NOT_DRAWN = "not drawn"  # a picture of it could not be drawn; nothing downstream waits for that
    BLOCKED = "waits for something upstream"  # that is not current, so this is unknown


WAITS_FOR = "waits for"
"""Begins the reason of an asset that cannot be made before others are."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an asset is not current.

    Attributes:
        why: the kind of reason.
        inputs: names of the inputs that changed, or of those that are not current, in topological order,
            for which the asset waits; for a lost output, its path below the root.
    """

    why: Why
    inputs: tuple[str, ...] = ()

    @property
    def waits(self) -> bool:
        """Whether the asset cannot be made before others are."""
        return self.why is Why.BLOCKED or (self.why is Why.MISSING and bool(self.inputs))

    def __str__(self) -> str:
        if self.waits:
            return f"{WAITS_FOR} {self.inputs[0]}"
        return f"{self.why}: {', '.join(self.inputs)}" if self.inputs else str(self.why)


@dataclass(slots=True)
class StudyState:
    """Reads an instance and a root, and caches what it read until ``refresh``.

    Args:
        instance: the Dagster instance.
        paths: the study's paths.
        nodes: the study's assets, in topological order.
        only: read the versions of this visit only, as a run of one visit does; None for all visits.
    """

    instance: dg.DagsterInstance
    paths: StudyPaths
    nodes: Mapping[dg.AssetKey, Node]
    only: str | None = None
    _versions: dict[dg.AssetKey, Versions] = field(default_factory=dict)
    _pages: dict[str, Mapping[str, Entry]] = field(default_factory=dict)
    _usable: dict[str, dict[dg.AssetKey, str | None]] = field(default_factory=dict)
    _of_all_visits: dict[dg.AssetKey, str] = field(default_factory=dict)
    _deps: dict[dg.AssetKey, tuple[Node, ...]] = field(init=False)
    _alike: dict[bool, tuple[Node, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self._deps = {key: tuple(self.nodes[dep] for dep in node.deps) for key, node in self.nodes.items()}
        self._alike = {
            of_visits: tuple(node for node in self.nodes.values() if node.per_patient == of_visits)
            for of_visits in (False, True)
        }

    def reasons(self, partition: str | None, upto: Node | None = None) -> dict[dg.AssetKey, Reason]:
        """The assets of a visit (None: of the whole study) that are not current, each with its reason.

        An asset downstream of one that is not current is not current either. A table of the study does not
        wait for visits: it holds what was last made of each.

        Args:
            partition: the visit.
            upto: only this asset and everything upstream of it.
        """
        wanted = None if upto is None else {upto.key, *self.before(upto)}
        page, counted = self._page(partition), self._counted_of(partition)
        found: dict[dg.AssetKey, Reason] = {}
        for node in self._alike[partition is not None]:
            if node.observed or (node.on_request and node is not upto):
                continue
            if wanted is not None and node.key not in wanted:
                continue
            reason = self._own_reason(node, partition, page.get(node.name), counted)
            before = tuple(key.path[-1] for key in found if key in node.deps)
            if before and (reason is None or reason.why is Why.MISSING):
                reason = Reason(Why.MISSING if reason else Why.BLOCKED, before)
            if reason:
                found[node.key] = reason
        return found

    def before(self, node: Node) -> set[dg.AssetKey]:
        """Everything upstream of an asset."""
        found = set(node.deps)
        for earlier in reversed(list(self.nodes.values())):
            if earlier.key in found:
                found.update(earlier.deps)
        return found

    def inputs(self, node: Node, partition: str | None) -> dict[str, str | None]:
        """Names of the asset's inputs to their versions as they are now."""
        found: dict[str, str | None] = {}
        counted = self._counted_of(partition)
        for dep in self._deps[node.key]:
            if dep.key in counted:
                found[dep.name] = counted[dep.key]
            elif dep.per_patient:
                found[dep.name] = self._all_counted(dep)
            elif dep.share is not None and partition is not None:
                found[dep.name] = self._share(dep.share, dep.name, node, partition)
            else:
                found[dep.name] = self._counted_of(None)[dep.key]
        return found

    def entry(self, node: Node, partition: str | None) -> Entry | None:
        """What the asset's partition was last made from; None if there is no record."""
        return self._page(partition).get(node.name)

    def version(self, key: dg.AssetKey, partition: str | None) -> str | None:
        """Data version of an asset's partition by the event log; None if it was never made."""
        known = self._versions.get(key)
        return (self.versions(key) if known is None else known).get(partition)

    def versions(self, key: dg.AssetKey) -> Versions:
        """Data versions of an asset's partitions, as last materialised or reported."""
        if key not in self._versions:
            of_visits = self.nodes[key].per_patient
            # they are asked for together, so they are read together
            alike = [other.key for other in self._alike[of_visits]]
            if of_visits and self.only is None:
                self._versions |= versions_of_all_visits(self.instance, alike)
            else:
                self._versions |= versions_together(self.instance, alike, self.only if of_visits else None)
        return self._versions[key]

    def assume(self, key: dg.AssetKey, versions: Mapping[str, str]) -> None:
        """Treat these versions as reported: Dagster records them when the tick ends."""
        self.versions(key).update(versions)
        self._of_all_visits.pop(key, None)
        for partition in versions:
            self._usable.pop(partition or STUDY, None)

    def refresh(self, partition: str | None) -> None:
        """Read again what is known of one visit (None: of the study's tables)."""
        self._pages.pop(partition or STUDY, None)
        self._usable.pop(partition or STUDY, None)
        if partition is None:
            for key in [key for key in self._versions if not self.nodes[key].per_patient]:
                del self._versions[key]
            return
        known = [key for key in self._versions if self.nodes[key].per_patient]
        for key, versions in versions_together(self.instance, known, partition).items():
            self._versions[key].pop(partition, None)
            self._versions[key].update(versions)
            self._of_all_visits.pop(key, None)

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

    def _own_reason(
        self,
        node: Node,
        partition: str | None,
        entry: Entry | None,
        counted: Mapping[dg.AssetKey, str | None],
    ) -> Reason | None:
        """Why the asset itself is not current, whatever is upstream."""
        if entry is None or counted[node.key] is None:
            if entry is None or self.version(node.key, partition) is None:
                return Reason(Why.MISSING)
            found = lost(self.paths, entry.outputs)
            return Reason(Why.OUTPUT_LOST, () if found is None else (found,))
        if entry.configuration != node.code_version:
            return Reason(Why.CONFIGURATION_CHANGED)
        inputs = self.inputs(node, partition)
        if inputs != entry.inputs:
            before = entry.inputs
            changed = {name for name in {*inputs, *before} if inputs.get(name, "") != before.get(name, "")}
            return Reason(Why.INPUTS_CHANGED, tuple(sorted(changed)))
        if entry.again_at is not None and entry.again_at <= time.time():
            return Reason(Why.DUE_AGAIN)
        undrawn = not_made(entry.outputs)
        return Reason(Why.NOT_DRAWN, (undrawn,)) if undrawn else None

    def _page(self, partition: str | None) -> Mapping[str, Entry]:
        """What the assets of a visit (None: of the study) were last made from, by name."""
        page = self._pages.get(partition or STUDY)
        if page is None:
            page = self._pages[partition or STUDY] = read_page(self.paths, partition or STUDY)
        return page

    def _counted_of(self, partition: str | None) -> dict[dg.AssetKey, str | None]:
        """The versions of a visit's assets (None: of the study's) that count; checked once.

        That of a made asset does not count if the disk does not hold what was recorded.
        """
        counted = self._usable.get(partition or STUDY)
        if counted is None:
            page, known, counted = self._page(partition), self._versions, {}
            for node in self._alike[partition is not None]:
                version = (known.get(node.key) or self.versions(node.key)).get(partition)
                if version is not None and not node.observed:
                    entry = page.get(node.name)
                    if entry is None or entry.version != version or lost(self.paths, entry.outputs):
                        version = None
                counted[node.key] = version
            self._usable[partition or STUDY] = counted
        return counted

    def _share(self, share: Share, name: str, node: Node, partition: str) -> str | None:
        """The version of a visit's part of a source; the last known one if it cannot be read now."""
        entry = self.entry(node, partition)
        try:
            return share(self.paths, partition, entry.screens if entry else ())
        except SnapshotLostError:
            return entry.inputs.get(name) if entry else None

    def _all_counted(self, node: Node) -> str:
        """One hash over the versions of all visits."""
        if node.key not in self._of_all_visits:
            counted = {
                str(patient): self._counted_of(patient)[node.key] for patient in self.versions(node.key)
            }
            self._of_all_visits[node.key] = version_of(counted)
        return self._of_all_visits[node.key]
