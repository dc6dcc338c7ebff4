"""The asking side: gives pictures to processes that read them, and takes the words back in order.

A process loads the models once and is kept for the next visit. One that dies, hangs or has no whole engine is
an error with the id of what was read, never a wait without end and never "no words".
"""

import atexit
import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eus_etl.domain.images.picture import Picture
from eus_etl.errors import TextReaderDiedError, TextReaderError
from eus_etl.steps.text_reader.messages import Reply, Request
from eus_etl.steps.text_reader.rapid import PACKAGE, THREADS, EngineBrokenError, engine_name
from eus_etl.steps.text_reader.words import Word

PATIENCE_S = 300.0
"""A picture takes seconds at most, on a busy machine tens of them; after this the process is ended."""

_WORTH_ANOTHER = 60
"""Pictures after which other processes help: to start, one takes as long as to read so many."""

_AHEAD = 4
"""Pictures that wait: what chooses them comes with some at a time, and then takes a while."""

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from eus_etl.steps.text_reader.worker import serve; serve(sys.argv[2] or None)"
)
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "TMPDIR")
# glibc: what a model needs for a picture is given back at once, which takes a quarter off the peak
_MEMORY_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 18),
    "MALLOC_TRIM_THRESHOLD_": str(4 << 20),
}
_INSTALL = f"install {PACKAGE} again, as requirements/runtime.txt names it"
_MEMORY = "run again; if it happens again, look whether the machine has 1 GB of memory to spare"
_SWITCH = "say so to whoever looks after this package; until then preprocess.text_check.enabled may be never"


@dataclass(frozen=True, slots=True)
class Cost:
    """What reading took.

    Attributes:
        pictures: how many were given.
        cpu_s: seconds of a core.
        peak_mb: the most memory of one process.
    """

    pictures: int
    cpu_s: float
    peak_mb: int


class SeparateReader:
    """A ``TextReader`` whose engine runs in processes of its own; the default of the pipeline."""

    def __init__(
        self, processes: int = 1, models: Path | None = None, patience_s: float = PATIENCE_S
    ) -> None:
        """Start nothing yet.

        Args:
            processes: how many read at a time, each with ``THREADS`` of a model; one, where there is little.
            models: where the models are; None: in their package.
            patience_s: after so long without an answer a process is ended.
        """
        self._processes, self._models, self._patience_s = processes, models, patience_s
        self._lock = threading.Lock()
        self._pictures, self._cpu_s, self._peak_mb = 0, 0.0, 0

    @property
    def engine(self) -> str:
        """Name, version and settings; raises ``TextReaderError`` where it is not installed."""
        try:
            return engine_name()
        except EngineBrokenError as error:
            raise _broken("preprocess.text_check", str(error)) from None

    @property
    def cost(self) -> Cost:
        """What was read so far."""
        return Cost(self._pictures, self._cpu_s, self._peak_mb)

    def notes(self) -> dict[str, str | int | float]:
        """The cost as metadata of what has used it."""
        cost = self.cost
        return {
            "text_reader": f"{self.engine}, {self._processes} processes of {THREADS} threads",
            "text_reader_pictures": cost.pictures,
            "text_reader_ms_a_picture": round(1000 * cost.cpu_s / cost.pictures) if cost.pictures else 0,
            "text_reader_peak_mb": cost.peak_mb,
        }

    def read(
        self, subject: str, pictures: Iterable[Picture], side_px: int | None = None
    ) -> Iterator[list[Word]]:
        """See ``TextReader.read``."""
        return self._each(subject, pictures, side_px, recognize=True)

    def detect(
        self, subject: str, pictures: Iterable[Picture], side_px: int | None = None
    ) -> Iterator[list[Word]]:
        """See ``TextReader.detect``."""
        return self._each(subject, pictures, side_px, recognize=False)

    def _each(
        self, subject: str, pictures: Iterable[Picture], side_px: int | None, *, recognize: bool
    ) -> Iterator[list[Word]]:
        """Answers in order; of the pictures a few are in memory at a time."""
        at_a_time, places = 1, threading.Semaphore()

        def read(picture: Picture) -> list[Word]:
            with places:
                return self._one(subject, picture, side_px, recognize)

        with ThreadPoolExecutor(self._processes) as threads:
            waiting: deque[Future[list[Word]]] = deque()
            try:
                for picture in pictures:
                    if at_a_time < self._processes and self._pictures >= _WORTH_ANOTHER:
                        places.release(self._processes - at_a_time)
                        at_a_time = self._processes
                    waiting.append(threads.submit(read, picture))
                    if len(waiting) > at_a_time + _AHEAD:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for answer in waiting:
                    answer.cancel()

    def _one(self, subject: str, picture: Picture, side_px: int | None, recognize: bool) -> list[Word]:
        request = Request(shape=picture.shape, side_px=side_px, recognize=recognize)
        with _worker(self._models) as worker:
            before = worker.cpu_s
            reply = worker.ask(request, np.ascontiguousarray(picture), self._patience_s)
            if reply is None:
                raise _died(subject)
            if reply.broken:
                raise _broken(subject, reply.broken)
            if reply.failed:
                raise TextReaderError(subject, f"{PACKAGE} fails with {reply.failed}", _SWITCH)
        with self._lock:
            self._pictures += 1
            self._cpu_s += reply.cpu_s - before
            self._peak_mb = max(self._peak_mb, reply.peak_mb)
        return [Word(*found) for found in reply.words]


