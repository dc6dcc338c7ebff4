"""Who may read what this process writes: never everybody on the machine."""

import os
from typing import Literal

OTHERS = 0o007
_MASKS = {"owner": 0o077, "group": 0o027}


def keep_from_others(readers: Literal["owner", "group"]) -> None:
    """From now on make files and folders that nobody but their owner, or its group, may read.

    A stricter umask of the process stays as it is.
    """
    os.umask(umask_now() | _MASKS[readers])


def umask_now() -> int:
    """The umask of this process."""
    mask = os.umask(0o077)  # it can only be read by setting it; for the moment nothing is made too open
    os.umask(mask)
    return mask
