"""Engines, pragmas and the file lock.

SQLite is one process with one writer connection per file: its WAL-reset defect below 3.51.3 needs two connections that
write or checkpoint, and readers here are query-only. On PostgreSQL each service has a schema of its own.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from base.settings import UnsafeSettings

DatabaseFailed = DBAPIError
"""A statement that the database did not carry out: it is away, full or broken."""


LOG_BYTES = 64 * 1024 * 1024
"""A log that grew longer is cut off to this when it begins anew."""


class DatabaseInUse(Exception):
    """Another process has this SQLite file; the message says what to do."""


class FileLock:
    """Held for as long as this process has the database open; the kernel frees it when the process dies."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise DatabaseInUse(
                f"{path.with_suffix('').name} is open in another process. "
                "Stop it first; for several processes use PostgreSQL (REGIE_DATABASE_URL)."
            ) from error

    def release(self) -> None:
        os.close(self._descriptor)


def sqlite(path: Path, *, read_only: bool, connections: int = 1, reserve: int = 0) -> Engine:
    """`reserve`: bytes that the log is longer than what is in it (base.database.reserve)."""
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": 10},
        pool_size=connections,
        max_overflow=0,
        pool_reset_on_return=None,
    )

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: object) -> None:
        # Without FULL a commit that was answered can be lost with the power. What a savepoint may have to undo is kept in
        # memory: the disk of /tmp may be full.
        pragmas = ["journal_mode=wal", "synchronous=full", "foreign_keys=on", "trusted_schema=off"]
        pragmas += (
            ["query_only=on", "wal_autocheckpoint=0"]
            if read_only
            else [f"journal_size_limit={LOG_BYTES + reserve}", "temp_store=memory"]
        )
        for pragma in pragmas:
            connection.execute(f"pragma {pragma}")

    if not read_only:

        @event.listens_for(engine, "begin")
        def _(connection: Connection) -> None:
            # A deferred BEGIN that reads and then writes fails at once under load, whatever the timeout.
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def touch(connection: Connection) -> None:
    """SQLite has its lock and its log by now; PostgreSQL has been told nothing, and writes a line for this."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_current_xact_id()")


def postgresql(url: str, schema: str, *, connections: int, autocommit: bool) -> Engine:
    try:
        make_url(url)
    except (ArgumentError, ValueError) as error:
        raise UnsafeSettings(
            "REGIE_DATABASE_URL is not an address such as postgresql+psycopg://regie@db.example.nl/regie; "
            "signs in a password are written as %40."
        ) from error
    options = f"-csearch_path={schema} -clock_timeout=4000 -cstatement_timeout=10000 -ctimezone=UTC"
    return create_engine(
        url,
        connect_args={"options": options, "connect_timeout": 5, "prepare_threshold": 2},
        pool_size=connections,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=not autocommit,
        **({"isolation_level": "AUTOCOMMIT"} if autocommit else {}),
    )
