"""Room that is kept on the disk for what is vital: it is there when there is no other, and nobody else gets it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, text

from base.database import Database, NoRoom, open_file
from base.database.engines import DatabaseFailed
from base.database.reserve import AGAIN_S
from base.database.writer import Unit
from tests.fixtures.disks import MEGABYTE, Disk, Greedy

if TYPE_CHECKING:
    from tests.fixtures.disks import NewDisk

RESERVE = 2 * MEGABYTE
ROW = 16 * 1024


@pytest.fixture
def disk(new_disk: NewDisk) -> Disk:
    return new_disk(16)


def opened(disk: Disk, reserve: int = RESERVE) -> Database:
    return open_file("some", disk.path / "some.db", readers=1, reserve=reserve)


@pytest.fixture
def database(disk: Disk) -> Iterator[Database]:
    made = opened(disk)
    yield made
    made.close()


def table(connection: Connection) -> None:
    connection.execute(text("create table if not exists line (id integer primary key, what blob)"))


def line(number: int) -> Unit:
    def unit(connection: Connection) -> int:
        connection.execute(text("insert into line values (:id, zeroblob(:size))"), {"id": number, "size": ROW})
        return number

    return unit


def numbers(connection: Connection) -> set[int]:
    return set(connection.execute(text("select id from line")).scalars())


def whole(connection: Connection) -> str:
    return str(connection.execute(text("pragma integrity_check")).scalar_one())


class Writing:
    """Writes lines one after the other. `told`: those that were acknowledged."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.told: set[int] = set()
        self.next = 0

    async def until_refused(self, *, vital: bool, most: int = 2000) -> tuple[int, Exception | None]:
        """How many were written, and the refusal."""
        for count in range(most):
            self.next += 1
            try:
                self.told.add(await self.database.write(line(self.next), vital=vital))
            except (NoRoom, DatabaseFailed) as error:
                return count, error
        return most, None


async def test_what_is_vital_is_written_on_a_full_disk_until_the_reserve_is_used_up(
    disk: Disk, database: Database
) -> None:
    await database.write(table)
    writing, log, reserve = Writing(database), disk.path / "some.db-wal", database._reserve
    assert reserve is not None
    assert await writing.until_refused(vital=False, most=20) == (20, None)
    with Greedy(disk):
        _, refusal = await writing.until_refused(vital=False)
        assert isinstance(refusal, NoRoom)
        assert database.is_on_reserve
        assert database.read_now(numbers) == writing.told

        assert RESERVE * 0.4 < log.stat().st_size - reserve._end() < RESERVE / 2
        # Half of it at least is left for what is vital; it is acknowledged, and then refused as loudly.
        count, refusal = await writing.until_refused(vital=True)
        assert count
        assert log.stat().st_size - reserve._end() < 3 * ROW  # what one line takes at most
        assert isinstance(refusal, DatabaseFailed)
        assert "full" in str(refusal)
        assert (await writing.until_refused(vital=False))[0] == 0
    assert database.read_now(numbers) == writing.told

    disk.make_room()
    await asyncio.sleep(AGAIN_S)
    assert await writing.until_refused(vital=False, most=200) == (200, None)
    assert not database.is_on_reserve
    assert database.read_now(numbers) == writing.told
    assert database.read_now(whole) == "ok"


async def test_of_a_batch_only_what_is_vital_is_written(disk: Disk, database: Database) -> None:
    await database.write(table)
    with Greedy(disk):
        await Writing(database).until_refused(vital=False)
        both = (database.write(line(-one), vital=one % 2 == 0) for one in range(1, 21))
        done = await asyncio.gather(*both, return_exceptions=True)
    assert [isinstance(one, NoRoom) for one in done] == [True, False] * 10
    assert {-one for one in range(2, 21, 2)} == {one for one in database.read_now(numbers) if one < 0}


async def test_a_file_system_that_keeps_no_room_is_written_to_as_ever(new_disk: NewDisk) -> None:
    database = opened(new_disk(16, "ramfs"))
    await database.write(table)
    assert await Writing(database).until_refused(vital=False, most=20) == (20, None)
    assert not database.is_on_reserve
    database.close()


async def test_a_log_that_was_cut_off_gets_its_room_again(disk: Disk, database: Database) -> None:
    await database.write(table)
    log = disk.path / "some.db-wal"
    await Writing(database).until_refused(vital=False, most=50)
    assert log.stat().st_size > RESERVE
    with closing(sqlite3.connect(disk.path / "some.db")) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    assert log.stat().st_size == 0
    await database.write(line(10_000))
    # Blocks are of 512 bytes: it has them, and is not only that long.
    assert log.stat().st_blocks * 512 >= log.stat().st_size >= RESERVE
