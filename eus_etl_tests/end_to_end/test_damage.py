"""Whatever is lost or damaged below the root: the run after it makes it again, or an error names it.

Each kind of output and state file is deleted, cut or has a bit flipped. Then the study is run until it is
done, another visit is edited, and it runs again. Its files must then be those of an undamaged study.

The limits: an image that is cut in place, among as many as before, is found by whoever reads it; a flipped
bit that leaves the size as it was, and over which no reader stumbles, by no run. Until then nothing but the
damaged file itself may differ.
"""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import RunReport, StudySession

RUNS = 4
"""So often a person runs again, as the errors say, before the study has to be whole."""

OUTPUTS = {
    "raw copy": "raw_data/{one}/second.mp4",
    "part of videos": "master-dataset/Data/parts/videos/{one}.parquet",
    "part of decoded": "master-dataset/Data/parts/decoded/{one}.parquet",
    "part of labels": "master-dataset/Data/parts/labels/{one}.parquet",
    "part of patients": "master-dataset/Data/parts/patients/{one}.parquet",
    "part of layouts": "master-dataset/Data/parts/layouts/{one}.parquet",
    "part of preprocess_metadata": "master-dataset/Data/parts/preprocess_metadata/{one}.parquet",
    "part of text_checks": "master-dataset/Data/parts/text_checks/{one}.parquet",
    "part of rejected": "master-dataset/Data/parts/rejected/raw_videos/{one}.parquet",
    "rejected of nobody": "master-dataset/Data/parts/rejected/drive_videos/_nobody.parquet",
    "image": "master-dataset/Frames/{one}/*/*.jpg",
    "frame table": "master-dataset/Frames/{one}.csv",
    "twin of a frame table": "master-dataset/Frames/{one}.parquet",
    "preprocessed image": "master-dataset/Preprocessed/small/{one}/*/*.png",
    "outline": "master-dataset/Data/pictures/layouts/{one}/*.png",
    "timeline": "master-dataset/Data/pictures/visits/{one}/timeline.png",
    "contact sheet of a visit": "master-dataset/Data/pictures/visits/{one}/contact_sheet_small.png",
    "contact sheet": "master-dataset/Data/pictures/contact_sheet_small.png",
    "labels.csv": "master-dataset/Data/labels.csv",
    "layouts.csv": "master-dataset/Data/layouts.csv",
    "rejected.csv": "master-dataset/Data/rejected.csv",
    "dataset.csv": "master-dataset/Data/dataset.csv",
    "twin of dataset.csv": "master-dataset/Data/dataset.parquet",
    "statistics": "master-dataset/Data/statistics.json",
}
IMAGES = ("image", "preprocessed image")
STATE = {
    "manifest": ".eus_etl/extracted/{one}/*/manifest.json",
    "rows": ".eus_etl/extracted/{one}/*/extracted.parquet",
    "checksums of images": ".eus_etl/extracted/{one}/*/images.sha256",
    "grids": ".eus_etl/extracted/{one}/*/grid.bin",
    "index of grids": ".eus_etl/extracted/{one}/*/grid.json",
    "manifest of preprocessed": ".eus_etl/preprocessed/small/{one}/*.json",
    "rows of preprocessed": ".eus_etl/preprocessed/small/{one}/*.parquet",
    "page": ".eus_etl/ledger/{one}.json",
    "page of the study": ".eus_etl/ledger/_study.json",
    "gathered rows": ".eus_etl/gathered/labels.parquet",
    "index of gathered rows": ".eus_etl/gathered/labels.json",
    "gathered frame tables": ".eus_etl/gathered/frames.parquet",
    "memory of copies": ".eus_etl/raw/{one}.json",
    "memory of hashes": ".eus_etl/inventory/md5_sums.json",
    "when sources were read": ".eus_etl/inventory/last_read.json",
    "snapshot of files": ".eus_etl/inventory/drive_videos/{one}-*.json",
    "snapshot of an item": ".eus_etl/inventory/label_items/{one}-*.json",
    "snapshot of rows": ".eus_etl/inventory/patient_rows/{one}-*.json",
    "snapshot of sync rows": ".eus_etl/inventory/sync_rows/{one}-*.json",
    "snapshot of region rows": ".eus_etl/inventory/region_rows/{one}-*.json",
    "known screens": ".eus_etl/inventory/known_screens/all-*.json",
    "index of known screens": ".eus_etl/inventory/known_screens/versions.json",
    "index of files": ".eus_etl/inventory/drive_videos/versions.json",
    "index of items": ".eus_etl/inventory/label_items/versions.json",
    "index of sync rows": ".eus_etl/inventory/sync_rows/versions.json",
}
FOLDERS = {
    "folder of images": "master-dataset/Frames/{one}/*",
    "images of a visit": "master-dataset/Frames/{one}",
    "folder of preprocessed": "master-dataset/Preprocessed/small/{one}/*",
    "raw videos of a visit": "raw_data/{two}",
    "state of a video": ".eus_etl/extracted/{one}/*",
    "all extracted state": ".eus_etl/extracted",
    "all pages": ".eus_etl/ledger",
    "all observations": ".eus_etl/inventory",
    "observed files": ".eus_etl/inventory/drive_videos",
    "observed items": ".eus_etl/inventory/label_items",
    "all parts": "master-dataset/Data/parts",
    "all pictures": "master-dataset/Data/pictures",
    "all of what users read": "master-dataset/Frames",
}
_PASSING = (
    ".eus_etl/ledger/",
    ".eus_etl/locks/",
    ".eus_etl/raw/",
    ".eus_etl/gathered/",
    ".eus_etl/inventory/md5_sums.json",
    ".eus_etl/inventory/last_read.json",
)
"""Hold times and ids of runs, or depend on the order of edits."""


