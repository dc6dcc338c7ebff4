"""A walk through Dagster's page as a person takes it: by looking, clicking and typing, nothing else.

It makes its own small study, and takes the docs' pictures on the way. Each step looks for what a person is
to find, and fails with the text of the page where that does not come.
"""

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.support.hospitals.real_daemon import daemon
from benchmarks.support.hospitals.tiny_hospital import ONE, TinyHospital
from benchmarks.support.page.browser import Browser, browser
from benchmarks.support.page.filmed_hospital import ALIASES, BROKEN, THREE, filmed_hospital, third_visit
from benchmarks.support.page.webserver import webserver
from eus_etl.defs.assets.events import REJECTIONS
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.defs.root import take_root

STREET = ("drive_videos", "raw_videos", "frames", "regions", "preprocessed_frames", "preprocess_metadata_csv")
"""What a video goes through, from left to right."""

OTHERS = (
    "label_items",
    "labels",
    "patient_rows",
    "patients",
    "sync_rows",
    "frame_table",
    "timeline",
    "dataset",
)
SENSORS = ("eusml_videos", "eusml_edits")

_VISIT = "locations/eus_etl/asset-groups/visit/lineage"
_SWITCH = "label[class*=formatSwitch]"
_STILL_S = 2.0
"""Moving parts of the page come to rest, and pictures in it are drawn."""


@dataclass
class Tour:
    """A person before the page.

    Attributes:
        hospital: whose study the page shows.
        page: the browser.
        address: where the page is.
        pictures: PNG files of what was seen, by name.
    """

    hospital: TinyHospital
    page: Browser
    address: str
    pictures: dict[str, bytes] = field(default_factory=dict)

    def switch(self, *, on: bool) -> None:
        """Switch both sensors in the page."""
        self._open("automation", 560)
        for sensor in SENSORS:
            self.page.wait_for(sensor)
            assert not self._is(sensor, on)
            self.page.click(sensor, beside=_SWITCH)
            self.page.wait_until(partial(self._is, sensor, on))
        if on:
            self._look("sensors")

    def see_the_lineage(self, name: str | None = None) -> None:
        """All assets of the study, those of a video in the order in which it goes through them."""
        self._open(_VISIT, 2000, width_px=1900)  # the page draws what is in sight alone
        self.page.wait_for(*STREET, *OTHERS)
        places = [self.page.left_of(asset) for asset in STREET]
        assert places == sorted(places), dict(zip(STREET, places, strict=True))
        if name:
            self.page.wait_for("100% filled")
            self._look(name)

    def materialize(self) -> None:
        """Make one visit, chosen in the page; its partition turns green."""
        self._open(_VISIT, 900)
        self.page.click("Materialize all…")
        self.page.wait_for("Partition selection")
        self.page.wait_until(lambda: "daemon is not running" not in self.page.text)
        self.page.click("Select a partition or create one")
        self.page.click(ONE)
        self._look("materialize")
        self.page.click("Launch runs to materialize 8 assets")  # anywhere beside the list: it closes
        self.page.click("Launch 1 run")
        self.page.wait_until(lambda: "Launch runs to materialize" not in self.page.text)
        self._open("assets/eusml/frames?view=partitions", 900)
        self.page.wait_for("Materialized (1)", "Missing (1)", "Failed (0)")
        self.page.click(ONE)
        self.page.wait_for("frames_decoded", ALIASES[ONE])
        self._look("partition")

    def upload(self) -> None:
        """Drop files in, and see them become a visit."""
        third_visit(self.hospital)
        self._open("assets/eusml/frames?view=partitions", 900)
        self.page.wait_for("Materialized (3)", "Missing (0)", "Failed (0)")
        self._open("runs", 640, width_px=1600)
        self.page.wait_for(ALIASES[THREE], "new visit", "first tables", "In progress (0)", "Queued (0)")
        self.page.wait_until(lambda: not {"Starting", "Started", "Queued"} & set(self.page.text.splitlines()))
        self._look("runs")

    def open_the_pictures(self) -> None:
        """Timeline and contact sheet of the visit that was dropped in."""
        for asset, title in (("timeline", "timeline"), ("preprocessed_frames", "contact sheet square_256")):
            self._open(f"assets/eusml/{asset}?view=partitions&partition={THREE}", 760)
            self.page.wait_for(f"{title} of {ALIASES[THREE]}")
            self.page.click("[Show Markdown]")
            drawn = f"[...document.images].some(i => i.alt == {json.dumps(title)} && i.naturalWidth > 400)"
            self.page.wait_until(partial(self.page.run, drawn))
            self._look(title.split(" square")[0].replace(" ", "_"))

    def read_the_reason(self) -> None:
        """Why the broken file was rejected, and what can be done."""
        self._open(f"assets/eusml/raw_videos?view=partitions&partition={THREE}", 920)
        self.page.wait_for(REJECTIONS)
        self.page.wait_for("unreadable", "cannot be opened as a video file", "export it again")
        self._look("rejected")

    def _is(self, sensor: str, on: bool) -> bool:
        return self.page.is_on(sensor, _SWITCH) is on

    def _open(self, place: str, height_px: int, *, width_px: int = 1280) -> None:
        self.page.open(f"{self.address}/{place}", width_px, height_px, scale=1)

    def _look(self, name: str) -> None:
        """Keep a picture of what is in sight, which shows nothing of this machine and no uploaded name."""
        self.page.point_nowhere()
        time.sleep(_STILL_S)
        private = {str(self.hospital.folder), str(Path.home()), BROKEN, "first.mp4"}
        host = rf"\b{re.escape(socket.gethostname())}\b"
        text = self.page.text
        assert not [one for one in private if one in text], text
        assert not re.search(host, text), text
        self.pictures[name] = self.page.picture()


@contextmanager
def tour(folder: Path) -> Iterator[Tour]:
    """A person before the page of a new study, whose daemon has started and whose sensors are off."""
    hospital = filmed_hospital(folder / "study")
    with open_instance(hospital.home) as instance:
        take_root(instance, hospital.study)
        StudySession(hospital.study, instance).observe()
    with (
        webserver(hospital.home, hospital.configs, folder / "webserver.log") as address,
        browser(folder / "profile") as page,
    ):
        visitor = Tour(hospital, page, address)
        visitor.switch(on=False)
        with daemon(hospital):
            yield visitor


def take(visitor: Tour) -> dict[str, bytes]:
    """The whole walk; the pictures by name."""
    visitor.see_the_lineage()
    visitor.materialize()
    visitor.switch(on=True)
    visitor.upload()
    visitor.open_the_pictures()
    visitor.read_the_reason()
    visitor.see_the_lineage("asset_graph")
    return visitor.pictures
