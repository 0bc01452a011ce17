"""The database of one service: `write` and `read` take a unit of work, a function of a connection.

Returning commits, raising rolls back; a refusal that must leave a trace is therefore returned. A write is answered
after its durable commit and never before.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine

from base.database import engines, migrating
from base.database.engines import DatabaseFailed, DatabaseInUse, FileLock
from base.database.migrating import UnknownTables
from base.database.reserve import Reserve
from base.database.writer import MAX_WAITING, Busy, Closed, Job, NoRoom, Writer
from base.settings import Settings

__all__ = ["Busy", "Closed", "Connection", "Database", "DatabaseInUse", "NoRoom", "UnknownTables", "open_database"]

T = TypeVar("T")


class Database:
    """`name`: idp or consent. Made by `open_database`, after any fork."""

    def __init__(
        self,
        name: str,
        write: Engine,
        read: Engine,
        *,
        writers: int,
        readers: int,
        lock: FileLock | None = None,
        reserve: Reserve | None = None,
    ) -> None:
        self.name = name
        self._write = write
        self._read = read
        self._lock = lock
        self._reserve = reserve
        self._inline: Connection | None = None
        self._is_sqlite = write.dialect.name == "sqlite"
        self._pool = ThreadPoolExecutor(readers, thread_name_prefix=f"{name}-reader")
        self._waiting: queue.Queue[Job | None] = queue.Queue(MAX_WAITING)
        self._writers: list[Writer] = []
        self._writer_count = writers
        self._submitting = threading.Lock()
        self._closed = False

    async def write(self, unit: Callable[[Connection], T], *, vital: bool = False) -> T:
        """Run a unit with others in one transaction; answer after the commit. Busy when too much waits.

        On a full disk NoRoom, but for what is `vital`: what takes rights away from others, and leads people there.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[T] = loop.create_future()
        self._submit(unit, waiter, loop, vital=vital)
        return await waiter

    async def touch(self) -> None:
        """A write that changes nothing, and fails when a write would. The first one makes the reserve."""
        await self.write(engines.touch, vital=True)

    async def read(self, unit: Callable[[Connection], T]) -> T:
        """A bounded read by an index. On SQLite it runs at once (32 µs against 150 for a hop to a thread)."""
        if self._is_sqlite:
            return self.read_at_once(unit)
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.read_now, unit)

    @property
    def is_on_reserve(self) -> bool:
        """Whether the disk is full, and only what is vital is written."""
        return self._reserve is not None and self._reserve.in_use

    @property
    def reads_at_once(self) -> bool:
        """Whether a bounded read runs on the caller's thread (SQLite)."""
        return self._is_sqlite

    def read_at_once(self, unit: Callable[[Connection], T]) -> T:
        """As `read`, without waiting: on SQLite, on the event loop's thread."""
        return unit(self._reader())

    async def scan(self, unit: Callable[[Connection], T]) -> T:
        """A read that may be long: always in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.read_now, unit)

    def write_now(self, unit: Callable[[Connection], T]) -> T:
        """As `write`, from a thread that may wait."""
        future: Future[T] = Future()
        self._submit(unit, future)
        return future.result()

    def read_now(self, unit: Callable[[Connection], T]) -> T:
        try:
            return self._read_once(unit)
        except DatabaseFailed as error:
            if not error.connection_invalidated:
                raise
            # PostgreSQL was restarted since: the pool throws away what is as old.
            return self._read_once(unit)

    def snapshot_now(self, unit: Callable[[Connection], T]) -> T:
        """As `read_now`, of one moment however long it takes: for an audit."""
        with self._read.connect() as connection:
            begin = "BEGIN" if self._is_sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
            connection.exec_driver_sql(begin)
            try:
                if not self._is_sqlite:
                    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                return unit(connection)
            finally:
                connection.exec_driver_sql("ROLLBACK")

    def migrate(self) -> None:
        """Bring the tables up to date; the first migration makes them. UnknownTables."""
        migrating.upgrade(self._write, self.name)

    def is_migrated(self) -> bool:
        return migrating.is_current(self._write, self.name)

    def close(self) -> None:
        """Finish what waits, then close; what a thread still wants to write is refused (Closed)."""
        with self._submitting:
            self._closed = True
            for _ in self._writers:
                self._waiting.put(None)
        for writer in self._writers:
            writer.join()
        self._writers = []
        self._pool.shutdown()
        if self._inline is not None:
            self._inline.close()
        self._write.dispose()
        self._read.dispose()
        if self._reserve is not None:
            self._reserve.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _submit(
        self,
        unit: Callable[[Connection], T],
        future: Future[T] | asyncio.Future[T],
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        vital: bool = False,
    ) -> None:
        # The unit runs in its caller's context: what it writes is part of the caller's trace (base.trace).
        job = Job(_in_context(unit), future, loop, vital)
        with self._submitting:
            if self._closed:
                raise Closed
            if not self._writers:
                self._start()
            try:
                self._waiting.put_nowait(job)
            except queue.Full:
                raise Busy from None

    def _start(self) -> None:
        has_room = self._reserve.keep if self._reserve is not None else None
        self._writers = [
            Writer(self._write, self._waiting, f"{self.name}-writer", has_room) for _ in range(self._writer_count)
        ]

    def _read_once(self, unit: Callable[[Connection], T]) -> T:
        with self._read.connect() as connection:
            return unit(connection)

    def _reader(self) -> Connection:
        """The loop's own connection: in autocommit, so that each statement sees what is committed."""
        if self._inline is None:
            self._inline = self._read.connect()
        return self._inline


def _in_context(unit: Callable[[Connection], T]) -> Callable[[Connection], T]:
    context = copy_context()
    return lambda connection: context.run(unit, connection)


def open_database(name: str, settings: Settings) -> Database:
    """The database of service `name`: a file in data_dir, or a schema on PostgreSQL. DatabaseInUse for a file in use."""
    if settings.is_sqlite:
        reserve = settings.disk_reserve_mb * 1024 * 1024
        return open_file(name, settings.data_dir / f"{name}.db", readers=settings.readers, reserve=reserve)
    write = engines.postgresql(settings.database_url, name, connections=settings.writers + 1, autocommit=False)
    read = engines.postgresql(settings.database_url, name, connections=settings.readers, autocommit=True)
    return Database(name, write, read, writers=settings.writers, readers=settings.readers)


def open_file(name: str, path: Path, *, readers: int, reserve: int = 0) -> Database:
    """`reserve`: bytes that are kept for what is vital."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(path.with_suffix(".db.lock"))
    write = engines.sqlite(path, read_only=False, reserve=reserve)
    read = engines.sqlite(path, read_only=True, connections=readers + 1)
    kept = Reserve(path, reserve) if reserve else None
    return Database(name, write, read, writers=1, readers=readers, lock=lock, reserve=kept)