def delete(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def turn_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


Damage = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Studies:
    """A finished study: its folder, and its files before and after an edit of the second visit."""

    folder: Path
    clean: tuple[dict[str, bytes], dict[str, bytes]]


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Studies:
    hospital = TinyHospital(tmp_path_factory.mktemp("finished") / "hospital")
    hospital.add_video(f"{ONE}/second.mp4", first=200)
    (hospital.videos / ONE / "unreadable.mp4").write_bytes(b"no video at all")
    (hospital.videos / "of nobody.mp4").write_bytes(b"nor this")
    hospital.paths.data.mkdir(parents=True)
    hospital.paths.sync_csv.write_text(f"patient_id,offset_s,scale,method,by\n{ONE},0.2,1,clock,xx\n")
    assert run(hospital).complete
    signature = re.search(r"320x192-[0-9a-f]{32}", hospital.paths.table("layouts").read_text())
    assert signature
    hospital.paths.regions_csv.write_text(
        "patient_id,video_id,polygon,signature,signed_off\n"
        f',,"40,20 280,20 280,170 40,170",{signature[0]},ab\n'
        f'{ONE},,"30,20 280,20 280,170 30,170",,ab\n'
    )
    # an upload that is gone: only the last observation knows that it was there
    (hospital.videos / ONE / "first.mp4").unlink()
    until_done(hospital)
    after = copy_of(hospital.folder, tmp_path_factory.mktemp("clean"))
    edit(after, edited=True)
    until_done(after)
    return Studies(hospital.folder, (files_of(hospital.paths.root), files_of(after.paths.root)))


def copy_of(folder: Path, target: Path) -> TinyHospital:
    shutil.copytree(folder, target / "hospital")
    hospital = TinyHospital(target / "hospital")
    (hospital.videos / ONE / "first.mp4").unlink()
    return hospital


def edit(hospital: TinyHospital, edited: bool) -> None:
    """Edit the visit that nothing happens to, or take the edit back."""
    hospital.items[TWO]["Stop Station 2 1"] = "00:00:01" if edited else "00:00:02"
    hospital.write_items()


def run(hospital: TinyHospital) -> RunReport:
    with open_instance(hospital.home) as instance:
        return StudySession(hospital.study, instance).run()


def until_done(hospital: TinyHospital) -> list[str]:
    """Run again as often as errors ask for it; returns what they said."""
    said: list[str] = []
    for _ in range(RUNS):
        report = run(hospital)
        if report.complete and not report.made:
            return said
        said += [failed.error for failed in report.failed]
        said += [str(failure.error) for failure in report.unobserved]
    raise AssertionError(said)


def files_of(root: Path) -> dict[str, bytes]:
    """All files that hold no times or ids of their own."""
    files = {file.relative_to(root).as_posix(): file for file in root.rglob("*") if file.is_file()}
    return {name: file.read_bytes() for name, file in files.items() if not name.startswith(_PASSING)}


def differing(hospital: TinyHospital, clean: dict[str, bytes]) -> set[str]:
    found = files_of(hospital.paths.root)
    return {name for name in found.keys() | clean.keys() if found.get(name) != clean.get(name)}


def damaged(hospital: TinyHospital, pattern: str, damage: Damage) -> str:
    """Damage what the pattern finds first; returns its path below the root."""
    root = hospital.paths.root
    target = sorted(root.glob(pattern.format(one=ONE, two=TWO)))[0]
    damage(target)
    return target.relative_to(root).as_posix()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*OUTPUTS, *STATE])
