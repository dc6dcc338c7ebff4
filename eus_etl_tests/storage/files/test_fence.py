"""The fence belongs to a thread, whoever closes a block that was opened in it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from eus_etl.storage.files.fence import Fence, carry_fence, fenced_by, publishing


def counting(asked: list[str], name: str) -> Fence:
    @contextmanager
    def fence() -> Iterator[None]:
        asked.append(name)
        yield

    return fence


def in_another_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_each_rename_asks_the_fence_of_its_thread_once() -> None:
    asked: list[str] = []
    with publishing():
        assert asked == []
    with fenced_by(counting(asked, "outer")):
        with publishing(), publishing():
            assert asked == ["outer"]
        carry = carry_fence()

        def carried() -> None:
            with publishing():
                pass
            carry()
            with publishing():
                pass

        in_another_thread(carried)
        assert asked == ["outer", "outer"]
        with fenced_by(counting(asked, "inner")), publishing():
            assert asked[-1] == "inner"
        with publishing():
            assert asked[-1] == "outer"


def test_a_block_that_another_thread_closes_changes_nothing_there() -> None:
    asked: list[str] = []
    opened: list[AbstractContextManager[None]] = []

    def work() -> None:
        block = fenced_by(counting(asked, "elsewhere"))
        block.__enter__()
        shown = publishing()
        shown.__enter__()
        opened.extend((shown, block))

    in_another_thread(work)
    with fenced_by(counting(asked, "here")):
        for block in opened:
            block.__exit__(None, None, None)
        with publishing():
            assert asked == ["elsewhere", "here"]
