"""A citizen has himself erased: in a fresh login, confirmed twice, and what is left is what the operator's command leaves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from agency.receipt import verify
from base.people import FRESH
from consent.store import tables as registry_tables
from idp.store import tables as provider_tables
from tests.consent.test_complaints import browser_of, used

if TYPE_CHECKING:
    from tests.fixtures.inside import Inside

CONFIRM = "/my/erase/confirm"


def state(inside: Inside, username: str) -> dict[str, Any]:
    """What the house has of a citizen: the state of his row, and how many rows name him, by table."""
    citizen = inside.citizens[username]
    handle = inside.house.ring.pseudonyms.handle(citizen)
    found: dict[str, Any] = {}
    for name, metadata, whose in (
        ("idp", provider_tables.metadata, citizen),
        ("consent", registry_tables.metadata, handle),
    ):
        database = inside.house.databases[name]
        for table in metadata.tables.values():
            if "citizen" in table.c:
                rows = database.read_now(lambda c, t=table, w=whose: c.execute(select(t).where(t.c.citizen == w)).all())
                live = [row for row in rows if getattr(row, "ended_at", None) is None]
                found[f"{name}.{table.name}"] = len(live)
    row = inside.house.databases["idp"].read_now(
        lambda c: c.execute(select(provider_tables.citizen).where(provider_tables.citizen.c.id == citizen)).one()
    )
    found["citizen"] = (row.state, row.person, row.wrapped_key, row.number_index)
    return found


async def test_what_goes_is_what_the_command_takes_and_every_proof_still_verifies(inside: Inside) -> None:
    """GDPR art. 17; M-18."""
    (leaf,) = await used(inside)
    await used(inside, "bram")
    await inside.house.consent.ledger.round()
    browser = await browser_of(inside, CONFIRM)
    assert browser.url.endswith(CONFIRM)
    saved = (await browser.http.get(f"/my/receipts/{leaf}")).content
    before = state(inside, "anna")
    inside.clock.advance(91 * 86_400)
    assert await inside.house.consent.letters(inside.house.renderer, inside.house.provider).remind() == 2
    await browser.get(f"{inside.issuer}/login?to={CONFIRM}")
    await browser.log_in()
    assert state(inside, "anna")["consent.reminder"] == 1
    assert before["idp.session"] == before["consent.data_use"] == 1

    await browser.submit(CONFIRM, sure="yes")

    assert browser.url.endswith("/erased")
    assert "Alles is gewist" in browser.html
    assert "Ingelogd" not in browser.html
    inside.run("citizen erase", id=inside.citizens["bram"])
    assert state(inside, "anna") == state(inside, "bram")
    assert state(inside, "anna")["citizen"] == ("erased", None, None, None)
    assert sum(count for name, count in state(inside, "anna").items() if name != "citizen") == 0
    assert (await browser.http.get("/my")).headers["location"].startswith("/login")
    await inside.house.consent.ledger.round()
    assert inside.run("ledger verify", checkpoints=[])["findings"] == []
    keys = [one.vkey for one in inside.house.ring.ledger.verifiers("localhost:8000/ledger")]
    assert json.loads(saved)["proof"]
    assert verify(saved, keys).entry["decision"] == "allowed"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
class TestNothingIsErased:
    async def test_before_the_second_confirmation(self, inside: Inside) -> None:
        await used(inside)
        browser = await browser_of(inside, "/my/erase")
        assert "Uw toestemmingen. U heeft er nu 2 die tellen" in browser.html
        await browser.get(f"{inside.issuer}{CONFIRM}")

        await browser.submit(CONFIRM)

        assert browser.status == 400
        assert 'id="error-sure"' in browser.html
        assert state(inside, "anna")["citizen"][0] == "active"

    async def test_in_a_login_that_is_not_fresh(self, inside: Inside) -> None:
        """The screen that somebody left unlocked; the form that was open since then, too."""
        browser = await browser_of(inside, CONFIRM)
        hidden = next(hidden for where, hidden in browser.page.forms if where == CONFIRM)
        inside.clock.advance(FRESH.total_seconds())

        asked = await browser.http.get(CONFIRM)
        done = await browser.http.post(CONFIRM, data={**hidden, "sure": "yes"})

        assert (await browser.http.get("/my/erase")).status_code == 200
        for answer in (asked, done):
            assert (answer.status_code, answer.headers["location"]) == (303, f"/login?to={CONFIRM}")
        assert state(inside, "anna")["citizen"][0] == "active"

    async def test_without_the_forms_token_or_a_session(self, inside: Inside) -> None:
        browser = await browser_of(inside, CONFIRM)

        assert (await browser.http.post(CONFIRM, data={"sure": "yes"})).status_code == 403
        async with inside.http() as stranger:
            done = await stranger.post(CONFIRM, data={"sure": "yes"})
        assert done.headers["location"] == f"/login?to={CONFIRM}"
        assert state(inside, "anna")["citizen"][0] == "active"
