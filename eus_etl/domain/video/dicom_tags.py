"""The few DICOM tags that are read, and only as the numbers that they should hold.

Tags that identify a person are not read, so that they can reach no table, no log and no message. A value that
is not a plausible number counts as missing; its text is kept nowhere.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

FALLBACK_STEP_MS = Fraction(40)
TAGS = [
    "TransferSyntaxUID",
    "NumberOfFrames",
    "FrameTime",
    "FrameTimeVector",
    "CineRate",
    "RecommendedDisplayFrameRate",
    "SamplesPerPixel",
    "PlanarConfiguration",
    "PixelRepresentation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PhotometricInterpretation",
    "PixelAspectRatio",
    "AcquisitionDateTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "ContentDate",
    "ContentTime",
    "TimezoneOffsetFromUTC",
    *(
        f"{kind}{color}PaletteColorLookupTable{what}"
        for color in ("Red", "Green", "Blue")
        for kind, what in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
    ),
]
_NUMBER = re.compile(r"[+-]?(\d{1,12}\.?\d{0,12}|\.\d{1,12})([eE][+-]?\d{1,2})?")
_LONGEST_STEP_MS, _FASTEST_HZ = 3_600_000, 10_000
_LONGEST_MS = 1 << 40


@dataclass(frozen=True, slots=True)
class LoopTimes:
    """When the frames of a loop are shown.

    Attributes:
        pts: in microseconds from the first.
        step_ms: the nominal interval; None if no tag states it: then it is ``FALLBACK_STEP_MS``.
    """

    pts: NDArray[np.int64]
    step_ms: Fraction | None


def loop_times(tags: Dataset, count: int) -> LoopTimes:
    """The times of ``count`` frames: from ``FrameTimeVector``, ``FrameTime`` or a rate, else a default."""
    increments = numbers(tags, "FrameTimeVector")[1:]
    if (
        len(increments) == count - 1
        and count > 1
        and min(increments) >= 0
        and 0 < sum(increments) < _LONGEST_MS
    ):
        elapsed = list(accumulate(increments, initial=Fraction(0)))
        return LoopTimes(_microseconds(elapsed), elapsed[-1] / (count - 1))
    stated = _step_ms(tags)
    step = stated or FALLBACK_STEP_MS
    return LoopTimes(_microseconds([step * number for number in range(count)]), stated)


def numbers(tags: Dataset, keyword: str) -> list[Fraction]:
    """A tag's values if all of them are numbers; otherwise none."""
    element: DataElement | RawDataElement | None = tags.get_item(keyword) if keyword in tags else None
    if isinstance(element, RawDataElement):
        texts = (element.value or b"").decode("ascii", "replace").split("\\")
    elif isinstance(element, DataElement) and element.value is not None:
        texts = [str(value) for value in np.atleast_1d(element.value)]
    else:
        texts = []
    texts = [text.strip(" \0") for text in texts]
    if not all(_NUMBER.fullmatch(text) for text in texts):
        return []
    return [Fraction(text) for text in texts]


def size_of(tags: Dataset, keyword: str, default: int = 0) -> int:
    """A tag that is a 16-bit unsigned integer (VR US)."""
    try:
        value = tags.get(keyword)
        return default if value is None else int(value)
    except Exception:  # pydicom raises anything on odd lengths
        return default


def pixel_aspect(tags: Dataset) -> float:
    """Width of a pixel over its height; 1 if not stated."""
    match numbers(tags, "PixelAspectRatio"):
        case [vertical, horizontal] if vertical > 0 and horizontal > 0:
            return float(horizontal / vertical)
    return 1.0


def recorded_at(tags: Dataset) -> str | None:
    """When the loop was acquired, ISO 8601."""
    zone = _text(tags, "TimezoneOffsetFromUTC")
    for stated in (
        _text(tags, "AcquisitionDateTime"),
        f"{_text(tags, 'AcquisitionDate')}{_text(tags, 'AcquisitionTime')}{zone}",
        f"{_text(tags, 'ContentDate')}{_text(tags, 'ContentTime')}{zone}",
    ):
        for form in ("%Y%m%d%H%M%S.%f%z", "%Y%m%d%H%M%S%z", "%Y%m%d%H%M%S.%f", "%Y%m%d%H%M%S"):
            try:
                instant = datetime.strptime(stated, form)
            except ValueError:
                continue
            return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).isoformat()
    return None


def _text(tags: Dataset, keyword: str) -> str:
    element = tags.get_item(keyword) if keyword in tags else None
    value = element.value if element is not None else None
    return (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value or "")).strip(" \0")


def _step_ms(tags: Dataset) -> Fraction | None:
    match numbers(tags, "FrameTime"):
        case [step] if 0 < step < _LONGEST_STEP_MS:
            return step
    for keyword in ("CineRate", "RecommendedDisplayFrameRate"):
        match numbers(tags, keyword):
            case [rate] if Fraction(1000, _LONGEST_STEP_MS) < rate < _FASTEST_HZ:
                return 1000 / rate
    return None


def _microseconds(elapsed_ms: list[Fraction]) -> NDArray[np.int64]:
    return np.array([round(time * 1000) for time in elapsed_ms], np.int64)
