import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, cast

import av
import numpy as np
import pydicom
import pytest
from av.video.codeccontext import VideoCodecContext
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    RLELossless,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

from benchmarks.support.videos.small_videos import evenly, paint, read_number, write_video
from eus_etl.domain.video.reader import DecodeCounts, DecodedFrame, DecodeOptions, decode, probe
from eus_etl.errors import VideoUnreadableError

FRAMES = 5
PERSON = "Doe^Jane"


def write_dicom(
    path: Path, meaning: str = "RGB", syntax: UID = ExplicitVRLittleEndian, **tags: object
) -> Path:
    """A loop whose n-th picture is ``paint(n)``, with a name in its tags."""
    pictures = np.stack([paint(number) for number in range(FRAMES)])
    stored = Dataset()
    stored.file_meta = FileMetaDataset()
    stored.file_meta.TransferSyntaxUID = syntax
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
        ({"RecommendedDisplayFrameRate": "50"}, [0, 20_000, 40_000, 60_000, 80_000], False),
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
    assert (counts.frames, counts.errors, counts.missing) == (3, 0, 2)


def coded(codec: str, pixels: str) -> list[bytes]:
    """Each picture coded alone by one of FFmpeg's encoders."""
    packets = []
    for number in range(FRAMES):
        context = cast(VideoCodecContext, av.CodecContext.create(codec, "w"))
        context.width, context.height, context.pix_fmt = 160, 96, pixels
        context.time_base = Fraction(1, 25)
        context.options = {"strict": "unofficial"}
        frame = av.VideoFrame.from_ndarray(paint(number), format="rgb24").reformat(format=pixels)
        packets.append(b"".join(bytes(p) for p in [*context.encode(frame), *context.encode(None)]))
    return packets


def stream(folder: Path, name: str, codec: Literal["libx264", "mpeg2video"]) -> bytes:
    options = {"bf": "2", "b": "4000000"} if codec == "mpeg2video" else {"bf": "2", "crf": "10"}
    return write_video(folder / name, evenly(1, FRAMES), Fraction(1, 25), codec, options=options).read_bytes()


def write_encapsulated(path: Path, syntax: str, frames: list[bytes], meaning: str, **tags: object) -> Path:
    samples = 1 if meaning == "MONOCHROME2" else 3
    return write_dicom(
        path,
        meaning if samples == 1 else "RGB",
        syntax=UID(syntax),
        PixelData=encapsulate(frames),
        PhotometricInterpretation=meaning,
        **tags,
    )


PREFIX = "1.2.840.10008.1.2.4."
FRAME_BY_FRAME = [
    ("70", "ljpeg", "yuvj444p", "YBR_FULL"),
    ("57", "ljpeg", "bgr24", "RGB"),
    ("80", "jpegls", "gray", "MONOCHROME2"),
    ("81", "jpegls", "rgb24", "RGB"),
    ("90", "jpeg2000", "rgb24", "RGB"),
    ("91", "jpeg2000", "gray", "MONOCHROME2"),
    ("201", "jpeg2000", "gray", "MONOCHROME2"),
    ("50", "mjpeg", "yuvj420p", "YBR_FULL_422"),
]


@pytest.mark.parametrize(("syntax", "codec", "pixels", "meaning"), FRAME_BY_FRAME)
def test_frames_of_every_way_to_code_them_one_by_one(
    tmp_path: Path, syntax: str, codec: str, pixels: str, meaning: str
) -> None:
    path = write_encapsulated(
        tmp_path / "loop", PREFIX + syntax, coded(codec, pixels), meaning, FrameTime="40"
    )
    counts = DecodeCounts()
    frames = decoded(path, counts)
    assert [read_number(frame.picture()) for frame in frames] == list(range(FRAMES))
    assert np.abs(frames[1].picture().astype(int) - paint(1)).mean() < 3
    assert [frame.pts for frame in frames] == evenly(40_000, FRAMES)
    assert counts.errors == 0
    assert probe(path, "v1").frames_held == FRAMES


