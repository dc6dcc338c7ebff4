"""A video to be extracted."""

from pathlib import Path

import pytest

from benchmarks.support.videos.small_videos import evenly, write_video


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """40 frames, 25 a second."""
    return write_video(tmp_path / "one.mkv", evenly(40, 40))
