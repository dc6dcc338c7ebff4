"""How reports and progress look on a terminal."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import wrap
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
    from eus_etl.defs.status import StudyStatus, VisitStatus

# a pipe has no width: wide enough for one line per visit
console = Console(width=None if sys.stdout.isatty() else 180)


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


def say_waiting(study: str) -> Callable[[str], None]:
    """Tells what a run waits for."""
    return lambda said: console.print(f"{study}: {said}", markup=False, soft_wrap=True)


def show_report(study: str, report: "RunReport") -> None:
    """Print what a run made, what failed and why."""
    for failure in report.unobserved:
        show_error(f"{study}: {failure.source} could not be {failure.attempt}", str(failure.error))
    for failed in report.failed:
        whom = f" of {failed.patient_id}" if failed.patient_id else ""
        show_error(f"{study}: {failed.asset}{whom} failed", failed.error)
    for said in report.waits:
        say_waiting(study)(said)
    if report.elsewhere:
        others = ", ".join(visit or "the tables" for visit in report.elsewhere[:_NAMED])
        more = f" and {len(report.elsewhere) - _NAMED} more" if len(report.elsewhere) > _NAMED else ""
        say_waiting(study)(f"queued, or worked on by another process: {others}{more}")
    for patient_id in report.without_upload:
        say_waiting(study)(f"no upload has been given to {patient_id}; see rejected.csv, stage drive_videos")
    if not report.made and not report.failed:
        everything = "everything else" if report.without_upload else "everything"
        console.print(f"{study}: {everything} is up to date, 0 videos decoded")
        return
    visits = {made.patient_id for made in report.made if made.patient_id}
    console.print(
        f"{study}: {len(report.made)} assets made for {len(visits)} visits, "
        f"{report.videos_decoded} videos decoded, {len(report.failed)} failed"
    )


_COLUMNS = 80
_NAMED = 5
_MARKS = {"failed": "FAILED"}


def status_lines(visits: "Sequence[VisitStatus]") -> list[str]:
    """A line of at most 80 columns per visit: alias or id, state, the step to look at, and why."""
    named = [
        (visit.alias or visit.patient_id, state, step, why.removeprefix(f"{step} of {visit.patient_id}: "))
        for visit in visits
        for state, step, why in (visit.attention,)
    ]
    table = [("visit", "state", "step", "why"), *((n, _MARKS.get(s, s), a, w) for n, s, a, w in named)]
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    widths[0] = min(widths[0], 36)
    return [
        _cut(
            "  ".join(
                [*(f"{_cut(cell, width):{width}}" for cell, width in zip(row, widths, strict=False)), row[3]]
            )
        )
        for row in table
    ]


def progress_lines(visits: "Sequence[VisitStatus]") -> list[str]:
    """How many visits are up to date, and what most of the others wait for; nothing where all are."""
    left = Counter(
        f"{step}: {'failed' if state == 'failed' else why.partition(':')[0]}"
        for state, step, why in (visit.attention for visit in visits)
        if state in ("stale", "missing", "failed")
    )
    if not left:
        return []
    named = [f"{count} {what}" for what, count in left.most_common(_NAMED)]
    done = len(visits) - left.total()
    line = f"{done} of {len(visits)} visits are up to date; left are {', '.join(named)}"
    return wrap(line, _COLUMNS, subsequent_indent="  ")


def visit_lines(visit: "VisitStatus", study: "StudyStatus") -> list[str]:
    """All about one visit: each asset's state and why, what was rejected, and where its video may be."""
    width = max(map(len, visit.assets), default=0)
    lines = [f"{visit.alias or 'no alias'} ({visit.patient_id})"]
    for asset, standing in visit.assets.items():
        why = visit.errors.get(asset) or visit.reasons.get(asset, "")
        lines.append(f"  {asset:{width}}  {_MARKS.get(standing, standing):8}  {why}".rstrip())
    if visit.rejected:
        lines.append(f"  rejected: {reasons(visit.rejected)} (see rejected.csv)")
    if visit.without_upload:
        left = Counter(study.unassigned_uploads) + Counter(visit.uploads)
        found = f"unassigned or waiting: {reasons(left)}" if left else "none is unassigned or waiting"
        look = "look for the upload in rejected.csv, stage drive_videos"
        remedy = look if left else "check that it was uploaded, then `eus-etl doctor`"
        lines.append(f"  no upload has been given to this visit; {found}. What to do: {remedy}")
    return lines


def study_lines(study: "StudyStatus", no_text_check: str | None) -> list[str]:
    """What is stale of the study's tables, what no visit has, and why text is not checked, if it is not."""
    lines = [f"{table}: {reason}" for table, reason in study.tables.items()]
    if study.unassigned:
        lines.append(f"not given to a visit, or not taken: {reasons(study.unassigned)} (see rejected.csv)")
    lines += [f"{said}, at the last observation" for said in study.waits]
    lines += _run_lines(study)
    if study.forgotten:
        lines.append(f"{study.forgotten} forgotten: nothing is fetched or made of them")
    if study.half_forgotten:
        left = f"{study.half_forgotten} of them were not removed completely"
        lines.append(f"{left}. What to do: call `eus-etl forget` for them again")
    if no_text_check:
        lines.append(f"text check: {no_text_check}; a release takes only visits that a person signed off")
    return [part for line in lines for part in wrap(line, _COLUMNS, subsequent_indent="  ")]


def _run_lines(study: "StudyStatus") -> list[str]:
    """Which visits are worked on, and which are queued and why."""
    lines = []
    for state in ("in progress", "queued"):
        if named := [name for name, own in study.runs.items() if own == state]:
            more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
            lines.append(f"{state}: {', '.join(named[:_NAMED])}{more}")
    if "queued" in study.runs.values():
        lines[-1] += (
            "; no daemon runs that would start them. What to do: start it"
            if study.is_idle
            else "; each starts once a place is free"
        )
    return lines


def _cut(text: str, width: int = _COLUMNS) -> str:
    text = text.rstrip()
    return text if len(text) <= width else f"{text[: width - 3]}..."


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
def steps_progress(title: str, unit: str = "files") -> Iterator[Callable[[str, int, int], None]]:
    """Progress over items: call with the current item, how many are done and how many there are."""
    with _progress(unit) as progress:
        task = progress.add_task(title, total=None, rate="", now="")

        def tell(now: str, done: int, total: int) -> None:
            progress.update(
                task, total=total, completed=done, now=now, rate=_rate(progress.tasks[task].speed)
            )

        yield tell
