"""Checksums of files, and lists of them as ``sha256sum`` writes and checks them."""

import hashlib
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path

_CHUNK_BYTES = 1 << 20


def md5_of(path: Path) -> str:
    """MD5 of a file in hex: it identifies a video, and protects nothing."""
    with path.open("rb") as file:
        return md5_of_open(file)


def md5_of_open(file: BufferedReader) -> str:
    """MD5 in hex of an open file, from its current position to its end."""
    return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def md5_of_beginning(path: Path, size: int) -> str:
    """MD5 in hex of a file's first ``size`` bytes."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while size > 0 and (chunk := file.read(min(size, _CHUNK_BYTES))):
            digest.update(chunk)
            size -= len(chunk)
    return digest.hexdigest()


def sha256_of(data: bytes | memoryview) -> str:
    """SHA-256 of bytes in hex."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def format_sums(sums: Mapping[str, str]) -> str:
    """File names to SHA-256 as ``sha256sum`` lists them, sorted by name; ``parse_sums`` is the inverse."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))


def parse_sums(text: str) -> dict[str, str]:
    """File names to SHA-256 from a list of ``sha256sum``.

    Raises:
        ValueError: a line is not of its form.
    """
    sums = {}
    for line in text.splitlines():
        digest, gap, name = line.partition("  ")
        if len(digest) != 64 or not gap or not name:
            raise ValueError("not a line of sha256sum")
        sums[name] = digest
    return sums
