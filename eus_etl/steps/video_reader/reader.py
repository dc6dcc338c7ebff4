"""The requesting side: probes and extracts uploaded videos without decoding them in this process."""

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from eus_etl.domain.video.types import VideoFacts, is_dicom
from eus_etl.errors import VideoUnreadableError
from eus_etl.settings import ExtractionConfig, ReadingConfig
from eus_etl.steps.video_pass import FramesDecoded, VideoPass
from eus_etl.steps.video_reader.messages import ROWS, Reply, Request
from eus_etl.storage.files.partial import PARTIAL
from eus_etl.storage.files.permissions import umask_now

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from eus_etl.steps.video_reader.server import serve; serve()"
)
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "TMPDIR")
_REMEDY = "remove the file from the visit's folder, or export it again from the recorder"


def probe_apart(
    source: Path, video_id: str, extraction: ExtractionConfig, reading: ReadingConfig
) -> VideoFacts:
    """``video.reader.probe`` in a separate process.

    Raises:
        VideoUnreadableError: the file cannot be used, even if it crashed its reader.
        OSError: the disk fails.
    """
    reply = _ask(_look(source, video_id, extraction, reading), reading, None)
    if reply.facts is None:
        raise RuntimeError("the reader's answer has no facts")
    return reply.facts


def extract_apart(
    source: Path,
    video_id: str,
    images: Path,
    grid: Path | None,
    extraction: ExtractionConfig,
    reading: ReadingConfig,
    on_frames: FramesDecoded | None = None,
) -> VideoPass:
    """``frame_extraction.extract_video`` in a separate process.

    Raises:
        VideoUnreadableError: the file cannot be used, even if it crashed its reader.
        OSError: the disk fails.
    """
    with TemporaryDirectory(prefix=f".{video_id}.", suffix=PARTIAL, dir=images.parent) as rows:
        folders = {
            "images": images.absolute(),
            "grid": grid.absolute() if grid else None,
            "rows": Path(rows).absolute(),
        }
        request = _look(source, video_id, extraction, reading).model_copy(update=folders)
        reply = _ask(request, reading, on_frames)
        if reply.made is None:
            raise RuntimeError("the reader's answer has no pass")
        frames = pl.read_ipc(Path(rows) / ROWS)
    return VideoPass(frames, reply.made.counts, reply.made.image_bytes)


def _look(source: Path, video_id: str, extraction: ExtractionConfig, reading: ReadingConfig) -> Request:
    """The request for a video's facts; with folders added, it is one for its frames."""
    return Request(
        video_id=video_id,
        source=source.absolute(),
        dicom=source.is_file() and is_dicom(source),
        memory_mb=reading.memory_mb,
        umask=umask_now(),
        extraction=extraction,
    )


def _ask(request: Request, reading: ReadingConfig, on_frames: FramesDecoded | None) -> Reply:
    with _server() as server:
        answer = server.ask(request, reading.no_progress_s, on_frames)
    if answer.rejected:
        said = answer.rejected
        raise VideoUnreadableError(request.video_id, said.cause, said.remedy, said.reason)
    if answer.disk_error is not None:
        raise OSError(answer.disk_error, os.strerror(answer.disk_error))
    return answer


class _Server:
    """One server process; handles one request at a time."""

    def __init__(self) -> None:
        places = [str(Path(place).absolute()) for place in sys.path]
        environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        # NumPy's BLAS is not used: a single thread, since threads do not survive a fork
        environment |= {"OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _START, json.dumps(places)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries print text from files
            env=environment,
            start_new_session=True,  # Ctrl-C is for this side, which then ends the server
        )
        self._buffer = b""

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: Request, no_progress_s: float, on_frames: FramesDecoded | None) -> Reply:
        """The answer; a rejection if the reading process died or made no progress."""
        stdin = self._process.stdin
        if stdin is None:
            raise RuntimeError("the reader was started without a pipe")
        with suppress(BrokenPipeError):
            stdin.write(request.model_dump_json().encode() + b"\n")
            stdin.flush()
        answer, process, stuck = None, None, False
        while (reply := self._next(no_progress_s if process and not stuck else None)) is not None:
            if reply.ended is not None:
                return answer or _died(stuck)
            process = reply.process or process
            if reply.frames and on_frames:
                on_frames(reply.frames)
            if reply.facts or reply.made or reply.rejected or reply.disk_error is not None:
                answer = reply
            if reply is _NOTHING and process:
                stuck = True
                os.kill(
                    process, signal.SIGKILL
                )  # its parent has not reaped it yet, so the id is still its own
        raise RuntimeError("the process that starts video readers ended")

    def _next(self, patience_s: float | None) -> Reply | None:
        """The next reply; ``_NOTHING`` if none comes in time, None at the end."""
        deadline = None if patience_s is None else time.monotonic() + patience_s
        stdout = self._process.stdout
        if stdout is None:
            return None
        while b"\n" not in self._buffer:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([stdout], [], [], left)[0]:
                return _NOTHING
            more = os.read(stdout.fileno(), 1 << 16)
            if not more:
                return None
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\n")
        return Reply.model_validate_json(line)

    def close(self) -> None:
        """End it and any reader that it has started."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


_NOTHING = Reply()


def _died(stuck: bool) -> Reply:
    reason, cause = (
        ("no_progress", "reading it makes no progress")
        if stuck
        else ("reader_died", "the process that reads it crashes")
    )
    return Reply.model_validate({"rejected": {"reason": reason, "cause": cause, "remedy": _REMEDY}})


class _Idle:
    """Idle servers: started once, and shared by all files and visits of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: list[_Server] = []
        self._owner = os.getpid()

    def take(self) -> _Server:
        with self._lock:
            if self._owner != os.getpid():  # after a fork these are the parent's
                self._servers, self._owner = [], os.getpid()
            while self._servers:
                server = self._servers.pop()
                if server.alive:
                    return server
                server.close()
        return _Server()

    def give_back(self, server: _Server) -> None:
        with self._lock:
            self._servers.append(server)

    def close(self) -> None:
        with self._lock:
            if self._owner == os.getpid():
                for server in self._servers:
                    server.close()
            self._servers = []


_idle = _Idle()


def end_idle_readers() -> None:
    """End the processes that wait for the next file; they also end with this process."""
    _idle.close()


atexit.register(end_idle_readers)


@contextmanager
def _server() -> Iterator[_Server]:
    server = _idle.take()
    try:
        yield server
    except BaseException:
        server.close()
        raise
    _idle.give_back(server)
