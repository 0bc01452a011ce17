"""T-36 (SQLAlchemy CVE-2019-7164 and its like): what arrives is a value, never a piece of a statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consent.errors import BadCursor
from consent.registry import Filter

if TYPE_CHECKING:
    from tests.fixtures.registry import World

MARK = "zz9marker"
TEXTS = (
    f"' OR '1'='1 {MARK}",
    f"x'; DROP TABLE consent; -- {MARK}",
    f'x" UNION SELECT citizen FROM subject -- {MARK}',
    f"%{MARK}_",
    f"\\{MARK}",
)


@pytest.mark.parametrize("text", TEXTS)
async def test_filters_and_names_are_bound_values(
    world: World, anna: str, statements: list[tuple[str, object]], text: str
) -> None:
    await world.give(anna)

    page = await world.registry.history(anna, wanted=Filter(agency=text, purpose=text, decision=text))
    check = await world.registry.check(agency="municipality", sub=text, purpose=text, data=[text])

    assert page.uses == ()
    assert not check.decision.allowed
    assert await world.registry.consent(text, anna) is None
    assert await world.registry.receipt(text, anna) is None
    assert statements
    assert not [sql for sql, _ in statements if MARK in sql]
    assert len(await world.registry.consents(anna)) == 2


@pytest.mark.parametrize("text", TEXTS)
async def test_a_cursor_is_ours_or_nothing(
    world: World, anna: str, statements: list[tuple[str, object]], text: str
) -> None:
    with pytest.raises(BadCursor):
        await world.registry.history(anna, before=text)

    assert statements == []


@pytest.mark.parametrize("member", ["sub", "purpose", "data", "source"])
@pytest.mark.parametrize("text", TEXTS)
async def test_the_api_refuses_the_text_before_any_query(
    world: World, anna: str, statements: list[tuple[str, object]], member: str, text: str
) -> None:
    body = {"sub": world.sub(anna), "purpose": "housing-benefit", "data": ["income"], "source": "tax-authority"}
    body[member] = [text] if member == "data" else text

    async with world.client() as client:
        response = await client.post("/consent/v1/permits", json=body)

    assert response.status_code == 400
    assert statements == []


@pytest.mark.parametrize("kid", ["../../etc/passwd", "' OR 1=1 --", "a" * 300, "\u0000"])
async def test_a_kid_finds_only_a_key_of_ours(world: World, kid: str) -> None:
    import json

    from keys.digest import b64encode

    header = b64encode(json.dumps({"alg": "ES256", "typ": "at+jwt", "kid": kid}).encode())
    token = ".".join([header, *world.token().split(".")[1:]])

    async with world.client(None, authorization=f"Bearer {token}") as client:
        response = await client.post("/consent/v1/checks", json={})

    assert response.status_code == 401
