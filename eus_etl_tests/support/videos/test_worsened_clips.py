"""Real clips that are made worse over known spans give those spans back, through the real steps."""

from pathlib import Path

import pytest

from benchmarks.support.videos.assessed_videos import assess_videos
from benchmarks.support.videos.worsened_clips import SPANS_S, off_frames, worsen


@pytest.mark.parametrize("name", ["Reg_pat4Image_140024.mpeg", "Vir_prospective_file2.mp4"])
@pytest.mark.slow
def test_worsened_spans_are_found_within_two_frames(shared: Path, tmp_path: Path, name: str) -> None:
    worse = worsen(shared / "clips" / name, tmp_path / "worse.mp4")
    (frames,) = assess_videos(tmp_path / "study", [worse], None)
    assert frames.height == 250
    assert {reason: off_frames(frames, reason) for reason in SPANS_S} == dict.fromkeys(SPANS_S, 0)
