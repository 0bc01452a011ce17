"""The citizen's pages on the registry, over HTTP, with a session that a test decides on."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx2
import pytest

from base import csrf
from base.i18n import ZONE
from base.people import LoggedIn
from base.render import Renderer
from base.web import frame
from consent.permits import Asked
from regie.house import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from tests.fixtures.registry import World

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
SESSION = "A" * 43


class Someone:
    """Who is logged in: the contract of base.people, without a provider."""

    def __init__(self, world: World, citizen: str | None) -> None:
        self.citizen = citizen
        self._world = world

    async def current(self, request: Request) -> LoggedIn | None:
        if self.citizen is None:
            return None
        return LoggedIn(self.citizen, SESSION, "Anna", "urn:regie:acr:2", self._world.clock.now())


@pytest.fixture
def someone(world: World, anna: str) -> Someone:
    return Someone(world, anna)


@pytest.fixture
async def browser(world: World, someone: Someone) -> AsyncIterator[httpx2.AsyncClient]:
    renderer = Renderer(TEMPLATES, world.settings, mac=world.ring.pseudonyms.mac)
    app = frame(world.consent.routes(renderer, someone), world.settings, renderer=renderer)
    headers = {"accept-language": "en", "origin": world.settings.issuer, "sec-fetch-site": "same-origin"}
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=world.settings.issuer, headers=headers) as client:
        yield client


def form(world: World) -> dict[str, str]:
    return {"csrf_token": csrf.token(SESSION, world.ring.pseudonyms.mac)}


@pytest.mark.parametrize("path", ["/my", "/my/consents", "/my/history", "/my/consents/x", "/my/receipts/x"])
async def test_without_a_session_one_logs_in_first_and_comes_back(
    browser: httpx2.AsyncClient, someone: Someone, path: str
) -> None:
    someone.citizen = None

    response = await browser.get(path)

    assert (response.status_code, response.headers["location"]) == (303, f"/login?to={path}")


async def test_withdrawing_is_two_steps_from_the_list_and_ends_it(
    world: World, anna: str, browser: httpx2.AsyncClient
) -> None:
    """C-06: list → consent → stop."""
    recorded = await world.give(anna)
    consent_id = recorded.consents[1]
    sub = world.sub(anna)
    asked = Asked("municipality", "housing-benefit", ("income",), "tax-authority")
    await world.database.write(lambda c: world.registry.permit_unit(c, asked, sub))

    assert f"/my/consents/{consent_id}" in (await browser.get("/my/consents")).text
    assert f"/my/consents/{consent_id}/withdraw" in (await browser.get(f"/my/consents/{consent_id}")).text
    done = await browser.post(f"/my/consents/{consent_id}/withdraw", data=form(world))
    after = await browser.get(done.headers["location"])

    assert done.status_code == 303
    assert "This has stopped" in after.text
    assert "One use was already under way" in after.text
    assert (await world.registry.consent(consent_id, anna)).state == "withdrawn"


async def test_everything_of_one_organisation_stops_at_once(
    world: World, anna: str, browser: httpx2.AsyncClient
) -> None:
    recorded = await world.give(anna)
    path = "/my/agencies/municipality/withdraw"

    assert path in (await browser.get(f"/my/consents/{recorded.consents[0]}")).text
    before = await browser.get(path)
    refused = await browser.post(path, data={"csrf_token": "x"})
    done = await browser.post(path, data=form(world))
    after = await browser.get(done.headers["location"])

    assert "Address" in before.text
    assert "Income" in before.text
    assert refused.status_code in (400, 403)
    assert done.status_code == 303
    assert "gets nothing more with your permission" in after.text
    assert {one.state for one in await world.registry.consents(anna)} == {"withdrawn"}
    assert (await browser.get(path)).headers["location"] == "/my/consents"
    assert (await browser.get("/my/agencies/tax-authority/withdraw")).status_code == 404


async def test_the_page_says_that_nothing_comes_any_more_only_when_that_is_so(
    world: World, anna: str, browser: httpx2.AsyncClient
) -> None:
    await world.give(anna)

    for agency in ("municipality", "nobody", "<b>"):
        assert "gets nothing more" not in (await browser.get("/my/consents", params={"stopped": agency})).text


async def test_without_the_forms_token_nothing_ends(world: World, anna: str, browser: httpx2.AsyncClient) -> None:
    """C-04."""
    recorded = await world.give(anna)

    response = await browser.post(f"/my/consents/{recorded.consents[0]}/withdraw", data={"csrf_token": "x"})

    assert response.status_code in (400, 403)
    assert (await world.registry.consent(recorded.consents[0], anna)).state == "given"


async def test_anothers_consent_is_not_there(world: World, browser: httpx2.AsyncClient) -> None:
    """T-43."""
    recorded = await world.give(world.citizen("bert"))
    consent_id = recorded.consents[0]

    for path in (f"/my/consents/{consent_id}", f"/my/consents/{consent_id}/withdraw", f"/my/receipts/{consent_id}"):
        assert (await browser.get(path)).status_code == 404
    done = await browser.post(f"/my/consents/{consent_id}/withdraw", data=form(world))
    assert done.status_code == 404
    assert (await world.registry.consent(consent_id, world.citizen("bert"))).state == "given"


async def test_the_history_has_every_line_once_over_its_pages(
    world: World, anna: str, browser: httpx2.AsyncClient
) -> None:
    await world.give(anna, income=False)
    for _ in range(30):
        world.clock.advance(61)
        await world.registry.release(
            citizen=anna, agency="municipality", purpose="housing-benefit", categories=frozenset({"address", "name"})
        )

    seen, path = 0, "/my/history"
    while path:
        page = (await browser.get(path)).text
        seen += len(re.findall(r"Municipality", page.split("</form>", 1)[1]))
        found = re.search(r'href="(/my/history\?[^"]*before=[^"]+)"', page)
        path = found[1].replace("&amp;", "&") if found else ""

    assert seen >= 60
    assert (await browser.get("/my/history?decision=denied")).status_code == 200
    assert (await browser.get("/my/history?before=1")).status_code == 400


def back_of(page: str) -> str:
    (where,) = re.findall(r'<p class="regie-back"><a [^>]*href="([^"]+)"', page)
    return str(where)


async def test_each_line_of_the_history_leads_to_its_receipt(
    world: World, anna: str, browser: httpx2.AsyncClient
) -> None:
    """The refused attempt's too; each to its own, and proven."""
    await world.give(anna, income=False)
    await world.registry.release(
        citizen=anna, agency="municipality", purpose="housing-benefit", categories=frozenset({"address", "income"})
    )
    await world.registry.ledger.round()

    links = re.findall(r'href="(/my/receipts/[^"]+)/check"', (await browser.get("/my/history")).text)

    pages = [await browser.get(f"{link}/check") for link in links]
    assert [(one.status_code, back_of(one.text)) for one in pages] == [(200, "/my/history")] * len(links)
    files = [(await browser.get(link)).json() for link in links]
    entries = [json.loads(file["entry"]) for file in files]
    assert [(one["decision"], one["categories"]) for one in entries] == [
        (one.decision, list(one.categories)) for one in (await world.registry.history(anna)).uses
    ]
    assert {one["decision"] for one in entries} == {"allowed", "denied"}
    assert all(file["proof"].startswith("c2sp.org/tlog-proof@v1\n") for file in files)


