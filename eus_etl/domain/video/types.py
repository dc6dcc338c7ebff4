"""What every kind of raw video gives: facts about the file, frames, and counts of what went wrong.

How a kind of file is read belongs to ``container`` and ``dicom``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for types alone: facts and counts are also read where no picture is
    from eus_etl.domain.images.luma import Luma
    from eus_etl.domain.images.picture import Picture


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What is known of a video without decoding more than its first frame.

    Names and units are those of ``tables.VIDEOS``; ``time_base`` is the unit of pts in seconds,
    ``frames_held`` the number of frames that the packets hold and that are to be shown,
    ``synthetic_time`` whether the stream has no pts at all.
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
    """Which frames of a video to give, and how.

    Attributes:
        rate_hz: frames a second, as ``sampling.Sampler`` chooses them; None gives all.
        skip: leave out of the decoding what no frame given needs, where that is proven to change nothing.
        deinterlace: make whole pictures of the two fields of frames that are marked as interlaced.
        still_images: give a photo as one frame; else it is refused.
        threads: decoder threads. Four keep two cores busy: each waits for the pictures that it refers to.
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
        repeat: how many earlier frames of the video have the same pts.
        time_base: unit of pts in seconds.
        time_s: exact time since the first frame that the video's packets hold, decoded or not.
        frame_index: place in presentation order of all frames that the video's packets hold, from 0.
        synthetic_time: the stream has no pts; frames are counted at the nominal rate.
        damaged: the decoder marked the picture as damaged.
        width: width as shown, px.
        height: height as shown, px.
        picture: makes the picture. Pictures that nobody asks for cost nothing; may run in any thread.
        luma: gives its brightness without making it, where it was coded apart; None where it was not.
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
    """Counts of one decoding; grows while frames are taken, whole after the last.

    Attributes:
        frames: frames decoded; with ``DecodeOptions.skip`` those only that were needed.
        skipped: frames that no frame given needed, and that were not decoded.
        interlaced: frames decoded that are marked as interlaced.
        before_key: frames before the first that can be decoded: the recording begins between two key frames.
        clock_restarts: how often the stream's clock starts anew.
        missing: frames that the container lists and that the file, cut off, no longer holds.
        errors: packets or frames that could not be decoded; their neighbours are used.
        damaged: frames that were decoded but are marked as damaged.
        untimed: frames without a pts in a stream that has some; they follow the frame before at the
            nominal rate.
        backward: frames with a pts before that of the frame before; kept in order.
        repeated: frames with a pts that an earlier frame has; kept.
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
        """Share of errors in all that was to be decoded."""
        return self.errors / max(1, self.frames + self.errors)


def is_dicom(path: Path) -> bool:
    """Whether a file has the mark of DICOM, whatever its name."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
