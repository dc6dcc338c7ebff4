"""Whether two roots of the demo hold the same data, byte for byte: tables, images, copies of videos.

    python benchmarks/compare_demos.py BEFORE AFTER

Make one demo with the checkout before a change and one with the changed one (`make demo DEMO=...`): a change
that is meant to leave the data alone must leave every file as it was. In `rejected.csv` and its parts the
wording may differ (columns `detail` and `remedy`): such files are listed and count as equal. Ends with code 1
where anything else differs. The pipeline's own state (`.eus_etl`, `dagster_home`) is not compared.
"""

import argparse
import filecmp
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl

COMPARED = ("raw_data", "master-dataset")
WORDING = ("detail", "remedy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    arguments = parser.parse_args()
    before, after = files_of(arguments.before), files_of(arguments.after)
    if not before:
        sys.exit(f"{arguments.before} holds no demo")
    found = list(differences(before, after))
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


def differences(before: dict[str, Path], after: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """What differs and where, by place."""
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield "gone", name
        elif name not in before:
            yield "new", name
        elif not filecmp.cmp(before[name], after[name], shallow=False):
            yield _how(before[name], after[name]), name


def _how(before: Path, after: Path) -> str:
    if "rejected" not in str(before):
        return "different"
    same = _without_wording(before).equals(_without_wording(after))
    return "other wording" if same else "different"


def _without_wording(table: Path) -> pl.DataFrame:
    if table.suffix == ".parquet":
        return pl.read_parquet(table).drop(WORDING)
    return pl.read_csv(table, infer_schema=False).drop(WORDING)


if __name__ == "__main__":
    main()
