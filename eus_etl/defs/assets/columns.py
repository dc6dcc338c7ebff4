"""The columns that Dagster's page shows of an asset, from the one declaration of its table."""

import dagster as dg

from eus_etl.domain.tables.schema import Column, Table

COLUMN_SCHEMA = "dagster/column_schema"


def column_schema(table: Table) -> dg.TableSchema:
    """The table's columns: name, type, meaning and unit."""
    return dg.TableSchema(columns=[_column(column) for column in table.columns])


def _column(column: Column) -> dg.TableColumn:
    unit = f" ({column.unit})" if column.unit else ""
    return dg.TableColumn(column.name, str(column.dtype), f"{column.meaning}{unit}")
