"""What a DICOM file claims is checked against its bytes; what its tags hold by mistake counts as missing."""

import tracemalloc
from pathlib import Path

import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
)

from benchmarks.support.videos.dicom_files import FRAMES, PREFIX, coded, write_dicom
from benchmarks.support.videos.small_videos import evenly, read_number
from eus_etl.domain.video.reader import DecodeCounts, probe
from eus_etl.errors import VideoUnreadableError
from eus_etl_tests.support.videos.real_media import decoded


def test_missing_pictures_at_the_end_are_counted(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "loop", FrameTime="40")
    path.write_bytes(path.read_bytes()[: -2 * 96 * 160 * 3])
    counts = DecodeCounts()
    assert [read_number(frame.picture()) for frame in decoded(path, counts)] == [0, 1, 2]
    assert (counts.frames, counts.errors, counts.missing) == (3, 0, 2)


def test_the_bytes_say_how_many_frames_where_the_tag_does_not(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "loop", FrameTime="40")
    stored = pydicom.dcmread(path)
    del stored.NumberOfFrames
    stored.save_as(path)
    assert [read_number(frame.picture()) for frame in decoded(path)] == list(range(FRAMES))
    assert probe(path, "v1").frames_held == FRAMES


def misstate(path: Path, right: str, odd: str) -> Path:
    """Write into a tag, in its place, what pydicom refuses to write."""
    content = path.read_bytes()
    assert content.count(right.encode()) == 1
    path.write_bytes(content.replace(right.encode(), odd.ljust(len(right)).encode()))
    return path


ODD = ["ZQNAME", "-40.25", "0", "1e999", "nan", "inf", "40\\\\40", "1/3", "\0\0", "9999999999"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("tag", ["FrameTime", "CineRate", "RecommendedDisplayFrameRate"])
def test_an_odd_time_is_not_stated(
    tmp_path: Path, tag: str, odd: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    right = "4025739512" if tag != "FrameTime" else "40.2573951"
    path = misstate(
        write_dicom(tmp_path / "loop", "RGB", ExplicitVRLittleEndian, **{tag: right[:10]}), right, odd
    )
    facts = probe(path, "v1")
    assert (facts.synthetic_time, facts.duration_s, facts.nominal_rate_hz) == (True, 0.2, None)
    assert [frame.pts for frame in decoded(path)] == evenly(40_000, FRAMES)
    assert "ZQ" not in caplog.text + "".join(capfd.readouterr()) + repr(facts)


@pytest.mark.parametrize("odd", ["ZQ", "-3", "0", "2.5", "1e3"])
def test_an_odd_number_of_frames_is_what_the_bytes_hold(tmp_path: Path, odd: str) -> None:
    path = write_dicom(tmp_path / "loop", NumberOfFrames=1357, FrameTime="40")
    misstate(path, "1357", odd)
    if odd == "1e3":  # a number, and more than there is
        counts = DecodeCounts()
        assert len(decoded(path, counts)) == FRAMES
        assert counts.missing == 1000 - FRAMES
        return
    assert [read_number(frame.picture()) for frame in decoded(path)] == list(range(FRAMES))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, UID(PREFIX + "50")])
def test_more_frames_than_bytes_are_refused_at_once(tmp_path: Path, syntax: UID) -> None:
    data = {} if syntax == ExplicitVRLittleEndian else {"PixelData": encapsulate(coded("mjpeg", "yuvj420p"))}
    path = write_dicom(tmp_path / "loop", "RGB", syntax, NumberOfFrames=2_000_000_000, **data)
    tracemalloc.start()
    try:
        with pytest.raises(VideoUnreadableError, match="more frames than bytes"):
            probe(path, "v1")
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("aspect", [[0, 0], [1, 0], [0, 1]])
def test_an_odd_pixel_aspect_is_square(tmp_path: Path, aspect: list[int]) -> None:
    path = write_dicom(tmp_path / "loop", PixelAspectRatio=aspect, FrameTime="40")
    assert probe(path, "v1").pixel_aspect == 1


def test_dicom_without_pictures_is_refused(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "loop")
    report = pydicom.dcmread(path)
    del report.PixelData, report.Rows
    report.save_as(path)
    with pytest.raises(VideoUnreadableError, match="without pictures"):
        probe(path, "v1")
