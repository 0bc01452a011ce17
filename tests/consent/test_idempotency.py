"""The same request twice has one effect and one answer (draft-ietf-httpapi-idempotency-key-header; R-05)."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from consent.api import openapi
from consent.store import idempotency, tables
from keys import jose
from tests.fixtures.registry import CALLBACK

if TYPE_CHECKING:
    from base.database import Connection
    from tests.fixtures.registry import World

PERMITS, REDEMPTIONS = "/consent/v1/permits", "/consent/v1/permits/redemptions"
KEY = {"idempotency-key": "order-1"}
REPEATABLE = ("check", "bulk", "poll", "replay")


@pytest.fixture
async def body(world: World, anna: str) -> dict[str, Any]:
    await world.give(anna)
    return {"sub": world.sub(anna), "purpose": "housing-benefit", "data": ["income"], "source": "tax-authority"}


def uses(world: World) -> list:
    return world.database.read_now(lambda c: c.execute(select(tables.data_use)).all())


async def test_the_same_request_gets_the_same_answer_and_is_done_once(world: World, body: dict[str, Any]) -> None:
    async with world.client() as client:
        first = await client.post(PERMITS, json=body, headers=KEY)
        world.clock.advance(1)
        second = await client.post(PERMITS, json=dict(reversed(body.items())), headers=KEY)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert len(uses(world)) == 1


async def test_without_a_key_each_request_is_a_use(world: World, body: dict[str, Any]) -> None:
    async with world.client() as client:
        for _ in range(2):
            await client.post(PERMITS, json=body)

    assert len(uses(world)) == 2


async def test_another_body_under_the_same_key_is_422(world: World, body: dict[str, Any]) -> None:
    async with world.client() as client:
        await client.post(PERMITS, json=body, headers=KEY)
        other = {**body, "data": ["address"], "source": "population-register"}
        response = await client.post(PERMITS, json=other, headers=KEY)

    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert len(uses(world)) == 1


async def test_a_denial_is_kept_too(world: World, body: dict[str, Any]) -> None:
    body = {**body, "data": ["birth-date"]}

    async with world.client() as client:
        answers = [await client.post(PERMITS, json=body, headers=KEY) for _ in range(2)]

    assert [one.status_code for one in answers] == [403, 403]
    assert answers[0].headers["content-type"] == "application/problem+json"
    assert answers[0].content == answers[1].content
    assert len(uses(world)) == 1


async def test_one_agencys_key_is_not_anothers(world: World, anna: str, body: dict[str, Any]) -> None:
    """T-43."""
    async with world.client() as client:
        first = await client.post(PERMITS, json=body, headers=KEY)
    async with world.client("health-insurer") as client:
        second = await client.post(PERMITS, json=body, headers=KEY)

    assert (first.status_code, second.status_code) == (201, 403)


async def test_one_clients_key_is_not_anothers_of_the_same_agency(world: World, body: dict[str, Any]) -> None:
    """T-43."""
    async with world.client() as client:
        first = await client.post(PERMITS, json=body, headers=KEY)
    other = {"authorization": f"Bearer {world.token(client_id='client-other')}"}
    async with world.client(None, **other) as client:
        second = await client.post(PERMITS, json={**body, "data": ["address"]}, headers=KEY)

    assert (first.status_code, second.status_code) == (201, 403)
    assert len(uses(world)) == 2


async def test_it_is_forgotten_after_24_hours_and_not_before(world: World, body: dict[str, Any]) -> None:
    async def post() -> bytes:
        async with world.client() as client:
            return (await client.post(PERMITS, json=body, headers=KEY)).content

    first = await post()
    world.clock.advance(24 * 3_600 - 1)
    assert await post() == first

    world.clock.advance(1)

    assert await post() != first
    assert len(uses(world)) == 2


async def test_a_redemption_can_be_repeated_under_its_key(world: World, body: dict[str, Any]) -> None:
    """The answer was lost on the way: the source asks again and is not told that the permit was taken."""
    async with world.client() as client:
        permit = (await client.post(PERMITS, json=body)).json()["permit"]

    async with world.client("tax-authority") as client:
        first = await client.post(REDEMPTIONS, json={"permit": permit}, headers=KEY)
        world.clock.advance(60)
        second = await client.post(REDEMPTIONS, json={"permit": permit}, headers=KEY)
        third = await client.post(REDEMPTIONS, json={"permit": permit}, headers={"idempotency-key": "order-2"})

    assert (first.status_code, second.status_code, third.status_code) == (200, 200, 403)
    assert first.content == second.content


async def test_many_at_the_same_time_have_one_effect(world: World, body: dict[str, Any]) -> None:
    """Section 2.7: while the first is under way the others are told so; asked again they get its answer."""
    async with world.client() as client:
        answers = await asyncio.gather(*(client.post(PERMITS, json=body, headers=KEY) for _ in range(20)))
        later = await client.post(PERMITS, json=body, headers=KEY)

    statuses = {one.status_code for one in answers}
    assert statuses == {201, 409}
    assert {one.content for one in answers if one.status_code == 201} == {later.content}
    refused = next(one for one in answers if one.status_code == 409)
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["retry-after"] == "1"
    assert len(uses(world)) == 1


async def test_what_another_worker_has_in_hand_is_409_and_then_answered(world: World, body: dict[str, Any]) -> None:
    """On PostgreSQL, across processes; nobody waits for the other's commit."""
    if world.backend.name == "sqlite":
        pytest.skip("SQLite has one process")
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        assert idempotency.claim(connection, "client-municipality", "order-1", "x" * 43, world.clock.now())
        begun.set()
        assert go_on.wait(10)

    other = world.backend.open("consent")
    working = asyncio.create_task(asyncio.to_thread(other.write_now, slow))
    await asyncio.to_thread(begun.wait, 10)

    async with world.client() as client:
        during = await client.post(PERMITS, json=body, headers=KEY)
        go_on.set()
        await working
        after = await client.post(PERMITS, json=body, headers=KEY)

    assert (during.status_code, after.status_code) == (409, 422)
    assert uses(world) == []


