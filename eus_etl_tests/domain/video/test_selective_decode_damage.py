"""Selective decoding of damaged videos: it ends, and the whole video is decoded."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from eus_etl.domain.video.reader import SkippingUnsoundError
from eus_etl.errors import VideoUnreadableError
from eus_etl.settings import ExtractionConfig
from eus_etl.steps.frame_extraction import extract_video
from eus_etl_tests.support.videos.coded_videos import encode, frames_of


def without_first_key_frame(content: bytes) -> bytes:
    return content[len(content) // 3 // 188 * 188 :]


def without_its_middle(content: bytes) -> bytes:
    return content[: len(content) // 2 // 188 * 188] + content[len(content) // 2 // 188 * 188 + 188 * 9 :]


def with_damaged_bytes(content: bytes) -> bytes:
    damaged = bytearray(content)
    for place in range(len(content) // 4, len(content) // 2, 301):
        damaged[place] ^= 0xFF
    return bytes(damaged)


@pytest.mark.parametrize("harm", [without_first_key_frame, without_its_middle, with_damaged_bytes])
def test_a_damaged_video_is_decoded_whole_and_nothing_of_the_attempt_stays(
    tmp_path: Path, harm: Callable[[bytes], bytes]
) -> None:
    parameters = "bframes=2:b-adapt=0:b-pyramid=none:keyint=25:scenecut=0"
    content = harm(encode(tmp_path / "sound.ts", parameters).read_bytes())
    path = tmp_path / "damaged.ts"
    path.write_bytes(content)
    with suppress(SkippingUnsoundError):
        # what is damaged may be a packet's time: then nothing is tried
        assert frames_of(path, 5.0, skip=True)[1].skipped == 0
    images, grid = tmp_path / "images", tmp_path / "grid"
    images.mkdir()
    grid.mkdir()
    made = extract_video(path, "v1", images, grid, ExtractionConfig(frame_rate_hz=5))
    whole, counts = frames_of(path, 5.0, skip=False)
    assert made.frames["pts"].to_list() == [frame[0] for frame in whole]
    assert made.frames["frame_index"].to_list() == [frame[3] for frame in whole]
    assert sorted(file.stem for file in images.iterdir()) == sorted(made.frames["stem"])
    assert made.counts.skipped == 0
    assert made.counts.errors == counts.errors
    assert counts.errors + counts.damaged + counts.before_key > 0


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("sound") / "sound.mp4", "bframes=3:keyint=20")


def test_bytes_damaged_anywhere_change_no_frame_unnoticed(sound: Path, tmp_path: Path) -> None:
    content = sound.read_bytes()
    path, other = tmp_path / "damaged.mp4", 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[rng.integers(0, len(content), rng.integers(1, 7))] ^= rng.integers(1, 256, dtype=np.uint8)
        path.write_bytes(damaged.tobytes())
        try:
            found, counts = frames_of(path, 5.0, skip=True)
        except (SkippingUnsoundError, VideoUnreadableError):
            continue
        if counts.skipped:
            whole, _ = frames_of(path, 5.0, skip=False)
            assert [frame[:4] for frame in found] == [frame[:4] for frame in whole], seed
            other += found != whole
    # a bit in a header can have the decoder make other pictures of sound bytes, and see no fault
    assert other <= 1


def test_frames_decoded_in_several_threads_are_the_same_in_every_run(sound: Path) -> None:
    first = frames_of(sound, 5.0, skip=True)
    for _ in range(10):
        assert frames_of(sound, 5.0, skip=True) == first
