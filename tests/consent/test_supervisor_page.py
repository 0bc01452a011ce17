"""The supervisor's page: for an officer with that role, of months that there are, and each look is written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from sqlalchemy import select

from base.database.tables import AUDIT
from base.people import Officer
from base.render import Renderer
from base.web import frame
from consent.pages import supervisor
from regie.house import TEMPLATES
from tests.consent.test_supervision import DAY, INSURANCE, a_month_of_uses, use

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from tests.fixtures.registry import World


class _Somebody:
    """`role`: "" for nobody."""

    def __init__(self) -> None:
        self.role = "supervisor"

    async def officer(self, _request: Request) -> Officer | None:
        return Officer("o7", "j.jansen", self.role, "digest") if self.role else None


@pytest.fixture
def somebody() -> _Somebody:
    return _Somebody()


@pytest.fixture
async def http(world: World, somebody: _Somebody) -> AsyncIterator[httpx2.AsyncClient]:
    renderer = Renderer(TEMPLATES, world.settings, mac=world.ring.pseudonyms.mac)
    app = frame(supervisor.routes(world.registry, renderer, somebody), world.settings, renderer=renderer)
    transport = httpx2.ASGITransport(app=app)  # type: ignore[arg-type]
    headers = {"accept-language": "en"}
    async with httpx2.AsyncClient(transport=transport, base_url=world.settings.issuer, headers=headers) as client:
        yield client


def looks(world: World) -> list[Any]:
    statement = select(AUDIT.c.actor, AUDIT.c.object).where(AUDIT.c.event == "supervisor.looked")
    return [tuple(row) for row in world.database.read_now(lambda c: c.execute(statement).all())]


async def test_tells_the_figures_in_both_languages_and_writes_each_look_down(
    world: World, http: httpx2.AsyncClient
) -> None:
    people = await a_month_of_uses(world)
    world.clock.advance(DAY)

    page = (await http.get("/supervisor")).text
    dutch = (await http.get("/supervisor?month=2026-10", headers={"accept-language": "nl"})).text

    assert "Supervision: November 2026" in page
    assert "Most of what was asked was denied" in page
    assert "withheld</td>" in page
    assert "<rect class" not in page
    assert "&lt; 10" in page
    assert "Toezicht: oktober 2026" in dutch
    assert "In deze maand valt geen organisatie op." in dutch
    for one in people:
        assert one not in page
        assert world.sub(one) not in page
    assert looks(world) == [("o7", "2026-11"), ("o7", "2026-10")]


async def test_draws_a_month_of_which_all_may_be_told(world: World, http: httpx2.AsyncClient) -> None:
    for number in range(12):
        await use(world, INSURANCE, world.citizen(f"person {number}"))
    world.clock.advance(DAY)

    page = (await http.get("/supervisor")).text

    assert page.count('<rect class="regie-chart__denied"') == 1
    assert '<rect class="regie-chart__allowed"' not in page


@pytest.mark.parametrize("role", ["", "clerk"])
async def test_nobody_else_sees_it(world: World, http: httpx2.AsyncClient, somebody: _Somebody, role: str) -> None:
    somebody.role = role

    sent = await http.get("/supervisor")

    assert (sent.status_code, sent.headers["location"]) == (303, "/supervisor/login")
    assert looks(world) == []


@pytest.mark.parametrize("month", ["2026-12", "2026-11-09", "%00", "1999-01", ""])
async def test_another_period_is_not_there(world: World, http: httpx2.AsyncClient, month: str) -> None:
    assert (await http.get(f"/supervisor?month={month}")).status_code in {400, 404}
    assert looks(world) == []


async def test_leads_to_the_months_beside_it(http: httpx2.AsyncClient) -> None:
    page = (await http.get("/supervisor?month=2026-10")).text

    assert 'href="/supervisor?month=2026-09"' in page
    assert 'href="/supervisor?month=2026-11"' in page
    assert "month=2026-12" not in (await http.get("/supervisor")).text
