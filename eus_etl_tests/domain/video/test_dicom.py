"""DICOM cine loops: their pictures, their times, and what of the tags is believed."""

from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    RLELossless,
)

from benchmarks.support.videos.dicom_files import (
    FRAMES,
    PERSON,
    PREFIX,
    coded,
    stream,
    write_dicom,
    write_encapsulated,
)
from benchmarks.support.videos.small_videos import evenly, paint, read_number
from eus_etl.domain.video.reader import DecodeCounts, DecodeOptions, decode, probe
from eus_etl_tests.support.videos.real_media import decoded


def test_a_real_loop(shared: Path) -> None:
    path = shared / "clips/examples_ybr_color.dcm"
    frames = decoded(path)
    facts = probe(path, "v1")
    assert len(frames) == facts.frames_held == 30
    assert [frame.pts for frame in frames[:4]] == [0, 33333, 66666, 99999]
    assert (facts.width, facts.height, facts.container, facts.codec) == (
        320,
        240,
        "dicom",
        "JPEGBaseline8Bit",
    )
    assert facts.nominal_rate_hz == pytest.approx(30, abs=0.01)
    picture = frames[0].picture()
    assert picture.shape == (240, 320, 3)
    # an echo is grey: colours that are not converted would tint all of it
    assert np.abs(picture[..., 0].astype(int) - picture[..., 2]).mean() < 2


@pytest.mark.parametrize(
    ("meaning", "bits"),
    [("RGB", 8), ("MONOCHROME2", 8), ("MONOCHROME1", 8), ("MONOCHROME2", 12), ("PALETTE COLOR", 8)],
)
def test_pictures_in_every_meaning(tmp_path: Path, meaning: str, bits: int) -> None:
    frames = decoded(write_dicom(tmp_path / "loop", meaning, FrameTime="40", BitsStored=bits))
    assert [read_number(frame.picture()) for frame in frames] == list(range(FRAMES))
    assert np.abs(frames[1].picture().astype(int) - paint(1)).max() <= 1


def test_colours_are_blue_green_red(tmp_path: Path) -> None:
    red = np.zeros((FRAMES, 96, 160, 3), np.uint8)
    red[..., 0] = 200
    path = write_dicom(tmp_path / "loop", FrameTime="40", PixelData=red.tobytes())
    assert decoded(path)[0].picture()[0, 0].tolist() == [0, 0, 200]


@pytest.mark.parametrize(
    ("tags", "pts", "synthetic"),
    [
        ({"FrameTime": "33.333"}, [0, 33333, 66666, 99999, 133332], False),
        ({"FrameTimeVector": ["0", "10", "20.5", "10", "40"]}, [0, 10_000, 30_500, 40_500, 80_500], False),
        ({"RecommendedDisplayFrameRate": "50"}, [0, 20_000, 40_000, 60_000, 80_000], False),
        ({"CineRate": "50"}, [0, 20_000, 40_000, 60_000, 80_000], False),
        ({"FrameTimeVector": ["0", "10"], "FrameTime": "20"}, [0, 20_000, 40_000, 60_000, 80_000], False),
        ({}, [0, 40_000, 80_000, 120_000, 160_000], True),
    ],
)
def test_times_come_from_the_increments(
    tmp_path: Path, tags: dict[str, Any], pts: list[int], synthetic: bool
) -> None:
    path = write_dicom(tmp_path / "loop", **tags)
    frames = decoded(path)
    facts = probe(path, "v1")
    assert [frame.pts for frame in frames] == pts
    assert frames[-1].time_s == Fraction(pts[-1], 1_000_000)
    assert {frame.synthetic_time for frame in frames} == {synthetic} == {facts.synthetic_time}
    assert facts.variable_rate is (None if synthetic else len(set(np.diff(pts))) > 1)


def test_the_name_in_the_tags_reaches_nothing(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "loop", FrameTime="40", AcquisitionDateTime="20240305083015.5+0530")
    facts = probe(path, "v1")
    assert PERSON not in repr(facts)
    assert PERSON not in repr([frame.picture for frame in decoded(path)])
    assert facts.recorded_at == "2024-03-05T08:30:15.500000+05:30"