class _Worker:
    """One process that reads; handles one picture at a time."""

    def __init__(self, models: Path | None) -> None:
        self.models, self.cpu_s = models, 0.0
        places = [str(Path(place).absolute()) for place in sys.path]
        environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        environment |= _MEMORY_ENVIRONMENT
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _START, json.dumps(places), str(models or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries may print what they read
            env=environment,
            start_new_session=True,  # Ctrl-C is for this side, which then ends it
        )
        self._started = False

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: Request, picture: Picture, patience_s: float) -> Reply | None:
        """The answer; None if the process died, or had to be ended as it gave none."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the reader was started without pipes")
        end = threading.Timer(patience_s, self._process.kill)
        end.daemon = True
        end.start()
        try:
            if not self._started:
                first = stdout.readline()
                if not first:
                    return None
                reply = Reply.model_validate_json(first)
                if reply.broken:
                    return reply
                self.cpu_s, self._started = reply.cpu_s, True
            with suppress(BrokenPipeError):
                stdin.write(request.model_dump_json().encode() + b"\n")
                stdin.write(picture.data)
                stdin.flush()
            line = stdout.readline()
        finally:
            end.cancel()
        if not line.endswith(b"\n"):
            return None
        reply = Reply.model_validate_json(line)
        self.cpu_s = reply.cpu_s
        return reply

    def close(self) -> None:
        """End it."""
        self._process.kill()  # it holds nothing that could be lost
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()


class _Idle:
    """Idle processes, shared by all visits of this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workers: list[_Worker] = []
        self._owner = os.getpid()

    def take(self, models: Path | None) -> _Worker:
        with self._lock:
            if self._owner != os.getpid():  # after a fork these are the parent's
                self._workers, self._owner = [], os.getpid()
            for worker in [worker for worker in self._workers if worker.models == models]:
                self._workers.remove(worker)
                if worker.alive:
                    return worker
                worker.close()
        return _Worker(models)

    def give_back(self, worker: _Worker) -> None:
        with self._lock:
            self._workers.append(worker)

    def close(self) -> None:
        with self._lock:
            if self._owner == os.getpid():
                for worker in self._workers:
                    worker.close()
            self._workers = []


_idle = _Idle()


def end_idle_text_readers() -> None:
    """End the processes that wait for the next picture; they also end with this process."""
    _idle.close()


atexit.register(end_idle_text_readers)


@contextmanager
def _worker(models: Path | None) -> Iterator[_Worker]:
    worker = _idle.take(models)
    try:
        yield worker
    except BaseException:
        worker.close()
        raise
    _idle.give_back(worker)


def _died(subject: str) -> TextReaderDiedError:
    return TextReaderDiedError(subject, "the process that reads its text died or gave no answer", _MEMORY)


def _broken(subject: str, why: str) -> TextReaderError:
    return TextReaderError(subject, f"{PACKAGE} cannot read text: {why}", _INSTALL)
