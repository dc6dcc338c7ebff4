"""The search for leaks: held-out frames whose like is in training.

For each frame of validation and test the nearest training frame, upright or mirrored. A rough search by
matrix products compares everything with everything; what is alike by that is compared in detail.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eus_etl.domain.release.alignment import likeness
from eus_etl.domain.release.likeness import POOLED, Looks
from eus_etl.domain.release.splits import TRAIN
from eus_etl.domain.tables.splits import LEAKS

LEAK_DISTANCE = 0.3
"""Frames at most so far apart are of one recording.

Copies of real clips, encoded again, scaled, cropped, brightened, mirrored or all of these, lie within 0.2;
frames of different people, with the same scanner too, beyond 0.39.
"""

_STRETCH = 256  # frames of a video of which the best one is looked at in detail
_CANDIDATES = 6
_WORTH_A_LOOK = 0.55  # rough likeness; that of copies is above 0.74
_QUERIES, _TRAINING = 1024, 8192
_UNIT = 254.0
_FLAT = 8.0  # keeps a number that hardly differs between frames from counting much
_DECIMALS = 3

Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LeakReport:
    """What the search found.

    Attributes:
        table: ``tables.LEAKS``, a row for each frame of validation and test, in the order given.
        held_out: frames of validation and test.
        leaking: rows of ``table`` that are leaks, the nearest first.
        alike, shared_video, shared_subject: how many of these are near a training frame, are of a video
            that is in training, and of a person who is; a frame may be several.
    """

    table: pl.DataFrame
    held_out: int
    leaking: pl.DataFrame
    alike: int
    shared_video: int
    shared_subject: int

    @property
    def verdict(self) -> str:
        """The finding in a line."""
        return f"{self.leaking.height} of {self.held_out}"

    @property
    def sentence(self) -> str:
        """The finding, for people."""
        return (
            f"{self.verdict} frames of validation and test look like a training frame, or are of a video or a"
            " person in training."
        )


def find_leaks(frames: pl.DataFrame, looks: Looks, limit: float = LEAK_DISTANCE) -> LeakReport:
    """Look for each held-out frame's like in training, and for shared videos and persons.

    Memory grows by some 6 kB a frame; time with the product of training and held-out frames.

    Args:
        frames: ``frame_id, split, video`` (equal for equal files, in whatever visit: the MD5)``, person``
            (null where unknown), ``visit``; frames of one video of a visit in order.
        looks: one for each row of ``frames``.
        limit: the distance up to which a frame is a leak.
    """
    training = np.flatnonzero((frames["split"] == TRAIN).to_numpy())
    held_out = np.flatnonzero((frames["split"] != TRAIN).to_numpy())
    nearest, distance = _nearest(frames, looks, training, held_out)
    trained, held = frames[training], frames[held_out]
    names = pl.Series([*trained["frame_id"], None], dtype=pl.String)
    shared_person = _shared(held["person"], trained["person"]) | _shared(held["visit"], trained["visit"])
    table = LEAKS.conform(
        held.select("frame_id", "split").with_columns(
            names.gather(pl.Series(np.where(nearest < 0, len(training), nearest))).alias("nearest_frame_id"),
            pl.Series("distance", distance).fill_nan(None),
            _shared(held["video"], trained["video"]).alias("shared_video"),
            shared_person.alias("shared_subject"),
        )
    )
    alike = pl.col("distance").fill_null(1) <= limit
    leaking = table.filter(alike | pl.col("shared_video") | pl.col("shared_subject"))
    return LeakReport(
        table=table,
        held_out=held.height,
        leaking=leaking.sort("distance", "frame_id", nulls_last=True),
        alike=table.filter(alike).height,
        shared_video=int(table["shared_video"].sum()),
        shared_subject=int(table["shared_subject"].sum()),
    )


def _shared(held: pl.Series, trained: pl.Series) -> pl.Series:
    return held.is_in(trained.drop_nulls().unique().implode()).fill_null(False)


def _nearest(
    frames: pl.DataFrame, looks: Looks, training: NDArray[np.int64], held_out: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each held-out frame the place in ``training`` of the nearest frame (-1: none), and the distance."""
    nearest = np.full(len(held_out), -1, np.int64)
    distance = np.full(len(held_out), np.nan)
    if not (len(training) and len(held_out)):
        return nearest, distance
    trained = looks.at(training)
    rough = _Rough(trained, _stretches(frames[training]))
    for start in range(0, len(held_out), _QUERIES):
        queries = looks.at(held_out[start : start + _QUERIES])
        pairs, mirrored, alike = rough.candidates(queries)
        for flipped, shown in ((False, queries), (True, queries.mirrored())):
            worth = (mirrored == flipped) & (alike >= _WORTH_A_LOOK)
            alike[worth] = likeness(shown, trained, pairs[worth])
        away = np.round(1 - np.minimum(alike, 1), _DECIMALS)
        # of equally near ones the first in training, so that every machine names the same
        order = np.lexsort((pairs[:, 1], away, pairs[:, 0]))
        first = order[np.unique(pairs[order, 0], return_index=True)[1]]
        nearest[start + pairs[first, 0]] = pairs[first, 1]
        distance[start + pairs[first, 0]] = away[first]
    return nearest, distance


