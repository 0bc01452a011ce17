"""RFC 8693, token exchange: from one agency's view of a citizen to another agency's pseudonym, only as the registry allows.

Under a frozen clock, on both databases, over HTTP.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from agency.client import Client
from consent.interface import PersonalDataUse
from tests.fixtures.server import CALLBACK
from tests.flows.test_independent_client import CHALLENGE, VERIFIER

if TYPE_CHECKING:
    import httpx2

    from tests.fixtures.inside import Browser, Inside

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
USE = {"type": "personal_data_use", "purpose": "housing-benefit", "data": ["income"]}


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


@pytest.fixture
def client(inside: Inside) -> Client:
    """The municipality's."""
    return inside.register(grant_types=["authorization_code", "refresh_token", GRANT])


@pytest.fixture
def tax(inside: Inside) -> Client:
    return inside.register("tax-authority", grant_types=["authorization_code"])


async def log_in(inside: Inside, client: Client, username: str = "anna") -> tuple[Browser, dict[str, Any]]:
    """By the code flow, asking for nothing; the browser and the tokens."""
    browser = inside.browser()
    form = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    await browser.get(f"{inside.issuer}/oauth2/authorize?{urlencode(form)}")
    await browser.log_in(username)
    code = browser.arrived.partition("code=")[2].partition("&")[0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    done = await inside.post("/oauth2/token", client, **form)
    assert done.status_code == 200, done.text
    return browser, done.json()


async def give(inside: Inside, username: str = "anna", **answers: bool) -> None:
    """The citizen answers the municipality, on address and income."""
    registry = inside.house.consent.registry
    citizen = inside.house.ring.pseudonyms.handle(inside.citizens[username])
    use = [PersonalDataUse("housing-benefit")]
    question = await registry.question(citizen=citizen, agency="municipality", requests=use, answered=(), anew=True)
    assert question is not None
    given = {item.category: answers.get(item.category, True) for item in question.items}
    await registry.answer(citizen=citizen, question=question, answers=given, language="nl")


async def exchange(inside: Inside, client: Client, token: str, **changes: str | None) -> httpx2.Response:
    form: dict[str, str | None] = {
        "grant_type": GRANT,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        "audience": "tax-authority",
        "authorization_details": json.dumps([USE]),
        **changes,
    }
    return await inside.post(
        "/oauth2/token", client, **{name: value for name, value in form.items() if value is not None}
    )


class TestSection2_2_1:
    """The successful response."""

    @pytest.mark.parametrize("kind", [ACCESS_TOKEN, ID_TOKEN])
    async def test_the_token_is_the_other_agencys_view_of_the_same_citizen(
        self, inside: Inside, client: Client, kind: str
    ) -> None:
        _, tokens = await log_in(inside, client)
        await give(inside)
        given = tokens["access_token" if kind == ACCESS_TOKEN else "id_token"]

        done = await exchange(inside, client, given, subject_token_type=kind)

        body = done.json()
        assert done.status_code == 200, body
        assert set(body) == {
            "access_token",
            "issued_token_type",
            "token_type",
            "expires_in",
            "authorization_details",
        }
        assert (body["issued_token_type"], body["token_type"], body["expires_in"]) == (ACCESS_TOKEN, "Bearer", 30)
        assert body["authorization_details"] == [{**USE, "source": "tax-authority"}]
        claims = claims_of(body["access_token"])
        assert claims["sub"] == inside.sub("anna", "tax-authority")
        assert claims["aud"] == "tax-authority"
        assert done.headers["cache-control"] == "no-store"

    async def test_nothing_in_it_tells_how_the_first_agency_knows_the_citizen(
        self, inside: Inside, client: Client
    ) -> None:
        _, tokens = await log_in(inside, client)
        await give(inside)

        claims = claims_of((await exchange(inside, client, tokens["access_token"])).json()["access_token"])

        before = claims_of(tokens["access_token"])
        assert inside.sub("anna", "municipality") not in json.dumps(claims)
        assert before["jti"] not in json.dumps(claims)
        assert not {"auth_time", "sid", "scope", "agency"} & set(claims)

    async def test_data_that_is_not_named_is_what_the_target_has(self, inside: Inside, client: Client) -> None:
        _, tokens = await log_in(inside, client)
        await give(inside)
        bare = json.dumps([{"type": "personal_data_use", "purpose": "housing-benefit"}])

        done = await exchange(inside, client, tokens["access_token"], authorization_details=bare)

        assert done.json()["authorization_details"][0]["data"] == ["income"]

    async def test_there_is_no_refresh_token_and_no_id_token(self, inside: Inside, client: Client) -> None:
        _, tokens = await log_in(inside, client)
        await give(inside)

        assert not {"refresh_token", "id_token"} & set((await exchange(inside, client, tokens["access_token"])).json())


class TestSection4_1:
    """act: delegation, always; nobody becomes the citizen."""

    async def test_it_names_who_acts(self, inside: Inside, client: Client) -> None:
        _, tokens = await log_in(inside, client)
        await give(inside)

        claims = claims_of((await exchange(inside, client, tokens["access_token"])).json()["access_token"])

        assert claims["act"] == {"iss": inside.issuer, "sub": client.client_id, "agency": "municipality"}
        assert claims["client_id"] == client.client_id


class TestConsent:
    """The registry decides, and the citizen sees it."""

    @pytest.mark.parametrize(
        ("answers", "changes", "error"),
        [
            (None, {}, "access_denied"),
            ({"income": False}, {}, "access_denied"),
            ({}, {"audience": "population-register"}, "invalid_target"),
            ({}, {"audience": "health-insurer"}, "invalid_target"),
            ({}, {"audience": "nobody"}, "invalid_target"),
            ({}, {"details": {**USE, "purpose": "health-insurance"}}, "invalid_authorization_details"),
            ({}, {"details": {**USE, "purpose": "nothing"}}, "invalid_authorization_details"),
            ({}, {"details": {**USE, "data": ["birth-date"]}}, "invalid_authorization_details"),
            ({}, {"details": {**USE, "data": ["income", "address"]}}, "invalid_target"),
        ],
        ids=str,
    )
    async def test_what_is_not_allowed_now_is_refused_and_leaves_a_line_in_the_history(
        self, inside: Inside, client: Client, answers: dict[str, bool] | None, changes: dict[str, Any], error: str
    ) -> None:
        browser, tokens = await log_in(inside, client)
        if answers is not None:
            await give(inside, **answers)
        given = {**changes}
        if "details" in given:
            given["authorization_details"] = json.dumps([given.pop("details")])

        done = await exchange(inside, client, tokens["access_token"], **given)

        assert (done.status_code, done.json()["error"]) == (400, error)
        await browser.get(f"{inside.issuer}/my/history")
        assert browser.html.count('/check"') == 1  # each line leads to its receipt: one line, the attempt
        assert "Geweigerd" in browser.page.text

    async def test_the_citizen_sees_who_was_told_and_that_no_data_went(self, inside: Inside, client: Client) -> None:
        browser, tokens = await log_in(inside, client)
        await give(inside)
        await exchange(inside, client, tokens["access_token"])

        await browser.get(f"{inside.issuer}/my/history")

        for text in ("Gemeente Lindermeer", "Huurtoeslag", "Belastingdienst Oostland", "Toegestaan"):
            assert text in browser.page.text
        assert "Zij hoorden wie u bij de ander bent" in browser.page.text

    async def test_a_withdrawal_ends_what_was_exchanged_and_the_next_is_denied(
        self, inside: Inside, client: Client, tax: Client
    ) -> None:
        browser, tokens = await log_in(inside, client)
        await give(inside)
        token = (await exchange(inside, client, tokens["access_token"])).json()["access_token"]
        assert (await inside.post("/oauth2/introspect", tax, token=token)).json()["active"] is True

        await browser.get(f"{inside.issuer}/my/agencies/municipality/withdraw")
        await browser.submit("/my/agencies/municipality/withdraw")
        worker = inside.house.consent.worker({"consent.given": ignore, "consent.withdrawn": inside.withdrawn})
        while await worker.deliver():
            pass

        assert (await inside.post("/oauth2/introspect", tax, token=token)).json() == {"active": False}
        assert (await exchange(inside, client, tokens["access_token"])).json()["error"] == "access_denied"

    async def test_a_withdrawal_names_it_as_under_way(self, inside: Inside, client: Client) -> None:
        _, tokens = await log_in(inside, client)
        await give(inside)
        token = (await exchange(inside, client, tokens["access_token"])).json()["access_token"]
        citizen = inside.house.ring.pseudonyms.handle(inside.citizens["anna"])

        done = await inside.house.consent.registry.withdraw_agency("municipality", citizen)

        assert done.under_way == (claims_of(token)["jti"],)

    async def test_it_is_no_permit_for_data(self, inside: Inside, client: Client) -> None:
        from consent.interface import PermitRefused

        _, tokens = await log_in(inside, client)
        await give(inside)
        token = (await exchange(inside, client, tokens["access_token"])).json()["access_token"]

        with pytest.raises(PermitRefused):
            await inside.house.consent.registry.redeem(token, source="tax-authority")

    async def test_the_registrys_api_and_userinfo_know_it_not(self, inside: Inside, client: Client) -> None:
        _, tokens = await log_in(inside, client)
        await give(inside)
        token = (await exchange(inside, client, tokens["access_token"])).json()["access_token"]
        headers = {"authorization": f"Bearer {token}"}

        async with inside.http() as http:
            answers = [
                await http.get("/oauth2/userinfo", headers=headers),
                await http.post("/consent/v1/checks", headers=headers, json={}),
            ]

        assert [one.status_code for one in answers] == [401, 401]

    async def test_another_citizens_consent_does_not_count(self, inside: Inside, client: Client) -> None:
        _, tokens = await log_in(inside, client, "bram")
        await give(inside, "anna")

        assert (await exchange(inside, client, tokens["access_token"])).json()["error"] == "access_denied"


async def ignore(_payload: dict[str, Any]) -> None:
    pass


class TestSection2_1:
    """The request."""

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"subject_token": None}, "invalid_request"),
            ({"subject_token": "x"}, "invalid_request"),
            ({"subject_token": "x" * 20_000}, "invalid_request"),
            ({"subject_token_type": None}, "invalid_request"),
            ({"subject_token_type": ID_TOKEN}, "invalid_request"),
            ({"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request"),
            ({"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
            ({"requested_token_type": ID_TOKEN}, "invalid_request"),
            ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
            ({"actor_token": "x", "actor_token_type": ACCESS_TOKEN}, "invalid_request"),
            ({"actor_token_type": ACCESS_TOKEN}, "invalid_request"),
            ({"scope": "openid"}, "invalid_scope"),
            ({"scope": "consent:permit"}, "invalid_scope"),
            ({"resource": "https://tax.example/api"}, "invalid_target"),
            ({"audience": None}, "invalid_target"),
            ({"audience": "municipality"}, "invalid_target"),
            ({"audience": "Tax authority"}, "invalid_target"),
            ({"audience": "x" * 200}, "invalid_target"),
            ({"authorization_details": None}, "invalid_authorization_details"),
            ({"authorization_details": "[]"}, "invalid_authorization_details"),
            ({"authorization_details": json.dumps([USE, USE])}, "invalid_authorization_details"),
            (
                {"authorization_details": json.dumps([{**USE, "source": "population-register"}])},
                "invalid_authorization_details",
            ),
            ({"authorization_details": json.dumps([{**USE, "duration_days": 1}])}, "invalid_authorization_details"),
        ],
        ids=lambda given: str(given)[:70],
    )
    async def test_a_bad_request_has_its_error(
        self, inside: Inside, client: Client, changes: dict[str, str | None], error: str
    ) -> None:
        _, tokens = await log_in(inside, client)
        await give(inside)

        done = await exchange(inside, client, tokens["access_token"], **changes)

        assert (done.status_code, done.json()["error"]) == (400, error)

    async def test_only_who_registered_the_grant_may(self, inside: Inside) -> None:
        client = inside.register(grant_types=["authorization_code"])
        _, tokens = await log_in(inside, client)
        await give(inside)

        assert (await exchange(inside, client, tokens["access_token"])).json()["error"] == "unauthorized_client"

    async def test_a_client_exchanges_its_own_tokens_alone(self, inside: Inside, client: Client) -> None:
        """Neither another agency's nor those of other software of the same agency."""
        await give(inside)
        for agency in ("municipality", "health-insurer"):
            other = inside.register(agency, grant_types=["authorization_code"])
            _, tokens = await log_in(inside, other)
            for kind, name in ((ACCESS_TOKEN, "access_token"), (ID_TOKEN, "id_token")):
                done = await exchange(inside, client, tokens[name], subject_token_type=kind)
                assert (done.status_code, done.json()["error"]) == (400, "invalid_request")

    async def test_a_token_of_no_citizen_is_refused(self, inside: Inside) -> None:
        client = inside.register(grant_types=["client_credentials", GRANT], redirect_uris=[], scope="consent:check")
        token = (await inside.post("/oauth2/token", client, grant_type="client_credentials")).json()["access_token"]

        assert (await exchange(inside, client, token)).json()["error"] == "invalid_request"

    async def test_what_was_exchanged_is_not_exchanged_again(self, inside: Inside, client: Client, tax: Client) -> None:
        """No chain from agency to agency: neither by who got it nor by whom it is for."""
        both = inside.register("tax-authority", grant_types=["authorization_code", GRANT])
        _, tokens = await log_in(inside, client)
        await give(inside)
        token = (await exchange(inside, client, tokens["access_token"])).json()["access_token"]

        for who in (client, both):
            done = await exchange(inside, who, token, audience="population-register")
            assert done.json()["error"] == "invalid_request"

    @pytest.mark.parametrize("kind", [ACCESS_TOKEN, ID_TOKEN])
    async def test_an_expired_token_and_one_of_an_ended_login_are_refused(
        self, inside: Inside, client: Client, kind: str
    ) -> None:
        name = "access_token" if kind == ACCESS_TOKEN else "id_token"
        browser, tokens = await log_in(inside, client)
        await give(inside)
        await browser.get(f"{inside.issuer}/my")
        await browser.submit("/logout")
        ended = await exchange(inside, client, tokens[name], subject_token_type=kind)
        _, fresh = await log_in(inside, client)
        inside.clock.advance(300)
        expired = await exchange(inside, client, fresh[name], subject_token_type=kind)

        assert [one.json()["error"] for one in (ended, expired)] == ["invalid_request", "invalid_request"]

    async def test_a_revoked_token_is_refused(self, inside: Inside, client: Client) -> None:
        _, tokens = await log_in(inside, client)
        await give(inside)
        await inside.post("/oauth2/revoke", client, token=tokens["access_token"])

        assert (await exchange(inside, client, tokens["access_token"])).json()["error"] == "invalid_request"

    async def test_a_refused_request_is_asked_of_nobody(self, inside: Inside, client: Client) -> None:
        """What is no token of this client's tells the registry nothing, and the citizen nothing."""
        browser, tokens = await log_in(inside, client)
        await exchange(inside, client, tokens["access_token"] + "x")
        await exchange(inside, client, tokens["access_token"], scope="openid")

        await browser.get(f"{inside.issuer}/my/history")

        assert "<tr>" not in browser.html


class TestIntrospection:
    """RFC 7662: the agency that a token is for asks whether it lives, and what it says."""

    async def test_the_target_learns_what_it_needs_and_a_third_nothing(
        self, inside: Inside, client: Client, tax: Client
    ) -> None:
        third = inside.register("health-insurer", grant_types=["authorization_code"])
        _, tokens = await log_in(inside, client)
        await give(inside)
        token = (await exchange(inside, client, tokens["access_token"])).json()["access_token"]

        told = (await inside.post("/oauth2/introspect", tax, token=token)).json()
        assert (told["active"], told["sub"], told["act"]["agency"]) == (
            True,
            inside.sub("anna", "tax-authority"),
            "municipality",
        )
        assert told["authorization_details"] == [{**USE, "source": "tax-authority"}]
        assert (await inside.post("/oauth2/introspect", third, token=token)).json() == {"active": False}
        # An agency never learns of tokens that another has for itself.
        assert (await inside.post("/oauth2/introspect", tax, token=tokens["access_token"])).json() == {"active": False}

    async def test_it_ends_with_the_login_and_after_thirty_seconds(
        self, inside: Inside, client: Client, tax: Client
    ) -> None:
        browser, tokens = await log_in(inside, client)
        await give(inside)
        first = (await exchange(inside, client, tokens["access_token"])).json()["access_token"]
        await browser.get(f"{inside.issuer}/my")
        await browser.submit("/logout")
        _, again = await log_in(inside, client)
        second = (await exchange(inside, client, again["access_token"])).json()["access_token"]
        assert (await inside.post("/oauth2/introspect", tax, token=first)).json() == {"active": False}
        assert (await inside.post("/oauth2/introspect", tax, token=second)).json()["active"] is True

        inside.clock.advance(30)

        assert (await inside.post("/oauth2/introspect", tax, token=second)).json() == {"active": False}


class TestBinding:
    """RFC 9449: a bound subject token needs its key, and what comes of it is bound to that key."""

    async def test_with_the_same_key(self, inside: Inside) -> None:
        strict, token = await bound(inside)

        done = await exchange(inside, strict, token)

        body = done.json()
        assert (done.status_code, body["token_type"]) == (200, "DPoP")
        assert claims_of(body["access_token"])["cnf"] == claims_of(token)["cnf"]

    async def test_with_another_key_of_the_same_client(self, inside: Inside) -> None:
        from agency.jose import Key

        strict, token = await bound(inside)
        thief = Client(inside.issuer, strict.client_id, Key.generate())
        form = {
            "grant_type": GRANT,
            "subject_token": token,
            "subject_token_type": ACCESS_TOKEN,
            "audience": "tax-authority",
            "authorization_details": json.dumps([USE]),
            "client_id": strict.client_id,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": inside.assertion(strict),
        }

        async with inside.http() as http:
            done = await http.post("/oauth2/token", data=form, headers={"dpop": inside.proof(thief, "/oauth2/token")})

        assert (done.status_code, done.json()["error"]) == (400, "invalid_request")


async def bound(inside: Inside) -> tuple[Client, str]:
    """A client under FAPI, and an access token of anna's that is bound to its key."""
    strict = inside.register(profile="fapi2", grant_types=["authorization_code", GRANT])
    form = {
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    pushed = (await inside.post("/oauth2/par", strict, **form)).json()["request_uri"]
    browser = inside.browser()
    query = urlencode({"client_id": strict.client_id, "request_uri": pushed})
    await browser.get(f"{inside.issuer}/oauth2/authorize?{query}")
    await browser.log_in()
    code = browser.arrived.partition("code=")[2].partition("&")[0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    tokens = (await inside.post("/oauth2/token", strict, **form)).json()
    await give(inside)
    return strict, tokens["access_token"]
