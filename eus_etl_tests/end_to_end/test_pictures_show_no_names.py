"""A name on the scanner's screen reaches no picture that people are shown, no event and no log.

A visit with a name in large letters above its ultrasound picture goes through the real asset graph. Then
every picture of the event database, and every one beside the tables, is read with Tesseract at several sizes.
"""

import base64
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from benchmarks.support.hospitals.tiny_hospital import ONE, TinyHospital
from benchmarks.support.screens.screens import speckle
from benchmarks.support.videos.pictures import read_picture
from benchmarks.support.videos.small_videos import write_video
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.domain.images.codec import encode_png
from eus_etl.domain.plots.contact_sheet import contact_sheet, small_png
from eus_etl.domain.plots.timeline import Thumbnail, draw_timeline
from eus_etl_tests.end_to_end.test_leaks import database_texts

pytestmark = pytest.mark.slow

NAME = "SCHMIDT"
WIDTH, HEIGHT = 640, 480
APEX, NEAR_PX, FAR_PX, HALF_ANGLE = (320, 80), 60, 380, 40
SECONDS = 6
RATE_HZ = 10
SCALES = (1, 2, 4)
WHITE = 250
LARGEST_PX = 6_000_000
_PICTURES = re.compile(r"data:image/[a-z]+;base64,([A-Za-z0-9+/=]+)")


def named_screen(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """RGB: the name over the whole width, and below it a field that moves."""
    field = np.zeros((height, width), np.uint8)
    cv2.ellipse(field, APEX, (FAR_PX, FAR_PX), 90, -HALF_ANGLE, HALF_ANGLE, 1, -1)
    cv2.circle(field, APEX, NEAR_PX, 0, -1)
    moving = cv2.resize(speckle(np.random.default_rng(number)), (width, height))
    picture = np.where(field, moving, 0).astype(np.uint8)
    cv2.putText(picture, NAME, (14, 110), cv2.FONT_HERSHEY_DUPLEX, 4.3, 240, 9, cv2.LINE_AA)
    return np.repeat(picture[:, :, np.newaxis], 3, axis=2)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> TinyHospital:
    """A hospital with all visits processed; the upload of the first has the name too."""
    if shutil.which("tesseract") is None:
        pytest.skip("Tesseract is not installed (Debian: apt-get install tesseract-ocr)")
    hospital = TinyHospital(tmp_path_factory.mktemp("named") / "hospital")
    shutil.rmtree(hospital.videos)
    upload = hospital.videos / ONE / f"{NAME.title()} Anna.mp4"
    upload.parent.mkdir(parents=True)
    pts = [n * 1000 // RATE_HZ for n in range(SECONDS * RATE_HZ)]
    write_video(upload, pts, size=(WIDTH, HEIGHT), painter=named_screen)
    with open_instance(hospital.home) as instance:
        report = StudySession(hospital.study, instance).run()
    assert report.complete, (report.failed, report.unobserved)
    return hospital


@pytest.fixture(scope="module")
def frames(hospital: TinyHospital) -> list[NDArray[np.uint8]]:
    """The extracted frames of the visit."""
    return [read_picture(file) for file in sorted(hospital.paths.frames_of_patient(ONE).rglob("*.jpg"))]


def test_the_name_is_read_on_extracted_frames_and_wherever_one_would_be_shown(
    frames: list[NDArray[np.uint8]],
) -> None:
    assert len(frames) == SECONDS * 5
    assert shows_the_name(frames[3])
    square = [np.asarray(cv2.resize(frame, (HEIGHT, HEIGHT)), np.uint8) for frame in frames[:3]]
    assert shows_the_name(from_png(small_png(contact_sheet(square, 3, 80))))
    table = pl.DataFrame({"procedure_s": [0.0, 1.0], "disturbed": [False] * 2, "reasons": ["", ""]})
    intervals = pl.DataFrame(
        schema=dict.fromkeys(("family", "label", "status"), pl.String())
        | dict.fromkeys(("start_s", "stop_s"), pl.Float64())
    )
    assert shows_the_name(
        from_png(draw_timeline(table, intervals, {}, [Thumbnail(0.0, frame) for frame in square]))
    )


def test_no_picture_in_the_event_database_shows_it(hospital: TinyHospital) -> None:
    pictures = {png for text in events(hospital) for png in _PICTURES.findall(text)}
    shown = [from_png(base64.b64decode(png)) for png in pictures]
    # the visit's timeline, its contact sheet and the dataset's
    assert len(shown) == 3
    assert sum(bool(lit_tiles(picture)) for picture in shown) == 3
    assert not any(map(shows_the_name, shown))


def test_no_picture_beside_the_tables_shows_it(hospital: TinyHospital) -> None:
    files = sorted(hospital.paths.pictures.rglob("*.*"))
    assert {hospital.paths.timeline_picture(ONE), hospital.paths.contact_sheet("small")} <= set(files)
    assert {file.suffix for file in files} == {".png"}
    for file in files:
        assert not shows_the_name(read_picture(file)), file.name


def test_no_event_and_no_log_names_it(hospital: TinyHospital) -> None:
    files = [file for file in hospital.home.rglob("*") if file.is_file()]
    for file in files:
        texts = (
            database_texts(file) if file.suffix == ".db" else [file.read_bytes().decode("utf-8", "replace")]
        )
        for text in texts:
            assert NAME.lower() not in _PICTURES.sub("", text).lower(), file.name
    # the upload's name was there to be told
    assert NAME.title() in hospital.paths.table("videos").read_text()


def events(hospital: TinyHospital) -> Iterable[str]:
    """All that is stored of all events, those of checks too."""
    for file in hospital.home.rglob("*.db"):
        yield from database_texts(file)


def from_png(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def lit_tiles(picture: NDArray[np.uint8]) -> int:
    """Pixels of middle grey, as only speckle has many of."""
    low, high = picture.reshape(-1, picture.shape[-1]).min(1), picture.reshape(-1, picture.shape[-1]).max(1)
    return int(np.count_nonzero((low > 40) & (high < 200) & (high - low < 3))) // 1000


def shows_the_name(picture: NDArray[np.uint8]) -> bool:
    """Whether four letters in a row of the name are read at any size, as it is and with white made black.

    Tesseract reads no bright letters beside a white page.
    """
    parts = [NAME[start : start + 4] for start in range(len(NAME) - 3)]
    grey = picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
    for scale in SCALES:
        if grey.size * scale**2 > LARGEST_PX:
            break
        for shown in (grey, np.where(grey > WHITE, 0, grey).astype(np.uint8)):
            larger = cv2.resize(shown, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
            text = words_on(np.asarray(larger, np.uint8))
            if any(part in text for part in parts):
                return True
    return False


def words_on(picture: NDArray[np.uint8]) -> str:
    """What Tesseract reads anywhere on a picture, as capital letters without gaps."""
    png = encode_png(picture)
    done = subprocess.run(
        ["tesseract", "stdin", "stdout", "--psm", "11"],
        input=png,
        capture_output=True,
        check=True,
        env={"OMP_THREAD_LIMIT": "1", "PATH": str(Path(shutil.which("tesseract") or "").parent)},
    )
    return re.sub(r"[^A-Z]", "", done.stdout.decode("utf-8", "replace").upper())
