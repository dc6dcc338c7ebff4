"""How what a step reports shows in Dagster's page: facts in plain units, and pictures.

Pictures go into an event of their own, after the one that says that the asset was made: the metadata of that
one are stored with the step's output and with the asset as well.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg
import polars as pl

from eus_etl.domain.numbers import bytes_in_units
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.rejection import REJECTED
from eus_etl.steps.result import StepResult
from eus_etl.storage.tables.table_files import read_csv, read_part

NO_VIDEO = "none yet: no upload fits this visit, so its videos, frames and pictures are missing"
"""Shown with what is made of a visit without a video."""

REJECTIONS = "rejected or in doubt"
"""Name of the table of what an asset could not use, and why."""

_REJECTIONS_SHOWN = 50
"""All are in ``rejected.csv``; an event is no place for thousands."""

_OF_UNKNOWN_LABELS = "unknown_label"
"""The item of such a rejection is text that came from outside, which no event may hold."""

Shown = int | float | str | bool | dg.PathMetadataValue | dg.TableMetadataValue


def facts_of(
    paths: StudyPaths, facts: Mapping[str, int | float | str | bool | Path], alias: str | None
) -> dict[str, Shown]:
    """What a step reported, for people.

    Args:
        paths: the study's paths.
        facts: keys in ``bytes`` are sizes, those in ``_s`` times in seconds; paths lie below the root.
        alias: the visit's alias; None for an asset of the whole study.
    """
    shown: dict[str, Shown] = {} if alias is None else {"alias": alias}
    for name, value in facts.items():
        if name == "bytes" or name.endswith("_bytes"):
            shown[name.removesuffix("bytes") + "size"] = bytes_in_units(int(str(value)))
        elif name.endswith("_s") and not name.endswith("_per_s"):
            shown[name.removesuffix("_s")] = f"{value} s"
        elif isinstance(value, Path):
            shown[name] = dg.MetadataValue.path(paths.relative(value))
        else:
            shown[name] = value
    if any(isinstance(value, Path) for value in facts.values()):
        shown["below the root"] = dg.MetadataValue.path(str(paths.root))
    return shown


def rejections_of(
    paths: StudyPaths, outputs: Sequence[Path], patient: str | None
) -> dict[str, dg.TableMetadataValue]:
    """What an asset records as rejected or in doubt: ids, reasons and what to do, but no uploaded name.

    Args:
        paths: the study's paths.
        outputs: what its step made: parts of ``rejected.csv`` among it, or the file itself.
        patient: the visit, which its own rows need not name; None for a table of the whole study.

    Raises:
        OutputLostError: what was recorded cannot be read.
    """
    parts, whole = paths.parts(REJECTED.name), paths.table(REJECTED.name)
    found = [read_part(path, REJECTED) for path in outputs if parts in path.parents]
    found += [read_csv(path, REJECTED) for path in outputs if path == whole]
    rows = pl.concat([REJECTED.empty(), *found])
    if rows.is_empty():
        return {}
    is_foreign = pl.col("reason").str.contains(_OF_UNKNOWN_LABELS, literal=True)
    shown = rows.head(_REJECTIONS_SHOWN).select(
        *([] if patient else ["patient_id", "stage"]),
        pl.when(is_foreign).then(pl.lit("an unknown label")).otherwise("item").alias("item"),
        "reason",
        "detail",
        "remedy",
    )
    more = rows.height - shown.height
    name = f"{REJECTIONS} ({more} more in rejected.csv)" if more else REJECTIONS
    records = [dg.TableRecord({key: value or "" for key, value in row.items()}) for row in shown.to_dicts()]
    return {name: dg.MetadataValue.table(records)}


def picture_event(
    key: dg.AssetKey, patient: str | None, alias: str | None, result: StepResult
) -> dg.AssetObservation | None:
    """The event that carries the pictures of what was made; None where there are none."""
    if not result.pictures:
        return None
    whose = f" of {alias}" if alias else ""
    return dg.AssetObservation(
        key,
        partition=patient,
        description=f"{', '.join(result.pictures)}{whose}",
        metadata={f"{title}{whose}": _picture(title, webp) for title, webp in result.pictures.items()},
    )


def _picture(title: str, webp: bytes) -> dg.MarkdownMetadataValue:
    """The page shows Markdown, and in it pictures that carry their own bytes."""
    return dg.MetadataValue.md(f"![{title}](data:image/webp;base64,{base64.b64encode(webp).decode()})")
