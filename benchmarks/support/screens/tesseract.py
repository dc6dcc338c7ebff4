"""Reads words off pictures with Tesseract, a system program (Debian: tesseract-ocr).

The words go to the caller and nowhere else: they are neither written nor logged here, and the program's
messages are dropped. A second judge of what the pipeline masks, beside the reader that it uses itself.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from eus_etl.domain.images.codec import encode_png
from eus_etl.domain.images.picture import Picture
from eus_etl.errors import TextReaderError

PROGRAM = "tesseract"
# Of 0 to 100. With 70 for all a quarter of clean layouts seemed to show a word, mostly one of three letters;
# with these one or two in a hundred do, and one text in ten fewer is found: docs/quality.md.
_SURE, _SURE_OF_THREE = 80.0, 90.0

_WORD = re.compile(r"[^\W_]{3,}")
_THREADS = 2
_TIMEOUT_S = 120
_LANGUAGE = "eng"
# sparse text anywhere; the pages state no resolution, and 150 dpi suits letters of 20 px
_ARGUMENTS = ("-", "-", "-l", _LANGUAGE, "--psm", "11", "--dpi", "150", "tsv")


def installed() -> bool:
    """Whether the program is installed; ``reader`` says whether it works."""
    return shutil.which(PROGRAM) is not None


def reader() -> str | None:
    """Name and version of the program, ``tesseract 5.3.0``; None if it or its English is missing."""
    if not installed():
        return None
    try:
        languages, version = _run(("--list-langs",)), _run(("--version",))
    except (OSError, subprocess.TimeoutExpired):
        return None
    # older versions say both on stderr
    known = (languages.stdout + languages.stderr).decode(errors="replace").split()
    said = (version.stdout or version.stderr).decode(errors="replace")
    return said.partition("\n")[0].strip() if _LANGUAGE in known else None


def read_words(subject: str, pages: Iterable[Picture], *, sure: bool = True) -> list[list[str]]:
    """The words on each page: runs of three or more letters or digits.

    They may be names: a caller counts or compares them and keeps none.

    Args:
        subject: id of what is read, for messages.
        pages: grey uint8 (h, w), dark on white.
        sure: whether to leave out words the program is unsure of, which are mostly speckle.

    Raises:
        TextReaderError: the program fails.
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(lambda page: _words(subject, page, sure), pages))


def _words(subject: str, page: Picture, sure: bool) -> list[str]:
    try:
        done = _run(_ARGUMENTS, encode_png(page))
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(subject, type(error).__name__) from None
    if done.returncode != 0:
        raise _failed(subject, f"it ended with code {done.returncode}")
    words: list[str] = []
    # columns of a row: ..., confidence, text; no text where the row is a block or a line
    for row in done.stdout.decode(errors="replace").splitlines()[1:]:
        *_, confidence, text = row.split("\t")
        found = _WORD.findall(text)
        least = _SURE if len("".join(found)) > 3 else _SURE_OF_THREE
        if not sure or float(confidence) >= least:
            words += found
    return words


def _run(arguments: tuple[str, ...], data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    # one thread per process: on pages of this size more threads only cost more
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    return subprocess.run(
        [PROGRAM, *arguments],
        input=data,
        capture_output=True,
        check=False,
        timeout=_TIMEOUT_S,
        env=environment,
    )


def _failed(subject: str, why: str) -> TextReaderError:
    return TextReaderError(
        subject,
        f"{PROGRAM} cannot read it ({why})",
        "install tesseract-ocr with English again",
    )
