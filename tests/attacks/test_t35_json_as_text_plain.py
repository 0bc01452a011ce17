"""T-35 (FastAPI CVE-2021-32677): a cross-site form that sends JSON as text/plain is refused and changes nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.fixtures.registry import World

KINDS = ("text/plain", "text/plain; charset=utf-8", "application/x-www-form-urlencoded", "application/json, text/plain")


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", KINDS)
async def test_it_is_415(world: World, anna: str, kind: str) -> None:
    await world.give(anna)
    body = {"sub": world.sub(anna), "purpose": "housing-benefit", "data": ["income"], "source": "tax-authority"}

    async with world.client() as client:
        response = await client.post(
            "/consent/v1/permits", content=json.dumps(body).encode(), headers={"content-type": kind}
        )

    assert response.status_code == 415
    assert (await world.registry.history(anna)).uses == ()