async def test_every_reason_and_every_legal_basis_has_its_words(
    world: World, anna: str, browser: httpx2.AsyncClient
) -> None:
    """Each way in which a use can be allowed or denied, on one page."""
    recorded = await world.give(anna, income=False)
    await world.registry.meet(citizen=anna, agency="tax-authority")

    async def use(agency: str, purpose: str, category: str, source: str = "population-register") -> None:
        asked = Asked(agency, purpose, (category,), source)
        sub = world.sub(anna, agency)
        await world.database.write(lambda c: world.registry.permit_unit(c, asked, sub))

    await use("municipality", "housing-benefit", "address")
    await use("municipality", "housing-benefit", "income", "tax-authority")
    await use("municipality", "housing-benefit", "name")
    await use("municipality", "housing-benefit", "address", "tax-authority")
    await use("municipality", "nothing", "address")
    await use("tax-authority", "tax-return", "name")
    await world.registry.withdraw(recorded.consents[0], anna)
    await use("municipality", "housing-benefit", "address")
    world.publish({**world.documents["purposes"][0], "statute": "another"})
    await use("municipality", "housing-benefit", "income", "tax-authority")

    for path in ("/", "/my", "/my/consents", "/my/history"):
        for language in ("en", "nl"):
            response = await browser.get(path, headers={"accept-language": language})
            assert response.status_code == 200, path


async def test_the_overview_counts_what_is_given_and_marks_itself_in_the_menu(
    world: World, anna: str, browser: httpx2.AsyncClient
) -> None:
    assert "At this moment you give no permission." in (await browser.get("/my")).text
    assert "You have none that counts now." in (await browser.get("/my/erase")).text
    recorded = await world.give(anna)

    page = (await browser.get("/my")).text
    assert "You gave permission for 2 kinds of data." in page
    assert re.search(r'href="/my" aria-current="page"', page)
    await world.registry.withdraw(recorded.consents[0], anna)
    assert "You gave permission for 1 kind of data." in (await browser.get("/my")).text


