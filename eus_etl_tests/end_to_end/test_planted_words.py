"""Words planted in every input, good and bad, stand nowhere but where uploads are listed.

Searched are the root, the Dagster home with its databases and logs, and what commands and sensors say; tables
and compressed values are unpacked.
"""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
import zstandard
from click.testing import CliRunner
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, ONE, TWO, TinyHospital
from benchmarks.support.videos.small_videos import evenly, write_video
from eus_etl.cli import main
from eus_etl.defs.graph import study_graph
from eus_etl.defs.instance import open_instance
from eus_etl.defs.triggers.sensors import edits_sensor, videos_sensor
from eus_etl_tests.end_to_end.test_leaks import database_texts, text_of
from eus_etl_tests.support.uploads import MAY_NAME_UPLOADS

WORD = "ZQPLANTED"


def plant_in_uploads(hospital: TinyHospital) -> None:
    folder = hospital.videos / ONE / f"{WORD} folder"
    folder.mkdir()
    write_video(
        folder / f"{WORD}.mp4", evenly(40, 10), size=(320, 192), metadata={"title": WORD, "artist": WORD}
    )
    (folder / f"{WORD} bad.mp4").write_bytes(WORD.encode() * 200)
    (folder / f"{WORD}.m3u8").write_text(f"#EXTM3U\n#EXTINF:4,{WORD}\n/etc/{WORD}.ts\n")
    (hospital.videos / f"{WORD} of nobody.mp4").write_bytes(b"nothing")
    for name, tags in {
        "good": {},
        "rate": {"CineRate": WORD},
        "time": {"FrameTime": WORD, "AcquisitionDateTime": WORD},
        "frames": {"NumberOfFrames": WORD},
    }.items():
        write_dicom(folder / f"{WORD} {name}.dcm", tags)


def write_dicom(path: Path, tags: dict[str, str]) -> None:
    stored = Dataset()
    stored.file_meta = FileMetaDataset()
    stored.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stored.file_meta.MediaStorageSOPClassUID = stored.SOPClassUID = UltrasoundMultiFrameImageStorage
    stored.file_meta.MediaStorageSOPInstanceUID = stored.SOPInstanceUID = generate_uid()
    stored.Rows, stored.Columns, stored.NumberOfFrames = 96, 160, 3
    stored.SamplesPerPixel, stored.PhotometricInterpretation = 1, "MONOCHROME2"
    stored.BitsAllocated, stored.BitsStored, stored.HighBit, stored.PixelRepresentation = 8, 8, 7, 0
    stored.PixelData = np.random.default_rng(len(tags)).integers(0, 255, (3, 96, 160), np.uint8).tobytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are what is planted
        stored.PatientName = stored.PatientComments = stored.PatientID = WORD
        stored.save_as(path, enforce_file_format=True)
    # pydicom writes no number that is none: the text is put over one of equal length
    raw = path.read_bytes()
    for keyword, text in tags.items():
        extra = Dataset()
        extra.add_new(keyword, "LO", text)
        element = next(iter(extra))
        group, number = element.tag.group.to_bytes(2, "little"), element.tag.element.to_bytes(2, "little")
        kind = {"FrameTime": b"DS", "AcquisitionDateTime": b"DT"}.get(keyword, b"IS")
        padded = text.encode() + b" " * (len(text) % 2)
        written = group + number + kind + len(padded).to_bytes(2, "little") + padded
        old = raw.find(group + number + kind)
        if old >= 0:  # in place of what was written
            length = int.from_bytes(raw[old + 6 : old + 8], "little")
            raw = raw[:old] + written + raw[old + 8 + length :]
        else:
            pixels = raw.find(b"\x28\x00\x02\x00")
            raw = raw[:pixels] + written + raw[pixels:] if keyword != "AcquisitionDateTime" else raw
    path.write_bytes(raw)


