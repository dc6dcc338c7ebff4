"""Videos of any kind, real ones and made ones: their frames, facts and times."""

import itertools
import re
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from benchmarks.support.videos.small_videos import evenly, paint, read_number, write_video
from eus_etl.domain.video.reader import DecodeCounts, DecodedFrame, DecodeOptions, decode, probe
from eus_etl.errors import VideoUnreadableError
from eus_etl_tests.support.videos.real_media import decoded, media, needs_ffmpeg


@media
def test_frames_and_facts_of_real_files(
    shared: Path, name: str, stream: int, count: int, width: int, height: int
) -> None:
    counts = DecodeCounts()
    frames = decoded(shared / name, counts)
    facts = probe(shared / name, "v1")
    assert len(frames) == counts.frames == count
    assert (facts.width, facts.height) == (width, height) == (frames[0].width, frames[0].height)
    assert frames[0].picture().shape == (height, width, 3)
    assert facts.frames_held == frames[-1].frame_index + 1
    assert facts.duration_s is not None
    assert float(frames[-1].time_s) < facts.duration_s
    assert not facts.synthetic_time


@needs_ffmpeg
@media
def test_pts_equal_those_of_ffprobe(
    shared: Path, name: str, stream: int, count: int, width: int, height: int
) -> None:
    ours = [frame.pts for frame in decoded(shared / name)]
    theirs = ffprobe_pts(shared / name, stream)
    assert len(ours) == len(theirs)
    # FFmpeg 5 loses the pts of the last frame of an MPEG-2 stream
    assert [a for a, b in zip(ours, theirs, strict=True) if b is not None and a != b] == []
    assert theirs.count(None) <= 1


@needs_ffmpeg
@media
def test_luma_equals_that_of_ffmpeg_in_every_sample(
    shared: Path, name: str, stream: int, count: int, width: int, height: int
) -> None:
    # what replaces lost blocks depends on the number of decoder threads; without the flag bitexact, FFmpeg 5
    # rounds half-pixel motion of MPEG-4 part 2 approximately on CPUs with MMXEXT
    command = [
        "ffmpeg",
        "-v",
        "quiet",
        "-threads",
        str(DecodeOptions().threads),
        "-flags",
        "bitexact",
        "-noautorotate",
    ]
    command += ["-i", str(shared / name)]
    command += [
        "-map",
        f"0:{stream}",
        "-vsync",
        "passthrough",
        "-vf",
        "extractplanes=y",
        "-f",
        "rawvideo",
        "-",
    ]
    theirs = subprocess.run(command, capture_output=True, check=True).stdout
    ours = b"".join(luma(frame) for frame in decoded(shared / name))
    assert ours == theirs


def luma(frame: DecodedFrame) -> bytes:
    raw = frame.picture.args[0]  # type: ignore[attr-defined]  # a partial of the decoder's frame
    plane = raw.planes[0]
    lines = np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)[: raw.height]
    return lines[:, : raw.width * (2 if "10" in raw.format.name else 1)].tobytes()


