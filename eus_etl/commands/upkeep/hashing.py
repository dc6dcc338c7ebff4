"""Reads files no faster than a person allows, so that a verification slows no run down."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

Algorithm = Literal["md5", "sha256"]

_CHUNK_BYTES = 1 << 20


class BoundedHasher:
    """Hashes files, and sleeps between blocks where it would read too fast.

    Attributes:
        bytes_read: how much was read so far.
    """

    def __init__(self, bytes_per_s: float, sleep: Callable[[float], None] = time.sleep) -> None:
        """Start the clock.

        Args:
            bytes_per_s: at most so many bytes are read in a second, on average.
            sleep: waits so many seconds.
        """
        self.bytes_read = 0
        self._per_s, self._sleep = bytes_per_s, sleep
        self._began = time.monotonic()

    def hash(self, path: Path, algorithm: Algorithm) -> str:
        """The hash of a file in hex.

        Raises:
            OSError: it cannot be read.
        """
        digest = hashlib.new(algorithm, usedforsecurity=False)
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                self.bytes_read += len(chunk)
                ahead = self.bytes_read / self._per_s - (time.monotonic() - self._began)
                if ahead > 0:
                    self._sleep(ahead)
        return digest.hexdigest()
