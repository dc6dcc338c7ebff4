"""What a person wants made again, dropped or asked for again takes effect."""

import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import polars as pl
import pytest

from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, ONE, TWO, TinyHospital
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import RunReport, StudySession
from eus_etl.errors import ConfigError, DownloadRefusedError, EusEtlError
from eus_etl.sources.videos.base import SourceFile
from eus_etl.sources.videos.local_folder import LocalFolder
from eus_etl.steps.raw_videos import copies


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    hospital = TinyHospital(tmp_path_factory.mktemp("tiny") / "hospital")
    assert run(hospital).complete
    return hospital.folder


@pytest.fixture
def hospital(finished: Path, tmp_path: Path) -> TinyHospital:
    shutil.copytree(finished, tmp_path / "hospital")
    return TinyHospital(tmp_path / "hospital")


def run(hospital: TinyHospital, *patients: str, remake: str | None = None) -> RunReport:
    with open_instance(hospital.home) as instance:
        return StudySession(hospital.study, instance).run(patients or None, remake=remake)


def made(report: RunReport) -> set[tuple[str, str | None]]:
    return {(made.asset, made.patient_id) for made in report.made}


@pytest.mark.slow
def test_what_is_to_be_made_again_is_made_and_nothing_that_follows(hospital: TinyHospital) -> None:
    image = next(hospital.paths.frames.rglob("*.jpg"))
    of_one, before = image.is_relative_to(hospital.paths.frames_of_patient(ONE)), image.read_bytes()
    image.write_bytes(before[:-1])  # a change that no run notices
    again = run(hospital, ONE if of_one else ALIAS_TWO, remake="frames")
    assert made(again) == {("frames", ONE if of_one else TWO)}
    assert again.videos_decoded == 1
    assert image.read_bytes() == before
    assert made(run(hospital, remake="preprocessed_frames")) == {
        ("preprocessed_frames", ONE),
        ("preprocessed_frames", TWO),
    }
    assert made(run(hospital, remake="dataset")) == {("dataset", None)}
    assert run(hospital).made == []


@pytest.mark.slow
def test_what_cannot_be_made_again_is_said(hospital: TinyHospital) -> None:
    with pytest.raises(ConfigError, match=r"no such asset.*name one of .*raw_videos.*labels_csv"):
        run(hospital, remake="labels.csv")
    with pytest.raises(ConfigError, match="leave out --patient"):
        run(hospital, ONE, remake="labels_csv")
    assert run(hospital).made == []


@pytest.mark.slow
def test_the_copy_of_a_vanished_upload_is_dropped_by_deleting_it(hospital: TinyHospital) -> None:
    hospital.add_video(f"{ONE}/second.mp4", first=200)
    assert run(hospital).complete
    (hospital.videos / ONE / "second.mp4").unlink()
    assert run(hospital).complete
    assert videos(hospital, ONE) == ["first.mp4", "second.mp4"]
    assert "the copy in raw_data is used" in hospital.paths.table("rejected").read_text()
    (hospital.paths.raw_folder(ONE) / "second.mp4").unlink()
    assert run(hospital).complete
    assert videos(hospital, ONE) == ["first.mp4"]
    assert len(list(hospital.paths.frames_of_patient(ONE).iterdir())) == 1
    assert run(hospital).made == []


def videos(hospital: TinyHospital, patient: str) -> list[str]:
    table = pl.read_csv(hospital.paths.table("videos"))
    return table.filter(pl.col("patient_id") == patient)["file_name"].sort().to_list()


@pytest.mark.slow
def test_a_refused_download_is_asked_for_again_after_growing_pauses(
    hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refuse(
        _: LocalFolder,
        wanted: Iterable[tuple[SourceFile, Path]],
        progress: Callable[[SourceFile], None] | None = None,
    ) -> Mapping[str, EusEtlError]:
        asked.extend(file.source_id for file, _ in wanted)
        refusal = DownloadRefusedError("file", "the owner does not let viewers download it", "allow it")
        return {file.source_id: refusal for file, _ in wanted}

    hospital.add_video(f"{ONE}/second.mp4", first=200)
    with monkeypatch.context() as refusing:
        refusing.setattr(LocalFolder, "fetch_many", refuse)
        refusing.setattr(copies, "FIRST_PAUSE_S", 0.0)
        assert run(hospital).complete
        assert videos(hospital, ONE) == ["first.mp4"]
        refusing.undo()
        refusing.setattr(LocalFolder, "fetch_many", refuse)
        assert made(run(hospital)) >= {("raw_videos", ONE)}
        assert run(hospital).made == []
        assert "asked for 2 times, again after 20" in hospital.paths.table("rejected").read_text()
        asked.clear()
        run(hospital, ONE, remake="raw_videos")
        assert asked
    later = time.time() + 2 * 3600
    monkeypatch.setattr("eus_etl.defs.reconcile.staleness.time.time", lambda: later)
    assert run(hospital).complete
    assert videos(hospital, ONE) == ["first.mp4", "second.mp4"]
    assert "not_fetched" not in hospital.paths.table("rejected").read_text()


def test_pauses_double_up_to_a_day() -> None:
    refusal = DownloadRefusedError("file", "no", "")
    now = time.time()
    pauses = [copies.refused_once_more(refusal, tries).again_at - now for tries in (1, 2, 4, 6, 2000)]
    assert [round(pause / 3600) for pause in pauses] == [1, 2, 8, 24, 24]