def _stretches(frames: pl.DataFrame) -> NDArray[np.int64]:
    """First rows of stretches of a video, at most ``_STRETCH`` frames each; the first is 0."""
    video = frames.select(pl.struct("visit", "video").rle_id()).to_series().to_numpy()
    begins = np.flatnonzero(np.diff(video, prepend=-1))
    ends = [*begins[1:], len(video)]
    parts = [np.arange(begin, end, _STRETCH) for begin, end in zip(begins, ends, strict=True)]
    return np.concatenate(parts).astype(np.int64)


class _Rough:
    """Training frames by their pooled looks.

    Args:
        trained: looks of the training frames.
        stretches: first rows of the stretches of which the best frame counts.
    """

    def __init__(self, trained: Looks, stretches: NDArray[np.int64]) -> None:
        pooled = trained.pooled().astype(np.int64)  # (frames, POOLED)
        count = len(pooled)
        self._mean = pooled.sum(axis=0) / count
        squares = (pooled * pooled).sum(axis=0) / count - self._mean**2
        self._usual = np.sqrt(np.maximum(squares, 0)) + _FLAT
        self._units = self._unit(pooled)
        self._stretches = stretches
        self._ends = np.append(stretches[1:], count)

    def candidates(self, queries: Looks) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
        """Pairs (query, training frame), sorted by query, that may be alike.

        Returns:
            The pairs, whether the query is mirrored in each, and how alike they are, roughly.
        """
        count = len(queries)
        upright, flipped = queries.pooled(), queries.mirrored().pooled()
        units = np.concatenate([self._unit(upright.astype(np.int64)), self._unit(flipped.astype(np.int64))])
        best = self._best_by_stretch(units)
        kept = min(_CANDIDATES, best.shape[1])
        both = np.maximum(best[:count], best[count:])
        # ties are broken by place: argpartition breaks them as it likes
        chosen = np.argsort(-both, axis=1, kind="stable")[:, :kept]
        mirrored = np.take_along_axis(best[count:], chosen, 1) > np.take_along_axis(best[:count], chosen, 1)
        pairs = np.empty((count, kept, 2), np.int64)
        pairs[:, :, 0] = np.arange(count)[:, None]
        for stretch in np.unique(chosen):
            rows, columns = np.nonzero(chosen == stretch)
            shown = units[rows + count * mirrored[rows, columns]]
            start = self._stretches[stretch]
            pairs[rows, columns, 1] = start + (shown @ self._units[start : self._ends[stretch]].T).argmax(
                axis=1
            )
        alike = np.maximum(np.take_along_axis(both, chosen, 1).astype(np.float64) / _UNIT**2, 0)
        return pairs.reshape(-1, 2), mirrored.ravel(), alike.ravel()

    def _best_by_stretch(self, units: Singles) -> Singles:
        """(queries, stretches): the highest product with any frame of the stretch."""
        best = np.empty((len(units), len(self._stretches)), np.float32)
        first = 0
        while first < len(self._stretches):
            start = self._stretches[first]
            last = int(np.searchsorted(self._stretches, start + _TRAINING, side="right")) - 1
            last = max(last, first + 1) if last < len(self._stretches) - 1 else len(self._stretches)
            block = units @ self._units[start : self._ends[last - 1]].T
            best[:, first:last] = np.maximum.reduceat(block, self._stretches[first:last] - start, axis=1)
            first = last
        return best

    def _unit(self, pooled: NDArray[np.int64]) -> Singles:
        """(n, POOLED) whole numbers of equal length for each row: products are exact in float32."""
        steps = np.rint((pooled - self._mean) / self._usual * 16).astype(np.int64)
        length = np.sqrt(np.maximum((steps * steps).sum(axis=1, keepdims=True), 1))
        units = np.clip(np.rint(steps / length * _UNIT), -127, 127)
        return np.asarray(units, np.float32).reshape(-1, POOLED)
