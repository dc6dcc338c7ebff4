"""A stream that begins between two key frames: its time begins with the first frame that its packets hold."""

import json
import shutil
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import pytest

from benchmarks.support.videos.cut_videos import without_first_packets
from benchmarks.support.videos.small_videos import evenly, paint_noise, read_number, write_video
from eus_etl.domain.video.reader import DecodeCounts, DecodedFrame, DecodeOptions, decode, probe

BASE, FRAMES = Fraction(1, 25), 60
LIKE = Literal["libx264", "mpeg4", "mpeg2video"]
X264 = {"g": "20", "sc_threshold": "0", "crf": "10", "preset": "veryfast"}
KINDS: list[tuple[str, LIKE, dict[str, str]]] = [
    ("b.ts", "libx264", {**X264, "bf": "2"}),
    ("p.ts", "libx264", {**X264, "bf": "0"}),
    ("open.ts", "libx264", {**X264, "bf": "3", "x264-params": "open-gop=1"}),
    ("mpeg2.ts", "mpeg2video", {"bf": "2", "g": "12", "b": "4000000"}),
    ("mpeg2.mpg", "mpeg2video", {"bf": "2", "g": "12", "b": "4000000"}),
    ("b.vob", "libx264", {**X264, "bf": "2"}),  # of some frames only the time is stated
    ("open.vob", "libx264", {**X264, "bf": "3", "x264-params": "open-gop=1"}),
    ("b.mkv", "libx264", {**X264, "bf": "2"}),
    ("open.mkv", "libx264", {**X264, "bf": "3", "x264-params": "open-gop=1"}),
    ("mpeg2.mkv", "mpeg2video", {"bf": "2", "g": "12", "b": "4000000"}),
    ("b.h264", "libx264", {**X264, "bf": "2"}),
    ("open.h264", "libx264", {**X264, "bf": "3", "x264-params": "open-gop=1"}),
    ("mpeg2.m2v", "mpeg2video", {"bf": "2", "g": "12", "b": "4000000"}),
]


Made = Callable[[str, LIKE, dict[str, str]], Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Whole videos of numbered pictures by name, each encoded once."""
    folder = tmp_path_factory.mktemp("whole")

    def write(name: str, codec: LIKE, options: dict[str, str]) -> Path:
        path = folder / name
        if not path.exists():
            write_video(path, evenly(1, FRAMES), BASE, codec, options=options, painter=paint_noise)
        return path

    return write


def write_cut(
    made: Made, folder: Path, name: str, codec: LIKE, options: dict[str, str], count: int
) -> tuple[Path, list[int]]:
    """A video of numbered pictures without its first packets, and the numbers that it holds, sorted."""
    whole = made(name, codec, options)
    # a container that states every time tells the order of coding
    shown = coded_numbers(made(f"{Path(name).stem}.mkv", codec, options))
    cut = without_first_packets(whole, folder / name, count)
    with av.open(str(cut)) as container:
        held = sum(bool(packet.size) for packet in container.demux(video=0))
    return cut, sorted(shown[FRAMES - held :])


def coded_numbers(path: Path) -> list[int]:
    """The numbers of the pictures in the order of coding."""
    with av.open(str(path)) as container:
        pts = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    return [sorted(pts).index(time) for time in pts]


def read(path: Path, options: DecodeOptions | None = None) -> list[DecodedFrame]:
    return list(decode(path, "v1", DecodeCounts(), options or DecodeOptions()))


@pytest.mark.parametrize("count", [1, 5, 6])
@pytest.mark.parametrize(("name", "codec", "options"), KINDS, ids=[kind[0] for kind in KINDS])
def test_time_begins_with_the_first_frame_that_the_packets_hold(
    made: Made, tmp_path: Path, name: str, codec: LIKE, options: dict[str, str], count: int
) -> None:
    cut, held = write_cut(made, tmp_path, name, codec, options, count)
    frames = read(cut)
    numbers = [read_number(frame.picture()) for frame in frames]
    assert numbers == list(range(numbers[0], FRAMES))
    places = [held.index(number) for number in numbers]
    assert 0 < places[0] <= 24
    assert [frame.frame_index for frame in frames] == places
    # what has no time at all can only be counted
    times = places if probe(cut, "v1").synthetic_time else [number - held[0] for number in numbers]
    # before the first header of MPEG-2, FFmpeg knows no rate: where not all times are stated, it may be a
    # frame off
    off = 1.05 if name.endswith((".m2v", ".mpg")) else 0.05
    assert [float(frame.time_s * 25) for frame in frames] == pytest.approx(times, abs=off)
    assert probe(cut, "v1").duration_s == pytest.approx((times[-1] + 1) / 25, abs=off / 25)


@pytest.mark.parametrize(("name", "codec", "options"), KINDS, ids=[kind[0] for kind in KINDS])
def test_whole_streams_begin_at_zero_and_deinterlacing_changes_no_time(
    made: Made, tmp_path: Path, name: str, codec: LIKE, options: dict[str, str]
) -> None:
    path = made(name, codec, options)
    for frames in (
        read(path),
        read(path, DecodeOptions(deinterlace=True)),
        read(path, DecodeOptions(threads=1)),
    ):
        assert [read_number(frame.picture()) for frame in frames] == list(range(FRAMES))
        assert [round(frame.time_s * 25, 1) for frame in frames] == list(range(FRAMES))
        assert [frame.frame_index for frame in frames] == list(range(FRAMES))


def test_the_rate_keeps_the_frames_that_its_grid_on_that_time_asks_for(made: Made, tmp_path: Path) -> None:
    cut, (first, *_) = write_cut(made, tmp_path, *KINDS[0], count=5)
    kept = read(cut, DecodeOptions(rate_hz=5, skip=False))
    numbers = [read_number(frame.picture()) - first for frame in kept]
    first_given = numbers[0]
    assert first_given % 5
    assert numbers[1:] == [n for n in range(FRAMES - first) if n % 5 == 0 and n > first_given]


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="ffprobe is not installed")
@pytest.mark.parametrize(("name", "codec", "options"), KINDS[:4] + KINDS[7:10], ids=lambda v: str(v)[:12])
def test_times_are_those_of_ffprobe_from_its_first_packet(
    made: Made, tmp_path: Path, name: str, codec: LIKE, options: dict[str, str]
) -> None:
    cut, _ = write_cut(made, tmp_path, name, codec, options, 5)
    command = [
        "ffprobe",
        "-v",
        "quiet",
        "-select_streams",
        "v",
        "-show_packets",
        "-show_frames",
        "-of",
        "json",
    ]
    said = json.loads(subprocess.run([*command, str(cut)], capture_output=True, check=True).stdout)
    entries = said["packets_and_frames"]
    origin = min(float(entry["pts_time"]) for entry in entries if "pts_time" in entry)
    shown = [float(e["best_effort_timestamp_time"]) for e in entries if e["type"] == "frame"]
    assert [float(frame.time_s) for frame in read(cut)] == pytest.approx(
        [t - origin for t in shown], abs=1e-5
    )