def ffprobe_pts(path: Path, stream: int) -> list[int | None]:
    command = ["ffprobe", "-v", "quiet", "-select_streams", str(stream), "-show_frames", "-of", "default"]
    command += ["-show_entries", "frame=best_effort_timestamp", str(path)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^best_effort_timestamp=(-?\d+|N/A)$", listed, re.MULTILINE)
    return [None if pts == "N/A" else int(pts) for pts in found]


@needs_ffmpeg
def test_rotation_is_that_of_ffmpeg(shared: Path) -> None:
    path = shared / "odd_media/nasa_13013_rotated.mp4"
    command = ["ffmpeg", "-v", "quiet", "-i", str(path), "-frames:v", "1", "-f", "rawvideo"]
    raw = subprocess.run([*command, "-pix_fmt", "bgr24", "-"], capture_output=True, check=True).stdout
    theirs = np.frombuffer(raw, np.uint8).reshape(480, 270, 3)
    assert probe(path, "v1").rotation == 90
    assert cv2.PSNR(decoded(path)[0].picture(), theirs) > 45


def test_damage_is_counted_and_the_index_knows_the_lost_frame(shared: Path) -> None:
    counts = DecodeCounts()
    frames = decoded(shared / "odd_media/corrupted.mp4", counts)
    assert (counts.frames, counts.errors, counts.damaged) == (49, 1, 1)
    assert sum(frame.damaged for frame in frames) == 1
    assert len({frame.frame_index for frame in frames}) == 49
    assert frames[-1].frame_index == 49


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_nothing(shared: Path, threads: int) -> None:
    path = shared / "odd_media/corrupted.mp4"
    frames = list(decode(path, "v1", options=DecodeOptions(threads=threads)))
    assert [frame.pts for frame in frames] == [frame.pts for frame in decoded(path)]


def test_audio_alone_is_refused(shared: Path) -> None:
    with pytest.raises(VideoUnreadableError, match=r"^v1: cannot be opened as a video file"):
        probe(shared / "odd_media/nasa_13013.mp4.audio.mp3", "v1")


@pytest.mark.parametrize("content", [b"", b"no video at all " * 500])
@pytest.mark.parametrize("name", ["secret name.mp4", "secret name.txt", "secret name.dcm"])
def test_what_is_no_video_is_refused_without_its_name(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(VideoUnreadableError) as refused:
        probe(path, "v1")
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_missing_file_is_the_disks_fault(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        probe(tmp_path / "gone.mp4", "v1")


@pytest.mark.parametrize(
    ("name", "pts", "base", "options"),
    [
        ("b_frames.mkv", evenly(40, 30), 1000, {"bf": "3", "crf": "10"}),
        ("late_start.mkv", evenly(40, 30, start=139_000), 1000, None),
        ("variable.mkv", [0, 40, 100, 500, 501, 900, 5000], 1000, None),
        ("transport.ts", evenly(3600, 30, start=900_000), 90_000, None),
        ("negative.ts", evenly(3600, 30, start=-18_000), 90_000, None),
    ],
)
def test_each_picture_has_its_own_pts(
    tmp_path: Path, name: str, pts: list[int], base: int, options: dict[str, str] | None
) -> None:
    path = write_video(
        tmp_path / name,
        pts,
        Fraction(1, base),
        options=options,
        container_options={"avoid_negative_ts": "disabled"},
    )
    frames = decoded(path)
    assert [frame.pts for frame in frames] == pts
    assert [read_number(frame.picture()) for frame in frames] == list(range(len(pts)))
    assert [frame.frame_index for frame in frames] == list(range(len(pts)))
    assert [frame.time_s for frame in frames] == [Fraction(time - pts[0], base) for time in pts]
    assert probe(path, "v1").variable_rate is (name == "variable.mkv")


def test_an_avi_with_b_frames_has_its_decode_times(tmp_path: Path) -> None:
    path = write_video(tmp_path / "b.avi", evenly(1, 30), Fraction(1, 25))
    frames = decoded(path)
    steps = {b.pts - a.pts for a, b in itertools.pairwise(frames)}
    assert [read_number(frame.picture()) for frame in frames] == list(range(30))
    assert len(steps) == 1
    assert min(steps) > 0


def test_a_stream_without_pts_is_counted_at_the_nominal_rate(tmp_path: Path) -> None:
    path = write_video(tmp_path / "raw.h264", evenly(1, 20), Fraction(1, 25))
    frames = decoded(path)
    assert all(frame.synthetic_time for frame in frames)
    assert [frame.pts for frame in frames] == list(range(20))
    assert {frame.time_base for frame in frames} == {Fraction(1, 25)}
    assert [read_number(frame.picture()) for frame in frames] == list(range(20))
    facts = probe(path, "v1")
    assert facts.synthetic_time
    assert facts.duration_s == pytest.approx(0.8)
    assert facts.variable_rate is None


def test_times_that_start_again_are_kept_in_order_and_counted(tmp_path: Path) -> None:
    part = write_video(tmp_path / "part.ts", evenly(3600, 20, start=900_000), Fraction(1, 90_000))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(part.read_bytes() * 2)
    counts = DecodeCounts()
    frames = decoded(joined, counts)
    assert counts.frames == 40
    assert (counts.backward, counts.clock_restarts) == (0, 1)
    assert counts.repeated == 20
    assert [frame.repeat for frame in frames] == [0] * 20 + [1] * 20
    assert [frame.frame_index for frame in frames] == list(range(40))
    assert [read_number(frame.picture()) for frame in frames] == [*range(20), *range(20)]


def test_a_truncated_file_gives_what_it_has(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.ts", evenly(3600, 60), Fraction(1, 90_000))
    cut = tmp_path / "cut.ts"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    frames = decoded(cut)
    assert 15 < len(frames) < 45
    assert [read_number(frame.picture()) for frame in frames[:15]] == list(range(15))


def test_what_comes_before_the_first_key_frame_is_counted_apart(tmp_path: Path) -> None:
    options = {"bf": "0", "g": "20", "crf": "10", "sc_threshold": "0"}
    whole = write_video(tmp_path / "whole.ts", evenly(3600, 60), Fraction(1, 90_000), options=options)
    cut = tmp_path / "cut.ts"
    cut.write_bytes(whole.read_bytes()[whole.stat().st_size // 2 // 188 * 188 :])
    counts = DecodeCounts()
    frames = decoded(cut, counts)
    assert read_number(frames[0].picture()) == 40
    assert counts.frames == 20
    assert counts.before_key > 0
    assert counts.errors == 0
    assert frames[0].frame_index == counts.before_key
    assert frames[0].time_s == Fraction(counts.before_key, 25)


@pytest.mark.parametrize(
    ("stated", "recorded_at"),
    [
        ("2024-03-05T08:30:15.000000Z", "2024-03-05T08:30:15+00:00"),
        ("1904-01-01T00:00:00.000000Z", None),
        ("1970-01-01T00:00:00.000000Z", None),
    ],
)
def test_recording_time(tmp_path: Path, stated: str, recorded_at: str | None) -> None:
    path = tmp_path / "dated.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["creation_time"] = stated
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(paint(1, 64, 48), format="rgb24")))
        container.mux(stream.encode(None))
    assert probe(path, "v1").recorded_at == recorded_at