FRAME_BY_FRAME = [
    ("70", "ljpeg", "yuvj444p", "YBR_FULL"),
    ("57", "ljpeg", "bgr24", "RGB"),
    ("80", "jpegls", "gray", "MONOCHROME2"),
    ("81", "jpegls", "rgb24", "RGB"),
    ("90", "jpeg2000", "rgb24", "RGB"),
    ("91", "jpeg2000", "gray", "MONOCHROME2"),
    ("201", "jpeg2000", "gray", "MONOCHROME2"),
    ("50", "mjpeg", "yuvj420p", "YBR_FULL_422"),
]


@pytest.mark.parametrize(("syntax", "codec", "pixels", "meaning"), FRAME_BY_FRAME)
def test_frames_of_every_way_to_code_them_one_by_one(
    tmp_path: Path, syntax: str, codec: str, pixels: str, meaning: str
) -> None:
    path = write_encapsulated(
        tmp_path / "loop", PREFIX + syntax, coded(codec, pixels), meaning, FrameTime="40"
    )
    counts = DecodeCounts()
    frames = decoded(path, counts)
    assert [read_number(frame.picture()) for frame in frames] == list(range(FRAMES))
    assert np.abs(frames[1].picture().astype(int) - paint(1)).mean() < 3
    assert [frame.pts for frame in frames] == evenly(40_000, FRAMES)
    assert counts.errors == 0
    assert probe(path, "v1").frames_held == FRAMES


@pytest.mark.parametrize("fragments", [1, 3])
@pytest.mark.parametrize(
    ("syntax", "name", "codec"),
    [("100", "v.m2v", "mpeg2video"), ("102", "v.h264", "libx264"), ("103.1", "v.mp4", "libx264")],
)
def test_a_video_stream_in_dicom_has_the_times_of_the_tags(
    tmp_path: Path, syntax: str, name: str, codec: Literal["libx264", "mpeg2video"], fragments: int
) -> None:
    content = stream(tmp_path, name, codec)
    size = -(-len(content) // fragments)
    parts = [content[place : place + size] for place in range(0, len(content), size)]
    path = write_encapsulated(tmp_path / "loop", PREFIX + syntax, parts, "YBR_PARTIAL_420", FrameTime="50")
    facts = probe(path, "v1")
    frames = decoded(path)
    assert [read_number(frame.picture()) for frame in frames] == list(range(FRAMES))
    assert [frame.pts for frame in frames] == evenly(50_000, FRAMES)
    assert (facts.frames_held, facts.duration_s, facts.synthetic_time) == (FRAMES, 0.25, False)
    assert len(list(decode(path, "v1", options=DecodeOptions(rate_hz=10)))) == 3


def test_deflated_and_run_length_coded_loops(tmp_path: Path) -> None:
    deflated = write_dicom(tmp_path / "deflated", syntax=DeflatedExplicitVRLittleEndian, FrameTime="40")
    assert [read_number(frame.picture()) for frame in decoded(deflated)] == list(range(FRAMES))
    packed = pydicom.dcmread(write_dicom(tmp_path / "packed", FrameTime="40"))
    packed.compress(RLELossless)
    packed.save_as(tmp_path / "packed")
    assert [read_number(frame.picture()) for frame in decoded(tmp_path / "packed")] == list(range(FRAMES))


def test_frames_that_cannot_be_decoded_at_the_beginning_took_their_time(tmp_path: Path) -> None:
    frames = coded("jpegls", "gray")
    frames[0] = b"\xff\xd8" + bytes(200)
    path = write_encapsulated(tmp_path / "loop", PREFIX + "80", frames, "MONOCHROME2", FrameTime="40")
    counts = DecodeCounts()
    assert [frame.time_s for frame in decoded(path, counts)] == [Fraction(n, 25) for n in range(1, FRAMES)]
    assert counts.errors == 1
