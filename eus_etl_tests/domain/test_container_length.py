"""Files that are shorter than their container says."""

from pathlib import Path

import pytest

from benchmarks.support.videos.small_videos import evenly, write_video
from eus_etl.domain.container_length import missing_bytes


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),
        ("faststart.mp4", {"movflags": "faststart"}),
        ("fragments.mp4", {"movflags": "frag_keyframe+empty_moov"}),
        ("a.mov", {}),
        ("a.mkv", {}),
        ("a.avi", {}),
    ],
)
def test_a_cut_file_lacks_what_its_container_states(
    tmp_path: Path, name: str, options: dict[str, str]
) -> None:
    whole = write_video(tmp_path / name, evenly(40, 30), container_options=options)
    size = whole.stat().st_size
    assert missing_bytes(whole) == 0
    for cut in (size - 2, size * 4 // 5, size // 2):
        shorter = whole.with_name(f"cut {name}")
        shorter.write_bytes(whole.read_bytes()[:cut])
        assert missing_bytes(shorter) > 0


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\0" * 5000, b"RIFF", b"\x1a\x45\xdf\xa3", b"\0\0\0\x01ftyp"]
)
def test_what_states_nothing_lacks_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    assert missing_bytes(path) == 0


def test_what_is_put_behind_a_whole_file_is_no_loss(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", evenly(40, 10))
    for behind in (b"\0" * 100, b"\xff" * 100, b"abc"):
        longer = tmp_path / "longer.mp4"
        longer.write_bytes(whole.read_bytes() + behind)
        assert missing_bytes(longer) == 0


def test_a_stream_of_unknown_length_states_nothing(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "live.mkv", evenly(40, 10), container_options={"live": "1"})
    longer = tmp_path / "cut.mkv"
    longer.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert missing_bytes(longer) == 0
