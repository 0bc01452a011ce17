"""OpenID Client-Initiated Backchannel Authentication Core 1.0, and FAPI-CIBA by the modules of the OpenID Foundation's suite.

Under a frozen clock, on both databases, over HTTP. A docstring that opens with fapi-ciba-id1 is a module's name.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from agency.jose import Key
from base.ids import identifier
from idp.endpoints.discovery import OPENID, document
from idp.profiles import PROFILES
from idp.store import tables
from tests.fixtures.server import CALLBACK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx2

    from agency.client import Client
    from tests.fixtures.inside import Browser, Inside

GRANT = "urn:openid:params:grant-type:ciba"
USE = [{"type": "personal_data_use", "purpose": "housing-benefit", "data": ["address"]}]
LEVEL = "http://eidas.europa.eu/LoA/"


@pytest.fixture
def client(inside: Inside) -> Client:
    """With a secret: nothing is signed."""
    return inside.register(grant_types=[GRANT, "refresh_token"], redirect_uris=[])


@pytest.fixture
def strict(inside: Inside) -> Client:
    """Under FAPI: with a key, signed requests, bound tokens."""
    return inside.register(profile="fapi2", grant_types=[GRANT, "refresh_token"], redirect_uris=[])


@pytest.fixture
async def sub(inside: Inside) -> str:
    return await inside.known("anna")


async def begin(inside: Inside, client: Client, **form: Any) -> httpx2.Response:
    return await inside.post("/oauth2/bc-authorize", client, **{"scope": "openid", **form})


async def begun(inside: Inside, client: Client, **form: Any) -> dict[str, Any]:
    done = await begin(inside, client, **form)
    assert done.status_code == 200, done.text
    body: dict[str, Any] = done.json()
    return body


def request_object(
    inside: Inside, client: Client, *, key: Key | None = None, alg: str = "ES256", **changes: Any
) -> str:
    at = inside.at()
    claims = {
        "iss": client.client_id,
        "aud": inside.issuer,
        "iat": at,
        "nbf": at,
        "exp": at + 300,
        "jti": identifier(),
        "scope": "openid",
        "binding_message": "1234",
        **changes,
    }
    return inside.signed(client, claims, key=key, alg=alg, typ="oauth-authz-req+jwt")


async def poll(inside: Inside, client: Client, auth_req_id: str) -> tuple[int, dict[str, Any]]:
    done = await inside.post("/oauth2/token", client, grant_type=GRANT, auth_req_id=auth_req_id)
    return done.status_code, done.json()


async def at_my_requests(inside: Inside, username: str = "anna", *, second: bool = True) -> Browser:
    browser = inside.browser()
    await browser.get(f"{inside.issuer}/login?to=/my/requests")
    await browser.log_in(username, second=second)
    assert browser.url == f"{inside.issuer}/my/requests"
    return browser


async def answer(browser: Browser, answer: str = "yes") -> None:
    """The first request of the list."""
    await browser.submit("/my/requests")
    assert "/confirm" in browser.url
    await browser.submit("/confirm", answer=answer)


class TestSection7_1:
    """The authentication request: exactly one hint, and what each member may be."""

    async def test_all_its_members_pass(self, inside: Inside, client: Client, sub: str) -> None:
        told = await begun(
            inside,
            client,
            login_hint=sub,
            acr_values=f"{LEVEL}substantial {LEVEL}low",
            binding_message="Balie 4, nummer A-77",
            requested_expiry="120",
            user_code="1234",
            client_notification_token="x",
            ui_locales="nl",
            authorization_details=json.dumps(USE),
        )

        assert set(told) == {"auth_req_id", "expires_in", "interval"}
        assert len(told["auth_req_id"]) == 43
        assert (told["expires_in"], told["interval"]) == (120, 5)

    @pytest.mark.parametrize(
        ("form", "error"),
        [
            ({}, "invalid_request"),
            ({"login_hint": "SUB", "id_token_hint": "x"}, "invalid_request"),
            ({"login_hint": "SUB", "login_hint_token": "x"}, "invalid_request"),
            ({"login_hint_token": "x"}, "invalid_request"),
            ({"id_token_hint": "x"}, "invalid_request"),
            ({"login_hint": "anna"}, "unknown_user_id"),
            ({"login_hint": "a" * 43}, "unknown_user_id"),
            ({"login_hint": "SUB", "scope": "birthdate"}, "invalid_scope"),
            ({"login_hint": "SUB", "scope": ""}, "invalid_scope"),
            ({"login_hint": "SUB", "scope": "openid address"}, "invalid_scope"),
            ({"login_hint": "SUB", "binding_message": "x" * 101}, "invalid_binding_message"),
            ({"login_hint": "SUB", "binding_message": ""}, "invalid_binding_message"),
            ({"login_hint": "SUB", "binding_message": " x"}, "invalid_binding_message"),
            ({"login_hint": "SUB", "binding_message": "a\u202eb"}, "invalid_binding_message"),
            ({"login_hint": "SUB", "binding_message": "a\u200bb"}, "invalid_binding_message"),
            ({"login_hint": "SUB", "binding_message": "a\nb"}, "invalid_binding_message"),
            ({"login_hint": "SUB", "binding_message": "e\u0301"}, "invalid_binding_message"),
            ({"login_hint": "SUB", "binding_message": "аbc"}, "invalid_binding_message"),
            ({"login_hint": "SUB", "binding_message": "<b>x</b>"}, "invalid_binding_message"),
            ({"login_hint": "SUB", "requested_expiry": "0"}, "invalid_request"),
            ({"login_hint": "SUB", "requested_expiry": "-1"}, "invalid_request"),
            ({"login_hint": "SUB", "requested_expiry": "x"}, "invalid_request"),
            ({"login_hint": "SUB", "authorization_details": "x"}, "invalid_authorization_details"),
            ({"login_hint": "SUB", "resource": "https://other.example"}, "invalid_target"),
        ],
        ids=str,
    )
    async def test_a_bad_request_has_its_error(
        self, inside: Inside, client: Client, sub: str, form: dict[str, str], error: str
    ) -> None:
        """CIBA section 13."""
        given = {name: sub if value == "SUB" else value for name, value in form.items()}

        done = await begin(inside, client, **given)

        assert (done.status_code, done.json()["error"]) == (400, error)

    async def test_a_longer_expiry_than_ours_is_ours(self, inside: Inside, client: Client, sub: str) -> None:
        told = await begun(inside, client, login_hint=sub, requested_expiry="999999")

        assert told["expires_in"] == 600

    async def test_only_who_registered_the_grant_begins_it(self, inside: Inside, sub: str) -> None:
        done = await begin(inside, inside.register(), login_hint=sub)

        assert (done.status_code, done.json()["error"]) == (400, "unauthorized_client")

    async def test_another_agencys_sub_is_nobody_here(self, inside: Inside, client: Client) -> None:
        theirs = await inside.known("anna", "health-insurer")

        done = await begin(inside, client, login_hint=theirs)

        assert done.json()["error"] == "unknown_user_id"

    async def test_who_is_suspended_is_asked_like_any_other(self, inside: Inside, client: Client, sub: str) -> None:
        """A request never tells what became of a citizen."""
        before = await begin(inside, client, login_hint=sub)
        inside.run("citizen suspend", id=inside.citizens["anna"])
        suspended = await begin(inside, client, login_hint=sub)

        assert [one.status_code for one in (before, suspended)] == [200, 200]
        assert (await poll(inside, client, suspended.json()["auth_req_id"]))[1]["error"] == "authorization_pending"

    async def test_who_was_erased_is_as_one_who_never_was(self, inside: Inside, client: Client, sub: str) -> None:
        """Erasure forgets whose pseudonym it was: nothing is left by which it could be told from one that never was."""
        inside.run("citizen erase", id=inside.citizens["anna"])

        erased = await begin(inside, client, login_hint=sub)
        never = await begin(inside, client, login_hint="x" * len(sub))

        assert (erased.status_code, erased.json()["error"]) == (400, "unknown_user_id")
        assert (never.status_code, never.json()) == (erased.status_code, erased.json())

    async def test_an_id_token_of_ours_for_this_client_names_its_citizen(self, inside: Inside, client: Client) -> None:
        """id_token_hint; an expired one will do, another client's will not."""
        both = inside.register(grant_types=[GRANT, "authorization_code"], redirect_uris=[CALLBACK])
        token = await id_token(inside, both)
        inside.clock.advance(3600)

        assert (await begin(inside, both, id_token_hint=token)).status_code == 200
        refused = await begin(inside, client, id_token_hint=token)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")

    async def test_one_client_wears_no_citizen_down(self, inside: Inside, client: Client, sub: str) -> None:
        for _ in range(5):
            await begun(inside, client, login_hint=sub)

        refused = await begin(inside, client, login_hint=sub)

        assert (refused.status_code, refused.json()["error"]) == (403, "access_denied")
        inside.clock.advance(600)
        assert (await begin(inside, client, login_hint=sub)).status_code == 200

    async def test_neither_secret_is_stored_as_it_is(self, inside: Inside, sub: str) -> None:
        pinged = ping_client(inside, "http://localhost:9/ping")
        told = await begun(inside, pinged, login_hint=sub, client_notification_token="t" * 30)

        rows = str(inside.house.databases["idp"].read_now(lambda c: c.execute(select(tables.decoupled)).all()))

        assert told["auth_req_id"] not in rows
        assert "t" * 30 not in rows


