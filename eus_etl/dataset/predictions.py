"""Reads predictions for a release, strictly: what cannot be meant is refused with its line and column.

A message never repeats a cell. What the predictions are worth is worked out in ``evaluate``.
"""

import csv
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from eus_etl.errors import PermanentError

FRAME, VISIT = "frame_id", "visit"
SCORE = ":"
"""``station:Station 1`` holds a score of that label, ``cancer:score`` one of a yes-or-no column."""
OF_TARGET = "score"

_YES_NO = {"true": True, "false": False, "1": True, "0": False}


class PredictionsError(PermanentError):
    """Predictions cannot be used; the message names line and column, and no cell."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What a release lets one predict.

    Attributes:
        families: label families with their labels.
        yes_no: patient columns that are true or false.
        numbers: patient columns that are numbers.
    """

    families: Mapping[str, Sequence[str]]
    yes_no: Sequence[str]
    numbers: Sequence[str]

    def columns(self, key: str) -> dict[str, str]:
        """Columns that predictions by this key may have, to what they hold: label, yes_no or number."""
        found = {}
        if key == FRAME:
            for family, labels in self.families.items():
                found[family] = "label"
                found |= {f"{family}{SCORE}{label}": "number" for label in labels}
        for name in self.yes_no:
            found |= {name: "yes_no", f"{name}{SCORE}{OF_TARGET}": "number"}
        return found | dict.fromkeys(self.numbers, "number")


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a file holds.

    Attributes:
        key: ``frame_id`` or ``visit``.
        table: ``line`` (of the file, the header being 1), the key, and the columns predicted.
    """

    key: str
    table: pl.DataFrame


def read_predictions(file: Path, targets: Targets) -> Predictions:
    """Read a CSV with ``frame_id`` or ``visit`` and columns that the release lets one predict.

    Raises:
        PredictionsError: it is not such a file, or a cell, row or column cannot be meant.
    """
    rows: list[list[object]] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            header = next(reader, [])
            key, kinds = _columns(header, targets)
            seen: dict[str, int] = {}
            for cells in reader:
                if not cells:
                    continue
                line = reader.line_num
                if len(cells) != len(header):
                    raise _wrong(line, None, f"has {len(cells)} cells, the header has {len(header)}")
                named = dict(zip(header, cells, strict=True))
                if named[key] in seen:
                    raise _wrong(line, key, f"stands in line {seen[named[key]]} already")
                seen[named[key]] = line
                values = [_value(line, name, named[name], kind, targets) for name, kind in kinds.items()]
                rows.append([line, named[key], *values])
    except (UnicodeDecodeError, csv.Error) as error:
        cause = "is not UTF-8" if isinstance(error, UnicodeDecodeError) else "is not a well-formed CSV file"
        raise PredictionsError("predictions", cause, "write a CSV file in UTF-8, with commas") from None
    except FileNotFoundError:
        raise PredictionsError("predictions", "there is no such file") from None
    if not rows:
        raise PredictionsError("predictions", "the file has no row")
    types = {"label": pl.String(), "yes_no": pl.Boolean(), "number": pl.Float64()}
    schema = {"line": pl.Int64(), key: pl.String()} | {name: types[kind] for name, kind in kinds.items()}
    return Predictions(key, pl.DataFrame(rows, schema, orient="row"))


def _columns(header: Sequence[str], targets: Targets) -> tuple[str, dict[str, str]]:
    """The key, and each predicted column with what it holds."""
    keys = [key for key in (FRAME, VISIT) if key in header]
    if len(keys) != 1:
        raise _wrong(1, None, f"needs either the column {FRAME} or the column {VISIT}")
    (key,) = keys
    allowed = targets.columns(key)
    others = [name for name in header if name != key]
    for number, name in enumerate(header, 1):
        if name != key and name not in allowed:
            known = ", ".join(allowed) or "none"
            raise _wrong(1, str(number), f"is not a column that can be evaluated; those are: {known}")
    if len(set(header)) != len(header) or not others:
        raise _wrong(1, None, "names a column twice" if others else "has no column of predictions")
    for family, labels in targets.families.items():
        scored = [name for name in others if name.startswith(f"{family}{SCORE}")]
        if scored and family not in others and len(scored) < len(labels):
            raise _wrong(1, family, "has scores for some labels only: give all of them, or the label as well")
    return key, {name: allowed[name] for name in others}


def _value(line: int, name: str, cell: str, kind: str, targets: Targets) -> object:
    if not cell:
        raise _wrong(line, name, "is empty")
    if kind == "label":
        labels: Collection[str] = targets.families[name]
        if cell not in labels:
            raise _wrong(line, name, f"is not one of: {', '.join(labels)}")
        return cell
    if kind == "yes_no":
        if cell.lower() not in _YES_NO:
            raise _wrong(line, name, "is neither true nor false")
        return _YES_NO[cell.lower()]
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _wrong(line, name, "is not a finite number")
    return number


def _wrong(line: int, column: str | None, cause: str) -> PredictionsError:
    of_column = f", column {column}" if column else ""
    return PredictionsError(f"predictions, line {line}{of_column}", cause)
