"""Leaves: commitments that say nothing, and that fit one event alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from consent import lookups, reporting
from consent.ledger import leaf, merkle
from consent.permits import Asked
from consent.store import tables
from keys.digest import b64encode

if TYPE_CHECKING:
    from tests.fixtures.registry import World


def rows(world: World, table: str) -> list[dict[str, Any]]:
    found = world.database.read_now(lambda c: c.execute(select(tables.metadata.tables[table])).all())
    return [dict(row._mapping) for row in found]


def test_the_leaf_hash_is_that_of_rfc_9162_section_2_1_1() -> None:
    """SHA-256(0x00 ‖ entry), the entry being SHA-256(salt ‖ canonical JSON)."""
    salt = bytes(range(32))
    traced = {"trace_id": bytes(16), "span_id": bytes(8), "parent_span_id": None}
    row = {"permit": "p", "source": "tax-authority", "at": "2026-11-24T12:00:00Z", **traced}

    entry = leaf.commitment(salt, leaf.content("redemption", row, "s"))

    text = (
        b'{"at":"2026-11-24T12:00:00Z","kind":"redemption","parent_span_id":null,"permit":"p","source":"tax-authority",'
        b'"span_id":"AAAAAAAAAAA=","sub":"s","trace_id":"AAAAAAAAAAAAAAAAAAAAAA=="}'
    )
    assert entry == hashlib.sha256(salt + text).digest()
    assert merkle.leaf_hash(entry) == hashlib.sha256(b"\x00" + entry).digest()


def hash_of(kind: str, row: dict[str, Any], salt: bytes, sub: str = "") -> str:
    return b64encode(merkle.leaf_hash(leaf.commitment(salt, leaf.content(kind, row, sub))))


async def reported(world: World, permit_id: str) -> None:
    pseudonyms, now = world.ring.pseudonyms, world.clock.now()
    done = await world.database.write(
        lambda c: reporting.report(c, permit_id, "used", recipient="municipality", pseudonyms=pseudonyms, now=now)
    )
    assert isinstance(done, reporting.Reported)


async def everything(world: World, citizen: str) -> None:
    recorded = await world.give(citizen)
    asked = Asked("municipality", "housing-benefit", ("income",), "tax-authority")
    permitted = await world.database.write(lambda c: world.registry.permit_unit(c, asked, world.sub(citizen)))
    await world.registry.redeem(permitted.permit, source="tax-authority")
    await reported(world, permitted.outcome.permit_id)
    pseudonyms, now = world.ring.pseudonyms, world.clock.now()
    await world.database.write(lambda c: lookups.record(c, citizen, "consent", pseudonyms=pseudonyms, now=now))
    await world.registry.withdraw(recorded.consents[0], citizen)


@pytest.mark.parametrize(
    ("kind", "table", "sector", "count"),
    [
        ("consent", "consent_event", "agency", 3),
        ("use", "data_use", "recipient", 1),
        ("redemption", "redemption", "source", 1),
        ("report", "use_report", "recipient", 1),
        ("lookup", "lookup", "by", 1),
    ],
)
async def test_each_event_has_a_leaf_that_commits_to_it_and_to_nothing_else(
    world: World, anna: str, kind: str, table: str, sector: str, count: int
) -> None:
    """Made again from what the database gives back, on either kind."""
    await everything(world, anna)
    seed = next(row["seed"] for row in rows(world, "citizen_seed") if row["citizen"] == anna)

    found = rows(world, table)

    assert len(found) == count
    for row in found:
        sub, salt = world.sub(anna, row[sector]), world.ring.pseudonyms.salt(seed, row["nonce"])

        assert hash_of(kind, row, salt, sub) == row["leaf"]
        assert hash_of(kind, row, salt, world.sub(world.citizen("bert"), row[sector])) != row["leaf"]
        assert hash_of(kind, row, world.ring.pseudonyms.salt(seed, bytes(16)), sub) != row["leaf"]
        for name in leaf.FIELDS[kind]:
            assert hash_of(kind, {**row, name: "other"}, salt, sub) != row["leaf"], name


async def test_a_leaf_covers_every_column_that_says_something(world: World) -> None:
    """Beyond it: its number, what the leaf is made from, the citizen (in it as `sub`) and the guardian (as `who`)."""
    besides = {"seq", "citizen", "guardian", "nonce", "leaf", "leaf_seq"}

    for kind, table in (
        ("consent", "consent_event"),
        ("use", "data_use"),
        ("redemption", "redemption"),
        ("report", "use_report"),
        ("lookup", "lookup"),
        ("act", "act"),
    ):
        columns = {column.name for column in tables.metadata.tables[table].c}
        assert columns - besides == set(leaf.FIELDS[kind])


async def test_an_operators_act_has_its_leaf_too(world: World) -> None:
    (seed,) = [row["seed"] for row in rows(world, "citizen_seed") if row["citizen"] == ""]

    for row in rows(world, "act"):
        assert hash_of("act", row, world.ring.pseudonyms.salt(seed, row["nonce"])) == row["leaf"]
    assert {row["event"] for row in rows(world, "act")} >= {"agency.added", "purpose.added", "purpose.published"}


async def test_two_leaves_of_the_same_event_look_unlike(world: World, anna: str) -> None:
    async def denied() -> None:
        await world.registry.release(
            citizen=anna, agency="municipality", purpose="housing-benefit", categories=frozenset({"income"})
        )

    await denied()
    await denied()

    assert len({row["leaf"] for row in rows(world, "data_use")}) == 2


async def test_nothing_of_the_person_waits_in_the_queue_or_stands_in_the_tree(world: World, anna: str) -> None:
    await everything(world, anna)
    waiting = rows(world, "pending_leaf")
    await world.registry.ledger.round()

    assert rows(world, "pending_leaf") == []
    for found in (waiting, rows(world, "ledger_tile"), rows(world, "ledger_batch"), rows(world, "ledger_head")):
        assert found
        assert all(anna not in str(row) and world.sub(anna) not in str(row) for row in found)
