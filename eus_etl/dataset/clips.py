"""Clips of a split: windows of true seconds within one video, without a gap."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eus_etl.dataset.frames import Transform
from eus_etl.dataset.release import NO_LABEL, Picture, Release, ReleaseError, load, read_picture

Vote = Literal["majority", "centre"]

_SLACK_S = 1e-6
_GAP = 1.5  # of the time between two frames: more is a gap
_FASTER = 1.02  # of the release's rate: rates as files state them are rounded


@dataclass(frozen=True, slots=True)
class Clip:
    """One window.

    Attributes:
        frame_ids: of its frames.
        video_s: (frames,): when each is shown in its video, s.
        pictures: uint8 (frames, height, width) or (frames, height, width, 3) BGR; of a transform, the list
            of what it made of each picture.
        label: number of its label in ``Release.families``; ``NO_LABEL`` where none was asked for.
    """

    frame_ids: tuple[str, ...]
    video_s: NDArray[np.float64]
    pictures: Any
    label: int


class Clips:
    """A sequence of clips; may be used by many processes.

    Attributes:
        rows: the rows of ``frames.parquet`` that the clips are made of.
        windows: (clips, frames): the rows of each clip.
        labels: (clips,): the numbers of their labels.
        subjects: the person of each clip.
    """

    def __init__(
        self,
        folder: Path,
        rows: pl.DataFrame,
        windows: NDArray[np.int64],
        labels: NDArray[np.int64],
        transform: Transform | None,
    ) -> None:
        self.rows, self.windows, self.labels = rows, windows, labels
        people = rows["subject"].cast(pl.String).to_list()
        self.subjects = [people[first] for first in windows[:, 0]]
        self._folder, self._transform = folder, transform
        self._paths, self._ids = rows["path"].to_list(), rows["frame_id"].to_list()
        self._video_s = rows["video_s"].to_numpy()

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, at: int) -> Clip:
        """Read one clip.

        Raises:
            IndexError: there are not so many.
            ReleaseError: a picture is missing or damaged.
        """
        window = self.windows[at]
        pictures = (read_picture(self._folder / self._paths[row]) for row in window)
        shown = (
            _stacked(pictures, len(window))
            if self._transform is None
            else list(map(self._transform, pictures))
        )
        ids = tuple(self._ids[row] for row in window)
        return Clip(ids, self._video_s[window], shown, int(self.labels[at]))


def clips(
    path: str | Path,
    split: str,
    seconds: float,
    hz: float,
    stride_s: float,
    label: str | None = None,
    transform: Transform | None = None,
    *,
    statuses: Sequence[str] = ("ok",),
    certain: bool = True,
    vote: Vote = "majority",
) -> Clips:
    """The clips of a split: ``round(seconds * hz)`` frames each, at equal steps of true time.

    A clip crosses no end of a file, no gap, no frame of another status and, with ``label``, no frame whose
    label is not certain. Each of its moments
    has a frame of its own, at most three quarters of the time between two frames away.

    Args:
        path: the release's folder.
        split: ``train``, ``validation`` or ``test``.
        seconds: length of a clip.
        hz: frames a second in a clip, at most as many as the release has.
        stride_s: from the start of one clip to the start of the next, within a stretch without a gap.
        label: a label family: only clips with a label of it.
        transform: applied to each picture when it is read; must be picklable for worker processes that are
            spawned.
        statuses: frames of these statuses only.
        certain: with ``label``, whether frames near a label border end a clip. If not, clips may hold
            several labels.
        vote: of several labels, that of most frames (the first in the family of equally many), or of the
            frame in the middle.

    Raises:
        ReleaseError: it is no release, has no such split or family, or fewer frames a second.
        ValueError: a length, rate or stride is not above 0, or a clip would hold no frame.
    """
    count = round(seconds * hz)
    if min(seconds, hz, stride_s) <= 0 or count < 1:
        raise ValueError("seconds, hz and stride_s must be above 0, and a clip must hold a frame")
    release = load(path)
    rows = release.of_split(split)
    labels = np.full(rows.height, NO_LABEL, np.int64) if label is None else release.numbers(rows, label)
    wanted = rows["status"].cast(pl.String).is_in(list(statuses)).to_numpy()
    if label is not None and certain:
        wanted &= rows["label_certain"].fill_null(False).to_numpy()
    windows = _windows(rows, wanted, _interval_s(release), count, hz, stride_s)
    of_clips = np.full(len(windows), NO_LABEL, np.int64)
    if label is not None:
        of_clips = _voted(labels[windows], len(release.families[label]), vote)
        windows, of_clips = windows[of_clips != NO_LABEL], of_clips[of_clips != NO_LABEL]
    return Clips(release.path, rows, windows, of_clips, transform)


def _interval_s(release: Release) -> float | None:
    """The time between two frames of a video, s; None where every frame was kept and videos differ."""
    rate_hz, gap_s = release.statistics["frame_rate_hz"], release.statistics["min_gap_s"]
    known = [1 / rate_hz] if rate_hz else []
    if gap_s:
        # of frames at k / rate, the first one at least gap_s after the last
        known.append(float(np.ceil(gap_s * rate_hz - _SLACK_S) / rate_hz) if rate_hz else gap_s)
    return max(known, default=None)


def _windows(
    rows: pl.DataFrame,
    wanted: NDArray[np.bool_],
    interval_s: float | None,
    count: int,
    hz: float,
    stride_s: float,
) -> NDArray[np.int64]:
    times = rows["video_s"].to_numpy()
    video = rows.select(pl.struct("visit", "video").rle_id()).to_series().to_numpy()
    found = [np.zeros((0, count), np.int64)]
    for begin, end in _spans(video):
        usual = interval_s
        if usual is None and end - begin > 1:
            usual = float(np.median(np.diff(times[begin:end])))
        if usual is None:
            usual = 1 / hz
        if usual > _FASTER / hz:
            raise ReleaseError(
                "clips", f"the release has a frame every {usual:g} s", f"ask for at most {1 / usual:g} Hz"
            )
        new = ~wanted[begin:end]
        far = np.diff(times[begin:end], prepend=-np.inf) > _GAP * usual + _SLACK_S
        run = np.cumsum(far | new | np.roll(new, 1))
        for first, last in _spans(run):
            if wanted[begin + first]:
                found.append(
                    _within(times[begin + first : begin + last], usual, count, hz, stride_s) + begin + first
                )
    return np.concatenate(found)


def _within(
    times: NDArray[np.float64], usual_s: float, count: int, hz: float, stride_s: float
) -> NDArray[np.int64]:
    """(windows, count): the frames nearest to each moment of each window of a stretch without a gap."""
    length = (count - 1) / hz
    starts = int(max(0, np.floor((times[-1] - times[0] + usual_s / 2 - length + _SLACK_S) / stride_s) + 1))
    moments = times[0] + np.arange(starts)[:, None] * stride_s + np.arange(count) / hz
    after = np.searchsorted(times, moments).clip(0, len(times) - 1)
    before = (after - 1).clip(0)
    nearest = np.where(np.abs(times[before] - moments) <= np.abs(times[after] - moments), before, after)
    near = (np.abs(times[nearest] - moments) <= _GAP * usual_s / 2 + _SLACK_S).all(axis=1)
    once = (np.diff(nearest, axis=1) > 0).all(axis=1)
    return np.asarray(nearest[near & once], np.int64)


def _stacked(pictures: Iterable[Picture], count: int) -> Picture:
    """All pictures in one array; each is let go before the next one is read, which spares the memory."""
    stack: Picture | None = None
    for at, picture in enumerate(pictures):
        if stack is None:
            stack = np.empty((count, *picture.shape), np.uint8)
        stack[at] = picture
    return np.zeros((0, 0, 0), np.uint8) if stack is None else stack


def _spans(groups: NDArray[Any]) -> list[tuple[int, int]]:
    """Begin and end of each run of equal values."""
    if not len(groups):
        return []
    begins = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
    return list(zip(begins.tolist(), [*begins[1:].tolist(), len(groups)], strict=True))


def _voted(labels: NDArray[np.int64], kinds: int, vote: Vote) -> NDArray[np.int64]:
    """(clips,): the label of each row of (clips, frames); frames without a label vote for none."""
    if vote == "centre":
        return labels[:, labels.shape[1] // 2]
    votes = np.stack([(labels == number).sum(axis=1) for number in range(NO_LABEL, kinds)], axis=1)
    best = votes[:, 1:].argmax(axis=1) if kinds else np.zeros(len(labels), np.int64)
    most = np.take_along_axis(votes[:, 1:], best[:, None], 1)[:, 0]
    return np.asarray(np.where(most >= np.maximum(votes[:, 0], 1), best, NO_LABEL), np.int64)
