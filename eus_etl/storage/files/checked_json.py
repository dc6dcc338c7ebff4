"""State files that reveal damage: JSON with its own checksum in front.

A state file decides what is made and what is kept. If it was cut short or a bit has flipped, it must read as
damaged, never as another state.
"""

import json
from pathlib import Path

from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.files.checksums import sha256_of

_HEAD, _MIDDLE, _TAIL = b'{"sha256": "', b'", "value": ', b"}"
_START = len(_HEAD) + 64 + len(_MIDDLE)


class DamagedStateError(ValueError):
    """A state file exists, but is not what was written."""


def encode_checked(value: object) -> bytes:
    """``value`` as a state file holds it; equal for equal values."""
    # ASCII escapes also hold names that are not valid UTF-8
    text = json.dumps(value, sort_keys=True).encode()
    return _HEAD + sha256_of(text).encode() + _MIDDLE + text + _TAIL


def write_checked(path: Path, value: object) -> bool:
    """Write a state file whole or not at all; returns False where it already holds ``value``."""
    return write_atomically(path, encode_checked(value))


def read_checked(path: Path) -> object:
    """The value of a state file.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedStateError: it is damaged, or was written before state files had checksums.
    """
    data = path.read_bytes()
    text = data[_START : -len(_TAIL)]
    if data != _HEAD + sha256_of(text).encode() + _MIDDLE + text + _TAIL:
        raise DamagedStateError(path.name)
    return json.loads(text)
