"""``croissant.json``: a release described for machines, in MLCommons Croissant 1.0."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from eus_etl.domain.tables.schema import Table

_CONTEXT: Mapping[str, object] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_FORMATS = {"csv": "text/csv", "parquet": "application/x-parquet"}


def croissant(
    release: str, statistics: Mapping[str, Any], files: Mapping[str, tuple[Table, str]], *, licence: str
) -> dict[str, object]:
    """The description.

    Args:
        release: the release's id.
        statistics: of ``statistics.json``.
        files: names of tables to what they hold and their SHA-256 in hex.
        licence: an SPDX id or a name.
    """
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"{statistics['study']}-{statistics['name']}",
        "description": f"{statistics['title']}: {statistics['frames']} masked pictures, split by person.",
        "license": licence,
        "url": f"https://example.org/{release}",
        "version": release,
        "distribution": [_file(name, sha256) for name, (_, sha256) in files.items()],
        "recordSet": [_records(name, table) for name, (table, _) in files.items()],
    }


def _file(name: str, sha256: str) -> dict[str, object]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": _FORMATS[name.rpartition(".")[2]],
        "sha256": sha256,
    }


def _records(name: str, table: Table) -> dict[str, object]:
    record = name.rpartition(".")[0].replace("/", "_")
    return {
        "@type": "cr:RecordSet",
        "@id": record,
        "name": record,
        "description": f"One record is {table.row}.",
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{record}/{column.name}",
                "name": column.name,
                "description": column.meaning + (f" ({column.unit})" if column.unit else ""),
                "dataType": _type(column.dtype),
                "source": {"fileObject": {"@id": name}, "extract": {"column": column.name}},
            }
            for column in table.columns
        ],
    }


def _type(dtype: pl.DataType) -> str:
    if dtype == pl.Boolean:
        return "sc:Boolean"
    if dtype.is_integer():
        return "sc:Integer"
    return "sc:Float" if dtype.is_float() else "sc:Text"
