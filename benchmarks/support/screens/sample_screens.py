"""Screens of the synthetic hospital, one recording at a time, as the search for a region gets them."""

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.images.picture import Picture
from eus_etl.domain.video.reader import decode
from eus_etl.sample.encode import write_video
from eus_etl.sample.fields import FieldKind, make_field
from eus_etl.sample.phantom import make_screen, pictures
from eus_etl.sample.plan import Cast, Codec, Episode, Recording, Visit

SIZES = ((480, 360), (512, 384), (640, 480), (640, 360), (800, 600), (720, 576), (1024, 768))
_CODECS: tuple[tuple[Codec, str], ...] = (("libx264", "mp4"), ("mpeg2video", "mpegts"), ("mjpeg", "avi"))
_RATE_HZ, _SECONDS = 2, 16
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 95)


@dataclass(frozen=True)
class SampleScreen:
    """What is shown in one recording, and the truth.

    Attributes:
        kind: of the field.
        shown: grey pictures spread over the recording, compressed twice, as a video and as images.
        field: (height, width), whether a pixel lies in the true field.
        texts: boxes x, y, width, height of the texts around it, in px.
    """

    kind: FieldKind
    shown: list[Picture]
    field: NDArray[np.bool_]
    texts: tuple[tuple[int, int, int, int], ...]


def sample_screen(kind: FieldKind, seed: int, *, frozen: bool = False) -> SampleScreen:
    """A screen of any size, by any codec, with any tissue and name: the same seed gives the same."""
    choice = random.Random(f"{kind} {seed}")
    width, height = choice.choice(SIZES)
    codec, container = choice.choice(_CODECS)
    cast = Cast(choice)
    episodes = (Episode("frozen", 0, _SECONDS),) if frozen else ()
    recording = Recording(("one",), codec, container, _RATE_HZ, _SECONDS, episodes)
    visit = Visit(cast.person(), cast.patient_id(), None, cast.day(0), kind, (width, height), (recording,))
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "video"
        made = pictures(visit, recording, np.random.default_rng(seed))
        write_video(video, recording, (width, height), made, visit.started_at)
        shown = [_stored(frame.picture()) for frame in decode(video, "v0123456789ab")]
    texts = make_screen(visit, recording).texts
    return SampleScreen(
        kind,
        shown,
        make_field(kind, width, height).mask(height, width),
        tuple((text.x, text.y, text.width, text.height) for text in texts),
    )


def _stored(picture: Picture) -> Picture:
    """A picture as it is read back from the image that it is kept in, grey."""
    _, encoded = cv2.imencode(".jpg", picture, _JPEG)
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)
