"""Many small Parquet files, read as one.

Opening a small file takes longer than reading its rows. So the rows of all files of a table are also kept in
one file, and only files that have changed since are opened. That file may be deleted at any time.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby
from pathlib import Path

import polars as pl

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.schema import Table
from eus_etl.storage.files.atomic import atomic_path
from eus_etl.storage.files.checked_json import DamagedStateError, read_checked, write_checked
from eus_etl.storage.files.checksums import file_sha256
from eus_etl.storage.files.marks import MarkedFile
from eus_etl.storage.tables.table_files import readable, scan_tables

SMALL_BYTES = 64 << 10
"""Files that are larger on average are read one by one: reading their rows takes longer than opening them."""

MANY_RUNS = 64
"""If the rows that are still good lie in more runs than this, all files are read again."""

_PATH = "path of the file"


@dataclass(frozen=True, slots=True)
class Gathered:
    """The rows of many files, in the order of the files.

    Attributes:
        root: the study's root.
        marks: the files, in the order of their names.
        patients: the visit of each: its name.
        table: their columns; what an older file lacks is null.
        kept: the rows of all files; None where the files are read one by one.
        starts: number of the first row of each file, then the number of all rows; empty without ``kept``.
    """

    root: Path
    marks: Sequence[MarkedFile]
    patients: Sequence[str]
    table: Table
    kept: pl.LazyFrame | None = None
    starts: Sequence[int] = ()

    def scan(self) -> pl.LazyFrame:
        """All rows."""
        return self._scan(0, len(self.marks))

    def load(self, patients: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
        """The rows of some visits, in the order of ``marks``; none of a visit that has no file.

        Args:
            patients: ids of visits, in the order of ``marks``.
            columns: names of the columns.

        Raises:
            OutputLostError: a file could not be read, and was removed.
        """
        first, stop = bisect_left(self.patients, patients[0]), bisect_right(self.patients, patients[-1])
        with readable(lambda: self._files(first, stop)):
            rows = self._scan(first, stop).filter(pl.col("patient_id").is_in(patients))
            return rows.select(columns).collect()

    def _scan(self, first: int, stop: int) -> pl.LazyFrame:
        if self.kept is None:
            return scan_tables(self._files(first, stop), self.table)
        return self.kept.slice(self.starts[first], self.starts[stop] - self.starts[first])

    def _files(self, first: int, stop: int) -> list[Path]:
        return [self.root / mark.path for mark in self.marks[first:stop]]


def gather(paths: StudyPaths, name: str, files: Sequence[MarkedFile], table: Table) -> Gathered:
    """The rows of these files, of which only those are read that changed since the last time.

    A file counts as unchanged if it has the same inode, size and time. The caller holds the study's lock.

    Args:
        paths: the study's paths.
        name: what the rows are kept as.
        files: Parquet files of ``table``, which may be older than its present columns, sorted.
        table: the table.

    Raises:
        OutputLostError: a file could not be read, and was removed.
        DiskFullError: the disk is full.
    """
    patients = [file.path.rpartition("/")[2].removesuffix(".parquet") for file in files]
    found = Gathered(paths.root, files, patients, table)
    if not files or sum(file.size for file in files) > SMALL_BYTES * len(files):
        return found
    kept = paths.gathered(name)
    counts = _counts(kept, table)
    if list(counts) != list(files):
        counts = _keep(paths.root, kept, table, counts, files)
    return replace(found, kept=pl.scan_parquet(kept), starts=[0, *accumulate(counts.values())])


def _counts(kept: Path, table: Table) -> dict[MarkedFile, int]:
    """The files whose rows are kept, in order, with the number of rows of each.

    Empty if what is kept is missing or damaged, or has other columns.
    """
    try:
        match read_checked(kept.with_suffix(".json")):
            case [sha256, columns, list(files)] if columns == _columns(table) and sha256 == file_sha256(kept):
                return {MarkedFile(*mark): rows for *mark, rows in files}
    except (FileNotFoundError, DamagedStateError):
        pass
    return {}


def _keep(
    root: Path, kept: Path, table: Table, before: Mapping[MarkedFile, int], files: Sequence[MarkedFile]
) -> dict[MarkedFile, int]:
    """Keep the rows of these files, taking those of unchanged ones from what was kept before."""
    runs = list(_runs(list(before), files))
    if len(runs) > MANY_RUNS:
        runs = [(None, list(files))]
    starts = [0, *accumulate(before.values())]
    counts: dict[MarkedFile, int] = {}
    pieces = []
    with readable(lambda: [root / file.path for file in files]), atomic_path(kept) as partial:
        for first, marks in runs:
            if first is None:
                new = [root / mark.path for mark in marks]
                counts.update(zip(marks, _count_rows(new, table), strict=True))
                pieces.append(scan_tables(new, table))
            else:
                counts.update({mark: before[mark] for mark in marks})
                start, stop = starts[first], starts[first + len(marks)]
                pieces.append(pl.scan_parquet(kept).slice(start, stop - start))
        pl.concat(pieces).sink_parquet(partial, compression="zstd", maintain_order=True)
    listed = [[*mark, rows] for mark, rows in counts.items()]
    write_checked(kept.with_suffix(".json"), [file_sha256(kept), _columns(table), listed])
    return counts


def _runs(
    before: Sequence[MarkedFile], now: Sequence[MarkedFile]
) -> Iterator[tuple[int | None, list[MarkedFile]]]:
    """The files of now, in runs of those that have to be read and runs that were kept one after the other.

    With the latter comes the number that the first one had before.
    """
    number_before = {mark: number for number, mark in enumerate(before)}

    def shift(numbered: tuple[int, MarkedFile]) -> int | None:
        number, mark = numbered
        return number_before[mark] - number if mark in number_before else None

    for moved, group in groupby(enumerate(now), key=shift):
        run = list(group)
        yield None if moved is None else run[0][0] + moved, [mark for _, mark in run]


def _count_rows(files: Sequence[Path], table: Table) -> list[int]:
    counted = scan_tables(files, table, path_column=_PATH).group_by(_PATH).len().collect()
    by_path = dict(counted.iter_rows())
    return [by_path.get(str(file), 0) for file in files]


def _columns(table: Table) -> list[list[str]]:
    return [[name, str(dtype)] for name, dtype in table.schema.items()]