def test_what_is_lost_or_cut_is_made_again_or_named(studies: Studies, tmp_path: Path, kind: str) -> None:
    hospital = copy_of(studies.folder, tmp_path)
    edited = False
    for damage in (delete,) if kind in IMAGES else (delete, cut):
        damaged(hospital, {**OUTPUTS, **STATE}[kind], damage)
        until_done(hospital)
        assert differing(hospital, studies.clean[edited]) == set()
        edited = not edited
        edit(hospital, edited)
        until_done(hospital)
        assert differing(hospital, studies.clean[edited]) == set()


@pytest.mark.slow
@pytest.mark.parametrize("damage", [cut, empty])
@pytest.mark.parametrize("kind", IMAGES)
def test_a_damaged_image_is_named_by_who_reads_it_and_made_again(
    studies: Studies, tmp_path: Path, kind: str, damage: Damage
) -> None:
    hospital = copy_of(studies.folder, tmp_path)
    name = damaged(hospital, OUTPUTS[kind], damage)
    edit(hospital, edited=True)
    until_done(hospital)
    assert differing(hospital, studies.clean[True]) <= {name}
    hospital.paths.regions_csv.write_text(hospital.paths.regions_csv.read_text().replace("30,20", "31,20"))
    said = until_done(hospital)
    if kind == "image":
        assert any("image is missing or damaged. What to do: run again" in message for message in said)
    hospital.paths.regions_csv.write_text(hospital.paths.regions_csv.read_text().replace("31,20", "30,20"))
    until_done(hospital)
    assert differing(hospital, studies.clean[True]) == set()


@pytest.mark.slow
@pytest.mark.parametrize("kind", FOLDERS)
def test_a_lost_folder_is_made_again(studies: Studies, tmp_path: Path, kind: str) -> None:
    hospital = copy_of(studies.folder, tmp_path)
    damaged(hospital, FOLDERS[kind], delete)
    edit(hospital, edited=True)
    until_done(hospital)
    assert differing(hospital, studies.clean[True]) == set()


CLUTTER = (".DS_Store", "Thumbs.db", "desktop.ini")


def litter(folder: Path) -> None:
    """Leave in every folder what computers leave there: of a Mac, also a file beside each file."""
    for inner in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        beside = [f"._{path.name}" for path in inner.iterdir() if not path.name.startswith(".")]
        for name in (*CLUTTER, *beside):
            (inner / name).write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ")


def without_litter(files: dict[str, bytes]) -> dict[str, bytes]:
    names = ((name, name.rpartition("/")[2]) for name in files)
    return {name: files[name] for name, last in names if last not in CLUTTER and not last.startswith("._")}


@pytest.mark.slow
def test_clutter_in_every_folder_breaks_and_changes_nothing(studies: Studies, tmp_path: Path) -> None:
    hospital = copy_of(studies.folder, tmp_path)
    litter(hospital.folder)
    until_done(hospital)
    for asset in (None, "raw_videos", "frames", "regions", "preprocessed_frames", "dataset"):
        edit(hospital, edited=asset is None)
        with open_instance(hospital.home) as instance:
            report = StudySession(hospital.study, instance).run(remake=asset)
        assert report.complete, (asset, report.failed, report.unobserved)
        litter(hospital.paths.root)
    edit(hospital, edited=True)
    until_done(hospital)
    found, clean = without_litter(files_of(hospital.paths.root)), studies.clean[True]
    differ = {name for name in found.keys() | clean.keys() if found.get(name) != clean.get(name)}
    # a hidden file among uploads is recorded
    assert {name for name in differ if "rejected" not in name and "drive_videos" not in name} == set()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*OUTPUTS, *STATE])
def test_a_turned_bit_changes_at_most_the_damaged_file(studies: Studies, tmp_path: Path, kind: str) -> None:
    hospital = copy_of(studies.folder, tmp_path)
    name = damaged(hospital, {**OUTPUTS, **STATE}[kind], turn_a_bit)
    until_done(hospital)
    edit(hospital, edited=True)
    until_done(hospital)
    assert differing(hospital, studies.clean[True]) <= {name}
