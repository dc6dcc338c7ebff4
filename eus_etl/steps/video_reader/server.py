"""The server process: imports everything once, and forks one process for each file to read.

Requests come in one per line, replies go out (``messages``). A file that crashes its process harms no other
file, and each process is limited to its own file and folders. When the requesting side ends, so does
everything here.
"""

import gc
import os
import select
import signal
from contextlib import suppress

from eus_etl.steps.confinement import confine, die_with_parent
from eus_etl.steps.video_reader.answer import answer
from eus_etl.steps.video_reader.messages import Reply, Request

_REQUESTS = 0


def serve() -> None:
    """Answer requests until standard input ends."""
    out = os.dup(1)
    os.dup2(2, 1)  # a library that prints does not disturb the replies
    gc.freeze()
    while line := _next_line():
        request = Request.model_validate_json(line)
        if request.dicom:  # half a second, once
            import eus_etl.domain.video.dicom  # noqa: F401
        process = os.fork()
        if process == 0:
            _read_and_end(request, out)
        _say(out, Reply(process=process))
        _say(out, Reply(ended=os.waitstatus_to_exitcode(_wait(process))))


def _next_line() -> bytes:
    line = b""
    while not line.endswith(b"\n") and (more := os.read(_REQUESTS, 1 << 16)):
        line += more
    return line


def _read_and_end(request: Request, out: int) -> None:
    code = 1
    try:
        die_with_parent()
        os.umask(request.umask)
        folders = [folder for folder in (request.images, request.grid, request.rows) if folder]
        confine(request.memory_mb, [request.source], folders)
        _say(out, answer(request, lambda reply: _say(out, reply)))
        code = 0
    finally:
        os._exit(code)  # skips the exit handlers of libraries, some of which crash


def _wait(process: int) -> int:
    """Wait for the reading process; end it, and this one, if the requesting side is gone."""
    with suppress(AttributeError):  # pidfd: Linux
        pidfd = os.pidfd_open(process)
        ready, _, _ = select.select([pidfd, _REQUESTS], [], [])
        os.close(pidfd)
        if _REQUESTS in ready:  # no request comes before the answer, so this is the end of input
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            os._exit(0)
    return os.waitpid(process, 0)[1]


def _say(out: int, reply: Reply) -> None:
    line = reply.model_dump_json(exclude_unset=True).encode() + b"\n"
    while line:
        line = line[os.write(out, line) :]
