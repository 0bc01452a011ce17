"""Units of work: one commit for many, and each alone in what goes wrong."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DBAPIError

from base.database import Closed, UnknownTables
from base.ids import identifier
from idp.store.tables import handle

if TYPE_CHECKING:
    from collections.abc import Callable

    from base.database import Connection
    from tests.fixtures.house import Backend


def add(connection: Connection) -> str:
    name = identifier()
    connection.execute(insert(handle), {"handle": name, "citizen": "c"})
    return name


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(handle)).scalar_one()


def test_the_first_writes_may_come_from_many_threads_at_once(backend: Backend) -> None:
    database = backend.open("idp")
    ready = threading.Barrier(40)

    def work(_: int) -> str:
        ready.wait()
        return database.write_now(add)

    with ThreadPoolExecutor(40) as pool:
        names = list(pool.map(work, range(40)))

    assert len(set(names)) == database.read_now(count) == 40
    closing = threading.Thread(target=database.close)
    closing.start()
    closing.join(20)
    assert not closing.is_alive()
    # A thread that still works, such as an import's when the server stops: the file may be another process's by now.
    with pytest.raises(Closed):
        database.write_now(add)


async def test_a_unit_that_fails_takes_nothing_of_its_neighbours_along(backend: Backend) -> None:
    database = backend.open("idp")

    def fails(connection: Connection) -> None:
        add(connection)
        raise ValueError("changed my mind")

    outcomes = await asyncio.gather(
        *(database.write(fails if number % 3 == 0 else add) for number in range(60)),  # type: ignore[arg-type]
        return_exceptions=True,
    )

    assert sum(isinstance(one, ValueError) for one in outcomes) == 20
    assert database.read_now(count) == 40


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_who_gives_up_before_his_turn_has_changed_nothing_and_the_others_are_answered(backend: Backend) -> None:
    database = backend.open("idp")
    begun, go = threading.Event(), threading.Event()

    def slow(connection: Connection) -> str:
        begun.set()
        go.wait(10)
        return add(connection)

    async def of(unit: Callable[[Connection], str]) -> str:
        return await database.write(unit)

    under_way = asyncio.create_task(of(slow))
    await asyncio.to_thread(begun.wait, 10)
    waiting = [asyncio.create_task(of(add)) for _ in range(3)]
    await asyncio.sleep(0)
    under_way.cancel()
    waiting[0].cancel()
    go.set()

    answers = await asyncio.gather(under_way, *waiting, return_exceptions=True)

    assert [type(one) for one in answers] == [asyncio.CancelledError, asyncio.CancelledError, str, str]
    # What was under way is done nevertheless; nobody hears of it.
    assert database.read_now(count) == 3


def test_tables_of_a_version_that_is_unknown_are_refused_and_left_alone(backend: Backend) -> None:
    database = backend.open("idp")
    database.write_now(add)
    database.write_now(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    database.close()
    database = backend.open("idp")

    assert not database.is_migrated()
    with pytest.raises(UnknownTables, match="tables of version 9999, which this program does not know"):
        database.migrate()

    assert database.read_now(count) == 1


KILL_OTHERS = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
class TestPostgresqlWasRestarted:
    """Every connection is dead, and nobody was told."""

    async def test_nobody_is_refused_for_it(self, backend: Backend) -> None:
        database, other = backend.open("idp"), backend.open("idp")
        ready = threading.Barrier(4)

        def meet(_: Connection) -> None:
            ready.wait(10)

        for turn in range(3):
            await asyncio.gather(*(database.write(add) for _ in range(40)))
            with ThreadPoolExecutor(4) as pool:  # as many connections are open
                assert list(pool.map(database.read_now, [meet] * 4)) == [None] * 4
            assert other.write_now(lambda c: c.execute(text(KILL_OTHERS)).scalar_one()) >= 5
            reads = [database.read(count) for _ in range(20)]
            names = await asyncio.gather(*(database.write(add) for _ in range(40)), *reads)
            assert len(set(names[:40])) == 40
            assert await database.read(count) == 80 * (turn + 1)

    async def test_what_it_was_in_the_middle_of_runs_again_and_its_neighbours_with_it(self, backend: Backend) -> None:
        database, runs = backend.open("idp"), [0]

        def dies(connection: Connection) -> str:
            runs[0] += 1
            name = add(connection)
            if runs[0] == 1:
                connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
            return name

        names = await asyncio.gather(
            database.write(add), *(database.write(one) for one in [add] * 9 + [dies] + [add] * 9)
        )
        assert runs == [2]
        assert len(set(names)) == await database.read(count) == 20

    async def test_what_dies_each_time_is_told_so_and_takes_nobody_along(self, backend: Backend) -> None:
        database = backend.open("idp")

        def dies(connection: Connection) -> None:
            add(connection)
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

        done = await asyncio.gather(
            *(database.write(one) for one in (add, dies, add, add)),  # type: ignore[arg-type]
            return_exceptions=True,
        )
        assert [isinstance(one, DBAPIError) for one in done] == [False, True, False, False]
        assert await database.read(count) == 3

    async def test_a_commit_of_which_nobody_knows_is_not_made_twice(self, backend: Backend) -> None:
        database, runs = backend.open("idp"), [0]
        database.write_now(
            lambda c: c.exec_driver_sql(
                """CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
                   $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
                   CREATE CONSTRAINT TRIGGER dies AFTER INSERT ON handle DEFERRABLE INITIALLY DEFERRED
                   FOR EACH ROW EXECUTE FUNCTION die()"""
            )
        )

        def unit(connection: Connection) -> str:
            runs[0] += 1
            return add(connection)

        with pytest.raises(DBAPIError):
            await database.write(unit)
        assert runs == [1]
        database.write_now(lambda c: c.exec_driver_sql("DROP TRIGGER dies ON handle"))
        assert await database.read(count) == 0