async def id_token(inside: Inside, client: Client) -> str:
    """By the code flow."""
    from tests.flows.test_independent_client import CHALLENGE, VERIFIER

    browser = inside.browser()
    form = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    query = "&".join(f"{name}={value}" for name, value in form.items())
    await browser.get(f"{inside.issuer}/oauth2/authorize?{query}")
    await browser.log_in()
    code = browser.arrived.partition("code=")[2].partition("&")[0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    done = await inside.post("/oauth2/token", client, **form)
    return str(done.json()["id_token"])


class TestCitizen:
    """What the citizen sees and does at My requests."""

    async def test_the_whole_way(self, inside: Inside, client: Client, sub: str) -> None:
        told = await begun(
            inside, client, login_hint=sub, binding_message="Balie 4", authorization_details=json.dumps(USE)
        )
        browser = await at_my_requests(inside)
        assert "Loket municipality" in browser.page.text
        assert "Balie 4" in browser.page.text

        await browser.submit("/my/requests")
        assert "Balie 4" in browser.page.text
        assert "Adres" in browser.page.text
        await browser.submit("/confirm", answer="yes")
        assert "/ask" in browser.url
        await browser.submit("/ask", address="allow")
        assert browser.url == f"{inside.issuer}/my/requests?allowed=1"
        assert "Niemand vraagt u nu iets" in browser.page.text
        status, tokens = await poll(inside, client, told["auth_req_id"])

        assert status == 200
        assert {"access_token", "id_token", "refresh_token", "authorization_details"} <= set(tokens)

    async def test_the_overview_tells_that_something_waits(self, inside: Inside, client: Client, sub: str) -> None:
        browser = await at_my_requests(inside)
        await browser.get(f"{inside.issuer}/my")
        assert "Een organisatie vraagt u nu iets" not in browser.page.text
        assert "U geeft op dit moment geen toestemming." in browser.page.text
        await begun(inside, client, login_hint=sub)

        await browser.get(f"{inside.issuer}/my")

        assert "Een organisatie vraagt u nu iets" in browser.page.text

    async def test_only_who_is_asked_sees_it(self, inside: Inside, client: Client, sub: str) -> None:
        await begun(inside, client, login_hint=sub)

        browser = await at_my_requests(inside, "bram")

        assert "Niemand vraagt u nu iets" in browser.page.text

    async def test_nobody_else_opens_or_answers_it(self, inside: Inside, client: Client, sub: str) -> None:
        told = await begun(inside, client, login_hint=sub)
        anna, bram = await at_my_requests(inside), await at_my_requests(inside, "bram")
        asked = next(hidden["asked"] for where, hidden in anna.page.forms if where == "/my/requests")
        csrf = next(hidden["csrf_token"] for where, hidden in bram.page.forms if where == "/logout")

        posted = await bram.http.post("/my/requests", data={"asked": asked, "csrf_token": csrf})

        assert (posted.status_code, posted.headers["location"]) == (303, "/my/requests")
        assert (await poll(inside, client, told["auth_req_id"]))[1]["error"] == "authorization_pending"

    async def test_another_who_logs_in_halfway_neither_allows_nor_refuses_it(
        self, inside: Inside, client: Client, sub: str
    ) -> None:
        told = await begun(inside, client, login_hint=sub)
        browser = await at_my_requests(inside)
        await browser.submit("/my/requests")
        asked = browser.url
        await browser.submit("/logout")
        await browser.get(f"{inside.issuer}/login")
        await browser.log_in("bram")

        for _ in range(2):
            await browser.get(asked)
            assert browser.url == f"{inside.issuer}/my/requests?other=1"
        assert (await poll(inside, client, told["auth_req_id"]))[1]["error"] == "authorization_pending"
        anna = await at_my_requests(inside)
        await answer(anna)
        inside.clock.advance(10)
        assert (await poll(inside, client, told["auth_req_id"]))[0] == 200

    async def test_a_higher_level_is_asked_for(self, inside: Inside, client: Client, sub: str) -> None:
        told = await begun(inside, client, login_hint=sub, acr_values=f"{LEVEL}substantial")
        low = inside.register("health-insurer", grant_types=[GRANT], redirect_uris=[])
        await inside.known("anna", "health-insurer")
        await begun(inside, low, login_hint=inside.sub("anna", "health-insurer"))
        inside.run("citizen erase", id=inside.citizens["bram"])
        browser = await at_my_requests(inside)
        await answer(browser)
        await answer(browser)

        status, tokens = await poll(inside, client, told["auth_req_id"])

        assert status == 200
        assert tokens["scope"] == "openid"

    async def test_a_level_that_nobody_reaches_is_told_as_refused(
        self, inside: Inside, client: Client, sub: str
    ) -> None:
        told = await begun(inside, client, login_hint=sub, acr_values=f"{LEVEL}high")
        browser = await at_my_requests(inside)

        await browser.submit("/my/requests")

        assert browser.url == f"{inside.issuer}/my/requests?impossible=1"
        assert (await poll(inside, client, told["auth_req_id"]))[1]["error"] == "access_denied"

    async def test_the_page_needs_a_login_and_its_form_a_token(self, inside: Inside, client: Client, sub: str) -> None:
        await begun(inside, client, login_hint=sub)
        stranger = inside.browser()
        await stranger.get(f"{inside.issuer}/my/requests")
        assert "/login" in stranger.url
        browser = await at_my_requests(inside)
        asked = next(hidden["asked"] for where, hidden in browser.page.forms if where == "/my/requests")

        assert (await browser.http.post("/my/requests", data={"asked": asked})).status_code == 403

    async def test_what_has_expired_is_not_shown_and_not_opened(self, inside: Inside, client: Client, sub: str) -> None:
        await begun(inside, client, login_hint=sub, requested_expiry="60")
        browser = await at_my_requests(inside)
        inside.clock.advance(60)

        await browser.submit("/my/requests")

        assert "Niemand vraagt u nu iets" in browser.page.text

    async def test_of_two_tabs_one_counts(self, inside: Inside, client: Client, sub: str) -> None:
        told = await begun(inside, client, login_hint=sub)
        browser = await at_my_requests(inside)
        await browser.submit("/my/requests")
        first = browser.url
        await browser.get(f"{inside.issuer}/my/requests")
        await answer(browser, "no")

        await browser.get(first)

        assert browser.status == 400
        assert (await poll(inside, client, told["auth_req_id"]))[1]["error"] == "access_denied"


class TestSection7_1_1:
    """Signed requests, as FAPI-CIBA demands them."""

    async def test_happy_flow(self, inside: Inside, strict: Client, sub: str) -> None:
        """fapi-ciba-id1"""
        signed = request_object(inside, strict, login_hint=sub, requested_expiry=300, acr_values=f"{LEVEL}substantial")
        told = await begun(inside, strict, request=signed)
        assert told["expires_in"] == 300
        await answer(await at_my_requests(inside))

        status, tokens = await poll(inside, strict, told["auth_req_id"])
        again = await poll(inside, strict, told["auth_req_id"])

        assert (status, tokens["token_type"]) == (200, "DPoP")
        assert again[1]["error"] == "invalid_grant"

    async def test_unsigned(self, inside: Inside, strict: Client, sub: str) -> None:
        """fapi-ciba-id1-ensure-unsigned-backchannel-authorization-request-fails"""
        done = await begin(inside, strict, login_hint=sub, binding_message="1234")

        assert (done.status_code, done.json()["error"]) == (400, "invalid_request")

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({"aud": "https://other.example"}, id="fapi-ciba-id1-ensure-request-object-bad-aud-fails"),
            pytest.param({"iss": "another"}, id="fapi-ciba-id1-ensure-request-object-bad-iss-fails"),
            pytest.param({"exp": 1}, id="fapi-ciba-id1-ensure-request-object-expired-exp-fails"),
            pytest.param({"exp": "+4200"}, id="fapi-ciba-id1-ensure-request-object-exp-is-70-minutes-in-future-fails"),
            pytest.param({"nbf": "+600"}, id="fapi-ciba-id1-ensure-request-object-nbf-is-10-minutes-in-future-fails"),
            pytest.param({"nbf": "-4200"}, id="fapi-ciba-id1-ensure-request-object-nbf-is-70-minutes-in-past-fails"),
            pytest.param({"aud": None}, id="fapi-ciba-id1-ensure-request-object-missing-aud-fails"),
            pytest.param({"exp": None}, id="fapi-ciba-id1-ensure-request-object-missing-exp-fails"),
            pytest.param({"iat": None}, id="fapi-ciba-id1-ensure-request-object-missing-iat-fails"),
            pytest.param({"iss": None}, id="fapi-ciba-id1-ensure-request-object-missing-iss-fails"),
            pytest.param({"jti": None}, id="fapi-ciba-id1-ensure-request-object-missing-jti-fails"),
            pytest.param({"nbf": None}, id="fapi-ciba-id1-ensure-request-object-missing-nbf-fails"),
            pytest.param({"sub": "x"}, id="with a sub"),
            pytest.param({"client_id": "another"}, id="another client_id"),
            pytest.param({"jti": 5}, id="jti no text"),
            pytest.param({"binding_message": True}, id="a member of another type"),
            pytest.param({"request": "x"}, id="a request inside"),
        ],
    )
    async def test_what_is_not_this_clients_request_now_is_refused(
        self, inside: Inside, strict: Client, sub: str, changes: dict[str, Any]
    ) -> None:
        moved = {
            name: inside.at() + int(value) if isinstance(value, str) and value[0] in "+-" else value
            for name, value in changes.items()
        }

        done = await begin(inside, strict, request=request_object(inside, strict, login_hint=sub, **moved))

        expected = "request_not_supported" if "request" in changes else "invalid_request"
        assert (done.status_code, done.json()["error"]) == (400, expected)

    async def test_the_clock_of_a_client_may_be_a_little_ahead(self, inside: Inside, strict: Client, sub: str) -> None:
        """FAPI 2.0 Security Profile section 5.3.2.1: iat and nbf up to ten seconds ahead."""
        ahead = inside.at() + 8

        done = await begin(inside, strict, request=request_object(inside, strict, login_hint=sub, nbf=ahead, iat=ahead))

        assert done.status_code == 200

    async def test_requested_expiry_as_a_text(self, inside: Inside, strict: Client, sub: str) -> None:
        """fapi-ciba-id1-ensure-requested-expiry-as-string-succeeds"""
        signed = request_object(inside, strict, login_hint=sub, requested_expiry="30")

        assert (await begun(inside, strict, request=signed))["expires_in"] == 30

    async def test_signed_by_another_client(self, inside: Inside, strict: Client, sub: str) -> None:
        """fapi-ciba-id1-ensure-request-object-signed-by-other-client-fails"""
        other = inside.register(profile="fapi2", grant_types=[GRANT], redirect_uris=[])
        signed = request_object(inside, strict, key=other.key, login_hint=sub)

        assert (await begin(inside, strict, request=signed)).json()["error"] == "invalid_request"

    async def test_signature_none_or_broken(self, inside: Inside, strict: Client, sub: str) -> None:
        """fapi-ciba-id1-ensure-request-object-signature-algorithm-is-none-fails, …-is-bad-fails"""
        head, body, signature = request_object(inside, strict, login_hint=sub).split(".")

        for given in (f"eyJhbGciOiJub25lIn0.{body}.", f"{head}.{body}.{signature[::-1]}", "x", f"{head}.{body}"):
            refused = await begin(inside, strict, request=given)
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")

    async def test_rs256_is_no_algorithm_of_fapi(self, inside: Inside, strict: Client, sub: str) -> None:
        """fapi-ciba-id1-ensure-request-object-signature-algorithm-is-RS256-fails"""
        from joserfc import jwt
        from joserfc.jwk import RSAKey

        key = RSAKey.generate_key(2048)
        at = inside.at()
        claims = {"iss": strict.client_id, "aud": inside.issuer, "iat": at, "nbf": at, "exp": at + 60, "jti": "j"}
        signed = jwt.encode({"alg": "RS256", "kid": "k"}, {**claims, "scope": "openid", "login_hint": sub}, key)

        assert (await begin(inside, strict, request=signed)).json()["error"] == "invalid_request"

    async def test_a_signed_request_serves_once(self, inside: Inside, strict: Client, sub: str) -> None:
        signed = request_object(inside, strict, login_hint=sub)

        assert (await begin(inside, strict, request=signed)).status_code == 200
        assert (await begin(inside, strict, request=signed)).json()["error"] == "invalid_request"

    async def test_what_stands_beside_it_does_not_count(self, inside: Inside, strict: Client, sub: str) -> None:
        signed = request_object(inside, strict, login_hint=sub, requested_expiry=60)

        told = await begun(
            inside, strict, request=signed, requested_expiry="500", scope="openid address", login_hint="x"
        )

        assert told["expires_in"] == 60

    async def test_multiple_hints(self, inside: Inside, strict: Client, sub: str) -> None:
        """fapi-ciba-id1-ensure-authorization-request-with-multiple-hints-fails"""
        signed = request_object(inside, strict, login_hint=sub, id_token_hint="x")

        assert (await begin(inside, strict, request=signed)).json()["error"] == "invalid_request"

    async def test_binding_message(self, inside: Inside, strict: Client, sub: str) -> None:
        """fapi-ciba-id1-ensure-authorization-request-with-binding-message-succeeds"""
        told = await begun(inside, strict, request=request_object(inside, strict, login_hint=sub))
        browser = await at_my_requests(inside)
        assert "1234" in browser.page.text
        await answer(browser)

        assert (await poll(inside, strict, told["auth_req_id"]))[0] == 200

    async def test_bad_binding_message(self, inside: Inside, strict: Client, sub: str) -> None:
        """fapi-ciba-id1-ensure-authorization-request-with-potentially-bad-binding-message"""
        message = "1234 \U0001f44d\U0001f3ff 品川 Lorem ipsum dolor sit amet, consectetur adipiscing elit"
        signed = request_object(inside, strict, login_hint=sub, binding_message=message)

        assert (await begin(inside, strict, request=signed)).json()["error"] == "invalid_binding_message"

    async def test_under_fapi_something_must_bind(self, inside: Inside, strict: Client, sub: str) -> None:
        """FAPI-CIBA section 5.2.2: a binding_message, or authorization_details, which say what it is about."""
        bare = request_object(inside, strict, login_hint=sub, binding_message=None)
        told = request_object(inside, strict, login_hint=sub, binding_message=None, authorization_details=USE)

        assert (await begin(inside, strict, request=bare)).json()["error"] == "invalid_request"
        assert (await begin(inside, strict, request=told)).status_code == 200

    async def test_other_scope_order(self, inside: Inside, sub: str) -> None:
        """fapi-ciba-id1-ensure-other-scope-order-succeeds"""
        client = inside.register(
            profile="fapi2", grant_types=[GRANT], redirect_uris=[], scope="openid profile birthdate"
        )
        signed = request_object(inside, client, login_hint=sub, scope="birthdate openid")

        assert (await begin(inside, client, request=signed)).status_code == 200

    async def test_a_baseline_client_that_registered_an_algorithm_must_sign(self, inside: Inside, sub: str) -> None:
        key = Key.generate()
        client = inside.register(
            key=key,
            grant_types=[GRANT],
            redirect_uris=[],
            token_endpoint_auth_method="client_secret_basic",
            backchannel_authentication_request_signing_alg="ES256",
        )

        assert (await begin(inside, client, login_hint=sub)).json()["error"] == "invalid_request"
        signed = request_object(inside, client, login_hint=sub)
        assert (await begin(inside, client, request=signed)).status_code == 200


