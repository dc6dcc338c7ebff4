"""Real videos with known facts, and the frames of any video."""

import shutil
from pathlib import Path

import pytest

from eus_etl.domain.video.reader import DecodeCounts, DecodedFrame, decode

# file, index of the stream to choose, frames, width and height as shown: the tables of the two READMEs
MEDIA = [
    ("clips/DemoBMode.mov", 0, 450, 640, 480),
    ("clips/clarius-ocular-short.mp4", 0, 50, 1280, 960),
    ("clips/Cov_convex_volpecelli_sonographic_v1.mov", 0, 403, 450, 450),
    ("clips/Vir_prospective_file2.mp4", 0, 151, 270, 270),
    ("clips/Reg_pat4Image_140024.mpeg", 0, 438, 370, 370),
    ("clips/color3d_jpeg_baseline.h264.mp4", 0, 120, 640, 480),
    ("clips/color3d_jpeg_baseline.mjpeg.avi", 0, 120, 640, 480),
    ("odd_media/nasa_13013.mp4", 3, 390, 480, 270),
    ("odd_media/nasa_13013_rotated.mp4", 0, 17, 270, 480),
    ("odd_media/h265_10bits.mp4", 0, 30, 200, 200),
    ("odd_media/discard_first_keyframe.mp4", 0, 25, 64, 64),
    ("odd_media/corrupted.mp4", 0, 49, 1280, 720),
]
media = pytest.mark.parametrize(("name", "stream", "count", "width", "height"), MEDIA)
needs_ffmpeg = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="ffmpeg and ffprobe are not installed"
)


def decoded(path: Path, counts: DecodeCounts | None = None) -> list[DecodedFrame]:
    return list(decode(path, "v1", counts))