async def test_the_receipt_is_a_file_of_its_own(world: World, anna: str, browser: httpx2.AsyncClient) -> None:
    recorded = await world.give(anna)
    await world.registry.ledger.round()

    response = await browser.get(f"/my/receipts/{recorded.consents[0]}")

    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-disposition"].startswith("attachment")
    assert list(response.json()) == ["receipt", "entry", "salt", "proof"]
    assert response.json()["proof"].startswith("c2sp.org/tlog-proof@v1\n")
    where = f"/my/consents/{recorded.consents[0]}"
    assert back_of((await browser.get(f"/my/receipts/{recorded.consents[0]}/check")).text) == where


class TestWhoUsedMyData:
    async def test_the_filters_work_in_the_address_alone(
        self, world: World, anna: str, browser: httpx2.AsyncClient
    ) -> None:
        """A period is of people's days, both ends in it; what is no day is refused."""
        await world.give(anna, income=False)
        await _used(world, anna)
        day = world.clock.now().astimezone(ZONE).date()

        async def lines(**chosen: str) -> int:
            page = await browser.get("/my/history", params=chosen)
            assert page.status_code == 200
            return len(set(re.findall(r'href="/my/receipts/[^"]+/check"', page.text)))

        assert await lines() == 2
        assert await lines(decision="denied", purpose="housing-benefit", agency="municipality", to=str(day)) == 1
        assert await lines(purpose="health-insurance") == 0
        assert await lines(**{"from": str(day), "to": str(day)}) == 2
        assert await lines(**{"from": str(day + timedelta(days=1))}) == 0
        assert await lines(to=str(day - timedelta(days=1))) == 0
        for wrong in ("yesterday", "9999-12-31", "0001-01-01", "2026-02-30"):
            assert [
                (await browser.get("/my/history", params={name: wrong})).status_code for name in ("from", "to")
            ] == [400, 400]

    async def test_what_is_no_day_is_told_beside_its_field_with_what_to_do(
        self, world: World, anna: str, browser: httpx2.AsyncClient
    ) -> None:
        await world.give(anna)
        await _used(world, anna)

        for chosen, name, said in (
            ({"to": "gisteren"}, "to", "year-month-day"),
            ({"from": "2026-02-30"}, "from", "year-month-day"),
            ({"from": "2026-02-02", "to": "2026-02-01"}, "to", "before the first day"),
        ):
            page = await browser.get("/my/history", params=chosen)
            assert page.status_code == 400
            beside = re.search(rf'id="error-{name}">(.*?)</p>', page.text, re.DOTALL)
            assert beside is not None
            assert said in beside[1]
            assert f'href="#field-{name}"' in page.text
            assert html.escape(next(iter(chosen.values()))) in page.text
            assert "/check" not in page.text

    async def test_the_next_page_keeps_what_was_chosen(
        self, world: World, anna: str, browser: httpx2.AsyncClient
    ) -> None:
        await world.give(anna, income=False)
        for _ in range(26):
            world.clock.advance(1)
            await _used(world, anna)

        first = (await browser.get("/my/history", params={"decision": "denied"})).text
        older = re.search(r'rel="next" href="([^"]+)"', first)
        assert older is not None
        second = (await browser.get(html.unescape(older[1]))).text

        assert "decision=denied" in older[1]
        assert [page.count("This was refused") for page in (first, second)] == [25, 1]

    async def test_the_chart_and_its_table_have_the_same_numbers_and_no_inline_style(
        self, world: World, anna: str, browser: httpx2.AsyncClient
    ) -> None:
        await world.give(anna, income=False)
        await _used(world, anna)
        world.clock.advance(45 * 86400)
        await _used(world, anna)
        await _used(world, anna)
        await _used(world, world.citizen("bert"))

        page = (await browser.get("/my/history")).text

        drawn = [int(one) for one in re.findall(r'text-anchor="middle"[^>]*>(\d+)</text>', page)]
        rows = re.findall(r'data-label="Allowed">(\d+)</td>\s*<td data-label="Refused">(\d+)</td>', page)
        assert len(rows) == 12
        assert [int(a) + int(b) for a, b in rows if (a, b) != ("0", "0")] == drawn == [2, 4]
        assert "style=" not in page


async def _used(world: World, citizen: str) -> None:
    """One line allowed, where there is consent, and one denied."""
    await world.registry.release(
        citizen=citizen, agency="municipality", purpose="housing-benefit", categories=frozenset({"address", "income"})
    )
