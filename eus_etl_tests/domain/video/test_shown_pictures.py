"""Pictures as they are to be shown: turned, mirrored, of any size, with their luma."""

import gc
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
from eus_etl.domain.video.reader import decode, probe
from eus_etl.settings import GridConfig
from eus_etl_tests.support.videos.real_media import decoded, media, needs_ffmpeg


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
