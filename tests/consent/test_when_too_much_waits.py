"""More writes than can be served in time: the API says 503 at once, nothing is done, and checks still answer."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.fixtures.registry import World


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_a_permit_is_refused_with_503_and_a_check_is_answered(world: World, anna: str) -> None:
    await world.give(anna)
    begun, go = threading.Event(), threading.Event()
    world.database._waiting.maxsize = 1
    stuck: list[Future[object]] = [Future(), Future()]
    world.database._submit(lambda _c: (begun.set(), go.wait(10)), stuck[0])
    begun.wait(5)
    world.database._submit(lambda _c: None, stuck[1])
    body = {"sub": world.sub(anna), "purpose": "housing-benefit", "data": ["income"]}

    async with world.client() as client:
        permit = await client.post("/consent/v1/permits", json={**body, "source": "tax-authority"})
        check = await client.post("/consent/v1/checks", json=body)
    go.set()
    for one in stuck:
        one.result(5)

    assert (permit.status_code, permit.headers["content-type"]) == (503, "application/problem+json")
    assert permit.headers["retry-after"] == "1"
    assert check.json()["decision"] == "allowed"
    assert (await world.registry.history(anna)).uses == ()