def plant_in_records(hospital: TinyHospital) -> None:
    hospital.items[ONE] |= {
        "biopsy": WORD,
        "doctor": WORD,
        "Date": WORD,
        "cancer": WORD,
        "morphology": WORD,
        "org": WORD,
        "mrd_hash": WORD,
        "Start Station 3 1": WORD,
        f"Start {WORD} 1": "00:00:01",
        f"{WORD}": WORD,
    }
    hospital.items[WORD] = {"pseudo_name": "Odd-Item-1"}
    hospital.write_items()
    hospital.write_rows(
        f"Patient,Cancer type,{WORD} header\n{ONE},{WORD},{WORD}\n{ALIAS_TWO},other,x,{WORD}\n{WORD},other,\n"
    )
    hospital.paths.data.mkdir(parents=True)
    hospital.paths.sync_csv.write_text(
        f"patient_id,video_id,offset_s,scale,method,by\n{ONE},,{WORD},1,{WORD},{WORD}\n{WORD},,1,1,,\n"
        f"{TWO},{WORD},1,1,{WORD},{WORD}\n{TWO},,1,1,,,{WORD}\n"
    )
    hospital.paths.regions_csv.write_text(
        f"patient_id,video_id,polygon,signature,signed_off\n{ONE},,{WORD},,{WORD}\n{ONE},,,{WORD},\n{WORD},,,,\n"
    )


def break_records(hospital: TinyHospital) -> None:
    """No source of records can be read any more, and each says so about text that it holds."""
    (hospital.folder / "incoming" / "items.json").write_text(f'[{{"pk": "{WORD}", {WORD}')
    hospital.write_rows(f'Patient,{WORD}\n"{WORD},other\n{WORD}')
    hospital.paths.sync_csv.write_text(f'patient_id,offset_s\n{ONE},"{WORD}\n')
    hospital.paths.regions_csv.write_text(f"{WORD},polygon\n{ONE},{WORD}\n")


def said_by_sensors(hospital: TinyHospital) -> str:
    graph = study_graph(hospital.study)
    with open_instance(hospital.home) as instance:
        return "\n".join(
            str(sensor(dg.build_sensor_context(instance)))
            for sensor in (videos_sensor(graph), edits_sensor(graph))
        )


def below(folder: Path) -> Iterator[tuple[str, str]]:
    """Names and texts of all files below a folder."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        place = file.relative_to(folder).as_posix()
        yield place, place
        if file.suffix == ".db":
            for text in database_texts(file):
                yield place, text
        elif file.suffix == ".bin":
            yield place, unpacked(file.read_bytes())
        else:
            yield place, text_of(file)


def unpacked(data: bytes) -> str:
    frames = [data[at:] for at in range(len(data)) if data.startswith(b"\x28\xb5\x2f\xfd", at)]
    return "".join(
        zstandard.ZstdDecompressor().decompressobj().decompress(frame).decode("latin-1") for frame in frames
    )


@pytest.mark.slow
def test_planted_words_stay_where_uploads_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    hospital = TinyHospital(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(hospital.home))
    plant_in_uploads(hospital)
    plant_in_records(hospital)
    said = []

    def call(*arguments: str) -> None:
        done = CliRunner().invoke(main, [*arguments, "--config", str(hospital.config)])
        said.append(done.output + repr(done.exception))

    call("run")
    said.append(said_by_sensors(hospital))
    with monkeypatch.context() as failing:

        def fail(*_: object, **__: object) -> None:
            pl.read_csv(f"age\n1\n{WORD}\n".encode(), schema={"age": pl.Int64})

        for step in ("make_labels", "make_patient", "make_frame_table"):
            failing.setattr(f"eus_etl.defs.assets.patient.{step}", fail)
        failing.setattr("eus_etl.steps.observation.observe._observe_rows", fail)
        for asset in ("labels", "patients", "frame_table"):
            call("run", "--remake", asset)
        said.append(said_by_sensors(hospital))
    break_records(hospital)
    for command in ("run", "status", "doctor", "regions"):
        call(command)
    call("status", "--json")
    said += [said_by_sensors(hospital), *capfd.readouterr()]
    assert any("ComputeError" in text for text in said)  # the planted failures did happen
    assert [text for text in said if WORD in text] == []
    named = {f"home/{place}" for place, text in below(hospital.home) if WORD in text}
    root = {place for place, text in below(hospital.paths.root) if WORD in text}
    written = {"master-dataset/Data/sync.csv", "master-dataset/Data/regions.csv"}
    assert {place for place in root - written if not place.startswith(MAY_NAME_UPLOADS)} | named == set()
    assert "master-dataset/Data/rejected.csv" in root  # the search finds what is there
    rejected = pl.read_csv(hospital.paths.table("rejected")).drop("file_name")
    assert WORD not in rejected.write_csv()
    assert json.dumps(WORD) not in rejected.write_csv()
