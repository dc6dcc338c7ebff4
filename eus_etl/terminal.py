"""How reports and progress look on a terminal."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

if TYPE_CHECKING:  # for types alone: commands without a study must not wait for Dagster
    from eus_etl.defs.reconcile.local_session import Progress as Tell
    from eus_etl.defs.reconcile.local_session import RunReport
    from eus_etl.defs.status import VisitStatus

# a pipe has no width: wide enough for one line per visit
console = Console(width=None if sys.stdout.isatty() else 180)

_STYLES = {"done": "green", "stale": "yellow", "missing": "dim", "failed": "bold red", "no video": "dim"}
_MARKS = {"done": "done", "stale": "stale", "missing": "-", "failed": "FAILED", "no video": "no video"}


@contextmanager
def visits_progress(title: str) -> "Iterator[Tell]":
    """Progress over visits, with count, rate and time left."""
    with _progress("visits") as progress:
        task = progress.add_task(title, total=None, rate="", now="observing")

        def tell(patient: str | None, asset: str, done: int, total: int) -> None:
            now = f"{asset} of {patient}" if patient else asset
            progress.update(
                task, total=total, completed=done, now=now, rate=_rate(progress.tasks[task].speed)
            )

        yield tell


def _progress(unit: str) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[now]}"),
        console=console,
        transient=True,
    )


def _rate(speed: float | None) -> str:
    return f"{speed * 60:.1f}/min" if speed else ""


def show_error(what: str, error: str) -> None:
    """Print what went wrong and its error; brackets in the error are not markup."""
    console.print(f"[bold red]{what}[/]: {escape(error)}", soft_wrap=True)


def show_report(study: str, report: "RunReport") -> None:
    """Print what a run made, what failed and why."""
    for failure in report.unobserved:
        show_error(f"{study}: {failure.source} could not be observed", str(failure.error))
    for failed in report.failed:
        whom = f" of {failed.patient_id}" if failed.patient_id else ""
        show_error(f"{study}: {failed.asset}{whom} failed", failed.error)
    if not report.made and not report.failed:
        console.print(f"{study}: everything is up to date, 0 videos decoded")
        return
    visits = {made.patient_id for made in report.made if made.patient_id}
    console.print(
        f"{study}: {len(report.made)} assets made for {len(visits)} visits, "
        f"{report.videos_decoded} videos decoded, {len(report.failed)} failed"
    )


def status_table(title: str, visits: "Sequence[VisitStatus]") -> Table:
    """One line per visit: the state of each asset, what was rejected and why."""
    table = Table(title=escape(title), title_justify="left", header_style="bold")
    table.add_column("visit", no_wrap=True, min_width=36)
    table.add_column("alias", no_wrap=True)
    names = list(visits[0].assets) if visits else []
    for name in names:
        table.add_column(name.replace("_", " "))
    table.add_column("rejected, why", overflow="fold")
    for visit in visits:
        cells = [f"[{_STYLES[standing]}]{_MARKS[standing]}[/]" for standing in visit.assets.values()]
        table.add_row(visit.patient_id, escape(visit.alias or ""), *cells, reasons(visit.rejected))
    return table


def reasons(counts: Mapping[str, int]) -> str:
    """``2 bad_time, 1 no_stop``."""
    return ", ".join(f"{count} {reason}" for reason, count in counts.items())


def data_table(title: str, frame: pl.DataFrame) -> Table:
    """A small polars frame as a table."""
    table = Table(title=escape(title), title_justify="left", header_style="bold")
    for number, (name, dtype) in enumerate(frame.schema.items()):
        table.add_column(
            name.replace("_", " "), justify="right" if dtype.is_numeric() else "left", no_wrap=number == 0
        )
    for row in frame.iter_rows():
        table.add_row(*("" if cell is None else escape(str(cell)) for cell in row))
    return table


@contextmanager
def videos_progress(videos: int) -> Iterator[tuple[Callable[[str], None], Callable[[int], None]]]:
    """Progress over videos: one callable to call when a video is done, one for frames decoded since."""
    with _progress("videos") as progress:
        task = progress.add_task("extracting", total=videos, rate="", now="")
        frames = 0

        def video_done(_: str) -> None:
            progress.advance(task)

        def frames_decoded(more: int) -> None:
            nonlocal frames
            frames += more
            rate = frames / max(progress.tasks[task].elapsed or 0.0, 0.001)
            progress.update(task, rate=f"{rate:.0f} frames/s", now=f"{frames} frames")

        yield video_done, frames_decoded


@contextmanager
def steps_progress(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """Progress over items: call with the current item, how many are done and how many there are."""
    with _progress("files") as progress:
        task = progress.add_task(title, total=None, rate="", now="")

        def tell(now: str, done: int, total: int) -> None:
            progress.update(
                task, total=total, completed=done, now=now, rate=_rate(progress.tasks[task].speed)
            )

        yield tell
