"""Looks of preprocessed images, kept for the next search for leaks: one file per visit and recipe."""

import io
import zipfile
from pathlib import Path

import numpy as np

from eus_etl.domain.release.likeness import SIDE, Looks
from eus_etl.storage.files.atomic import write_atomically

FORMAT = 1
"""Raise it when ``domain.release.likeness`` computes something else."""


def load_looks(path: Path) -> tuple[list[str], Looks]:
    """The SHA-256 and the look of each image that is known; none where the file is of another format."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            if int(kept["format"]) == FORMAT:
                inside = np.unpackbits(kept["inside"], axis=1).reshape(-1, SIDE, SIDE).astype(np.bool_)
                return [str(sha256) for sha256 in kept["sha256"]], Looks(kept["texture"], inside)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass  # what cannot be read is computed again
    return [], Looks.joined([])


def save_looks(path: Path, sha256: list[str], looks: Looks) -> None:
    """Keep the looks of images."""
    file = io.BytesIO()
    np.savez(
        file,
        format=np.int64(FORMAT),
        sha256=np.array(sha256, "U64"),
        texture=looks.texture,
        inside=np.packbits(looks.inside.reshape(len(looks), -1), axis=1),
    )
    write_atomically(path, file.getvalue())
