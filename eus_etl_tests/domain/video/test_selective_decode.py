"""Decoding without unneeded frames gives what the full decode gives, or says that it cannot."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.support.videos.small_videos import evenly
from eus_etl.domain.video.reader import SkippingUnsoundError
from eus_etl.domain.video.selective_decode import decode_wanted
from eus_etl_tests.support.videos.coded_videos import FRAMES, encode, frames_of, picture
from eus_etl_tests.support.videos.field_pictures import write_field_pictures
from eus_etl_tests.support.videos.real_media import MEDIA
from eus_etl_tests.support.videos.sample_descriptions import join_described_anew

RATES = (1.0, 2.3, 5.0, 12.5)
SKIPPED: dict[str, bool] = {  # whether the file has frames that can be skipped, at 5 Hz
    "DemoBMode.mov": False,  # MPEG-4
    "clarius-ocular-short.mp4": True,
    "Cov_convex_volpecelli_sonographic_v1.mov": True,
    "Vir_prospective_file2.mp4": True,
    "Reg_pat4Image_140024.mpeg": True,  # no B frames, but a key frame every 12
    "color3d_jpeg_baseline.h264.mp4": True,
    "color3d_jpeg_baseline.mjpeg.avi": False,
    "nasa_13013.mp4": True,
    "nasa_13013_rotated.mp4": True,
    "h265_10bits.mp4": True,
    "discard_first_keyframe.mp4": False,  # an edit list
}


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("plain.mp4", "bframes=2:b-adapt=0:b-pyramid=none:scenecut=0"),
        ("pyramid.mp4", "bframes=7:b-adapt=0:b-pyramid=normal"),
        ("strict.mkv", "bframes=5:b-adapt=0:b-pyramid=strict:ref=6:direct=temporal"),
        ("open_gop.ts", "bframes=3:b-adapt=0:open-gop=1:keyint=12"),
        ("slices.mp4", "bframes=3:b-adapt=0:slices=4"),
        ("refresh.mp4", "bframes=2:b-adapt=0:intra-refresh=1:keyint=20"),
        ("interlaced.mp4", "bframes=2:b-adapt=0:tff=1"),
        ("weighted.mp4", "bframes=4:weightb=1:weightp=2"),
    ],
)
def test_every_kind_of_h264_gives_the_same_frames(tmp_path: Path, name: str, parameters: str) -> None:
    path = encode(tmp_path / name, parameters)
    for rate in RATES:
        whole, all_counts = frames_of(path, rate, skip=False)
        found, counts = frames_of(path, rate, skip=True)
        assert found == whole, rate
        # of what may be fields the next packet is decoded too: at 12.5 Hz that is all
        assert (counts.skipped > 0) == (name != "interlaced.mp4" or rate < 12.5)
        assert counts.frames + counts.skipped == all_counts.frames == FRAMES
        assert counts.errors == 0


@pytest.mark.parametrize("name", ["closed.mp4", "open.mkv", "closed.ts"])
def test_hevc_gives_the_same_frames(tmp_path: Path, name: str) -> None:
    gops = f"keyint=12:min-keyint=12:open-gop={int(name == 'open.mkv')}:bframes=3:scenecut=0:log-level=none"
    path = encode(tmp_path / name, gops, codec="libx265")
    for rate in RATES:
        found, counts = frames_of(path, rate, skip=True)
        assert found == frames_of(path, rate, skip=False)[0], rate
        assert counts.frames + counts.skipped == FRAMES
    assert (frames_of(path, 1.0, skip=True)[1].skipped > FRAMES / 2) == name.startswith("closed")


def test_stretches_without_a_kept_frame_are_not_decoded(tmp_path: Path) -> None:
    path = encode(tmp_path / "video.ts", "bframes=0:keyint=10:min-keyint=10:scenecut=0")
    found, counts = frames_of(path, 1.0, skip=True)
    assert found == frames_of(path, 1.0, skip=False)[0]
    assert [frame[0] for frame in found] == [frame[0] for frame in frames_of(path, None, skip=False)[0]][::25]
    assert counts.frames == 1 + 6 + 1  # 0, 20 to 25, 50


def test_parameters_that_change_in_a_stretch_that_is_not_needed_reach_the_decoder(tmp_path: Path) -> None:
    parts = []
    for place, parameters in enumerate(("cabac=1", "cabac=0", "cabac=0")):
        times = evenly(1, 20, start=20 * place)
        part = encode(tmp_path / f"{place}.ts", f"bframes=0:keyint=20:scenecut=0:{parameters}", pts=times)
        parts.append(part.read_bytes())
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    found, counts = frames_of(path, 0.6, skip=True)  # of the second part, none is kept
    assert found == frames_of(path, 0.6, skip=False)[0]
    assert len(found) == 2
    assert 0 < counts.skipped < 57


@pytest.mark.parametrize("suffix", ["mpg", "ts", "mkv"])
def test_mpeg2_gives_the_same_frames(tmp_path: Path, suffix: str) -> None:
    path = encode(tmp_path / f"video.{suffix}", codec="mpeg2video")
    found, counts = frames_of(path, 5.0, skip=True)
    assert found == frames_of(path, 5.0, skip=False)[0]
    assert counts.skipped > FRAMES / 3


def test_times_may_lie_at_any_distance(tmp_path: Path) -> None:
    steps = np.random.default_rng(3).integers(1, 9, FRAMES)
    path = encode(tmp_path / "variable.mkv", pts=[int(time) for time in np.cumsum(steps)])
    for rate in RATES:
        found, counts = frames_of(path, rate, skip=True)
        assert found == frames_of(path, rate, skip=False)[0]
        assert counts.skipped > 0


def test_a_stream_that_changes_its_size_gives_the_same_frames(tmp_path: Path) -> None:
    first = encode(tmp_path / "1.ts")
    with av.open(str(tmp_path / "2.ts"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"x264-params": "bframes=2:b-adapt=0"})
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for number in range(FRAMES):
            frame = picture(number).reformat(320, 192, "yuv420p")
            frame.pts, frame.time_base = FRAMES + 9 + number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + (tmp_path / "2.ts").read_bytes())
    found, counts = frames_of(joined, 5.0, skip=True)
    assert found == frames_of(joined, 5.0, skip=False)[0]
    assert {frame[5] for frame in found} == {160, 320}
    assert counts.skipped > 0


@pytest.mark.parametrize("name", [name for name, *_ in MEDIA if name.split("/")[1] in SKIPPED])
@pytest.mark.parametrize("rate", [1.0, 5.0])
def test_real_files_give_the_same_frames(shared: Path, name: str, rate: float) -> None:
    found, counts = frames_of(shared / name, rate, skip=True)
    whole, all_counts = frames_of(shared / name, rate, skip=False)
    assert found == whole
    assert counts.frames + counts.skipped == all_counts.frames
    assert (counts.skipped > 0) == SKIPPED[name.split("/")[1]]


def test_nothing_is_skipped_where_packets_do_not_tell_frames_apart(tmp_path: Path) -> None:
    part = encode(tmp_path / "part.ts").read_bytes()
    (tmp_path / "twice.ts").write_bytes(part * 2)
    for path in (tmp_path / "twice.ts", encode(tmp_path / "raw.h264"), encode(tmp_path / "decode_times.avi")):
        found, counts = frames_of(path, 5.0, skip=True)
        assert counts.skipped == 0
        assert found == frames_of(path, 5.0, skip=False)[0]


@pytest.mark.parametrize("frames_a_restart", [1, 25])
def test_a_picture_of_two_packets_ends_the_attempt(tmp_path: Path, frames_a_restart: int) -> None:
    path = write_field_pictures(tmp_path / "fields.mkv", 50, frames_a_restart)
    with av.open(str(path)) as container:
        assert sum(packet.size > 0 for packet in container.demux(video=0)) == 100
    whole, counts = frames_of(path, 5.0, skip=False)
    assert (len(whole), counts.frames) == (10, 50)
    for rate in RATES:
        with pytest.raises(SkippingUnsoundError):
            frames_of(path, rate, skip=True)


def test_samples_that_are_described_anew_end_the_attempt(tmp_path: Path) -> None:
    parts = [
        encode(tmp_path / f"{qp}.mp4", f"bframes=0:keyint=20:scenecut=0:cabac=0:qp={qp}") for qp in (20, 35)
    ]
    path = join_described_anew(parts, tmp_path / "joined.mp4")
    whole, counts = frames_of(path, 0.3, skip=False)
    assert (len(whole), counts.frames, counts.errors) == (2, 2 * FRAMES, 0)
    with pytest.raises(SkippingUnsoundError):
        frames_of(path, 0.3, skip=True)


@pytest.mark.parametrize("rate", [None, 25.0, 1000.0])
def test_nothing_is_skipped_where_all_frames_are_kept(tmp_path: Path, rate: float | None) -> None:
    found, counts = frames_of(encode(tmp_path / "video.mp4"), rate, skip=True)
    assert len(found) == counts.frames == FRAMES


@pytest.mark.parametrize("absent", [1, 2 * FRAMES])
def test_a_wanted_frame_that_does_not_come_ends_the_attempt(tmp_path: Path, absent: int) -> None:
    path = encode(tmp_path / "video.mkv", "bframes=0", pts=evenly(2, FRAMES))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        tick = Fraction(1, 25) / stream.time_base
        held = np.array([int(time * tick) for time in evenly(2, FRAMES)])
        frames = decode_wanted(container, stream, np.array([0, int(absent * tick)]), held)
        assert next(frames).pts == 0
        with pytest.raises(SkippingUnsoundError):
            next(frames)
