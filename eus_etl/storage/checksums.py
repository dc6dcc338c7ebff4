"""Checksums of files."""

import hashlib
from pathlib import Path


def md5_of(path: Path) -> str:
    """MD5 of a file in hex: the identity of a video, not a protection."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def sha256_of(data: bytes) -> str:
    """SHA-256 of bytes in hex."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