class TestClientAuthentication:
    """Whoever cannot prove who it is gets nothing, at either endpoint."""

    async def test_without_an_assertion_at_the_backchannel_endpoint(
        self, inside: Inside, strict: Client, sub: str
    ) -> None:
        """fapi-ciba-id1-ensure-without-client-assertion-in-backchannel-authorization-request-fails"""
        signed = request_object(inside, strict, login_hint=sub)
        done = await inside.post("/oauth2/bc-authorize", None, client_id=strict.client_id, request=signed)

        assert (done.status_code, done.json()["error"]) == (401, "invalid_client")

    async def test_without_an_assertion_at_the_token_endpoint(self, inside: Inside, strict: Client, sub: str) -> None:
        """fapi-ciba-id1-ensure-without-client-assertion-in-token-endpoint-request-fails"""
        told = await begun(inside, strict, request=request_object(inside, strict, login_hint=sub))
        form = {"grant_type": GRANT, "auth_req_id": told["auth_req_id"], "client_id": strict.client_id}

        assert (await inside.post("/oauth2/token", None, **form)).json()["error"] == "invalid_client"

    async def test_rs256_assertion(self, inside: Inside, strict: Client, sub: str) -> None:
        """fapi-ciba-id1-ensure-client-assertion-signature-algorithm-in-backchannel-authorization-request-is-RS256-fails"""
        from joserfc import jwt
        from joserfc.jwk import RSAKey

        at = inside.at()
        claims = {"iss": strict.client_id, "sub": strict.client_id, "aud": inside.issuer, "jti": "j", "exp": at + 60}
        assertion = jwt.encode({"alg": "RS256", "kid": "k"}, claims, RSAKey.generate_key(2048))
        done = await begin(
            inside, strict, request=request_object(inside, strict, login_hint=sub), client_assertion=assertion
        )

        assert (done.status_code, done.json()["error"]) == (401, "invalid_client")

    async def test_another_client_id_beside_it(self, inside: Inside, strict: Client, sub: str) -> None:
        """fapi-ciba-id1-ensure-wrong-client-id-in-backchannel-authorization-request"""
        done = await begin(inside, strict, request=request_object(inside, strict, login_hint=sub), client_id="another")

        assert (done.status_code, done.json()["error"]) == (401, "invalid_client")

    async def test_the_backchannel_endpoint_is_no_audience(self, inside: Inside, strict: Client, sub: str) -> None:
        """The issuer alone, as everywhere (docs/divergences.md)."""
        signed = request_object(inside, strict, login_hint=sub)
        assertion = inside.assertion(strict, aud=f"{inside.issuer}/oauth2/bc-authorize")

        done = await begin(inside, strict, request=signed, client_assertion=assertion)

        assert done.json()["error"] == "invalid_client"


