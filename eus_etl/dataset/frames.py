"""The frames of a split, one sample each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eus_etl.dataset.release import NO_LABEL, Picture, load, read_picture

Transform = Callable[[Picture], Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """One frame.

    Attributes:
        frame_id: its id in the release.
        picture: uint8 (height, width) or (height, width, 3) BGR; what the transform made of it, where there
            is one.
        label: number of its label in ``Release.families``; ``NO_LABEL`` where none was asked for.
    """

    frame_id: str
    picture: Any
    label: int


class Frames:
    """A sequence of samples; picks up pictures when asked, and may be used by many processes.

    Attributes:
        rows: the rows of ``frames.parquet``, in the order of the samples.
        labels: (samples,), the numbers of their labels.
        subjects: the person of each sample.
    """

    def __init__(
        self, folder: Path, rows: pl.DataFrame, labels: NDArray[np.int64], transform: Transform | None
    ) -> None:
        self.rows = rows
        self.labels = labels
        self.subjects = rows["subject"].cast(pl.String).to_list()
        self._folder = folder
        self._paths = rows["path"].to_list()
        self._ids = rows["frame_id"].to_list()
        self._transform = transform

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, at: int) -> Sample:
        """Read one sample.

        Raises:
            IndexError: there are not so many.
            ReleaseError: the picture is missing or damaged.
        """
        picture = read_picture(self._folder / self._paths[at])
        shown = picture if self._transform is None else self._transform(picture)
        return Sample(self._ids[at], shown, int(self.labels[at]))


def frames(
    path: str | Path,
    split: str,
    label: str | None = None,
    transform: Transform | None = None,
    *,
    certain: bool = True,
) -> Frames:
    """The frames of a split.

    Args:
        path: the release's folder.
        split: ``train``, ``validation`` or ``test``.
        label: a label family: only frames with a label of it. Without, all frames: unlabelled ones too.
        transform: applied to each picture when it is read; must be picklable for worker processes that are
            spawned.
        certain: with ``label``, only frames that are certainly on their side of every label border.

    Raises:
        ReleaseError: it is no release, or has no such split or family.
    """
    release = load(path)
    rows = release.of_split(split)
    labels = np.full(rows.height, NO_LABEL, np.int64) if label is None else release.numbers(rows, label)
    if label is not None:
        kept = labels != NO_LABEL
        if certain:
            kept &= rows["label_certain"].fill_null(False).to_numpy()
        rows, labels = rows.filter(pl.Series(kept)), labels[kept]
    return Frames(release.path, rows, labels, transform)
