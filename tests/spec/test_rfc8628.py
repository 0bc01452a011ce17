"""RFC 8628, the device authorization grant. Under a frozen clock, on both databases, over HTTP."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from idp import decoupled
from idp.store import tables
from tests.fixtures.server import CALLBACK

if TYPE_CHECKING:
    from agency.client import Client
    from tests.fixtures.inside import Browser, Inside

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
USE = [{"type": "personal_data_use", "purpose": "housing-benefit", "data": ["address", "income"]}]


@pytest.fixture
def client(inside: Inside) -> Client:
    return inside.register(grant_types=[GRANT, "refresh_token"], redirect_uris=[])


async def begin(inside: Inside, client: Client, **form: str) -> dict[str, Any]:
    done = await inside.post("/oauth2/device_authorization", client, **{"scope": "openid", **form})
    assert done.status_code == 200, done.text
    body: dict[str, Any] = done.json()
    return body


async def poll(inside: Inside, client: Client, device_code: str, **form: str) -> tuple[int, dict[str, Any]]:
    done = await inside.post("/oauth2/token", client, grant_type=GRANT, device_code=device_code, **form)
    return done.status_code, done.json()


async def arrive(inside: Inside, told: dict[str, Any], username: str = "anna") -> Browser:
    """Type the code and log in, up to the page that asks whether it was you."""
    browser = inside.browser()
    await browser.get(told["verification_uri"])
    await browser.submit("/device", user_code=told["user_code"])
    await browser.log_in(username)
    assert "/confirm" in browser.url
    return browser


class TestSection3_2:
    """The device authorization response."""

    async def test_it_has_all_members(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client)

        assert set(told) == {
            "device_code",
            "user_code",
            "verification_uri",
            "verification_uri_complete",
            "expires_in",
            "interval",
        }
        assert told["verification_uri"] == f"{inside.issuer}/device"
        assert told["verification_uri_complete"] == f"{inside.issuer}/device?user_code={told['user_code']}"
        assert (told["expires_in"], told["interval"]) == (600, 5)
        assert len(told["device_code"]) == 43

    async def test_nobody_keeps_it(self, inside: Inside, client: Client) -> None:
        done = await inside.post("/oauth2/device_authorization", client, scope="openid")

        assert done.headers["cache-control"] == "no-store"

    async def test_neither_code_is_stored(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client)

        rows = inside.house.databases["idp"].read_now(lambda c: c.execute(select(tables.decoupled)).all())

        assert told["device_code"] not in str(rows)
        assert told["user_code"].replace("-", "") not in str(rows)

    @pytest.mark.parametrize(
        ("form", "error"),
        [
            ({"scope": "openid address"}, "invalid_scope"),
            ({"scope": ""}, "invalid_scope"),
            ({"authorization_details": "[]"}, "invalid_authorization_details"),
            ({"claims": "x"}, "invalid_request"),
            ({"resource": "https://other.example"}, "invalid_target"),
            ({"request": "x"}, "request_not_supported"),
            ({"max_age": "x"}, "invalid_request"),
        ],
    )
    async def test_a_bad_request_has_its_error(
        self, inside: Inside, client: Client, form: dict[str, str], error: str
    ) -> None:
        done = await inside.post("/oauth2/device_authorization", client, **{"scope": "openid", **form})

        assert (done.status_code, done.json()["error"]) == (400, error)

    async def test_only_who_registered_the_grant_begins_it(self, inside: Inside) -> None:
        done = await inside.post("/oauth2/device_authorization", inside.register(), scope="openid")

        assert (done.status_code, done.json()["error"]) == (400, "unauthorized_client")

    async def test_a_client_proves_who_it_is(self, inside: Inside, client: Client) -> None:
        client.secret = "wrong"
        wrong = await inside.post("/oauth2/device_authorization", client, scope="openid")
        none = await inside.post("/oauth2/device_authorization", None, scope="openid", client_id=client.client_id)

        assert [one.json()["error"] for one in (wrong, none)] == ["invalid_client", "invalid_client"]
        assert wrong.status_code == 401


class TestSection3_3:
    """The citizen types the code, sees who asks what, logs in and confirms."""

    async def test_the_whole_way(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client, authorization_details=json.dumps(USE))
        browser = await arrive(inside, told)

        assert "Loket municipality" in browser.page.text
        assert "Adres" in browser.page.text
        assert "Inkomen" in browser.page.text
        assert told["user_code"] in browser.page.text
        assert "iemand probeert op uw naam binnen te komen" in browser.page.text
        await browser.submit("/confirm", answer="yes")
        assert "/ask" in browser.url
        await browser.submit("/ask", address="allow", income="deny")
        assert browser.url == f"{inside.issuer}/device?allowed=1"
        status, tokens = await poll(inside, client, told["device_code"])

        assert status == 200
        assert set(tokens) == {
            "access_token",
            "token_type",
            "expires_in",
            "scope",
            "id_token",
            "refresh_token",
            "authorization_details",
        }
        assert tokens["authorization_details"] == [{**USE[0], "data": ["address"]}]  # RFC 9396 section 7

    async def test_before_the_citizen_confirms_nothing_is_given(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client)
        await arrive(inside, told)

        assert (await poll(inside, client, told["device_code"]))[1]["error"] == "authorization_pending"

    async def test_who_was_logged_in_already_confirms_too(self, inside: Inside, client: Client) -> None:
        browser = await arrive(inside, await begin(inside, client))
        await browser.submit("/confirm", answer="yes")
        told = await begin(inside, client)

        await browser.get(told["verification_uri"])
        await browser.submit("/device", user_code=told["user_code"])

        assert "/confirm" in browser.url
        assert (await poll(inside, client, told["device_code"]))[1]["error"] == "authorization_pending"

    @pytest.mark.parametrize("change", [str.lower, lambda code: code.replace("-", " "), lambda code: f" {code} \t"])
    async def test_case_spaces_and_dashes_do_not_matter(self, inside: Inside, client: Client, change: Any) -> None:
        told = await begin(inside, client)

        await arrive(inside, {**told, "user_code": change(told["user_code"])})

    async def test_the_login_page_names_who_asks(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client)
        browser = inside.browser()
        await browser.get(told["verification_uri"])

        await browser.submit("/device", user_code=told["user_code"])

        assert "/login" in browser.url
        assert "Loket municipality" in browser.page.text

    async def test_a_wrong_code_is_told_so(self, inside: Inside, client: Client) -> None:
        await begin(inside, client)
        browser = inside.browser()
        await browser.get(f"{inside.issuer}/device")

        wrong = ["BBBB-BBBB", "", "x", "AAAA-AAAA", "é" * 8, "B" * 3000]
        for place, code in enumerate(wrong):
            await browser.submit("/device", user_code=code)
            assert browser.status == 400, code
            said = "niet bekend, of te oud" if place < 5 else "te veel foute codes"
            assert said in browser.page.text

    async def test_another_browser_does_not_go_on_with_this_one(self, inside: Inside, client: Client) -> None:
        browser = await arrive(inside, await begin(inside, client))
        other = inside.browser()

        await other.get(browser.url)

        assert other.status == 400

    async def test_a_form_without_its_token_is_refused(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client)
        browser = await arrive(inside, told)
        handle = browser.url.partition("request=")[2]

        posted = [
            await browser.http.post("/device", data={"user_code": told["user_code"]}),
            await browser.http.post("/confirm", data={"request": handle, "answer": "yes"}),
        ]

        assert [one.status_code for one in posted] == [403, 403]
        assert (await poll(inside, client, told["device_code"]))[1]["error"] == "authorization_pending"

    async def test_what_is_demanded_of_the_login_holds_here_too(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client, acr_values="http://eidas.europa.eu/LoA/high")
        browser = inside.browser()
        await browser.get(told["verification_uri"])
        await browser.submit("/device", user_code=told["user_code"])

        await browser.log_in()

        assert browser.url == f"{inside.issuer}/device?impossible=1"
        assert (await poll(inside, client, told["device_code"]))[1]["error"] == "access_denied"


class TestSection3_3_1:
    """verification_uri_complete: the code is there, and still the citizen compares."""

    async def test_opening_it_does_nothing_but_show_the_code(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client)
        browser = inside.browser()
        await browser.get(told["verification_uri_complete"])

        assert browser.status == 200
        assert f'value="{told["user_code"]}"' in browser.html
        assert "Is dit de code op uw apparaat?" in browser.page.text
        assert "Stop dan" in browser.page.text
        assert (await poll(inside, client, told["device_code"]))[1]["error"] == "authorization_pending"

    @pytest.mark.parametrize(
        ("code", "status"), [('"><script>alert(1)</script>', 200), ("BBBB", 200), ("%00", 400), ("x" * 5000, 200)]
    )
    async def test_an_address_of_others_shows_nothing_of_theirs(self, inside: Inside, code: str, status: int) -> None:
        browser = inside.browser()

        await browser.get(f"{inside.issuer}/device?user_code={code}")

        assert "<script>alert" not in browser.html
        assert browser.status == status
        assert ('id="field-user_code" name="user_code" type="text" value=""' in browser.html) is (status == 200)


class TestSection3_5:
    """The token response: errors while the citizen is busy."""

    async def test_pending_then_slow_down_and_the_interval_grows(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client)

        async def error() -> str:
            return str((await poll(inside, client, told["device_code"]))[1]["error"])

        assert await error() == "authorization_pending"
        inside.clock.advance(2)
        assert await error() == "slow_down"
        # 10 seconds from now on.
        inside.clock.advance(6)
        assert await error() == "slow_down"
        # 15.
        inside.clock.advance(15)
        assert await error() == "authorization_pending"
        inside.clock.advance(13)
        assert await error() == "slow_down"

    async def test_a_poll_that_the_network_brought_early_is_in_time(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client)
        await poll(inside, client, told["device_code"])
        inside.clock.advance(4.5)

        assert (await poll(inside, client, told["device_code"]))[1]["error"] == "authorization_pending"

    async def test_the_interval_grows_no_further_than_a_minute(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client)
        for _ in range(40):
            await poll(inside, client, told["device_code"])
        inside.clock.advance(60)

        assert (await poll(inside, client, told["device_code"]))[1]["error"] == "authorization_pending"

    async def test_too_late_is_expired_token(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client)
        inside.clock.advance(600)

        status, answer = await poll(inside, client, told["device_code"])

        assert (status, answer["error"]) == (400, "expired_token")

    async def test_a_citizen_who_is_too_late_gives_nothing(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client)
        browser = await arrive(inside, told)
        inside.clock.advance(600)

        await browser.submit("/confirm", answer="yes")

        assert browser.status == 400
        assert (await poll(inside, client, told["device_code"]))[1]["error"] == "expired_token"
        await browser.get(f"{inside.issuer}/device")
        await browser.submit("/device", user_code=told["user_code"])
        assert browser.status == 400

    async def test_no_is_access_denied(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client)
        browser = await arrive(inside, told)

        await browser.submit("/confirm", answer="no")

        assert browser.url == f"{inside.issuer}/device?refused=1"
        for _ in range(2):
            assert (await poll(inside, client, told["device_code"]))[1]["error"] == "access_denied"

    async def test_stopping_at_the_question_is_access_denied(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client, authorization_details=json.dumps(USE))
        browser = await arrive(inside, told)
        await browser.submit("/confirm", answer="yes")

        await browser.submit("/ask", stop="1")

        assert (await poll(inside, client, told["device_code"]))[1]["error"] == "access_denied"

    async def test_refusing_the_data_is_no_refusal_of_the_login(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client, authorization_details=json.dumps(USE))
        browser = await arrive(inside, told)
        await browser.submit("/confirm", answer="yes")
        await browser.submit("/ask", address="deny", income="deny")

        assert (await poll(inside, client, told["device_code"]))[0] == 200

    async def test_a_device_code_is_taken_once_ever(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client)
        browser = await arrive(inside, told)
        await browser.submit("/confirm", answer="yes")

        first = await poll(inside, client, told["device_code"])
        second = await poll(inside, client, told["device_code"])
        inside.clock.advance(10_000)
        third = await poll(inside, client, told["device_code"])

        assert first[0] == 200
        assert [one[1]["error"] for one in (second, third)] == ["invalid_grant", "invalid_grant"]

    async def test_another_clients_code_is_invalid_grant(self, inside: Inside, client: Client) -> None:
        other = inside.register("health-insurer", grant_types=[GRANT], redirect_uris=[])
        told = await begin(inside, client)
        browser = await arrive(inside, told)
        await browser.submit("/confirm", answer="yes")

        assert (await poll(inside, other, told["device_code"]))[1]["error"] == "invalid_grant"
        assert (await poll(inside, client, told["device_code"]))[0] == 200

    @pytest.mark.parametrize("code", ["nonsense", "x" * 5000, "a" * 43])
    async def test_an_unknown_code_is_invalid_grant(self, inside: Inside, client: Client, code: str) -> None:
        assert (await poll(inside, client, code))[1]["error"] == "invalid_grant"

    async def test_no_code_is_invalid_request(self, inside: Inside, client: Client) -> None:
        done = await inside.post("/oauth2/token", client, grant_type=GRANT)

        assert (done.status_code, done.json()["error"]) == (400, "invalid_request")

    async def test_only_who_registered_the_grant_polls(self, inside: Inside) -> None:
        assert (await poll(inside, inside.register(), "x"))[1]["error"] == "unauthorized_client"

    async def test_a_session_that_ends_before_the_poll_gives_nothing(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client)
        browser = await arrive(inside, told)
        await browser.submit("/confirm", answer="yes")
        await browser.get(f"{inside.issuer}/my")
        await browser.submit("/logout")

        assert (await poll(inside, client, told["device_code"]))[1]["error"] == "invalid_grant"

    async def test_a_client_that_was_disabled_gets_nothing(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client)
        browser = await arrive(inside, told)
        inside.run("client disable", client_id=client.client_id)

        await browser.submit("/confirm", answer="yes")

        assert browser.status == 400
        assert (await poll(inside, client, told["device_code"]))[1]["error"] == "invalid_client"


class TestSection5_1:
    """User codes are short: guessing them is slowed down."""

    async def test_five_wrong_codes_and_then_one_must_wait_also_with_a_right_one(
        self, inside: Inside, client: Client
    ) -> None:
        told = await begin(inside, client)
        browser = inside.browser()
        await browser.get(f"{inside.issuer}/device")
        for _ in range(6):
            await browser.submit("/device", user_code="BBBB-BBBB")

        await browser.submit("/device", user_code=told["user_code"])
        assert browser.status == 400
        assert "te veel foute codes" in browser.page.text
        # From the same address with a fresh browser no sooner.
        other = inside.browser()
        await other.get(f"{inside.issuer}/device")
        await other.submit("/device", user_code=told["user_code"])
        assert other.status == 400
        inside.clock.advance(10)
        await other.submit("/device", user_code=told["user_code"])
        assert "/login" in other.url

    async def test_a_right_code_does_not_make_room_for_wrong_ones(self, inside: Inside, client: Client) -> None:
        """Anybody can have a right code made: it must not wipe the count."""
        browser = inside.browser()
        await browser.get(f"{inside.issuer}/device")
        for _ in range(5):
            await browser.submit("/device", user_code="BBBB-BBBB")
        inside.clock.advance(2)
        told = await begin(inside, client)
        await browser.submit("/device", user_code=told["user_code"])
        assert "/login" in browser.url
        await browser.get(f"{inside.issuer}/device")

        for _ in range(2):
            await browser.submit("/device", user_code="BBBB-BBBB")

        assert "te veel foute codes" in browser.page.text

    async def test_who_is_logged_in_is_not_held_up_by_others_at_the_same_address(
        self, inside: Inside, client: Client
    ) -> None:
        browser = await arrive(inside, await begin(inside, client))
        stranger = inside.browser()
        await stranger.get(f"{inside.issuer}/device")
        for _ in range(8):
            await stranger.submit("/device", user_code="BBBB-BBBB")
        told = await begin(inside, client)

        await browser.get(told["verification_uri"])
        await browser.submit("/device", user_code=told["user_code"])

        assert "/confirm" in browser.url


class TestSection6_1:
    """The user code: 8 of 23 signs that are not taken for one another, 36 bits."""

    def test_none_is_a_vowel_or_looks_like_another(self) -> None:
        letters = set(decoupled.LETTERS)

        assert len(letters) == 23
        assert not letters & set("AEIOUY0125689")
        assert 23**8 > 2**35

    async def test_it_looks_as_it_is_documented(self, inside: Inside, client: Client) -> None:
        codes = {(await begin(inside, client))["user_code"] for _ in range(20)}

        assert len(codes) == 20
        assert all(re.fullmatch(rf"[{decoupled.LETTERS}]{{4}}-[{decoupled.LETTERS}]{{4}}", one) for one in codes)


class TestTwoTabs:
    async def test_of_two_tabs_that_answer_one_counts(self, inside: Inside, client: Client) -> None:
        told = await begin(inside, client)
        browser = await arrive(inside, told)
        first = browser.url
        await browser.get(told["verification_uri"])
        await browser.submit("/device", user_code=told["user_code"])
        second = browser.url
        assert first != second

        await browser.submit("/confirm", answer="no")
        await browser.get(first)

        assert browser.status == 400
        assert (await poll(inside, client, told["device_code"]))[1]["error"] == "access_denied"


def test_the_metadata_names_it(inside: Inside) -> None:
    """RFC 8628 section 4."""
    from idp.endpoints.discovery import OPENID, document
    from idp.profiles import PROFILES

    metadata = document(inside.house.settings, OPENID, PROFILES.values())

    assert metadata["device_authorization_endpoint"] == f"{inside.issuer}/oauth2/device_authorization"
    assert GRANT in metadata["grant_types_supported"]


assert CALLBACK
