"""The process that reads: it loads the models once, and answers one picture at a time.

It needs neither files nor network once the models are loaded, and is given neither (Linux). It ends when the
side that asks ends.
"""

import os
import resource
import time
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from eus_etl.steps.confinement import confine
from eus_etl.steps.text_reader.messages import Reply, Request
from eus_etl.steps.text_reader.rapid import EngineBrokenError, RapidReader

MEMORY_MB = 1000
"""What a worker may allocate beyond its models: a screen of 4K at full size takes half of it."""


def serve(folder: str | None = None) -> None:
    """Answer requests until standard input ends.

    Args:
        folder: where the models are; None: in their package.
    """
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints does not disturb the replies
    status = _open_status()
    cv2.setNumThreads(1)
    try:
        reader = RapidReader(Path(folder) if folder else None)
    except EngineBrokenError as error:
        _say(replies, Reply(broken=str(error)))
        return
    confine(MEMORY_MB, [Path(folder)] if folder else [], [])
    _say(replies, Reply(cpu_s=time.process_time(), peak_mb=_peak_mb(status)))
    while line := requests.readline():
        request = Request.model_validate_json(line)
        picture = np.frombuffer(requests.read(int(np.prod(request.shape))), np.uint8).reshape(request.shape)
        try:
            words = reader.words(picture, request.side_px, recognize=request.recognize)
            found = [(word.x, word.y, word.w, word.h, word.score, word.text) for word in words]
            _say(replies, Reply(words=found, cpu_s=time.process_time(), peak_mb=_peak_mb(status)))
        except Exception as error:  # its message may quote what was read
            _say(
                replies,
                Reply(failed=type(error).__name__, cpu_s=time.process_time(), peak_mb=_peak_mb(status)),
            )


def _say(replies: BinaryIO, reply: Reply) -> None:
    replies.write(reply.model_dump_json().encode() + b"\n")
    replies.flush()


def _open_status() -> BinaryIO | None:
    """Where Linux says how much memory this process has had; opened while files may be opened."""
    try:
        return Path("/proc/self/status").open("rb", buffering=0)
    except OSError:
        return None


def _peak_mb(status: BinaryIO | None) -> int:
    if status is None:  # of a process that was started by a larger one, this is the memory of that one
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
    status.seek(0)
    return int(status.read().partition(b"VmHWM:")[2].split()[0]) // 1000
