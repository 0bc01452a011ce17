"""A pseudonym that somebody led to another citizen, in the database: it leads to nobody, and the row is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, update
from structlog.testing import capture_logs

from consent import seals
from consent.ledger.inspect import inspect
from consent.store import altered, tables
from tests.consent.test_permits import asked

if TYPE_CHECKING:
    from sqlalchemy import Executable

    from tests.fixtures.registry import World

SUBJECT = tables.subject


def run(world: World, statement: Executable) -> None:
    world.database.write_now(lambda c: c.execute(statement))


def led_to(world: World, citizen: str, other: str, agency: str = "municipality") -> Executable:
    """His pseudonym at this agency leads to another."""
    return update(SUBJECT).where(SUBJECT.c.sub == world.sub(citizen, agency)).values(citizen=other)


async def test_nobody_gets_another_citizens_data_under_a_pseudonym(world: World, anna: str) -> None:
    """Anna refused; Bert allowed. Who asks for Anna would get Bert's income, in her name."""
    bert = world.citizen("bert")
    await world.give(anna, income=False, address=False)
    await world.give(bert)
    run(world, led_to(world, anna, bert))
    row, body = f"municipality {world.sub(anna)}", asked(world, anna)

    async with world.client() as client:
        with capture_logs() as log:
            check = await client.post("/consent/v1/checks", json={k: v for k, v in body.items() if k != "source"})
            permit = await client.post("/consent/v1/permits", json=body)
            lodged = await client.post(
                "/consent/v1/requests",
                json={
                    "sub": world.sub(anna),
                    "uses": [{"purpose": "housing-benefit"}],
                    "callback": "https://x.example",
                },
            )

    assert (check.json()["decision"], check.json()["reason"]) == ("denied", "no_consent")
    assert (permit.status_code, permit.json()["reason"]) == (403, "no_consent")
    assert lodged.status_code >= 400
    assert await world.registry.whom(agency="municipality", sub=world.sub(anna)) is None
    assert {"event": "row.altered", "kind": "subject", "detail": row, "log_level": "error"} in log
    # Bert's consent is what it was, and no alarm says otherwise.
    assert [(one.kind, one.row) for one in world.database.read_now(altered.every)] == [("subject", row)]
    assert world.database.read_now(lambda c: seals.standing(c, world.ring.pseudonyms, world.clock.now())) == [
        f"subject {row}"
    ]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_nor_under_one_that_was_made_up(world: World, anna: str) -> None:
    """On any legal basis: the tax authority needs no consent of hers, but a pseudonym that we gave it."""
    await world.registry.meet(citizen=anna, agency="tax-authority")
    body = {"purpose": "tax-return", "data": ["name"], "source": "population-register"}
    run(world, insert(SUBJECT).values(agency="tax-authority", sub="A" * 43, citizen=anna))

    async with world.client("tax-authority") as client:
        hers = await client.post("/consent/v1/permits", json={**body, "sub": world.sub(anna, "tax-authority")})
        made_up = await client.post("/consent/v1/permits", json={**body, "sub": "A" * 43})

    assert (hers.status_code, made_up.status_code) == (201, 403)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_it_leads_to_the_citizen_again_once_he_is_met_again(world: World, anna: str) -> None:
    """And what he is released meanwhile is written as his: his own leaf, which opens."""
    await world.give(anna)
    run(world, led_to(world, anna, world.citizen("bert")))
    released = await world.registry.release(
        citizen=anna, agency="municipality", purpose="housing-benefit", categories=frozenset({"address"})
    )
    between = await world.registry.whom(agency="municipality", sub=world.sub(anna))
    await world.registry.meet(citizen=anna, agency="municipality")
    await world.registry.ledger.round()

    assert released == {"address"}
    assert (between, await world.registry.whom(agency="municipality", sub=world.sub(anna))) == (None, anna)
    ledger, pseudonyms = world.registry.ledger, world.ring.pseudonyms
    assert world.database.snapshot_now(lambda c: list(inspect(c, ledger, pseudonyms))) == []
