"""Extraction of videos that are damaged, cut off or missing, and on a disk that fails."""

import errno
import shutil
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest

from benchmarks.support.hospitals.visits_of_videos import PATIENT, contents, lay_out, study_at
from benchmarks.support.videos.cut_videos import without_first_packets
from benchmarks.support.videos.small_videos import evenly, write_video
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import DECODED, REJECTED
from eus_etl.errors import DiskFullError, SourceUnavailableError
from eus_etl.steps.frames import STAGE, extract_patient
from eus_etl.steps.video_reader.answer import answer
from eus_etl.steps.video_reader.messages import Reply, Request
from eus_etl.storage.tables.parts import load_part, rejected_part
from eus_etl_tests.support.hospitals.extracted import rejections


def test_a_bad_video_is_rejected_once_and_the_visit_goes_on(tmp_path: Path, video: Path) -> None:
    empty, text = tmp_path / "empty.mp4", tmp_path / "text.mp4"
    empty.write_bytes(b"")
    text.write_bytes(b"no video " * 999)
    study = study_at(tmp_path / "root", rate_hz=5)
    ids = lay_out(study, [empty, video, text])
    first = extract_patient(study, PATIENT)
    assert (first.metadata["frames"], first.metadata["videos_rejected"]) == (8, 2)
    assert rejections(study) == [(ids[0], "unreadable"), (ids[2], "unreadable")]
    assert all(check.passed for check in first.checks)
    second = extract_patient(study, PATIENT)
    assert second.metadata["videos_decoded"] == 0
    assert second.version == first.version
    assert len(rejections(study)) == 2
    rows = pl.read_parquet(rejected_part(StudyPaths(study.root), STAGE, PATIENT))
    assert rows.schema == REJECTED.schema
    assert rows["file_name"].to_list() == ["empty.mp4", "text.mp4"]
    assert rows.select(pl.col("detail", "remedy").str.contains("mp4").any()).row(0) == (False, False)
    lay_out(study, [video])
    extract_patient(study, PATIENT)
    assert rejections(study) == []


def test_a_video_with_too_many_errors_is_rejected(tmp_path: Path) -> None:
    options = {"bf": "0", "g": "20", "crf": "10", "sc_threshold": "0"}
    whole = write_video(tmp_path / "whole.ts", evenly(3600, 60), Fraction(1, 90_000), options=options)
    content = bytearray(whole.read_bytes())
    for place in range(len(content) // 2, len(content) * 3 // 4, 188):
        content[place // 188 * 188 + 4 : place // 188 * 188 + 188] = bytes(184)
    cut = tmp_path / "cut.ts"
    cut.write_bytes(content)
    strict = study_at(tmp_path / "root", max_error_share=0.01)
    (video_id,) = lay_out(strict, [cut])
    result = extract_patient(strict, PATIENT)
    assert rejections(strict) == [(video_id, "too_many_errors")]
    assert result.metadata["frames"] == 0
    assert int(str(result.metadata["decode_errors"])) > 0
    assert not list(strict.root.rglob("*.jpg"))
    patient = study_at(tmp_path / "root", max_error_share=0.9)
    assert 20 < int(str(extract_patient(patient, PATIENT).metadata["frames"])) < 60
    assert rejections(patient) == []


def test_a_recording_that_begins_between_key_frames_loses_only_what_lies_before(tmp_path: Path) -> None:
    options = {"bf": "0", "g": "20", "crf": "10", "sc_threshold": "0"}
    whole = write_video(tmp_path / "whole.ts", evenly(3600, 30), Fraction(1, 90_000), options=options)
    cut = without_first_packets(whole, tmp_path / "cut.ts", 2)
    study = study_at(tmp_path / "root", max_error_share=0.01)
    lay_out(study, [cut])
    assert extract_patient(study, PATIENT).metadata["frames"] == 10
    counted = load_part(StudyPaths(study.root), DECODED, PATIENT).row(0, named=True)
    assert (counted["frames_before_key"], counted["decode_errors"]) == (18, 0)
    assert rejections(study) == []


def test_a_file_that_is_cut_off_gives_what_it_has_and_is_flagged(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", evenly(40, 60), container_options={"movflags": "faststart"})
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 4 // 5])
    study = study_at(tmp_path / "root")
    lay_out(study, [whole, cut])
    result = extract_patient(study, PATIENT)
    counted = load_part(StudyPaths(study.root), DECODED, PATIENT).to_dicts()
    assert counted[0]["frames_missing"] == 0
    assert counted[1]["frames_missing"] > 0
    assert 20 < counted[1]["frames_kept"] < 60
    assert sum(counted[1][name] for name in ("frames_decoded", "decode_errors", "frames_missing")) >= 60
    assert result.metadata["frames_missing"] == counted[1]["frames_missing"]
    assert rejections(study) == []


def test_a_raw_video_that_is_to_be_extracted_must_be_there(tmp_path: Path, video: Path) -> None:
    study = study_at(tmp_path / "root", rate_hz=5)
    (video_id,) = lay_out(study, [video])
    shutil.rmtree(study.root / "raw_data")
    with pytest.raises(SourceUnavailableError, match=video_id):
        extract_patient(study, PATIENT)


def test_images_that_somebody_removed_are_made_again(tmp_path: Path, video: Path) -> None:
    study = study_at(tmp_path / "root", rate_hz=5)
    lay_out(study, [video])
    extract_patient(study, PATIENT)
    before = contents(study.root)
    next(study.root.rglob("*.jpg")).unlink()
    assert extract_patient(study, PATIENT).metadata["videos_decoded"] == 1
    assert contents(study.root) == before


@pytest.mark.parametrize(("code", "error"), [(errno.ENOSPC, DiskFullError), (errno.EIO, OSError)])
def test_a_write_that_fails_publishes_nothing_and_a_rerun_completes(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    study, sound = study_at(tmp_path / "root", rate_hz=5), study_at(tmp_path / "sound", rate_hz=5)
    for config in (study, sound):
        lay_out(config, [video])
    write = Path.write_bytes

    def fails(path: Path, data: bytes) -> int:
        if path.name.startswith("000000001000"):
            raise OSError(code, "no")
        return write(path, data)

    def asked_here(server: object, request: Request, *_: object) -> Reply:
        told: list[Reply] = []
        return answer(request, told.append)

    with monkeypatch.context() as patched:
        patched.setattr("eus_etl.steps.video_reader.reader._Server.ask", asked_here)
        patched.setattr(Path, "write_bytes", fails)
        with pytest.raises(error):
            extract_patient(study, PATIENT)
    left = contents(study.root, "master-dataset/Frames", ".eus_etl")
    assert not any(left.values())
    extract_patient(study, PATIENT)
    extract_patient(sound, PATIENT)
    assert contents(study.root) == contents(sound.root)
