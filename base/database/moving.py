"""From SQLite to PostgreSQL: every row of every table, in one transaction of each service.

The rows are the same and so is what was made over them (seals, leaves, pseudonyms): both databases are written by the
same tables, which read the same on both.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import Connection, MetaData, Table, func, insert, select, text

from base.database import engines

MOST = 500
"""Rows in one statement."""


class NotEmpty(Exception):
    """There are rows where everything is to go; the message says what to do."""


def move(services: Sequence[tuple[str, MetaData]], directory: Path, url: str) -> dict[str, int]:
    """Copy the files in `directory` to the tables at `url`, which exist and are empty; answers rows by service.

    The files are left as they are. DatabaseInUse when a server has them open; NotEmpty.
    """
    with ExitStack() as stack:
        done, ready = {}, []
        for service, metadata in services:
            path = directory / f"{service}.db"
            stack.callback(engines.FileLock(path.with_suffix(".db.lock")).release)
            source = engines.sqlite(path, read_only=True)
            target = engines.postgresql(url, service, connections=1, autocommit=False)
            stack.callback(source.dispose)
            stack.callback(target.dispose)
            ready.append((stack.enter_context(source.connect()), stack.enter_context(target.begin()), metadata))
            _expect_empty(ready[-1][1], metadata)
            done[service] = 0
        for service, (old, new, metadata) in zip(done, ready, strict=True):
            done[service] = sum(_copy(table, old, new) for table in metadata.sorted_tables)
        return done


def _expect_empty(connection: Connection, metadata: MetaData) -> None:
    for table in metadata.sorted_tables:
        if connection.execute(select(func.count()).select_from(table)).scalar():
            raise NotEmpty(f"the PostgreSQL database has rows in {table.name} already: make a new, empty one")


def _copy(table: Table, old: Connection, new: Connection) -> int:
    count = 0
    for rows in old.execute(select(table).execution_options(yield_per=MOST)).mappings().partitions():
        new.execute(insert(table), [dict(row) for row in rows])
        count += len(rows)
    if new.execute(select(func.count()).select_from(table)).scalar_one() != count:
        raise RuntimeError(f"not every row of {table.name} arrived")
    _number_on(table, old, new)
    return count


def _number_on(table: Table, old: Connection, new: Connection) -> None:
    """Numbers go on behind the last that was ever given, also of rows that are gone by now."""
    column = table.autoincrement_column
    if column is None:
        return
    sequence = new.execute(text("SELECT pg_get_serial_sequence(:t, :c)"), {"t": table.name, "c": column.name}).scalar()
    last = old.execute(select(func.max(column))).scalar() or 0
    if table.dialect_options["sqlite"]["autoincrement"]:
        given = old.execute(text("SELECT seq FROM sqlite_sequence WHERE name = :t"), {"t": table.name}).scalar()
        last = max(last, given or 0)
    if sequence is not None and last:
        new.execute(text("SELECT setval(CAST(:s AS regclass), :n)"), {"s": sequence, "n": last})
