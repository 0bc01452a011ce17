"""Statements of hot paths. SQLAlchemy compiles them, once; SQLite's driver then runs them itself.

By SQLAlchemy a statement costs 20 to 30 µs, of which SQLite takes 4. On PostgreSQL, where a statement costs a journey,
SQLAlchemy runs them as any other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, Insert, Select, Update
from sqlalchemy.exc import OperationalError
from sqlalchemy.types import TypeEngine

Processor = Callable[[Any], Any] | None
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Prepared:
    """`columns`: those that an insert is given, all of them each time."""

    def __init__(self, statement: Select[Any] | Insert | Update, columns: Sequence[str] = ()) -> None:
        self._statement = statement
        self._columns = columns
        self._changes = not isinstance(statement, Select)
        self._plain: _Plain | None = None

    def first(self, connection: Connection, given: Mapping[str, Any] = _NOTHING) -> Any:
        """The first row, its columns by name and by number, or None. Also what an insert or update returns."""
        return next(iter(self.all(connection, given)), None)

    def all(self, connection: Connection, given: Mapping[str, Any] = _NOTHING) -> Sequence[Any]:
        """Every row: for statements that find few."""
        driver = self._driver(connection)
        if driver is None:
            return connection.execute(self._statement, given).all()
        plain, within = self._plain or self._compiled(connection.dialect), driver.in_transaction
        try:
            rows = driver.execute(plain.sql, plain.bound(given)).fetchall()
        except sqlite3.Error as error:
            check_stands(driver, plain.sql, error, within=within)
            # Once more, for an error that callers know.
            return connection.execute(self._statement, given).all()
        return [plain.row(row) for row in rows]

    def run(self, connection: Connection, given: Mapping[str, Any]) -> int:
        """Add rows, or change them: how many, of an update."""
        driver = self._driver(connection)
        if driver is None:
            return connection.execute(self._statement, given).rowcount
        plain, within = self._plain or self._compiled(connection.dialect), driver.in_transaction
        try:
            return driver.execute(plain.sql, plain.bound(given)).rowcount
        except sqlite3.Error as error:
            check_stands(driver, plain.sql, error, within=within)
            return connection.execute(self._statement, given).rowcount

    def _driver(self, connection: Connection) -> sqlite3.Connection | None:
        # Only SQLAlchemy begins a transaction by itself: what changes rows outside of one is left to it.
        return _driver(connection) if not self._changes or connection.in_transaction() else None

    def _compiled(self, dialect: Dialect) -> _Plain:
        # The same whoever comes first.
        self._plain = _Plain(self._statement, self._columns, dialect)
        return self._plain


class _Plain:
    """SQL for the driver, what becomes of values on their way in, and of columns on their way out."""

    def __init__(self, statement: Select[Any] | Insert | Update, columns: Sequence[str], dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect, column_keys=list(columns) or None)
        # What only SQLAlchemy could fill in.
        assert not compiled.insert_prefetch
        assert not compiled.update_prefetch
        assert not compiled.post_compile_params
        self.sql: str = compiled.string
        binds = [(name, compiled.binds[name]) for name in compiled.positiontup]
        self._fixed = {name: bind.effective_value for name, bind in binds if not bind.required}
        self._in = [(name, _way_in(bind.type, dialect)) for name, bind in binds]
        out = list(statement.exported_columns)
        row: Any = NamedTuple
        self._row = row("Row", [(column.name, Any) for column in out])
        self._out = [(at, way) for at, column in enumerate(out) if (way := _way_out(column.type, dialect))]

    def bound(self, given: Mapping[str, Any]) -> list[Any]:
        values = {**self._fixed, **given} if self._fixed else given
        return [way(values[name]) if way is not None else values[name] for name, way in self._in]

    def row(self, raw: Sequence[Any]) -> Any:
        values = list(raw)
        for at, way in self._out:
            values[at] = way(values[at])
        return self._row._make(values)


def check_stands(driver: sqlite3.Connection, sql: str, error: sqlite3.Error, *, within: bool) -> None:
    """OperationalError when the transaction went with the statement, as SQLite does where there is no room.

    Said once more, the statement would be a transaction of its own, and so would all that the unit says after it.
    `within`: there was a transaction.
    """
    if within and not driver.in_transaction:
        raise OperationalError(sql, None, error) from error


def _driver(connection: Connection) -> sqlite3.Connection | None:
    driver = connection.connection.driver_connection
    return driver if isinstance(driver, sqlite3.Connection) else None


def _way_in(kind: TypeEngine[Any], dialect: Dialect) -> Processor:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _way_out(kind: TypeEngine[Any], dialect: Dialect) -> Processor:
    return kind.dialect_impl(dialect).result_processor(dialect, None)
