"""Clocks that start anew, times that are only those of decoding, and files of which a part is missing."""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.support.videos.small_videos import evenly, paint, paint_noise, read_number, write_video
from eus_etl.domain.video.reader import DecodeCounts, DecodedFrame, DecodeOptions, decode, probe
from eus_etl.domain.video.stretches import PacketStamps, clock_starts

BASE = Fraction(1, 25)
OPTIONS = {"bf": "2", "g": "20", "sc_threshold": "0", "crf": "10"}
MPEG2 = {"bf": "2", "g": "12", "b": "4000000"}


def read(path: Path, counts: DecodeCounts | None = None, rate_hz: float | None = None) -> list[DecodedFrame]:
    return list(decode(path, "v1", counts or DecodeCounts(), DecodeOptions(rate_hz=rate_hz, skip=False)))


def numbers(frames: list[DecodedFrame]) -> list[int]:
    return [read_number(frame.picture()) for frame in frames]


def join(folder: Path, ending: str, *starts: int) -> Path:
    """Parts of 40 numbered frames end to end, each with its own start on the clock, in frames."""
    folder.mkdir(exist_ok=True)
    parts = []
    for part, start in enumerate(starts):
        mpeg2 = ending == "vob"
        path = write_video(
            folder / f"{part}.{ending}",
            evenly(1, 40, start=start),
            BASE,
            "mpeg2video" if mpeg2 else "libx264",
            options=MPEG2 if mpeg2 else OPTIONS,
            first=40 * part,
            painter=paint_noise,
        )
        parts.append(path.read_bytes())
    joined = folder / f"joined.{ending}"
    joined.write_bytes(b"".join(parts))
    return joined


@pytest.mark.parametrize("ending", ["ts", "vob"])
@pytest.mark.parametrize("starts", [(0, 0), (100, 0), (100, 60), (0, 0, 0), (50, 0, 20)])
def test_a_clock_that_starts_anew_goes_on_where_it_was(
    tmp_path: Path, ending: str, starts: tuple[int, ...]
) -> None:
    joined = join(tmp_path, ending, *starts)
    total = 40 * len(starts)
    restarts = sum(later < earlier + 40 for earlier, later in pairwise(starts))
    counts = DecodeCounts()
    frames = read(joined, counts)
    assert numbers(frames) == list(range(total))
    assert [float(frame.time_s * 25) for frame in frames] == pytest.approx(range(total), abs=0.6)
    assert [frame.frame_index for frame in frames] == list(range(total))
    assert counts.clock_restarts == restarts
    assert probe(joined, "v1").duration_s == pytest.approx(total / 25, abs=0.03)
    assert len(read(joined, rate_hz=5)) == total // 5


def test_parts_of_one_recording_join_without_a_seam(tmp_path: Path) -> None:
    joined = join(tmp_path, "ts", 100, 140, 180)
    counts = DecodeCounts()
    assert [frame.time_s * 25 for frame in read(joined, counts)] == list(range(120))
    assert counts.clock_restarts == 0


def test_a_gap_stays_a_gap(tmp_path: Path) -> None:
    joined = join(tmp_path, "ts", 100, 400)
    counts = DecodeCounts()
    times = [frame.time_s * 25 for frame in read(joined, counts)]
    assert times == [*range(40), *range(300, 340)]
    assert probe(joined, "v1").duration_s == pytest.approx(340 / 25)


def test_frames_of_both_parts_keep_the_pts_of_their_stream(tmp_path: Path) -> None:
    frames = read(join(tmp_path, "ts", 0, 0))
    assert [frame.pts for frame in frames[:40]] == [frame.pts for frame in frames[40:]]
    assert [frame.repeat for frame in frames] == [0] * 40 + [1] * 40


def test_several_videos_decoded_at_once_keep_their_frames_apart(tmp_path: Path) -> None:
    paths = [join(tmp_path / f"{n}", "ts", 0, 0) for n in range(4)]
    with ThreadPoolExecutor(4) as threads:
        for frames in threads.map(read, paths * 3):
            assert [frame.time_s * 25 for frame in frames] == list(range(80))
            assert [frame.frame_index for frame in frames] == list(range(80))


