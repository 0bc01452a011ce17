"""Officers: invited by an operator, in by a passkey and nothing else, out at once; and no citizens."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from base.database.tables import AUDIT
from base.ids import digest
from idp import officers
from idp.store.tables import metadata
from regie.commands import Refused
from tests.fixtures.authenticator import PRESENT, Authenticator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import httpx2

    from tests.fixtures.inside import Inside

NAME = "j.jansen"


class Desk:
    """An officer's browser, with an authenticator."""

    def __init__(self, inside: Inside, http: httpx2.AsyncClient) -> None:
        self.inside = inside
        self.http = http
        self.key = Authenticator()

    async def csrf(self, path: str) -> str:
        return re.search(r'data-csrf="([^"]+)"', (await self.http.get(path)).text)[1]

    async def enrol(self, code: str, key: Authenticator | None = None) -> httpx2.Response:
        csrf = await self.csrf("/supervisor/enrol")
        asked = await self.http.post("/supervisor/enrol/options", json={"csrf_token": csrf, "code": code})
        if asked.status_code != 200:
            return asked
        credential = (key or self.key).create(asked.json(), self.inside.issuer)
        return await self.http.post(
            "/supervisor/enrol", json={"csrf_token": csrf, "code": code, "credential": credential}
        )

    async def log_in(self, at: str = "/supervisor/login", **changes: Any) -> httpx2.Response:
        page, options = ("/login", "/login/passkey/options") if at == "/login/passkey" else (at, f"{at}/options")
        csrf = await self.csrf(page)
        asked = await self.http.post(options, json={"csrf_token": csrf})
        credential = self.key.get(asked.json(), self.inside.issuer)
        return await self.http.post(at, json={"csrf_token": csrf, "credential": credential, **changes})

    async def is_in(self) -> bool:
        return (await self.http.get("/supervisor")).status_code == 200


@pytest.fixture
async def desk(inside: Inside) -> AsyncIterator[Desk]:
    async with inside.http() as http:
        yield Desk(inside, http)


def invite(inside: Inside, name: str = NAME) -> str:
    return inside.run("officer invite", name=name, role="supervisor")["code"]


async def shown(inside: Inside, path: str, cookies: str) -> bool:
    """Whether a page opens with just these cookies."""
    async with inside.http() as http:
        return (await http.get(path, headers={"cookie": cookies})).status_code == 200


def events(inside: Inside) -> list[str]:
    rows = inside.house.databases["idp"].read_now(lambda c: c.execute(select(AUDIT.c.event)).scalars().all())
    return [one for one in rows if one.startswith("officer.")]


async def test_an_invitation_makes_a_passkey_and_the_passkey_logs_in(inside: Inside, desk: Desk) -> None:
    assert (await desk.http.get("/supervisor")).headers["location"] == "/supervisor/login"
    code = invite(inside)

    made = await desk.enrol(code)

    assert (made.status_code, made.json()) == (200, {"location": "/supervisor"})
    assert await desk.is_in()
    desk.http.cookies.delete("regie-officer")
    assert not await desk.is_in()
    assert (await desk.log_in()).status_code == 200
    assert await desk.is_in()
    assert events(inside) == ["officer.invited", "officer.enrolled", "officer.logged_in"]
    (told,) = inside.run("officer list")
    assert (told["name"], told["state"], told["invitation"]) == (NAME, "active", False)


async def test_neither_code_nor_cookie_is_in_the_database(inside: Inside, desk: Desk) -> None:
    code = invite(inside)
    kept = [str(tuple(row)) for row in _rows(inside)]
    assert any(digest(code) in row for row in kept)
    assert not any(code in row for row in kept)
    await desk.enrol(code)

    cookie = desk.http.cookies["regie-officer"]

    kept = [str(tuple(row)) for row in _rows(inside)]
    assert any(digest(cookie) in row for row in kept)
    assert not any(cookie in row or digest(code) in row for row in kept)


def _rows(inside: Inside) -> list[Any]:
    return inside.house.databases["idp"].read_now(
        lambda c: [row for table in metadata.sorted_tables for row in c.execute(select(table)).all()]
    )


class TestInvitation:
    async def test_serves_once(self, inside: Inside, desk: Desk) -> None:
        code = invite(inside)
        await desk.enrol(code)

        assert (await desk.enrol(code, Authenticator())).status_code == 400
        assert (await desk.log_in()).status_code == 200

    async def test_lasts_a_day(self, inside: Inside, desk: Desk) -> None:
        code = invite(inside)
        inside.clock.advance(officers.INVITATION_S)

        assert (await desk.enrol(code)).status_code == 400

    async def test_ends_with_the_next_one_and_a_used_one_replaces_the_passkey(self, inside: Inside, desk: Desk) -> None:
        first, code = invite(inside), invite(inside)
        assert (await desk.enrol(first)).status_code == 400
        await desk.enrol(code)
        lost = desk.key
        again = invite(inside)
        assert await desk.is_in()  # until the new code is used

        async with inside.http() as elsewhere:
            other = Desk(inside, elsewhere)
            assert (await other.enrol(again)).status_code == 200
            assert await other.is_in()

        assert not await desk.is_in()
        desk.key = lost
        assert (await desk.log_in()).status_code == 400
        assert len(inside.run("officer list")) == 1

    async def test_serves_only_with_the_person_present_and_verified(self, inside: Inside, desk: Desk) -> None:
        code = invite(inside)

        assert (await desk.enrol(code, Authenticator(always=PRESENT))).status_code == 400
        assert (await desk.enrol(code)).status_code == 200  # a ceremony that failed does not use it up

    async def test_needs_a_form_of_this_browser(self, inside: Inside, desk: Desk) -> None:
        code, csrf = invite(inside), await desk.csrf("/supervisor/enrol")
        async with inside.http() as other:
            await other.get("/supervisor/enrol")
            sent = await other.post("/supervisor/enrol/options", json={"csrf_token": csrf, "code": code})

        assert sent.status_code == 403

    async def test_a_challenge_of_one_invitation_does_not_serve_another(self, inside: Inside, desk: Desk) -> None:
        mine, other = invite(inside), invite(inside, "p.pietersen")
        csrf = await desk.csrf("/supervisor/enrol")
        asked = await desk.http.post("/supervisor/enrol/options", json={"csrf_token": csrf, "code": mine})
        credential = desk.key.create(asked.json(), inside.issuer)

        sent = await desk.http.post(
            "/supervisor/enrol", json={"csrf_token": csrf, "code": other, "credential": credential}
        )

        assert sent.status_code == 400

    @pytest.mark.parametrize(("name", "role"), [("J Jansen", "supervisor"), ("j.jansen", "operator"), ("", "")])
    def test_is_for_a_name_and_a_role_that_there_is(self, inside: Inside, name: str, role: str) -> None:
        with pytest.raises(Refused):
            inside.run("officer invite", name=name, role=role)


