"""A tiny hospital whose videos show the synthetic hospital's phantom, for pictures that a person looks at."""

import os
import random
from pathlib import Path

import numpy as np

from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, LONG_AGO, ONE, TWO, TinyHospital
from eus_etl.sample.encode import write_video
from eus_etl.sample.phantom import pictures
from eus_etl.sample.plan import Cast, Episode, Recording, Visit

THREE = "33333333-aaaa-4aaa-8aaa-000000000003"
ALIASES = {ONE: "Brisk-Heron-1", TWO: ALIAS_TWO, THREE: "Calm-Plover-3"}
BROKEN = "Quillfeather, Adelgunde 2.mp4"
"""An upload that no program can read, named as people name files."""

_SECONDS, _RATE_HZ, _SIZE_PX = 48, 5, (480, 360)
_EPISODES = Episode("frozen", 14.0, 17.0), Episode("no_signal", 34.0, 36.0)
_PRESSES = {
    "Start Station 1 1": "00:00:02",
    "Stop Station 1 1": "00:00:21",
    "Start Stomach 1 1": "00:00:03",
    "Stop Stomach 1 1": "00:00:20",
    "Start Station 2 1": "00:00:24",
    "Stop Station 2 1": "00:00:44",
    "Stop Procedure": "00:00:46",
}


def filmed_hospital(folder: Path) -> TinyHospital:
    """Two visits of the pancreas study with one recording each."""
    hospital = TinyHospital(folder)
    hospital.configure(preprocess={"recipes": {"square_256": {"version": 1, "size_px": 256}}})
    hospital.items.clear()
    for patient in (ONE, TWO):
        _register(hospital, patient)
    for video in sorted(hospital.videos.rglob("*.mp4")):
        _film(hospital, video)
    return hospital


def third_visit(hospital: TinyHospital) -> None:
    """A visit comes in: its label item, its row of the sheet, a recording and a broken file."""
    folder = hospital.videos / THREE
    folder.mkdir()
    _register(hospital, THREE)
    aside = hospital.folder / "broken.mp4"
    aside.write_bytes(b"no video" * 1000)
    os.utime(aside, (LONG_AGO, LONG_AGO))
    aside.replace(folder / BROKEN)
    _film(hospital, folder / "first.mp4")


def _register(hospital: TinyHospital, patient: str) -> None:
    hospital.items[patient] = {"pseudo_name": ALIASES[patient], **_PRESSES}
    hospital.write_items()
    rows = "".join(f"{known},none\n" for known in hospital.items)
    hospital.write_rows(f"Patient,Cancer type\n{rows}")


def _film(hospital: TinyHospital, target: Path) -> None:
    """Upload a recording of the phantom, all at once, as if long ago."""
    cast = Cast(random.Random(target.parent.name))
    recording = Recording((target.name,), "libx264", "mp4", _RATE_HZ, _SECONDS, _EPISODES)
    visit = Visit(cast.person(), None, None, cast.day(0), "convex", _SIZE_PX, (recording,))
    aside = hospital.folder / "filmed.mp4"
    frames = pictures(visit, recording, np.random.default_rng(len(hospital.items)))
    write_video(aside, recording, _SIZE_PX, frames, visit.started_at)
    os.utime(aside, (LONG_AGO, LONG_AGO))
    aside.replace(target)
