import gc
import itertools
import re
import shutil
import subprocess
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition

from benchmarks.support.videos.small_videos import evenly, paint, read_number, write_video
from eus_etl.domain.cells.statistics import CellGrid, measure
from eus_etl.domain.video.reader import DecodeCounts, DecodedFrame, DecodeOptions, decode, probe
from eus_etl.errors import VideoUnreadableError
from eus_etl.settings import GridConfig

# file, index of the stream to choose, frames, width and height as shown: the tables of the two READMEs
MEDIA = [
    ("clips/DemoBMode.mov", 0, 450, 640, 480),
    ("clips/clarius-ocular-short.mp4", 0, 50, 1280, 960),
    ("clips/Cov_convex_volpecelli_sonographic_v1.mov", 0, 403, 450, 450),
    ("clips/Vir_prospective_file2.mp4", 0, 151, 270, 270),
    ("clips/Reg_pat4Image_140024.mpeg", 0, 438, 370, 370),
    ("clips/color3d_jpeg_baseline.h264.mp4", 0, 120, 640, 480),
    ("clips/color3d_jpeg_baseline.mjpeg.avi", 0, 120, 640, 480),
    ("odd_media/nasa_13013.mp4", 3, 390, 480, 270),
    ("odd_media/nasa_13013_rotated.mp4", 0, 17, 270, 480),
    ("odd_media/h265_10bits.mp4", 0, 30, 200, 200),
    ("odd_media/discard_first_keyframe.mp4", 0, 25, 64, 64),
    ("odd_media/corrupted.mp4", 0, 49, 1280, 720),
]
media = pytest.mark.parametrize(("name", "stream", "count", "width", "height"), MEDIA)
needs_ffmpeg = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="ffmpeg and ffprobe are not installed"
)


def decoded(path: Path, counts: DecodeCounts | None = None) -> list[DecodedFrame]:
    return list(decode(path, "v1", counts))


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


def test_the_picture_size_may_change_in_mid_stream(tmp_path: Path) -> None:
    base = Fraction(1, 90_000)
    first = write_video(tmp_path / "1.ts", evenly(3600, 10), base, size=(160, 96))
    second = write_video(tmp_path / "2.ts", evenly(3600, 10, start=36_000), base, size=(320, 192))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    frames = decoded(joined)
    assert [(frame.width, frame.height) for frame in frames] == [(160, 96)] * 10 + [(320, 192)] * 10
    assert [read_number(frame.picture()) for frame in frames] == [*range(10), *range(10)]


@pytest.mark.parametrize("turn", [90, 180, -90])
def test_rotation_is_undone(tmp_path: Path, turn: int) -> None:
    path = write_video(tmp_path / "turned.mp4", evenly(40, 3), rotation=turn)
    upright = np.rot90(paint(1), k=turn // 90)
    frame = decoded(path)[1]
    facts = probe(path, "v1")
    assert facts.rotation == turn % 360
    assert (facts.height, facts.width) == upright.shape[:2] == (frame.height, frame.width)
    assert cv2.PSNR(frame.picture(), np.ascontiguousarray(upright)) > 30


@needs_ffmpeg
@pytest.mark.parametrize("mirror", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_turned_and_mirrored_pictures_are_shown_as_ffmpeg_shows_them(
    tmp_path: Path, turn: int, mirror: tuple[bool, bool]
) -> None:
    path = write_video(tmp_path / "video.mp4", evenly(40, 2), rotation=turn, mirror=mirror, first=5)
    command = ["ffmpeg", "-v", "quiet", "-i", str(path), "-frames:v", "1", "-f", "rawvideo"]
    raw = subprocess.run([*command, "-pix_fmt", "bgr24", "-"], capture_output=True, check=True).stdout
    frame = decoded(path)[0]
    theirs = np.frombuffer(raw, np.uint8).reshape(frame.height, frame.width, 3)
    assert cv2.PSNR(frame.picture(), theirs) > 45
    facts = probe(path, "v1")
    assert (facts.width, facts.height) == (frame.width, frame.height)
    upright = np.rot90(
        frame.picture()[:, ::-1] if mirror[0] != mirror[1] else frame.picture(), -facts.rotation // 90
    )
    assert read_number(np.ascontiguousarray(upright)) == 5


def test_frames_that_are_let_go_leave_the_memory_at_once(tmp_path: Path) -> None:
    path = write_video(tmp_path / "turned.mp4", evenly(40, 60), rotation=90)
    gc.collect()
    before = sum(isinstance(thing, av.VideoFrame) for thing in gc.get_objects())
    gc.disable()
    try:
        for frame in decode(path, "v1"):
            frame.picture()
        held = sum(isinstance(thing, av.VideoFrame) for thing in gc.get_objects())
    finally:
        gc.enable()
    assert held - before < 5


def test_the_larger_stream_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        for size in ((64, 48), (160, 96)):
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(5):
            for stream in container.streams.video:
                picture = paint(number, stream.width, stream.height)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for stream in container.streams.video:
            container.mux(stream.encode(None))
    assert {(frame.width, frame.height) for frame in decoded(path)} == {(160, 96)}


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


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "cover.mp4"
    with av.open(str(path), "w") as container:
        film = container.add_stream("mpeg4", rate=25)
        film.width, film.height, film.pix_fmt = 160, 96, "yuv420p"
        cover = container.add_stream("png", rate=25)
        cover.width, cover.height, cover.pix_fmt = 640, 480, "rgb24"
        cover.disposition = Disposition.attached_pic
        for number in range(5):
            container.mux(film.encode(av.VideoFrame.from_ndarray(paint(number), format="rgb24")))
        container.mux(cover.encode(av.VideoFrame.from_ndarray(paint(9, 640, 480), format="rgb24")))
        container.mux(film.encode(None))
        container.mux(cover.encode(None))
    assert {(frame.width, frame.height) for frame in decoded(path)} == {(160, 96)}


@media
def test_luma_is_that_of_the_picture(
    shared: Path, name: str, stream: int, count: int, width: int, height: int
) -> None:
    frame = decoded(shared / name)[-1]
    brightness = frame.luma()
    if brightness is None:
        assert name == "odd_media/h265_10bits.mp4"
        return
    assert brightness.full_range == name.endswith("mjpeg.avi")
    assert brightness.plane.shape == (height, width)
    black, white = (0, 255) if brightness.full_range else (16, 235)
    shown = (brightness.plane.astype(float) - black) * 255 / (white - black)
    grey = cv2.cvtColor(frame.picture(), cv2.COLOR_BGR2GRAY).astype(float)
    # FFmpeg's fast way to BGR darkens by up to a level; a colour that no screen can show comes out otherwise
    assert np.median(np.abs(shown.clip(0, 255) - grey)) <= 1.5


@media
def test_scores_of_the_luma_are_those_of_the_picture(
    shared: Path, name: str, stream: int, count: int, width: int, height: int
) -> None:
    for frame in islice(decode(shared / name, "v1"), 0, None, count // 5):
        ours, plain = (
            CellGrid(0, cells.geometry, cells.codes[np.newaxis]).score(np.ones(cells.codes.shape[1:]))
            for cells in (
                measure(frame.picture(), GridConfig(), frame.luma()),
                measure(frame.picture(), GridConfig()),
            )
        )
        assert ours.brightness == pytest.approx(plain.brightness, abs=1.5)
        assert ours.contrast == pytest.approx(plain.contrast, abs=1)
        assert ours.sharpness == pytest.approx(plain.sharpness, rel=0.06)
        assert ours.color_fraction == plain.color_fraction
