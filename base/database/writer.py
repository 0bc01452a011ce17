"""Group commit: units that wait together share one transaction and one fsync.

Each runs in a savepoint of its own (in the transaction itself when it is the only one): one that raises is rolled back
alone. Every caller is answered after the commit.
If the commit fails, every caller of the batch gets the error and the connection is thrown away: after a failed fsync
nobody knows what is on disk, and a second fsync that succeeds proves nothing.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Transaction
from sqlalchemy.exc import DBAPIError

T = TypeVar("T")
Unit = Callable[[Connection], Any]
Done = tuple[Future[Any], Any, BaseException | None]

MAX_BATCH = 256
MAX_WAITING = 4096
RETRIES = 5
_RETRY = frozenset({"40001", "40P01"})
"""SQLSTATE of a serialisation failure and of a deadlock: the unit runs again."""


class Busy(Exception):
    """More is waiting than will be served in time: answer 503."""


class Writer:
    """One thread and one connection of `engine`, which writes."""

    def __init__(self, engine: Engine, waiting: queue.Queue[tuple[Unit, Future[Any]] | None], name: str) -> None:
        self._engine = engine
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

    def _collect(self) -> tuple[list[tuple[Unit, Future[Any]]], bool]:
        batch: list[tuple[Unit, Future[Any]]] = []
        block = True
        while len(batch) < MAX_BATCH:
            try:
                job = self._waiting.get(block=block)
            except queue.Empty:
                return batch, False
            if job is None:
                return batch, True
            # A caller that gave up before we began loses nothing: its unit never ran.
            if job[1].set_running_or_notify_cancel():
                batch.append(job)
                block = False
        return batch, False

    def _attempt(self, connection: Connection | None, batch: list[tuple[Unit, Future[Any]]]) -> Connection | None:
        """Run a batch; answer everybody. None when the connection is no longer to be trusted."""
        done: list[Done] = []
        try:
            connection = connection or self._engine.connect()
            with connection.begin() as transaction:
                if len(batch) == 1:
                    done = [_in_transaction(connection, transaction, *batch[0])]
                else:
                    say = _voice(connection)
                    done = [_in_savepoint(connection, say, *job) for job in batch]
        except BaseException as error:  # noqa: BLE001 - whatever it is, callers must hear of it and the thread must live
            again = len(batch) > 1 or _may_retry(error)
            _discard(connection)
            if again and _may_retry(error):
                for job in batch:
                    self._alone(job)
            else:
                for _, future in batch:
                    future.set_exception(error)
            return None
        for future, result, failure in done:
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(result)
        return connection

    def _alone(self, job: tuple[Unit, Future[Any]]) -> None:
        """A unit by itself, again and again while PostgreSQL says that another one was in its way."""
        unit, future = job
        for attempt in range(RETRIES):
            try:
                with self._engine.begin() as connection:
                    result = unit(connection)
            except BaseException as error:  # noqa: BLE001 - as above
                if attempt + 1 < RETRIES and _may_retry(error):
                    continue
                future.set_exception(error)
                return
            future.set_result(result)
            return


def _in_transaction(connection: Connection, transaction: Transaction, unit: Unit, future: Future[Any]) -> Done:
    try:
        return future, unit(connection), None
    except Exception as error:
        if _may_retry(error):
            raise
        transaction.rollback()
        return future, None, error


def _in_savepoint(connection: Connection, say: Callable[[str], object], unit: Unit, future: Future[Any]) -> Done:
    say("SAVEPOINT unit")
    try:
        result = unit(connection)
    except Exception as error:
        if _may_retry(error):
            raise
        say("ROLLBACK TO SAVEPOINT unit")
        say("RELEASE SAVEPOINT unit")
        return future, None, error
    say("RELEASE SAVEPOINT unit")
    return future, result, None


def _voice(connection: Connection) -> Callable[[str], object]:
    """How a savepoint is said: to SQLite without SQLAlchemy, which costs ten times as much."""
    if connection.dialect.name != "sqlite":
        return connection.exec_driver_sql
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)

    def say(statement: str) -> None:
        try:
            driver.execute(statement)
        except sqlite3.Error:
            # Once more, for an error that callers know.
            connection.exec_driver_sql(statement)

    return say


def _may_retry(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _RETRY


def _discard(connection: Connection | None) -> None:
    if connection is not None:
        connection.invalidate()
        connection.close()