class TestLogin:
    async def test_needs_the_person_verified(self, inside: Inside, desk: Desk) -> None:
        await desk.enrol(invite(inside))
        desk.key.always = PRESENT

        assert (await desk.log_in()).status_code == 400
        assert events(inside)[-1] == "officer.refused"

    async def test_an_answer_that_is_sent_again_opens_nothing(self, inside: Inside, desk: Desk) -> None:
        await desk.enrol(invite(inside))
        csrf = await desk.csrf("/supervisor/login")
        asked = await desk.http.post("/supervisor/login/options", json={"csrf_token": csrf})
        body = {"csrf_token": csrf, "credential": desk.key.get(asked.json(), inside.issuer)}

        sent = [(await desk.http.post("/supervisor/login", json=body)).status_code for _ in range(2)]

        assert sent == [200, 400]

    async def test_ends_the_session_before_it(self, inside: Inside, desk: Desk) -> None:
        await desk.enrol(invite(inside))
        async with inside.http() as elsewhere:
            other = Desk(inside, elsewhere)
            other.key = desk.key
            assert (await other.log_in()).status_code == 200

        assert not await desk.is_in()

    async def test_lasts_as_long_as_somebody_is_there_and_not_for_ever(
        self, make_inside: Callable[..., Inside]
    ) -> None:
        idle, total = 900, 3600
        inside = make_inside(session_high_idle_s=idle, session_high_total_s=total)
        desk = Desk(inside, inside.http())
        await desk.enrol(invite(inside))
        for _ in range(total // (idle - 60)):
            inside.clock.advance(idle - 60)
            assert await desk.is_in()
        inside.clock.advance(idle - 60)
        assert not await desk.is_in()

        await desk.log_in()
        inside.clock.advance(idle)
        assert not await desk.is_in()

    async def test_logging_out_ends_it_also_for_a_copy_of_the_cookie(self, inside: Inside, desk: Desk) -> None:
        await desk.enrol(invite(inside))
        cookie = desk.http.cookies["regie-officer"]
        assert await shown(inside, "/supervisor", f"regie-officer={cookie}")
        csrf = re.search(r'name="csrf_token" value="([^"]+)"', (await desk.http.get("/supervisor")).text)[1]
        assert (await desk.http.post("/supervisor/logout", data={"csrf_token": "x"})).status_code == 403
        assert await desk.is_in()

        left = await desk.http.post("/supervisor/logout", data={"csrf_token": csrf})

        assert left.headers["clear-site-data"] == '"cache", "storage"'
        assert not await shown(inside, "/supervisor", f"regie-officer={cookie}")


async def test_who_is_ended_is_out_at_once_and_does_not_come_back(inside: Inside, desk: Desk) -> None:
    await desk.enrol(invite(inside))
    waiting = invite(inside)

    inside.run("officer end", name=NAME)

    assert not await desk.is_in()
    assert (await desk.log_in()).status_code == 400
    assert (await desk.enrol(waiting)).status_code == 400
    with pytest.raises(Refused, match="no officer"):
        inside.run("officer end", name=NAME)
    assert [one["state"] for one in inside.run("officer list")] == ["ended"]
    inside.clock.advance(1)
    # The same name later is another officer.
    assert (await desk.enrol(invite(inside))).status_code == 200
    assert [one["state"] for one in inside.run("officer list")] == ["ended", "active"]


async def test_an_officer_is_no_citizen_and_a_citizen_no_officer(inside: Inside, desk: Desk) -> None:
    """Passkey and cookie of the one open nothing of the other's."""
    await desk.enrol(invite(inside))
    cookie = desk.http.cookies["regie-officer"]
    assert (await desk.log_in("/login/passkey")).status_code == 400
    browser = inside.browser()
    await browser.get("/login")
    await browser.log_in()
    assert browser.status == 200
    citizens = browser.http.cookies["regie-session"]

    assert await shown(inside, "/supervisor", f"regie-officer={cookie}")
    assert await shown(inside, "/my", f"regie-session={citizens}")
    assert not await shown(inside, "/supervisor", f"regie-officer={citizens}; regie-session={citizens}")
    assert not await shown(inside, "/my", f"regie-session={cookie}; regie-officer={cookie}")


def test_a_session_that_is_due_is_seen_before_it_is_idle(inside: Inside) -> None:
    now = inside.clock.now()
    one = officers.Session(None, "", now)  # type: ignore[arg-type]

    assert not officers.is_due(one, inside.house.settings, now + timedelta(seconds=59))
    assert officers.is_due(one, inside.house.settings, now + timedelta(seconds=60))
