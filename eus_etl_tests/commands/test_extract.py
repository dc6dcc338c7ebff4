from pathlib import Path

import polars as pl

from benchmarks.support.hospitals.visits_of_videos import contents
from benchmarks.support.videos.pictures import read_picture
from benchmarks.support.videos.small_videos import evenly, read_number, write_video
from eus_etl.commands.extract import extract_files
from eus_etl.settings import ExtractionConfig, ImageConfig

FIVE_HZ = ExtractionConfig(frame_rate_hz=5)


def test_frames_and_table_of_each_file(tmp_path: Path) -> None:
    video = write_video(tmp_path / "one.mkv", evenly(40, 40))
    out = tmp_path / "out"
    report = extract_files([video], out, FIVE_HZ)
    (video_id,) = report["video_id"]
    assert report.select("position", "outcome", "frames", "frames_decoded", "frames_skipped").rows() == [
        (1, "extracted", 8, 28, 12)
    ]
    table = pl.read_csv(out / f"{video_id}.csv")
    assert table["frame_id"][1] == f"{video_id}/000000000200"
    assert [read_number(read_picture(out / path)) for path in table["path"]] == table["frame_index"].to_list()
    assert table["frame_index"].to_list() == list(range(0, 40, 5))


def test_bad_files_are_reported_by_position_and_the_rest_goes_on(tmp_path: Path) -> None:
    video = write_video(tmp_path / "one.mkv", evenly(40, 10))
    text = tmp_path / "Jane Doe.mp4"
    text.write_bytes(b"no video " * 999)
    told: list[str] = []
    report = extract_files(
        [text, tmp_path / "gone.mp4", video, video], tmp_path / "out", FIVE_HZ, told.append
    )
    assert report["position"].to_list() == [1, 2, 3, 4]
    assert report["outcome"].to_list() == ["failed", "failed", "extracted", "kept"]
    assert report["video_id"].is_null().to_list() == [False, True, False, False]
    assert "No such file" in report["detail"][1]
    assert len(told) == 4
    assert "Jane" not in str(told) + str(report["detail"].to_list())


def test_a_second_run_keeps_what_is_there_and_another_rate_replaces_it(tmp_path: Path) -> None:
    video = write_video(tmp_path / "one.mkv", evenly(40, 40))
    out = tmp_path / "out"
    extract_files([video], out, FIVE_HZ)
    before = contents(out)
    assert extract_files([video], out, FIVE_HZ)["outcome"].to_list() == ["kept"]
    assert contents(out) == before
    changed = ExtractionConfig(frame_rate_hz=None, image=ImageConfig(format="png"))
    assert extract_files([video], out, changed)["frames"].to_list() == [40]
    assert not list(out.rglob("*.jpg"))
    assert len(list(out.rglob("*.png"))) == 40


def test_what_was_not_made_here_is_not_written_over(tmp_path: Path) -> None:
    video = write_video(tmp_path / "one.mkv", evenly(40, 10))
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    (video_id,) = extract_files([video], elsewhere, FIVE_HZ)["video_id"]
    (out / video_id).mkdir(parents=True)
    (out / video_id / "mine.txt").write_text("mine")
    before = contents(out)
    report = extract_files([video], out, FIVE_HZ)
    assert report["outcome"].to_list() == ["failed"]
    assert "not made here" in report["detail"][0]
    assert contents(out) == before


def test_real_files(shared: Path, tmp_path: Path) -> None:
    names = ["nasa_13013_rotated.mp4", "nasa_13013.mp4.audio.mp3", "corrupted.mp4", "h265_10bits.mp4"]
    everything = ExtractionConfig(frame_rate_hz=None)
    report = extract_files([shared / "odd_media" / name for name in names], tmp_path, everything)
    assert report["frames"].to_list() == [17, 0, 49, 30]
    assert report["detail"].to_list() == [
        "",
        "cannot be opened as a video file",
        "1 of 50 frames cannot be decoded",
        "",
    ]
    assert report["decode_errors"].to_list() == [0, 0, 1, 0]
