from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.support.videos.small_videos import evenly, write_video
from eus_etl.domain.video.reader import DecodeCounts, DecodeOptions, decode

FRAMES = 8
SIZE = (160, 96)
BASE = Fraction(1, 25)


def scene(time: int) -> NDArray[np.uint8]:
    """A bright bar that moves to the right, 6 pixels from one field to the next."""
    grey = np.full(SIZE[::-1], 40, np.uint8)
    grey[:, 20 + 6 * time : 44 + 6 * time] = 200
    return grey


def woven(number: int) -> av.VideoFrame:
    """Frame ``number`` of an interlaced recording, its upper field first."""
    grey = scene(2 * number).copy()
    grey[1::2] = scene(2 * number + 1)[1::2]
    frame = av.VideoFrame.from_ndarray(np.repeat(grey[..., None], 3, axis=2), format="rgb24")
    frame = frame.reformat(format="yuv420p")
    frame.pts, frame.time_base = 3 * number, BASE
    return frame


@pytest.fixture
def interlaced(tmp_path: Path) -> Path:
    path = tmp_path / "interlaced.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"x264-params": "tff=1", "crf": "5"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.time_base = BASE
        for number in range(FRAMES):
            container.mux(stream.encode(woven(number)))
        container.mux(stream.encode(None))
    return path


def combing(picture: NDArray[np.uint8]) -> float:
    """Mean difference of each line to the mean of its neighbours, grey levels."""
    grey = picture[..., 1].astype(float)
    return float(np.abs(grey[1:-1] - (grey[:-2] + grey[2:]) / 2).mean())


def test_fields_are_woven_unless_asked_for(interlaced: Path) -> None:
    counts = DecodeCounts()
    frames = list(decode(interlaced, "v1", counts))
    assert counts.interlaced == FRAMES
    assert all(combing(frame.picture()) > 5 for frame in frames)


def test_deinterlaced_frames_keep_number_and_time_and_lose_the_comb(interlaced: Path) -> None:
    counts = DecodeCounts()
    woven_frames = list(decode(interlaced, "v1"))
    frames = list(decode(interlaced, "v1", counts, DecodeOptions(deinterlace=True)))
    stamps = [(frame.pts, frame.frame_index, frame.time_s, frame.damaged) for frame in frames]
    assert stamps == [(frame.pts, frame.frame_index, frame.time_s, frame.damaged) for frame in woven_frames]
    assert counts.interlaced == counts.frames == FRAMES
    for number, frame in enumerate(frames):
        assert combing(frame.picture()) < 1.5
        bar = np.flatnonzero(frame.picture()[48, :, 1] > 120)
        assert abs(int(bar[0]) - (20 + 12 * number)) <= 7


def test_sampled_frames_are_deinterlaced_with_their_true_neighbours(interlaced: Path) -> None:
    everything = {f.pts: f.picture() for f in decode(interlaced, "v1", None, DecodeOptions(deinterlace=True))}
    options = DecodeOptions(rate_hz=2.5, skip=True, deinterlace=True)
    sampled = list(decode(interlaced, "v1", None, options))
    assert 1 < len(sampled) < FRAMES
    assert all((frame.picture() == everything[frame.pts]).all() for frame in sampled)


def test_pictures_that_are_not_interlaced_stay_as_they_are(tmp_path: Path) -> None:
    base = Fraction(1, 90_000)
    first = write_video(tmp_path / "1.ts", evenly(3600, 10), base)
    second = write_video(tmp_path / "2.ts", evenly(3600, 10, start=36_000), base, size=(320, 192))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    plain = list(decode(joined, "v1"))
    counts = DecodeCounts()
    frames = list(decode(joined, "v1", counts, DecodeOptions(deinterlace=True)))
    assert counts.interlaced == 0
    assert [frame.pts for frame in frames] == [frame.pts for frame in plain]
    assert all((a.picture() == b.picture()).all() for a, b in zip(frames, plain, strict=True))
