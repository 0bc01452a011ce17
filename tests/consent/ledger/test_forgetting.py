"""Forgetting a citizen: nothing leads to him any more, and every proof still verifies (M-18)."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import DBAPIError

from consent import forgetting
from consent.ledger import merkle
from consent.store import tables
from tests.consent.ledger.test_leaf import everything, rows

if TYPE_CHECKING:
    from tests.fixtures.registry import World


def forget(world: World, citizen: str) -> int:
    pseudonyms, now = world.ring.pseudonyms, world.clock.now()
    return world.database.write_now(lambda c: forgetting.forget(c, citizen, pseudonyms=pseudonyms, now=now))


async def test_what_he_gave_ends_and_no_line_is_his(world: World, anna: str) -> None:
    await everything(world, anna)
    await everything(world, world.citizen("bert"))

    assert forget(world, anna) == 8

    assert await world.registry.consents(anna) == []
    assert (await world.registry.history(anna)).uses == ()
    check = await world.registry.check(
        agency="municipality", sub=world.sub(anna), purpose="housing-benefit", data=["income"]
    )
    assert (check.decision.decision, check.decision.reason) == ("denied", "no_consent")
    for table in tables.metadata.tables:
        if table != "outbox":  # what is still to be told is told, and then gone
            assert all(anna not in str(row) for row in rows(world, table)), table
    assert len(await world.registry.consents(world.citizen("bert"))) == 2
    assert {event["payload"]["citizen"] for event in rows(world, "outbox") if event["kind"] == "consent.withdrawn"} == {
        anna,
        world.citizen("bert"),
    }


async def test_every_proof_still_verifies(world: World, anna: str) -> None:
    await everything(world, anna)
    await world.registry.ledger.round()
    mine = [row for table in tables.FORGETTABLE for row in rows(world, table)]

    forget(world, anna)
    await world.registry.ledger.round()

    for row in mine:
        proof = world.database.read_now(
            lambda c, row=row: world.registry.ledger.publisher.inclusion(c, row["leaf"], row["leaf_seq"])
        )
        leaf_hash = merkle.leaf_hash(_entry(world, proof.index))
        merkle.verify_inclusion(leaf_hash, proof.index, proof.checkpoint.size, proof.path, proof.checkpoint.root)


async def test_the_act_lists_the_leaves_that_nobody_can_open_again(world: World, anna: str) -> None:
    await everything(world, anna)

    forget(world, anna)

    act = rows(world, "act")[-1]
    emptied = {row["leaf"] for table in tables.FORGETTABLE for row in rows(world, table) if row["nonce"] == b""}
    assert act["event"] == "citizen.forgotten"
    assert set(act["content"]["lines"]) == emptied
    assert len(emptied) == 8


async def test_again_changes_nothing(world: World, anna: str) -> None:
    await everything(world, anna)
    forget(world, anna)
    before = rows(world, "act")

    assert forget(world, anna) == 0
    assert rows(world, "act") == before


async def test_nobody_cannot_be_forgotten(world: World) -> None:
    with pytest.raises(ValueError, match="nobody"):
        forget(world, "")


@pytest.mark.parametrize("table", tables.FORGETTABLE)
async def test_the_database_lets_a_line_be_emptied_and_nothing_else(world: World, anna: str, table: str) -> None:
    await everything(world, anna)
    before = rows(world, table)

    for change in ("citizen = 'x'", "nonce = citizen_seed.nonce", "citizen = ''", "at = at", "leaf = 'x'"):
        statement = f"UPDATE {table} SET {change}".replace("citizen_seed.nonce", "nonce")
        with pytest.raises(DBAPIError, match="append-only"):
            world.database.write_now(lambda c, sql=statement: c.exec_driver_sql(sql))

    assert rows(world, table) == before


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_his_handle_and_his_seed_are_nowhere_in_the_file(world: World, anna: str) -> None:
    """After the messages have gone: searched byte by byte, once the file is written anew."""
    await everything(world, anna)
    seed = next(row["seed"] for row in rows(world, "citizen_seed") if row["citizen"] == anna)
    forget(world, anna)
    world.database.close()
    path = world.backend.directory / "consent.db"
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM outbox")
    connection.commit()
    for statement in ("VACUUM", "PRAGMA journal_mode=delete"):
        connection.execute(statement).fetchall()
    connection.close()

    raw = path.read_bytes()

    assert anna.encode() not in raw
    assert seed not in raw
    assert world.sub(anna).encode() not in raw


def _entry(world: World, index: int) -> bytes:
    tile = next(row["hashes"] for row in rows(world, "ledger_tile") if (row["level"], row["n"]) == (-1, index // 256))
    return tile[index % 256 * 32 : (index % 256 + 1) * 32]
