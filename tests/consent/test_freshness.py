"""Consistency tokens: an answer is from a state at least as new as the one that was seen before, or there is none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from consent import freshness

if TYPE_CHECKING:
    from tests.fixtures.registry import World

CHECKS, PERMITS = "/consent/v1/checks", "/consent/v1/permits"


def asked(world: World, citizen: str, **more: Any) -> dict[str, Any]:
    return {"sub": world.sub(citizen), "purpose": "housing-benefit", "data": ["income"], **more}


async def told(world: World, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    async with world.client() as client:
        answer = await client.post(path, json=body)
    return answer.status_code, answer.json()


@pytest.fixture
def for_permit(world: World, anna: str) -> dict[str, Any]:
    return asked(world, anna, source="tax-authority")


async def test_what_one_was_told_the_next_is_at_least_as_new_as(world: World, anna: str, for_permit: Any) -> None:
    """Over both operations, and through another worker's answer."""
    recorded = await world.give(anna)
    _, first = await told(world, CHECKS, asked(world, anna))
    await world.registry.withdraw(recorded.consents[1], anna)
    _, second = await told(world, CHECKS, asked(world, anna, atLeastAsFresh=first["consistencyToken"]))
    status, third = await told(world, PERMITS, {**for_permit, "atLeastAsFresh": second["consistencyToken"]})

    assert (first["decision"], second["decision"], second["reason"]) == ("allowed", "denied", "withdrawn")
    assert second["revision"] > first["revision"]
    assert (status, third["reason"]) == (403, "withdrawn")


async def test_a_permit_has_one_too(world: World, anna: str, for_permit: Any) -> None:
    await world.give(anna)
    status, permit = await told(world, PERMITS, for_permit)

    assert status == 201
    assert (await told(world, CHECKS, asked(world, anna, atLeastAsFresh=permit["consistencyToken"])))[0] == 200


async def test_a_register_that_is_older_decides_nothing(
    world: World, anna: str, for_permit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup, or a copy that lags: waited for a moment, then refused in a sentence; no permit is recorded."""
    monkeypatch.setattr(freshness, "WAIT_S", 0.2)
    await world.give(anna)
    newer = world.consent.freshness.token(1_000_000)
    before = (await world.registry.history(anna)).uses

    for path, body in ((CHECKS, asked(world, anna)), (PERMITS, for_permit)):
        status, problem = await told(world, path, {**body, "atLeastAsFresh": newer})

        assert (status, "older" in problem["detail"]) == (503, True)
    assert (await world.registry.history(anna)).uses == before


async def test_it_is_waited_for(world: World, anna: str) -> None:
    _, now = await told(world, CHECKS, asked(world, anna))
    next_one = world.consent.freshness.token(now["revision"] + 2)

    waiting = asyncio.create_task(told(world, CHECKS, asked(world, anna, atLeastAsFresh=next_one)))
    await asyncio.sleep(0.1)
    await world.give(anna)

    status, answer = await waiting
    assert (status, answer["decision"]) == (200, "allowed")


@pytest.mark.parametrize(
    "token", ["A" * 32, "", "A" * 31, "A" * 33, "A" * 31 + "=", 7, None, ["A" * 32], "changed", "of another house"]
)
async def test_what_is_no_token_of_ours_is_refused(world: World, anna: str, token: Any) -> None:
    _, answer = await told(world, CHECKS, asked(world, anna))
    own = answer["consistencyToken"]
    if token == "changed":
        token = ("B" if own[10] != "B" else "C").join((own[:10], own[11:]))
    elif token == "of another house":
        token = freshness.Freshness(world.database, lambda _purpose, data: b"another" * 5).token(answer["revision"])

    status, problem = await told(world, CHECKS, asked(world, anna, atLeastAsFresh=token))

    # JSON's null is as if nothing was said. What has the form of one can only be refused by looking at it.
    formed = isinstance(token, str) and len(token) == 32 and "=" not in token
    assert status == (200 if token is None else 422 if formed else 400)
    assert token is None or "atLeastAsFresh" in str(problem["errors"])