def stamps(dts: list[int]) -> PacketStamps:
    times = np.array(dts, np.int64)
    return PacketStamps(times, times, np.full(len(dts), 40), 0, 0, Fraction(25), Fraction(1, 1000))


@given(st.lists(st.tuples(st.integers(30, 90), st.integers(0, 10**6)), min_size=1, max_size=5))
def test_starts_are_where_time_steps_back(parts: list[tuple[int, int]]) -> None:
    dts: list[int] = []
    expected = [0]
    for count, start in parts:
        if dts and start < dts[-1] - 100:
            expected.append(len(dts))
        dts += evenly(40, count, start=start)
    starts, strays = clock_starts(stamps(dts))
    assert not strays
    assert list(starts) == expected


@pytest.mark.parametrize("damaged", [1, 5])
def test_a_damaged_time_starts_nothing(damaged: int) -> None:
    dts = evenly(40, 100)
    for place in range(50, 50 + damaged):
        dts[place] += 10**7
    starts, strays = clock_starts(stamps(dts))
    assert starts == (0,)
    assert strays == set(range(50, 50 + damaged))


def write_decode_times(path: Path, options: dict[str, str], count: int = 60) -> Path:
    """A file that states decode times only, as old writers of MP4 and Matroska do."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        packets = []
        for number in range(count):
            packets += stream.encode(av.VideoFrame.from_ndarray(paint(number), format="rgb24"))
        for place, packet in enumerate([*packets, *stream.encode(None)]):
            packet.pts = packet.dts = place
            packet.time_base = BASE
            container.mux(packet)
    return path


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi", "mov"])
@pytest.mark.parametrize("b_frames", ["0", "3"])
def test_decode_times_alone_still_tell_when_each_frame_is_shown(
    tmp_path: Path, ending: str, b_frames: str
) -> None:
    path = write_decode_times(tmp_path / f"video.{ending}", {**OPTIONS, "bf": b_frames})
    frames = read(path)
    assert numbers(frames) == list(range(60))
    assert [float(frame.time_s * 25) for frame in frames] == pytest.approx(range(60), abs=0.05)
    assert [frame.frame_index for frame in frames] == list(range(60))
    assert probe(path, "v1").duration_s == pytest.approx(2.4)
    skipped = list(decode(path, "v1", options=DecodeOptions(rate_hz=5, skip=True))) if b_frames == "0" else []
    assert [frame.pts for frame in skipped] == [frame.pts for frame in read(path, rate_hz=5)][: len(skipped)]


def write_with_sound(path: Path) -> Path:
    """Sixty numbered frames beside a track of sound."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        film = container.add_stream("libx264", rate=25, options=OPTIONS)
        film.width, film.height, film.pix_fmt = 160, 96, "yuv420p"
        sound = container.add_stream("aac", rate=8000, layout="mono")
        for number in range(60):
            container.mux(film.encode(av.VideoFrame.from_ndarray(paint(number), format="rgb24")))
        for place in range(20):
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            samples.sample_rate, samples.pts = 8000, place * 1024
            container.mux(sound.encode(samples))
        container.mux(film.encode(None))
        container.mux(sound.encode(None))
    return path


def test_what_a_cut_file_lacks_of_another_track_costs_no_frame(tmp_path: Path) -> None:
    content = bytearray(write_with_sound(tmp_path / "whole.mp4").read_bytes())
    box = content.rindex(b"stco")  # where the sound lies: now all past the end
    count = int.from_bytes(content[box + 8 : box + 12], "big")
    content[box + 12 : box + 12 + 4 * count] = b"\x7f\x00\x00\x00" * count
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content)
    counts = DecodeCounts()
    assert numbers(read(cut, counts)) == list(range(60))
    assert (counts.errors, counts.missing) == (0, 0)
