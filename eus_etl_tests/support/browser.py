"""A browser for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.support.page import browser as driver


def require_chromium() -> None:
    """Skip the test where Chromium is not installed."""
    if driver.chromium() is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")


@contextmanager
def browser(profile: Path) -> Iterator[driver.Browser]:
    """A browser with a fresh profile; the test is skipped where Chromium is not installed."""
    require_chromium()
    with driver.browser(profile) as page:
        yield page