@pytest.mark.parametrize("fragments", [1, 3])
@pytest.mark.parametrize(
    ("syntax", "name", "codec"),
    [("100", "v.m2v", "mpeg2video"), ("102", "v.h264", "libx264"), ("103.1", "v.mp4", "libx264")],
)
def test_a_video_stream_in_dicom_has_the_times_of_the_tags(
    tmp_path: Path, syntax: str, name: str, codec: Literal["libx264", "mpeg2video"], fragments: int
) -> None:
    content = stream(tmp_path, name, codec)
    size = -(-len(content) // fragments)
    parts = [content[place : place + size] for place in range(0, len(content), size)]
    path = write_encapsulated(tmp_path / "loop", PREFIX + syntax, parts, "YBR_PARTIAL_420", FrameTime="50")
    facts = probe(path, "v1")
    frames = decoded(path)
    assert [read_number(frame.picture()) for frame in frames] == list(range(FRAMES))
    assert [frame.pts for frame in frames] == evenly(50_000, FRAMES)
    assert (facts.frames_held, facts.duration_s, facts.synthetic_time) == (FRAMES, 0.25, False)
    assert len(list(decode(path, "v1", options=DecodeOptions(rate_hz=10)))) == 3


def test_deflated_and_run_length_coded_loops(tmp_path: Path) -> None:
    deflated = write_dicom(tmp_path / "deflated", syntax=DeflatedExplicitVRLittleEndian, FrameTime="40")
    assert [read_number(frame.picture()) for frame in decoded(deflated)] == list(range(FRAMES))
    packed = pydicom.dcmread(write_dicom(tmp_path / "packed", FrameTime="40"))
    packed.compress(RLELossless)
    packed.save_as(tmp_path / "packed")
    assert [read_number(frame.picture()) for frame in decoded(tmp_path / "packed")] == list(range(FRAMES))


def test_the_bytes_say_how_many_frames_where_the_tag_does_not(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "loop", FrameTime="40")
    stored = pydicom.dcmread(path)
    del stored.NumberOfFrames
    stored.save_as(path)
    assert [read_number(frame.picture()) for frame in decoded(path)] == list(range(FRAMES))
    assert probe(path, "v1").frames_held == FRAMES


def misstate(path: Path, right: str, odd: str) -> Path:
    """Write into a tag, in its place, what pydicom refuses to write."""
    content = path.read_bytes()
    assert content.count(right.encode()) == 1
    path.write_bytes(content.replace(right.encode(), odd.ljust(len(right)).encode()))
    return path


ODD = ["ZQNAME", "-40.25", "0", "1e999", "nan", "inf", "40\\\\40", "1/3", "\0\0", "9999999999"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("tag", ["FrameTime", "CineRate", "RecommendedDisplayFrameRate"])
def test_an_odd_time_is_not_stated(
    tmp_path: Path, tag: str, odd: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    right = "4025739512" if tag != "FrameTime" else "40.2573951"
    path = misstate(
        write_dicom(tmp_path / "loop", "RGB", ExplicitVRLittleEndian, **{tag: right[:10]}), right, odd
    )
    facts = probe(path, "v1")
    assert (facts.synthetic_time, facts.duration_s, facts.nominal_rate_hz) == (True, 0.2, None)
    assert [frame.pts for frame in decoded(path)] == evenly(40_000, FRAMES)
    assert "ZQ" not in caplog.text + "".join(capfd.readouterr()) + repr(facts)


@pytest.mark.parametrize("odd", ["ZQ", "-3", "0", "2.5", "1e3"])
def test_an_odd_number_of_frames_is_what_the_bytes_hold(tmp_path: Path, odd: str) -> None:
    path = write_dicom(tmp_path / "loop", NumberOfFrames=1357, FrameTime="40")
    misstate(path, "1357", odd)
    if odd == "1e3":  # a number, and more than there is
        counts = DecodeCounts()
        assert len(decoded(path, counts)) == FRAMES
        assert counts.missing == 1000 - FRAMES
        return
    assert [read_number(frame.picture()) for frame in decoded(path)] == list(range(FRAMES))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, UID(PREFIX + "50")])
def test_more_frames_than_bytes_are_refused_at_once(tmp_path: Path, syntax: UID) -> None:
    data = {} if syntax == ExplicitVRLittleEndian else {"PixelData": encapsulate(coded("mjpeg", "yuvj420p"))}
    path = write_dicom(tmp_path / "loop", "RGB", syntax, NumberOfFrames=2_000_000_000, **data)
    tracemalloc.start()
    try:
        with pytest.raises(VideoUnreadableError, match="more frames than bytes"):
            probe(path, "v1")
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("aspect", [[0, 0], [1, 0], [0, 1]])
def test_an_odd_pixel_aspect_is_square(tmp_path: Path, aspect: list[int]) -> None:
    path = write_dicom(tmp_path / "loop", PixelAspectRatio=aspect, FrameTime="40")
    assert probe(path, "v1").pixel_aspect == 1


def test_frames_that_cannot_be_decoded_at_the_beginning_took_their_time(tmp_path: Path) -> None:
    frames = coded("jpegls", "gray")
    frames[0] = b"\xff\xd8" + bytes(200)
    path = write_encapsulated(tmp_path / "loop", PREFIX + "80", frames, "MONOCHROME2", FrameTime="40")
    counts = DecodeCounts()
    assert [frame.time_s for frame in decoded(path, counts)] == [Fraction(n, 25) for n in range(1, FRAMES)]
    assert counts.errors == 1


def test_dicom_without_pictures_is_refused(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "loop")
    report = pydicom.dcmread(path)
    del report.PixelData, report.Rows
    report.save_as(path)
    with pytest.raises(VideoUnreadableError, match="without pictures"):
        probe(path, "v1")
