"""DICOM files that tests write, and their frames."""

from fractions import Fraction
from pathlib import Path
from typing import Literal, cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

from benchmarks.support.videos.small_videos import evenly, paint, write_video

FRAMES = 5
PERSON = "Doe^Jane"
PREFIX = "1.2.840.10008.1.2.4."


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
