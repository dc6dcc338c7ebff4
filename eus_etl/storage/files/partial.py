"""Names of what is not finished: no two writers, on whatever machines, have the same."""

import os
import secrets
from pathlib import Path

PARTIAL = ".partial"
_LONGEST = 200  # bytes


def partial_name(path: Path) -> Path:
    """A name beside ``path`` that nobody else has, for what is going to be there or was there."""
    name = os.fsencode(path.name)[:_LONGEST].decode(errors="ignore")
    return path.with_name(f".{name}.{secrets.token_hex(6)}{PARTIAL}")
