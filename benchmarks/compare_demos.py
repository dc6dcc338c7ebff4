"""Whether two roots of the demo hold the same data, byte for byte: tables, images, copies of videos.

    python benchmarks/compare_demos.py BEFORE AFTER [--without COLUMN ...]

Make one demo with the checkout before a change and one with the changed one (`make demo DEMO=...`): a change
that is meant to leave the data alone must leave every file as it was. In `rejected.csv` and its parts the
wording may differ (columns `detail` and `remedy`): such files are listed and count as equal. Ends with code 1
where anything else differs. `--without` leaves columns out of every table, for a change that adds them. The
pipeline's own state (`.eus_etl`, `dagster_home`) is not compared.
"""

import argparse
import filecmp
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import polars as pl

COMPARED = ("raw_data", "master-dataset")
WORDING = ("detail", "remedy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--without", nargs="+", default=[], metavar="COLUMN")
    arguments = parser.parse_args()
    before, after = files_of(arguments.before), files_of(arguments.after)
    if not before:
        sys.exit(f"{arguments.before} holds no demo")
    found = list(differences(before, after, arguments.without))
    for kind, name in found:
        print(f"{kind}: {name}")
    different = sum(kind != "other wording" for kind, _ in found)
    print(f"{len(before)} files before, {len(after)} after, {different} different")
    sys.exit(1 if different else 0)


def files_of(root: Path) -> dict[str, Path]:
    """The compared files of all studies below a demo's root, by their place below it."""
    folders = (study / name for study in root.iterdir() if study.is_dir() for name in COMPARED)
    return {
        str(file.relative_to(root)): file
        for folder in folders
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def differences(
    before: dict[str, Path], after: dict[str, Path], without: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """What differs and where, by place."""
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield "gone", name
        elif name not in before:
            yield "new", name
        elif how := _how(before[name], after[name], without):
            yield how, name


def _how(before: Path, after: Path, without: Collection[str]) -> str | None:
    """How two files differ; None if not at all, or in the columns ``without`` alone."""
    if filecmp.cmp(before, after, shallow=False):
        return None
    if before.suffix not in (".csv", ".parquet"):
        return "different"
    if _table(before, without).equals(_table(after, without)):
        return None if without else "different"
    wording = [*without, *WORDING]
    same = "rejected" in str(before) and _table(before, wording).equals(_table(after, wording))
    return "other wording" if same else "different"


def _table(file: Path, without: Collection[str]) -> pl.DataFrame:
    found = pl.read_parquet(file) if file.suffix == ".parquet" else pl.read_csv(file, infer_schema=False)
    return found.drop(without, strict=False)


if __name__ == "__main__":
    main()
