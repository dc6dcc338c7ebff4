from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

from benchmarks.support.videos.small_videos import paint, read_number
from eus_etl.domain.video.reader import DecodeCounts, DecodedFrame, decode, probe
from eus_etl.errors import VideoUnreadableError

FRAMES = 5
PERSON = "Doe^Jane"


def write_dicom(path: Path, meaning: str = "RGB", **tags: object) -> Path:
    """A loop whose n-th picture is ``paint(n)``, with a name in its tags."""
    pictures = np.stack([paint(number) for number in range(FRAMES)])
    stored = Dataset()
    stored.file_meta = FileMetaDataset()
    stored.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stored.file_meta.MediaStorageSOPClassUID = stored.SOPClassUID = UltrasoundMultiFrameImageStorage
    stored.file_meta.MediaStorageSOPInstanceUID = stored.SOPInstanceUID = generate_uid()
    stored.PatientName = PERSON
    stored.Rows, stored.Columns, stored.NumberOfFrames = 96, 160, FRAMES
    stored.PhotometricInterpretation = meaning
    stored.BitsAllocated = stored.BitsStored = 8
    stored.HighBit, stored.PixelRepresentation = 7, 0
    if meaning == "RGB":
        stored.SamplesPerPixel, stored.PlanarConfiguration = 3, 0
        stored.PixelData = pictures.tobytes()
    else:
        stored.SamplesPerPixel = 1
        grey = 255 - pictures[..., 0] if meaning == "MONOCHROME1" else pictures[..., 0]
        stored.PixelData = grey.tobytes()
        if tags.get("BitsStored") == 12:
            stored.BitsAllocated, stored.HighBit = 16, 11
            stored.PixelData = (grey.astype(np.uint16) * 16).tobytes()
        if meaning == "PALETTE COLOR":
            for color in ("Red", "Green", "Blue"):
                setattr(stored, f"{color}PaletteColorLookupTableDescriptor", [256, 0, 16])
                values = np.arange(256, dtype=np.uint16) * 257
                setattr(stored, f"{color}PaletteColorLookupTableData", values.tobytes())
    for name, value in tags.items():
        setattr(stored, name, value)
    stored.save_as(path, enforce_file_format=True)
    return path


def decoded(path: Path, counts: DecodeCounts | None = None) -> list[DecodedFrame]:
    return list(decode(path, "v1", counts))


def test_a_real_loop(shared: Path) -> None:
    path = shared / "clips/examples_ybr_color.dcm"
    frames = decoded(path)
    facts = probe(path, "v1")
    assert len(frames) == facts.frames_held == 30
    assert [frame.pts for frame in frames[:4]] == [0, 33333, 66666, 99999]
    assert (facts.width, facts.height, facts.container, facts.codec) == (
        320,
        240,
        "dicom",
        "JPEGBaseline8Bit",
    )
    assert facts.nominal_rate_hz == pytest.approx(30, abs=0.01)
    picture = frames[0].picture()
    assert picture.shape == (240, 320, 3)
    # an echo is grey: colours that are not converted would tint all of it
    assert np.abs(picture[..., 0].astype(int) - picture[..., 2]).mean() < 2


@pytest.mark.parametrize(
    ("meaning", "bits"),
    [("RGB", 8), ("MONOCHROME2", 8), ("MONOCHROME1", 8), ("MONOCHROME2", 12), ("PALETTE COLOR", 8)],
)
def test_pictures_in_every_meaning(tmp_path: Path, meaning: str, bits: int) -> None:
    frames = decoded(write_dicom(tmp_path / "loop", meaning, FrameTime="40", BitsStored=bits))
    assert [read_number(frame.picture()) for frame in frames] == list(range(FRAMES))
    assert np.abs(frames[1].picture().astype(int) - paint(1)).max() <= 1


def test_colours_are_blue_green_red(tmp_path: Path) -> None:
    red = np.zeros((FRAMES, 96, 160, 3), np.uint8)
    red[..., 0] = 200
    path = write_dicom(tmp_path / "loop", FrameTime="40", PixelData=red.tobytes())
    assert decoded(path)[0].picture()[0, 0].tolist() == [0, 0, 200]


@pytest.mark.parametrize(
    ("tags", "pts", "synthetic"),
    [
        ({"FrameTime": "33.333"}, [0, 33333, 66666, 99999, 133332], False),
        ({"FrameTimeVector": ["0", "10", "20.5", "10", "40"]}, [0, 10_000, 30_500, 40_500, 80_500], False),
        ({"CineRate": "50"}, [0, 20_000, 40_000, 60_000, 80_000], False),
        ({"FrameTimeVector": ["0", "10"], "FrameTime": "20"}, [0, 20_000, 40_000, 60_000, 80_000], False),
        ({}, [0, 40_000, 80_000, 120_000, 160_000], True),
    ],
)
def test_times_come_from_the_increments(
    tmp_path: Path, tags: dict[str, Any], pts: list[int], synthetic: bool
) -> None:
    path = write_dicom(tmp_path / "loop", **tags)
    frames = decoded(path)
    facts = probe(path, "v1")
    assert [frame.pts for frame in frames] == pts
    assert frames[-1].time_s == Fraction(pts[-1], 1_000_000)
    assert {frame.synthetic_time for frame in frames} == {synthetic} == {facts.synthetic_time}
    assert facts.variable_rate is (None if synthetic else len(set(np.diff(pts))) > 1)


def test_the_name_in_the_tags_reaches_nothing(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "loop", FrameTime="40", AcquisitionDateTime="20240305083015.5+0530")
    facts = probe(path, "v1")
    assert PERSON not in repr(facts)
    assert PERSON not in repr([frame.picture for frame in decoded(path)])
    assert facts.recorded_at == "2024-03-05T08:30:15.500000+05:30"


def test_missing_pictures_at_the_end_are_counted(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "loop", FrameTime="40")
    path.write_bytes(path.read_bytes()[: -2 * 96 * 160 * 3])
    counts = DecodeCounts()
    assert [read_number(frame.picture()) for frame in decoded(path, counts)] == [0, 1, 2]
    assert (counts.frames, counts.errors) == (3, 2)


def test_dicom_without_pictures_is_refused(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "loop")
    report = pydicom.dcmread(path)
    del report.PixelData, report.Rows
    report.save_as(path)
    with pytest.raises(VideoUnreadableError, match="without pictures"):
        probe(path, "v1")