class TestSection11:
    """The token endpoint's errors."""

    async def test_user_rejects(self, inside: Inside, strict: Client, sub: str) -> None:
        """fapi-ciba-id1-user-rejects-authentication"""
        told = await begun(inside, strict, request=request_object(inside, strict, login_hint=sub))
        browser = await at_my_requests(inside)

        await answer(browser, "no")

        assert browser.url == f"{inside.issuer}/my/requests?refused=1"
        status, body = await poll(inside, strict, told["auth_req_id"])
        assert (status, body["error"]) == (400, "access_denied")

    async def test_expired(self, inside: Inside, strict: Client, sub: str) -> None:
        """fapi-ciba-id1-auth-req-id-expired"""
        signed = request_object(inside, strict, login_hint=sub, requested_expiry=30)
        told = await begun(inside, strict, request=signed)
        inside.clock.advance(30)

        assert (await poll(inside, strict, told["auth_req_id"]))[1]["error"] == "expired_token"

    async def test_many_polls(self, inside: Inside, strict: Client, sub: str) -> None:
        """fapi-ciba-id1-multiple-call-to-token-endpoint"""
        told = await begun(inside, strict, request=request_object(inside, strict, login_hint=sub))

        errors = [(await poll(inside, strict, told["auth_req_id"]))[1]["error"] for _ in range(4)]

        assert errors == ["authorization_pending", "slow_down", "slow_down", "slow_down"]

    async def test_another_clients_auth_req_id(self, inside: Inside, strict: Client, sub: str) -> None:
        """fapi-ciba-id1-ensure-wrong-auth-req-id-in-token-endpoint-request"""
        other = inside.register(profile="fapi2", grant_types=[GRANT], redirect_uris=[])
        told = await begun(inside, strict, request=request_object(inside, strict, login_hint=sub))
        await answer(await at_my_requests(inside))

        assert (await poll(inside, other, told["auth_req_id"]))[1]["error"] == "invalid_grant"
        assert (await poll(inside, strict, told["auth_req_id"]))[0] == 200

    async def test_refresh_token(self, inside: Inside, strict: Client, sub: str) -> None:
        """fapi-ciba-id1-refresh-token"""
        told = await begun(inside, strict, request=request_object(inside, strict, login_hint=sub))
        await answer(await at_my_requests(inside))
        _, tokens = await poll(inside, strict, told["auth_req_id"])

        done = await inside.post(
            "/oauth2/token", strict, grant_type="refresh_token", refresh_token=tokens["refresh_token"]
        )

        assert done.status_code == 200

    async def test_a_device_code_is_no_auth_req_id_and_the_reverse(self, inside: Inside, sub: str) -> None:
        device = "urn:ietf:params:oauth:grant-type:device_code"
        both = inside.register(grant_types=[GRANT, device], redirect_uris=[])
        one = await begun(inside, both, login_hint=sub)
        two = (await inside.post("/oauth2/device_authorization", both, scope="openid")).json()

        swapped = await inside.post("/oauth2/token", both, grant_type=device, device_code=one["auth_req_id"])

        assert swapped.json()["error"] == "invalid_grant"
        assert (await poll(inside, both, two["device_code"]))[1]["error"] == "invalid_grant"

    @pytest.mark.parametrize("value", ["nonsense", "a" * 43, "x" * 3000])
    async def test_an_unknown_one_is_invalid_grant(self, inside: Inside, client: Client, value: str) -> None:
        assert (await poll(inside, client, value))[1]["error"] == "invalid_grant"

    async def test_none_is_invalid_request(self, inside: Inside, client: Client) -> None:
        assert (await inside.post("/oauth2/token", client, grant_type=GRANT)).json()["error"] == "invalid_request"


