"""Group commit: units that wait together share one transaction and one fsync.

Each runs in a savepoint of its own: one that raises is rolled back alone. Every caller is answered after the commit.
If the commit fails, every caller of the batch gets the error and the connection is thrown away: after a failed fsync
nobody knows what is on disk, and a second fsync that succeeds proves nothing.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

T = TypeVar("T")
Unit = Callable[[Connection], Any]

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
        done: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            connection = connection or self._engine.connect()
            with connection.begin():
                done = [_in_savepoint(connection, *job) for job in batch]
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


def _in_savepoint(
    connection: Connection, unit: Unit, future: Future[Any]
) -> tuple[Future[Any], Any, BaseException | None]:
    # The driver's own statement: SQLAlchemy's nested transactions cost ten times as much.
    connection.exec_driver_sql("SAVEPOINT unit")
    try:
        result = unit(connection)
    except Exception as error:
        if _may_retry(error):
            raise
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT unit")
        connection.exec_driver_sql("RELEASE SAVEPOINT unit")
        return future, None, error
    connection.exec_driver_sql("RELEASE SAVEPOINT unit")
    return future, result, None


def _may_retry(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _RETRY


def _discard(connection: Connection | None) -> None:
    if connection is not None:
        connection.invalidate()
        connection.close()
