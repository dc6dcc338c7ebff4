"""Texts anywhere in an instance's databases: where they stand, and their replacement."""

from collections.abc import Iterable, Iterator

import sqlalchemy as sql

from eus_etl.defs.event_store.stores import Stores


def texts_of(stores: Stores, text: str) -> Iterator[str]:
    """Where a text stands in the databases: names of tables and columns."""
    for store in (*stores.shared, *stores.of_runs(text)):
        with store.connected() as connection:
            for table, column in _text_columns(store.tables()):
                holds = column.contains(text, autoescape=True)
                found = sql.select(sql.func.count()).select_from(table).where(holds)
                if connection.execute(found).scalar_one():
                    yield f"{table.name}.{column.name}"


def replace_text(stores: Stores, text: str, by: str) -> int:
    """Replace a text in whatever the databases hold; returns the number of cells.

    Only for texts that can be part of nothing else, such as a UUID.
    """
    changed = 0
    for store in (*stores.shared, *stores.of_runs(text)):
        with store.connected() as connection:
            for table, column in _text_columns(store.tables()):
                other = sql.func.replace(column, text, by)
                where = column.contains(text, autoescape=True)
                changed += connection.execute(sql.update(table).where(where).values({column: other})).rowcount
    return changed


def _text_columns(tables: Iterable[sql.Table]) -> Iterator[tuple[sql.Table, sql.Column[str]]]:
    for table in tables:
        for column in table.columns:
            if isinstance(column.type, sql.String):
                yield table, column