class Listener:
    """A client's notification endpoint: answers `status`, remembers what came."""

    def __init__(self) -> None:
        self.status = 204
        self.extra = ""
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return f"http://localhost:{port}/ping"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.seen.append((head[0], headers, body))
        content = b"" if self.status == 204 else b"a body that nobody asked for"
        length = f"content-length: {len(content)}\r\n" if content else ""
        writer.write(f"HTTP/1.1 {self.status} X\r\n{self.extra}{length}connection: close\r\n\r\n".encode() + content)
        await writer.drain()
        writer.close()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    one = Listener()
    yield one
    await one.stop()


def ping_client(inside: Inside, address: str) -> Client:
    return inside.register(
        grant_types=[GRANT],
        redirect_uris=[],
        backchannel_token_delivery_mode="ping",
        backchannel_client_notification_endpoint=address,
    )


class TestSection10_2:
    """Ping: the client is told that there is something to fetch."""

    TOKEN = "notification-token-of-more-than-128-bits"

    async def start(self, inside: Inside, listener: Listener, sub: str) -> tuple[Client, dict[str, Any]]:
        client = ping_client(inside, await listener.start())
        return client, await begun(inside, client, login_hint=sub, client_notification_token=self.TOKEN)

    async def deliver(self, inside: Inside) -> int:
        return await inside.worker.deliver()

    @pytest.mark.parametrize("given", ["yes", "no"])
    async def test_it_is_told_once_the_citizen_has_answered_and_not_what(
        self, inside: Inside, listener: Listener, sub: str, given: str
    ) -> None:
        client, told = await self.start(inside, listener, sub)
        assert await self.deliver(inside) == 0

        await answer(await at_my_requests(inside), given)
        await self.deliver(inside)
        await self.deliver(inside)

        ((line, headers, body),) = listener.seen
        assert line.startswith("POST /ping ")
        assert headers["authorization"] == f"Bearer {self.TOKEN}"
        assert headers["content-type"] == "application/json"
        assert json.loads(body) == {"auth_req_id": told["auth_req_id"]}
        status, answered = await poll(inside, client, told["auth_req_id"])
        assert (status, answered.get("error")) == ((200, None) if given == "yes" else (400, "access_denied"))

    async def test_who_is_pinged_may_poll_all_the_same(self, inside: Inside, listener: Listener, sub: str) -> None:
        client, told = await self.start(inside, listener, sub)
        assert (await poll(inside, client, told["auth_req_id"]))[1]["error"] == "authorization_pending"
        await answer(await at_my_requests(inside))

        assert (await poll(inside, client, told["auth_req_id"]))[0] == 200

    @pytest.mark.parametrize(
        ("status", "extra"),
        [
            pytest.param(200, "", id="fapi-ciba-id1-ping-backchannel-notification-endpoint-return-a-body"),
            pytest.param(401, "", id="fapi-ciba-id1-ping-backchannel-notification-endpoint-response-401"),
            pytest.param(403, "", id="fapi-ciba-id1-ping-backchannel-notification-endpoint-response-403"),
            pytest.param(
                301,
                "location: http://localhost:1/elsewhere\r\n",
                id="fapi-ciba-id1-ping-backchannel-notification-endpoint-return-redirect-request",
            ),
        ],
    )
    async def test_whatever_it_answers_the_flow_goes_on_and_nothing_is_sent_twice(
        self, inside: Inside, listener: Listener, sub: str, status: int, extra: str
    ) -> None:
        """No redirect is followed, and who refuses is not asked again."""
        listener.status, listener.extra = status, extra
        client, told = await self.start(inside, listener, sub)
        await answer(await at_my_requests(inside))

        for _ in range(3):
            await self.deliver(inside)
            inside.clock.advance(20)

        assert len(listener.seen) == 1
        assert (await poll(inside, client, told["auth_req_id"]))[0] == 200

    async def test_a_server_that_fails_is_tried_again_until_the_request_expires(
        self, inside: Inside, listener: Listener, sub: str
    ) -> None:
        listener.status = 503
        await self.start(inside, listener, sub)
        await answer(await at_my_requests(inside))
        await self.deliver(inside)
        inside.clock.advance(3)
        await self.deliver(inside)
        assert len(listener.seen) == 2

        inside.clock.advance(600)
        assert await self.deliver(inside) == 1
        assert len(listener.seen) == 2

    @pytest.mark.parametrize("token", ["", "short", "x" * 1025, "with space in it 0123456789", "é" * 30])
    async def test_the_token_must_be_a_bearer_token_that_cannot_be_guessed(
        self, inside: Inside, sub: str, token: str
    ) -> None:
        client = ping_client(inside, "http://localhost:9/ping")

        done = await begin(inside, client, login_hint=sub, client_notification_token=token)

        assert (done.status_code, done.json()["error"]) == (400, "invalid_request")


def test_the_metadata_names_it(inside: Inside) -> None:
    """fapi-ciba-id1-discovery-end-point-verification; CIBA section 4."""
    metadata = document(inside.house.settings, OPENID, PROFILES.values())

    assert metadata["backchannel_authentication_endpoint"] == f"{inside.issuer}/oauth2/bc-authorize"
    assert metadata["backchannel_token_delivery_modes_supported"] == ["poll", "ping"]
    assert metadata["backchannel_user_code_parameter_supported"] is False
    assert {"ES256", "PS256"} <= set(metadata["backchannel_authentication_request_signing_alg_values_supported"])
    assert GRANT in metadata["grant_types_supported"]
