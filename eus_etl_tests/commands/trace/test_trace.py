"""From a picture back to its upload, over a tiny hospital that was really run."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from benchmarks.support.hospitals.released_study import KEY, KEY_VARIABLE
from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, ONE, TWO, TinyHospital
from eus_etl.domain.labels.items import presses_of
from eus_etl.domain.release.pseudonyms import Pseudonyms
from eus_etl.settings import load_shipped_study
from eus_etl_tests.support.commands import call


@pytest.fixture
def hospital(made_hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch) -> TinyHospital:
    monkeypatch.setenv("DAGSTER_HOME", str(made_hospital.home))
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    return made_hospital


def frame_of(hospital: TinyHospital, patient_id: str, row: int = 3) -> dict[str, object]:
    table = pl.read_parquet(hospital.paths.frame_table(patient_id).with_suffix(".parquet"))
    return table.row(row, named=True)


def traced(hospital: TinyHospital, frame: object, *options: str) -> tuple[int, dict[str, dict[str, object]]]:
    """Exit code and links by name."""
    done = call("trace", "--config", hospital.config, "--json", *options, str(frame))
    assert done.exit_code in (0, 1), done.output
    return done.exit_code, {link["name"]: link for link in json.loads(done.stdout)["links"]}


def facts(link: dict[str, object]) -> dict[str, object]:
    found = link["facts"]
    assert isinstance(found, dict)
    return found


def test_each_link_of_a_frame_is_stated_and_holds(hospital: TinyHospital) -> None:
    frame = frame_of(hospital, ONE)
    code, links = traced(hospital, frame["frame_id"], "--deep")
    assert code == 0, links
    assert [name for name, link in links.items() if link["holds"] is False] == []
    assert facts(links["frame"])["pts"] == frame["pts"]
    assert facts(links["picture small"])["layout_id"] == facts(links["region"])["layout_id"]
    assert links["video"]["said"] == "MD5 agrees"
    assert str(facts(links["video"])["md5"])[:12] == str(frame["video_id"])[1:]
    assert str(facts(links["upload"])["source_id"]).startswith("local-")
    presses = {"Start Station 1 1": "00:00:00", "Stop Station 1 1": "00:00:01"}
    assert facts(links["label station"])["attributes"] == presses
    runs = facts(links["runs"])
    of_labels = runs["labels"]
    assert isinstance(of_labels, dict)
    assert of_labels["current"] is True
    assert of_labels["run"]
    assert of_labels["at"]


def test_no_uploaded_name_and_no_text_of_the_sheet_is_shown(hospital: TinyHospital) -> None:
    done = call("trace", "--config", hospital.config, str(frame_of(hospital, TWO)["frame_id"]))
    assert done.exit_code == 0, done.output
    assert "first" not in done.output
    assert f"{ALIAS_TWO} scans" not in done.output
    assert "columns_taken: cancer_type" in done.output


def test_paths_of_pictures_lead_to_the_same_frame(hospital: TinyHospital) -> None:
    frame = frame_of(hospital, ONE)
    video, stem = str(frame["frame_id"]).split("/")[1:]
    preprocessed = hospital.paths.preprocessed_folder("small", ONE, video) / f"{stem}.png"
    for picture in (
        hospital.paths.root / str(frame["path"]),
        preprocessed,
        hospital.paths.relative(preprocessed),
    ):
        _, links = traced(hospital, picture)
        assert facts(links["frame"])["frame_id"] == frame["frame_id"]
    _, links = traced(hospital, preprocessed)
    assert links["given file"]["said"] == "the same as: picture small"


def test_what_was_changed_is_found(hospital: TinyHospital) -> None:
    frame = frame_of(hospital, ONE)
    video, stem = str(frame["frame_id"]).split("/")[1:]
    picture = hospital.paths.preprocessed_folder("small", ONE, video) / f"{stem}.png"
    shutil.copy(picture.with_name(sorted(file.name for file in picture.parent.iterdir())[-1]), picture)
    (raw,) = hospital.paths.raw_folder(ONE).iterdir()
    content = bytearray(raw.read_bytes())
    content[-1] ^= 1
    raw.write_bytes(content)
    code, links = traced(hospital, picture, "--deep")
    assert code == 1
    broken = {name for name, link in links.items() if link["holds"] is False}
    assert {"given file", "picture small", "video"} <= broken
    assert links["video"]["said"] == "its MD5 is another: the file was changed"
    raw.unlink()
    (hospital.paths.root / str(frame["path"])).unlink()
    _, links = traced(hospital, frame["frame_id"])
    assert links["video"]["said"] == "the raw file is missing"
    assert links["extracted frame"]["said"] == "the file is missing"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nothing", "is neither a frame_id nor the path of a picture"),
        ("../../etc/passwd", "is neither a frame_id nor the path of a picture"),
        (f"{ONE}/v0123456789ab/../000000000000", "is neither a frame_id nor the path of a picture"),
        ("someone/v0123456789ab/000000000000.jpg", "no source has shown a visit with this id"),
        (f"{ONE}/v0123456789ab/000000000000", "the visit has no such frame"),
        ("p0123456789abcdef/v0123456789abcdef/00000001", "no key is at hand"),
    ],
)
def test_an_unknown_frame_is_refused(hospital: TinyHospital, given: str, said: str) -> None:
    done = call("trace", "--config", hospital.config, given)
    assert done.exit_code == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_leads_back_from_a_release_without_its_record(
    hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = frame_of(hospital, TWO)
    pseudonyms = Pseudonyms("eusml", KEY.encode())
    visit, video = pseudonyms.visit(TWO), pseudonyms.video(TWO, str(frame["video_id"]))
    released = f"{visit}/{video}/{frame['frame_index']:08d}"
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    _, links = traced(hospital, f"anywhere/train/{released}.png")
    assert facts(links["frame"])["frame_id"] == frame["frame_id"]
    assert facts(links["release"])["found"] == "by making its pseudonyms with the key"
    monkeypatch.setenv(KEY_VARIABLE, KEY[::-1])
    done = call("trace", "--config", hospital.config, released)
    assert "no visit gives this pseudonym with the key at hand" in done.stderr


@pytest.mark.slow
def test_a_release_leads_back_by_its_record(hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    hospital.configure(releases={"default": {"title": "Tiny", "status": ["ok", "disturbed"]}})
    assert call("run", "--config", hospital.config).exit_code == 0
    made = call("release", "--config", hospital.config, "--name", "default", "--accept-unreviewed")
    assert made.exit_code == 0, made.output
    monkeypatch.delenv(KEY_VARIABLE)
    (folder,) = hospital.paths.releases.iterdir()
    frames = pl.read_parquet(folder / "frames.parquet")
    for frame_id, path in frames.select("frame_id", "path").head(2).iter_rows():
        for given in (frame_id, folder / path):
            code, links = traced(hospital, given)
            assert code == 0, links
            assert links["release"]["holds"] is True
            assert facts(links["release"])["release"] == folder.name
    copy = Path(shutil.copytree(folder / Path(path).parent, folder.parent.parent / Path(path).parent))
    picture = copy / Path(path).name
    _, links = traced(hospital, picture)
    assert links["given file"]["said"] == "the same as: release"
    picture.write_bytes(picture.read_bytes() + b"0")
    code, links = traced(hospital, picture)
    assert code == 1
    assert links["given file"]["holds"] is False


def test_presses_show_times_and_no_other_text() -> None:
    families = load_shipped_study("eusml").families
    item: dict[str, object] = {
        "startStation1": "00:00:03",
        "Stop Station 1 1": "SECRET",
        "Start Station 1 2": "00:00:09",
        "biopsy": "SECRET",
        "Start SECRET 1": "00:00:01",
        "Start Procedure": "00:00:00",
    }
    assert presses_of(item, families, "Station 1", 1) == {
        "startStation1": "00:00:03",
        "Stop Station 1 1": None,
    }
