"""Verification finds every damage that no run notices, names it, and the next run mends what it can."""

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from eus_etl.commands.upkeep.hashing import BoundedHasher
from eus_etl.commands.upkeep.verification import verify_study
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import RunReport, StudySession
from eus_etl.storage.files.checksums import format_sums, parse_sums
from eus_etl.storage.manifests import read_manifest, write_manifest
from eus_etl_tests.support.commands import call

FAST = 1e12
DERIVED = {
    "image": ("master-dataset/Frames/{one}/*/*.jpg", "frames of {one}"),
    "grid": (".eus_etl/extracted/{one}/*/grid.bin", "grid.bin"),
    "rows": (".eus_etl/extracted/{one}/*/extracted.parquet", "extracted.parquet"),
    "preprocessed image": ("master-dataset/Preprocessed/small/{one}/*/*.png", "small frames of {one}"),
}


def first(hospital: TinyHospital, pattern: str) -> Path:
    return sorted(hospital.paths.root.glob(pattern.format(one=ONE)))[0]


def turn_a_bit(path: Path) -> None:
    """Turn one bit, and let the file look as it did."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run(hospital: TinyHospital) -> RunReport:
    with open_instance(hospital.home) as instance:
        return StudySession(hospital.study, instance).run()


def test_a_whole_study_has_no_findings_and_no_orphans(made_hospital: TinyHospital) -> None:
    result = call("verify", "--config", made_hospital.config)
    assert result.exit_code == 0, result.output
    assert "2 visits, 0 releases" in result.output
    assert "0 damaged or missing" in result.output
    assert "nothing refers to" not in result.output


def test_without_a_study_each_is_verified_and_one_that_cannot_be_keeps_none_back(
    made_hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "EUS_ETL_CONFIGS" in call("verify").output
    monkeypatch.setenv("EUS_ETL_CONFIGS", str(made_hospital.configs))
    assert call("verify").exit_code == 0
    (made_hospital.configs / "a_first_study.yaml").write_text("study: [")
    result = call("verify")
    assert result.exit_code == 1
    assert "2 visits, 0 releases" in result.output
    assert "--config" in call("verify", "--patient", ONE).output


def test_bits_that_turned_are_found_and_mended(made_hospital: TinyHospital) -> None:
    whole = contents(made_hospital.paths.master)
    for pattern, _ in DERIVED.values():
        turn_a_bit(first(made_hospital, pattern))
    assert run(made_hospital).made == [], "no run notices it"
    result = call("verify", "--config", made_hospital.config)
    assert result.exit_code == 1
    for kind, (_, said) in DERIVED.items():
        assert f"damaged: {said.format(one=ONE)}" in result.output, kind
    assert TWO not in result.output
    assert run(made_hospital).complete
    assert contents(made_hospital.paths.master) == whole
    assert call("verify", "--config", made_hospital.config).exit_code == 0


@pytest.mark.parametrize(("damage", "said"), [(turn_a_bit, "damaged"), (Path.unlink, "missing")])
def test_raw_data_is_reported_and_left_alone(
    made_hospital: TinyHospital, damage: Callable[[Path], None], said: str
) -> None:
    video = first(made_hospital, "raw_data/{one}/*.mp4")
    damage(video)
    left = contents(made_hospital.paths.raw_data)
    result = call("verify", "--config", made_hospital.config)
    assert result.exit_code == 1
    assert f"{said}: raw video v" in result.output
    assert video.name not in result.output
    assert contents(made_hospital.paths.raw_data) == left


def test_a_damaged_raw_video_is_fetched_again_as_the_finding_says(made_hospital: TinyHospital) -> None:
    video = first(made_hospital, "raw_data/{one}/*.mp4")
    whole = video.read_bytes()
    turn_a_bit(video)
    video.unlink()
    assert run(made_hospital).complete
    assert video.read_bytes() == whole
    assert call("verify", "--config", made_hospital.config).exit_code == 0


def test_missing_pictures_are_counted(made_hospital: TinyHospital) -> None:
    image = first(made_hospital, "master-dataset/Frames/{one}/*/*.jpg")
    image.unlink()
    result = call("verify", "--config", made_hospital.config, "--patient", ONE)
    assert result.exit_code == 1
    assert f"1 of 10 images, the first is {image.name}" in result.output


def test_checksums_are_those_of_the_images(made_hospital: TinyHospital) -> None:
    sums = first(made_hospital, ".eus_etl/extracted/{one}/*/images.sha256")
    assert parse_sums(sums.read_text()) == {
        image.name: hashlib.sha256(image.read_bytes()).hexdigest()
        for image in (made_hospital.paths.frames_of_patient(ONE) / sums.parent.name).iterdir()
    }


def test_an_extraction_without_checksums_is_told(made_hospital: TinyHospital) -> None:
    sums = first(made_hospital, ".eus_etl/extracted/{one}/*/images.sha256")
    manifest = read_manifest(sums.parent)
    assert manifest is not None
    sums.unlink()
    write_manifest(sums.parent, replace(manifest, state_bytes={}, state_sha256={}))
    result = call("verify", "--config", made_hospital.config)
    assert f"not recorded: frames of {ONE}/{sums.parent.name}" in result.output
    assert f"eus-etl run --remake frames --patient {ONE}" in result.output


def test_a_release_is_compared_with_its_list(made_hospital: TinyHospital) -> None:
    release = made_hospital.paths.releases / "r0123456789abcdef"
    (release / "train").mkdir(parents=True)
    files = {"train/a.png": b"a", "README.md": b"b"}
    for name, data in files.items():
        (release / name).write_bytes(data)
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    (release / "SHA256SUMS").write_text(format_sums(sums))
    assert call("verify", "--config", made_hospital.config).exit_code == 0
    (release / "train" / "a.png").write_bytes(b"x")
    (release / "README.md").unlink()
    (release / "more.txt").write_bytes(b"x")
    result = call("verify", "--config", made_hospital.config)
    assert result.exit_code == 1
    for said in ("damaged: train/a.png of release", "missing: README.md of release", "1 files were added"):
        assert said in result.output
    (release / "SHA256SUMS").write_text("rubbish")
    assert "SHA256SUMS cannot be read" in call("verify", "--config", made_hospital.config).output


def test_an_interrupted_verification_goes_on_where_it_stopped(
    made_hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eus_etl.commands.upkeep.verification._SAVE_S", 0.0)
    turn_a_bit(first(made_hospital, "master-dataset/Frames/{one}/*/*.jpg"))

    class PowerCutError(Exception):
        pass

    def cut(now: str, done: int, _total: int) -> None:
        if done == 1:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        verify_study(made_hospital.paths, BoundedHasher(FAST), tell=cut)
    asked: list[str] = []
    result = verify_study(
        made_hospital.paths, BoundedHasher(FAST), tell=lambda now, _done, _total: asked.append(now)
    )
    assert asked == [TWO]
    assert result.resumed == 1
    assert [finding.kind for finding in result.findings] == ["damaged"]
    whole = verify_study(made_hospital.paths, BoundedHasher(FAST))
    assert whole.resumed == 0, "a finished one begins again"
    assert whole.visits == 2


def test_reading_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(5 << 20))
    slept: list[float] = []
    hasher = BoundedHasher(1 << 20, slept.append)
    began = time.monotonic()
    assert hasher.hash(tmp_path / "file", "md5") == "5f363e0e58a95f06cbe9bbc662c5dfb6"
    took = time.monotonic() - began
    assert hasher.bytes_read == 5 << 20
    assert max(slept) >= 5 - took, "five seconds at 1 MiB a second"


@given(st.dictionaries(st.from_regex(r"[a-zA-Z0-9][ -~]{0,20}", fullmatch=True), st.binary(), max_size=5))
def test_a_list_of_checksums_is_read_back(files: dict[str, bytes]) -> None:
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    assert parse_sums(format_sums(sums)) == sums
