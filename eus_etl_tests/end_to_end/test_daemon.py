"""Sensors and automation, run by a real daemon process on a real instance."""

import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from benchmarks.support.hospitals.real_daemon import daemon
from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.domain.tables import catalog

PATIENCE_S = 300


class Watch:
    """Reads from the daemon's instance what it has made."""

    def __init__(self, hospital: TinyHospital, instance: dg.DagsterInstance) -> None:
        self.hospital = hospital
        self.instance = instance

    def wait(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds; fail with the end of the daemon's log where it never does."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                log = (self.hospital.folder / "daemon.log").read_text(errors="replace")
                stale = self.stale(StudySession(self.hospital.study, self.instance))
                pytest.fail(f"the daemon said:\n{log[-6000:]}\nwaited in vain until {what}; stale: {stale}")
            time.sleep(0.5)

    def settled(self) -> bool:
        """Whether everything is made from what is there now and no run is under way."""
        if self.instance.get_runs(dg.RunsFilter(statuses=[*_UNDER_WAY]), limit=1):
            return False
        session = StudySession(self.hospital.study, self.instance)
        return bool(session.patients()) and not self.stale(session)

    def stale(self, session: StudySession) -> list[str]:
        """What is missing or was made from other inputs."""
        return [
            f"{key.path[-1]} of {partition}: {reason}"
            for partition in (*session.patients(), None)
            for key, reason in session.state.reasons(partition).items()
        ]

    def made(self, asset: str, patient: str | None, since: float) -> list[dg.AssetMaterialization]:
        """Materialisations of an asset's partition after a moment."""
        records = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(
                asset_key=dg.AssetKey(["eusml", asset]),
                asset_partitions=[patient] if patient else None,
                after_timestamp=since,
            ),
            limit=100,
        ).records
        return [record.asset_materialization for record in records if record.asset_materialization]

    def count(self, asset: str, patient: str, since: float, what: str) -> int:
        """Sum of a number that an asset's materialisations reported after a moment."""
        return sum(int(str(made.metadata[what].value)) for made in self.made(asset, patient, since))


_UNDER_WAY = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
)


@pytest.mark.slow
def test_a_daemon_follows_uploads_and_edits_and_touches_nothing_else(tmp_path: Path) -> None:
    hospital = TinyHospital(tmp_path)
    with open_instance(hospital.home) as instance, daemon(hospital):
        watch = Watch(hospital, instance)
        watch.wait("both visits are made", watch.settled)
        assert sorted(instance.get_dynamic_partitions("eusml_patients")) == [ONE, TWO]
        for patient in (ONE, TWO):
            assert watch.count("frames", patient, 0.0, "videos_decoded") == 1
        assert labels_of(hospital, ONE)[:5] == ["Station 1"] * 5

        # a label edit: no raw video and no extracted image can be read, and none is wanted
        before = time.time()
        whole = spoil(hospital.paths.raw_data, hospital.paths.frames / ONE)
        hospital.items[ONE]["Stop Station 1 1"] = "00:00:02"
        hospital.write_items()
        watch.wait("the longer label is in the frame table", lambda: len(set(labels_of(hospital, ONE))) == 1)
        watch.wait("all follows", watch.settled)
        assert watch.made("labels", ONE, before)
        assert watch.made("frame_table", ONE, before)
        assert watch.made("labels_csv", None, before)
        assert watch.made("dataset", None, before)
        for asset in ("raw_videos", "frames", "regions", "preprocessed_frames"):
            assert not watch.made(asset, ONE, before), asset
        for asset in (
            "raw_videos",
            "labels",
            "patients",
            "frames",
            "regions",
            "frame_table",
            "preprocessed_frames",
        ):
            assert not watch.made(asset, TWO, before), asset
        for file, content in whole.items():
            file.write_bytes(content)

        # a second video of a visit: only that one is decoded
        before = time.time()
        hospital.add_video(f"{TWO}/second.mp4", first=300)
        watch.wait("the second video is in the frame table", lambda: len(labels_of(hospital, TWO)) == 20)
        watch.wait("all follows", watch.settled)
        assert watch.count("frames", TWO, before, "videos_decoded") == 1
        assert not watch.made("frames", ONE, before)
        assert not watch.made("frame_table", ONE, before)


def spoil(*folders: Path) -> dict[Path, bytes]:
    """Overwrite all files below these folders with zeros, of the same size; returns what was in them."""
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    whole = {file: file.read_bytes() for file in files}
    for file, content in whole.items():
        file.write_bytes(bytes(len(content)))
    return whole


def labels_of(hospital: TinyHospital, patient: str) -> list[str | None]:
    """The column ``station`` of a visit's frame table; empty until there is one."""
    path = hospital.paths.frame_table(patient)
    if not path.is_file():
        return []
    return pl.read_csv(path, schema=catalog.frame_table(hospital.study.families).schema)["station"].to_list()
