"""Group commit: units that wait together share one transaction and one fsync.

Each runs in a savepoint of its own (in the transaction itself when it is the only one): one that raises is rolled back
alone. Every caller is answered after the commit.
If the commit fails, every caller of the batch gets the error and the connection is thrown away: after a failed fsync
nobody knows what is on disk, and a second fsync that succeeds proves nothing.
A connection that turns out to be dead before the commit was said has changed nothing: its units run again on a new one.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Transaction
from sqlalchemy.exc import DBAPIError, OperationalError

from base.database.prepared import check_stands

T = TypeVar("T")
Unit = Callable[[Connection], Any]

MAX_BATCH = 256
MAX_WAITING = 4096
RETRIES = 5
_RETRY = frozenset({"40001", "40P01"})
"""SQLSTATE of a serialisation failure and of a deadlock: the unit runs again."""


class Busy(Exception):
    """More is waiting than will be served in time: answer 503."""


class NoRoom(Busy):
    """The disk is full: what is not vital is not written."""


class Closed(Busy):
    """This process has closed the database: its file may be another's by now."""


@dataclass(frozen=True, slots=True)
class Job:
    """A unit of work and who waits for it: a thread, or a task of `loop`. `vital`: also written when the disk is full."""

    unit: Unit
    future: Future[Any] | asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop | None = None
    vital: bool = False

    def begin(self) -> bool:
        """False for a caller that gave up before we began: he loses nothing, his unit never ran."""
        if isinstance(self.future, asyncio.Future):
            return not self.future.cancelled()
        return self.future.set_running_or_notify_cancel()


Done = tuple[Job, Any, BaseException | None]


class Writer:
    """One thread and one connection of `engine`, which writes; `has_room`: whether more than what is vital may be."""

    def __init__(
        self, engine: Engine, waiting: queue.Queue[Job | None], name: str, has_room: Callable[[], bool] | None = None
    ) -> None:
        self._engine = engine
        self._has_room = has_room
        self._waiting = waiting
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        connection: Connection | None = None
        while True:
            batch, ended = self._collect()
            if batch:
                connection = self._attempt(connection, batch)
            if ended:
                break
        if connection is not None:
            connection.close()

    def _collect(self) -> tuple[list[Job], bool]:
        batch: list[Job] = []
        block = True
        while len(batch) < MAX_BATCH:
            try:
                job = self._waiting.get(block=block)
            except queue.Empty:
                return batch, False
            if job is None:
                return batch, True
            if job.begin():
                batch.append(job)
                block = False
        return batch, False

    def _attempt(self, connection: Connection | None, batch: list[Job]) -> Connection | None:
        """Run a batch; answer everybody. None when the connection is no longer to be trusted."""
        done: list[Done] = []
        said = False
        try:
            connection = connection or self._engine.connect()
            with connection.begin() as transaction:
                batch = self._admitted(batch)
                if len(batch) == 1:
                    done = [_in_transaction(connection, transaction, batch[0])]
                else:
                    say = _voice(connection)
                    done = [_in_savepoint(connection, say, job) for job in batch]
                said = True
        except BaseException as error:  # noqa: BLE001 - whatever it is, callers must hear of it and the thread must live
            _discard(connection)
            if _in_the_way(error) or (_died(error) and not said):
                self._each_alone(batch)
            else:
                _answer((job, None, error) for job in batch)
            return None
        _answer(done)
        return connection

    def _admitted(self, batch: list[Job]) -> list[Job]:
        """Those that there is room for. Asked in a transaction: SQLite's log is there from the first one on."""
        if self._has_room is None or self._has_room():
            return batch
        _answer((job, None, NoRoom("the disk is full")) for job in batch if not job.vital)
        return [job for job in batch if job.vital]

    def _each_alone(self, batch: Sequence[Job]) -> None:
        for place, job in enumerate(batch):
            done = self._alone(job)
            if isinstance(done[2], OperationalError) and done[2].statement is None:
                # There is no new connection: nobody waits for as many failures as there are units.
                _answer((one, None, done[2]) for one in batch[place:])
                return
            _answer([done])

    def _alone(self, job: Job) -> Done:
        """A unit by itself, again and again while PostgreSQL says that another one was in its way."""
        attempt = 1
        while True:
            try:
                with self._engine.begin() as connection:
                    result = job.unit(connection)
            except BaseException as error:  # noqa: BLE001 - as above
                if attempt == RETRIES or not _in_the_way(error):
                    return job, None, error
            else:
                return job, result, None
            attempt += 1


def _answer(done: Iterable[Done]) -> None:
    """Tell everybody. A loop is woken once for all who wait on it: waking it costs more than answering."""
    on_loops = defaultdict(list)
    for one in done:
        if one[0].loop is None:
            _settle([one])
        else:
            on_loops[one[0].loop].append(one)
    for loop, ones in on_loops.items():
        # A loop that is closed has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, ones)


def _settle(done: Iterable[Done]) -> None:
    for job, result, failure in done:
        if job.future.done():
            continue
        if failure is not None:
            job.future.set_exception(failure)
        else:
            job.future.set_result(result)


def _in_transaction(connection: Connection, transaction: Transaction, job: Job) -> Done:
    try:
        return job, job.unit(connection), None
    except Exception as error:
        if _in_the_way(error) or _died(error):
            raise
        transaction.rollback()
        return job, None, error


def _in_savepoint(connection: Connection, say: Callable[[str], object], job: Job) -> Done:
    say("SAVEPOINT unit")
    try:
        result = job.unit(connection)
    except Exception as error:
        if _in_the_way(error) or _died(error):
            raise
        say("ROLLBACK TO SAVEPOINT unit")
        say("RELEASE SAVEPOINT unit")
        return job, None, error
    say("RELEASE SAVEPOINT unit")
    return job, result, None


def _voice(connection: Connection) -> Callable[[str], object]:
    """How a savepoint is said: to SQLite without SQLAlchemy, which costs ten times as much."""
    if connection.dialect.name != "sqlite":
        return connection.exec_driver_sql
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)

    def say(statement: str) -> None:
        try:
            driver.execute(statement)
        except sqlite3.Error as error:
            check_stands(driver, statement, error, within=True)
            # Once more, for an error that callers know.
            connection.exec_driver_sql(statement)

    return say


def _died(error: BaseException) -> bool:
    """Whether the connection went, and with it what was not committed: PostgreSQL was restarted."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _in_the_way(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _RETRY


def _discard(connection: Connection | None) -> None:
    if connection is not None:
        connection.invalidate()
        connection.close()