async def test_what_fails_frees_its_key(world: World, body: dict[str, Any]) -> None:
    """Nothing happened, so nothing is kept: the same key works afterwards."""
    name = tables.pending_leaf.name
    world.database.write_now(lambda c: c.exec_driver_sql(f"ALTER TABLE {name} RENAME TO away"))
    async with world.client() as client:
        failed = await client.post(PERMITS, json=body, headers=KEY)
        world.database.write_now(lambda c: c.exec_driver_sql(f"ALTER TABLE away RENAME TO {name}"))
        done = await client.post(PERMITS, json=body, headers=KEY)

    assert (failed.status_code, done.status_code) == (503, 201)


async def test_every_operation_that_makes_or_ends_something_takes_a_key(world: World) -> None:
    """R-05. Checks change nothing; PUT, a poll and a replay may be repeated as they are."""
    document = json.loads(openapi.document(world.settings.issuer))

    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            names = [one["name"] for one in operation.get("parameters", [])]
            changes = method in ("post", "delete") and operation["operationId"] not in REPEATABLE
            assert ("Idempotency-Key" in names) == changes, path
            assert not changes or {"409", "422"} <= set(operation["responses"])


async def test_what_is_ended_under_a_key_is_ended_once_and_answered_alike(world: World, anna: str) -> None:
    """A second DELETE would find nothing; under its key it has the first one's answer, and for another thing 422."""
    await world.registry.meet(citizen=anna, agency="municipality")
    asked = {"sub": world.sub(anna), "uses": [{"purpose": "housing-benefit"}], "callback": CALLBACK}
    async with world.client() as client:
        streams = [(await client.post("/consent/v1/event-streams", json={})).json()["id"] for _ in range(2)]
        request = (await client.post("/consent/v1/requests", json=asked)).json()["id"]
        address = f"/consent/v1/event-streams/{streams[0]}"
        made = [await client.post(f"{address}/verifications", json={}, headers=KEY) for _ in range(2)]
        ended = [await client.delete(address, headers={"idempotency-key": "end"}) for _ in range(2)]
        without = await client.delete(address)
        other = await client.delete(f"/consent/v1/event-streams/{streams[1]}", headers={"idempotency-key": "end"})
        back = [await client.delete(f"/consent/v1/requests/{request}", headers={"idempotency-key": "b"}) for _ in "12"]

    assert made[0].content == made[1].content
    assert [one.status_code for one in (*ended, without, other, *back)] == [204, 204, 404, 422, 204, 204]
    assert {one.content for one in (*ended, *back)} == {b""}


async def test_a_signed_consent_too(world: World, anna: str) -> None:
    recorded = await world.give(anna)
    asked = {"record": recorded.consents[0]}

    async with world.client() as client:
        first = await client.post("/consent/v1/artefacts", json=asked, headers=KEY)
        world.clock.advance(60)
        second = await client.post("/consent/v1/artefacts", json=asked, headers=KEY)
        other = await client.post("/consent/v1/artefacts", json={"record": recorded.consents[1]}, headers=KEY)

    assert (first.status_code, second.status_code, other.status_code) == (201, 201, 422)
    assert first.content == second.content


@pytest.mark.parametrize("key", ["", " ", "a b", "a" * 65, "\t", "é"])
async def test_what_is_no_key_is_400(world: World, body: dict[str, Any], key: str) -> None:
    async with world.client() as client:
        response = await client.post(PERMITS, json=body, headers={"idempotency-key": key.encode()})

    assert response.status_code == 400
    assert uses(world) == []


async def test_the_kept_answer_is_sealed(world: World, body: dict[str, Any]) -> None:
    """A permit lives thirty seconds: nobody takes it from the database."""
    async with world.client() as client:
        permit = (await client.post(PERMITS, json=body, headers=KEY)).json()["permit"]

    kept = world.database.read_now(lambda c: c.execute(select(tables.idempotency.c.body)).scalar_one())

    assert permit.encode() not in kept
    assert jose.unverified_claims(permit)["jti"].encode() not in kept
