"""What every kind of raw video provides: facts about the file, frames, and counts of what went wrong.

``ffmpeg`` and ``dicom`` read the kinds of files.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for types only: facts and counts are also used where no picture is
    from eus_etl.domain.images.luma import Luma
    from eus_etl.domain.images.picture import Picture


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What is known about a video without decoding more than its first frame.

    Names and units are those of ``tables.VIDEOS``; ``time_base`` is the unit of pts in seconds,
    ``frames_held`` the number of frames to be shown that the packets hold, ``synthetic_time`` whether the
    stream has no pts at all.
    """

    container: str
    codec: str
    width: int
    height: int
    pixel_aspect: float
    rotation: int
    nominal_rate_hz: float | None
    variable_rate: bool | None
    duration_s: float | None
    frames_declared: int | None
    recorded_at: str | None
    time_base: Fraction
    frames_held: int
    synthetic_time: bool


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """Which frames of a video to return, and how to decode them.

    Attributes:
        rate_hz: frames per second, as chosen by ``sampling.Sampler``; None for all.
        skip: do not decode what no returned frame needs, where that is proven to change nothing.
        deinterlace: deinterlace frames that are marked as interlaced.
        still_images: return a photo as one frame; otherwise it is refused.
        threads: decoder threads. Four keep two cores busy, since each waits for the pictures it refers to.
    """

    rate_hz: float | None = None
    skip: bool = False
    deinterlace: bool = False
    still_images: bool = False
    threads: int = 4


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """One frame to be shown.

    Attributes:
        pts: presentation time stamp in units of ``time_base``.
        repeat: number of earlier frames of the video with the same pts.
        time_base: unit of pts in seconds.
        time_s: exact time since the first frame in the video's packets, decoded or not.
        frame_index: place in presentation order among all frames in the video's packets, from 0.
        synthetic_time: the stream has no pts; frames are counted at the nominal rate.
        damaged: the decoder marked the picture as damaged.
        width: width as shown, px.
        height: height as shown, px.
        picture: makes the picture, in any thread; a picture that is never requested costs nothing.
        luma: gives the picture's brightness without making it; None if it was not coded separately.
    """

    pts: int
    repeat: int
    time_base: Fraction
    time_s: Fraction
    frame_index: int
    synthetic_time: bool
    damaged: bool
    width: int
    height: int
    picture: Callable[[], "Picture"]
    luma: Callable[[], "Luma | None"]


@dataclass(slots=True)
class DecodeCounts:
    """Counts of one decoding; updated as frames are taken, complete after the last.

    Attributes:
        frames: frames decoded; with ``DecodeOptions.skip``, only those needed.
        skipped: frames not decoded, because no returned frame needs them.
        interlaced: frames decoded that are marked as interlaced.
        before_key: frames before the first decodable one: the recording begins between two key frames.
        clock_restarts: number of times the stream's clock restarts.
        missing: frames that the container lists but a truncated file lacks.
        errors: packets or frames that could not be decoded; their neighbors are used.
        damaged: frames that were decoded but are marked as damaged.
        untimed: frames without a pts in a stream that has some; they follow the previous frame at the nominal
            rate.
        backward: frames with a pts before that of the previous frame; kept in order.
        repeated: frames with the pts of an earlier frame; kept.
    """

    frames: int = 0
    skipped: int = 0
    interlaced: int = 0
    before_key: int = 0
    clock_restarts: int = 0
    missing: int = 0
    errors: int = 0
    damaged: int = 0
    untimed: int = 0
    backward: int = 0
    repeated: int = 0

    @property
    def error_share(self) -> float:
        """Share of errors in everything that was to be decoded."""
        return self.errors / max(1, self.frames + self.errors)


def is_dicom(path: Path) -> bool:
    """Whether a file has the mark of DICOM, whatever its name."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
