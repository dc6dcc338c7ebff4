"""Reads lines of text off pictures with Tesseract, a system program (Debian: tesseract-ocr).

A second judge of what the pipeline masks, beside the reader that it uses itself.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence

from eus_etl.domain.images.codec import encode_png
from eus_etl.domain.images.picture import Picture

PROGRAM = "tesseract"
_TIMEOUT_S = 120
# sparse text anywhere; the pages state no resolution, and 150 dpi suits letters of 20 px
_ARGUMENTS = ("-", "-", "-l", "eng", "--psm", "11", "--dpi", "150", "tsv")
_LEAST_CONFIDENCE = 20.0


def installed() -> bool:
    """Whether the program is there."""
    return shutil.which(PROGRAM) is not None


def version() -> str:
    """Name and version: ``tesseract 5.3.0``."""
    return _run(("--version",)).decode(errors="replace").partition("\n")[0].strip()


def read_places(page: Picture) -> Iterator[tuple[float, str]]:
    """What it makes out, sure or not: the height of each word's middle, px, and the word.

    Args:
        page: grey uint8 (h, w).
    """
    table = _run(_ARGUMENTS, encode_png(page)).decode(errors="replace").splitlines()
    names = table[0].split("\t")
    top, height, confidence, text = (names.index(name) for name in ("top", "height", "conf", "text"))
    for row in table[1:]:
        cells = row.split("\t")
        if cells[text].strip() and float(cells[confidence]) >= _LEAST_CONFIDENCE:
            yield int(cells[top]) + int(cells[height]) / 2, cells[text]


def _run(arguments: Sequence[str], data: bytes = b"") -> bytes:
    # one thread per process: on pages of this size more threads only cost more
    done = subprocess.run(
        [PROGRAM, *arguments],
        input=data,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=_TIMEOUT_S,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
    )
    return done.stdout
