"""OpenID Connect Core, as the OpenID Foundation's Basic OP tests ask it: each test is named by the module that it stands for."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from jose import jwt as second_verifier

from agency.client import Client
from idp.citizens.national_number import is_valid
from tests.fixtures.server import CALLBACK, log_in
from tests.flows.test_independent_client import (
    CHALLENGE,
    VERIFIER,
    Stopping,
    address,
    answer_of,
    browser,
    wait_for_new_code,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.server import Server

__all__ = ["browser"]

ALL = "openid profile birthdate address nationality"
EVERYTHING = {"name": "allow", "birth-date": "allow", "address": "allow", "nationality": "allow"}
PURPOSE = {
    "id": "conformance",
    "agency": "health-insurer",
    "title": {"nl": "Proef", "en": "Trial"},
    "explanation": {"nl": "Om te zien of het werkt.", "en": "To see whether it works."},
    "refusal": {"nl": "Dan gebeurt er niets.", "en": "Then nothing happens."},
    "legalBasis": "consent",
    "statute": "AVG art. 6 lid 1 onder a",
    "data": ["name", "birth-date", "address", "nationality"],
    "maxDurationDays": 30,
}
PASSWORD = "zeven blauwe vogels"


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    server.tell("purpose add", file=PURPOSE)
    server.tell("purpose publish", id="conformance")
    return registered(server)


def registered(server: Server, **changes: Any) -> Client:
    file = {
        "client_name": "suite",
        "agency": "health-insurer",
        "purpose": "conformance",
        "scope": ALL,
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [CALLBACK, CALLBACK + "/2"],
        **changes,
    }
    done = server.tell("client add", profile="certification", file=file)
    return Client(server.issuer, done["client_id"], None, done["client_secret"])


@pytest.fixture(scope="module")
def anna(server: Server, client: Client) -> Iterator[Stopping]:
    """Logged in, and has allowed everything."""
    one = Stopping()
    wait_for_new_code("anna" + server.issuer)
    log_in(one, ask(server, client, scope=ALL))
    if not one.arrived:
        one.submit("/ask", **EVERYTHING)
    yield one
    one.close()


@pytest.fixture(scope="module")
def carla(server: Server) -> str:
    """A citizen with a password alone, who can log in as often as a test likes."""
    number = next(f"{n:09d}" for n in range(999900100, 999900200) if is_valid(f"{n:09d}"))
    person = {"national_number": number, "given_names": "Carla", "family_name": "Voorbeeld", "birth_date": "1960-01-01"}
    server.tell("citizen add", file={**person, "username": "carla", "password": PASSWORD})
    return "carla"


def ask(server: Server, client: Client, **changes: str) -> str:
    """A request as the suite sends it: no PKCE unless said."""
    return address(server, client, **{"scope": "openid", "code_challenge": "", "code_challenge_method": "", **changes})


def code_of(browser: Stopping, where: str) -> str:
    browser.get(where)
    return answer_of(browser)["code"]


def exchange(server: Server, client: Client, code: str, **changes: str) -> httpx2.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, **changes}
    return httpx2.post(f"{server.issuer}/oauth2/token", data=form, auth=(client.client_id, client.secret))


def tokens_of(server: Server, client: Client, browser: Stopping, **changes: str) -> dict[str, Any]:
    done = exchange(server, client, code_of(browser, ask(server, client, **changes)))
    assert done.status_code == 200, done.text
    body: dict[str, Any] = done.json()
    return body


def claims_of(server: Server, client: Client, tokens: dict[str, Any]) -> dict[str, Any]:
    """The ID token, verified by a library that did not sign it."""
    kid = second_verifier.get_unverified_header(tokens["id_token"])["kid"]
    keys = httpx2.get(f"{server.issuer}/oauth2/jwks").json()["keys"]
    found: dict[str, Any] = second_verifier.decode(
        tokens["id_token"],
        next(key for key in keys if key["kid"] == kid),
        algorithms=["RS256"],
        audience=client.client_id,
        issuer=server.issuer,
        access_token=tokens["access_token"],
    )
    return found


def userinfo(server: Server, tokens: dict[str, Any]) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    told: dict[str, Any] = httpx2.get(f"{server.issuer}/oauth2/userinfo", headers=headers).raise_for_status().json()
    return told


def log_in_by_password(browser: Stopping, username: str) -> None:
    browser.submit("/login/password", username=username, password=PASSWORD)


class TestResponses:
    def test_server(self, server: Server, client: Client, anna: Stopping) -> None:
        """Server: the whole flow. OpenID Connect Core section 3.1."""
        tokens = tokens_of(server, client, anna)

        claims = claims_of(server, client, tokens)

        assert tokens["token_type"] == "Bearer"
        assert {"iss", "sub", "aud", "exp", "iat", "nonce"} <= set(claims)
        assert claims["nonce"] == "n" * 22
        assert userinfo(server, tokens)["sub"] == claims["sub"]

    def test_response_type_missing(self, server: Server, client: Client, anna: Stopping) -> None:
        """ResponseTypeMissing: refused. OpenID Connect Core section 3.1.2.1."""
        anna.get(ask(server, client, response_type=""))

        assert answer_of(anna)["error"] == "invalid_request"

    def test_id_token_signature(self, server: Server, client: Client, anna: Stopping) -> None:
        """IdTokenSignature: RS256 with a kid that the JWKS names once. OpenID Connect Core section 10.1."""
        token = tokens_of(server, client, anna)["id_token"]

        header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
        keys = httpx2.get(f"{server.issuer}/oauth2/jwks").json()["keys"]

        assert header["alg"] == "RS256"
        assert [key["kid"] for key in keys].count(header["kid"]) == 1

    def test_id_token_unsigned(self, server: Server) -> None:
        """IdTokenUnsigned: a client that wants `none` is refused. OpenID Connect Core section 2."""
        file = {"client_name": "x", "agency": "health-insurer", "redirect_uris": [CALLBACK]}
        file["id_token_signed_response_alg"] = "none"

        told = server.run("client", "add", "--profile", "certification", file=file, expect=1)

        assert "id_token_signed_response_alg" in json.dumps(told)

    def test_request_without_nonce_succeeds(self, server: Server, client: Client, anna: Stopping) -> None:
        """RequestWithoutNonceSucceeds: in the code flow. OpenID Connect Core section 3.1.2.1."""
        assert "nonce" not in claims_of(server, client, tokens_of(server, client, anna, nonce=""))

    def test_unknown_parameter_succeeds(self, server: Server, client: Client, anna: Stopping) -> None:
        """UnknownParameterSucceeds: ignored. OpenID Connect Core section 3.1.2.1, RFC 6749 section 3.1."""
        assert code_of(anna, ask(server, client, extra="foobar"))

    def test_post_request_succeeds(self, server: Server, client: Client, anna: Stopping) -> None:
        """PostRequestSucceeds: the authorization endpoint takes a form. OpenID Connect Core section 3.1.2.1."""
        form = dict(parse_qsl(urlsplit(ask(server, client)).query))
        anna.arrived = ""
        anna._follow(anna._http.post(f"{server.issuer}/oauth2/authorize", data=form))

        assert "code" in answer_of(anna)

    def test_registered_redirect_uri(self, server: Server, client: Client, anna: Stopping) -> None:
        """RegisteredRedirectUri: another one is a page here, never a redirect. OpenID Connect Core section 3.1.2.1."""
        anna.get(ask(server, client, redirect_uri=CALLBACK + "/other"))

        assert (anna.arrived, anna.status) == ("", 400)

    def test_client_secret_post(self, server: Server, client: Client, anna: Stopping) -> None:
        """ClientSecretPost: a client that registered it. OpenID Connect Core section 9."""
        one = registered(server, token_endpoint_auth_method="client_secret_post")
        code = code_of(anna, ask(server, one))
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        form |= {"client_id": one.client_id, "client_secret": one.secret}

        assert httpx2.post(f"{server.issuer}/oauth2/token", data=form).status_code == 200

    def test_valid_pkce(self, server: Server, client: Client, anna: Stopping) -> None:
        """ValidPkce: who sends a challenge may. RFC 7636 section 4.6."""
        code = code_of(anna, ask(server, client, code_challenge=CHALLENGE, code_challenge_method="S256"))

        assert exchange(server, client, code, code_verifier=VERIFIER).status_code == 200


class TestUserInfo:
    def test_user_info_get(self, server: Server, client: Client, anna: Stopping) -> None:
        """UserInfoGet. OpenID Connect Core section 5.3.1."""
        assert set(userinfo(server, tokens_of(server, client, anna))) == {"sub"}

    def test_user_info_post_header(self, server: Server, client: Client, anna: Stopping) -> None:
        """UserInfoPostHeader. OpenID Connect Core section 5.3.1."""
        headers = {"authorization": f"Bearer {tokens_of(server, client, anna)['access_token']}"}

        assert httpx2.post(f"{server.issuer}/oauth2/userinfo", headers=headers).json()["sub"]

    def test_user_info_post_body(self, server: Server, client: Client, anna: Stopping) -> None:
        """UserInfoPostBody. OpenID Connect Core section 5.3.1, RFC 6750 section 2.2."""
        token = tokens_of(server, client, anna)["access_token"]
        url = f"{server.issuer}/oauth2/userinfo"

        assert httpx2.post(url, data={"access_token": token}).json()["sub"]
        # Never in the address, and never in two places.
        assert httpx2.get(url, params={"access_token": token}).status_code == 401
        twice = httpx2.post(url, data={"access_token": token}, headers={"authorization": f"Bearer {token}"})
        assert twice.status_code == 400

    @pytest.mark.parametrize(
        ("scope", "claims"),
        [
            ("openid profile", {"name", "given_name", "family_name"}),
            ("openid birthdate", {"birthdate"}),
            ("openid address", {"address"}),
            ("openid email", set()),
            ("openid phone", set()),
            (ALL, {"name", "given_name", "family_name", "birthdate", "address", "nationalities"}),
        ],
    )
    def test_scope(self, server: Server, client: Client, anna: Stopping, scope: str, claims: set[str]) -> None:
        """Scope profile/email/address/phone/all: what is asked comes; scopes we do not have are ignored.

        OpenID Connect Core sections 5.4 and 3.1.2.1.
        """
        assert set(userinfo(server, tokens_of(server, client, anna, scope=scope))) == {"sub"} | claims

    def test_other_scope_order(self, server: Server, client: Client, anna: Stopping) -> None:
        """OtherScopeOrder: openid need not be first. OpenID Connect Core section 3.1.2.1."""
        assert "birthdate" in userinfo(server, tokens_of(server, client, anna, scope="birthdate openid"))

    def test_claims_essential(self, server: Server, client: Client, anna: Stopping) -> None:
        """ClaimsEssential: a single claim asked as essential. OpenID Connect Core section 5.5.1."""
        wanted = json.dumps({"userinfo": {"name": {"essential": True}}})

        assert userinfo(server, tokens_of(server, client, anna, claims=wanted))["name"] == "Anna Voorbeeld"


class TestHints:
    @pytest.mark.parametrize("display", ["page", "popup"])
    def test_display(self, server: Server, client: Client, anna: Stopping, display: str) -> None:
        """DisplayPage, DisplayPopup: accepted. OpenID Connect Core section 3.1.2.1."""
        assert code_of(anna, ask(server, client, display=display))

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({"login_hint": "buffy@example.org"}, id="LoginHint"),
            pytest.param({"ui_locales": "se"}, id="UiLocales"),
            pytest.param({"claims_locales": "se"}, id="ClaimsLocales"),
            pytest.param({"acr_values": "http://eidas.europa.eu/LoA/substantial"}, id="AcrValues"),
        ],
    )
    def test_hint(self, server: Server, client: Client, anna: Stopping, changes: dict[str, str]) -> None:
        """LoginHint, UiLocales, ClaimsLocales, AcrValues: accepted. OpenID Connect Core section 3.1.2.1."""
        assert code_of(anna, ask(server, client, **changes))

    def test_id_token_hint(self, server: Server, client: Client, anna: Stopping) -> None:
        """IdTokenHint: with prompt=none the same citizen, without a page. OpenID Connect Core section 3.1.2.1."""
        first = tokens_of(server, client, anna)
        again = tokens_of(server, client, anna, prompt="none", id_token_hint=first["id_token"])

        assert claims_of(server, client, again)["sub"] == claims_of(server, client, first)["sub"]


class TestAuthentication:
    def test_prompt_login(self, server: Server, client: Client, carla: str, browser: Stopping) -> None:
        """PromptLogin: a second login, and auth_time moves. OpenID Connect Core section 3.1.2.1."""
        browser.get(ask(server, client))
        log_in_by_password(browser, carla)
        first = claims_of(server, client, exchange(server, client, answer_of(browser)["code"]).json())
        time.sleep(1.1)

        browser.get(ask(server, client, prompt="login"))
        assert "/login" in browser.url
        log_in_by_password(browser, carla)
        second = claims_of(server, client, exchange(server, client, answer_of(browser)["code"]).json())

        assert second["sub"] == first["sub"]
        assert second["auth_time"] > first["auth_time"]

    def test_prompt_none_not_logged_in(self, server: Server, client: Client, browser: Stopping) -> None:
        """PromptNone (out): login_required. OpenID Connect Core section 3.1.2.6."""
        browser.get(ask(server, client, prompt="none"))

        assert answer_of(browser)["error"] == "login_required"

    def test_prompt_none_logged_in(self, server: Server, client: Client, anna: Stopping) -> None:
        """PromptNone (in): the same citizen and the same login. OpenID Connect Core section 3.1.2.1."""
        first = claims_of(server, client, tokens_of(server, client, anna))
        second = claims_of(server, client, tokens_of(server, client, anna, prompt="none"))

        assert (second["sub"], second["auth_time"]) == (first["sub"], first["auth_time"])

    def test_max_age_1(self, server: Server, client: Client, carla: str, browser: Stopping) -> None:
        """MaxAge 1: an older login does not do, and auth_time is told. OpenID Connect Core section 3.1.2.1."""
        browser.get(ask(server, client))
        log_in_by_password(browser, carla)
        first = claims_of(server, client, exchange(server, client, answer_of(browser)["code"]).json())
        time.sleep(2.1)

        browser.get(ask(server, client, max_age="1"))
        assert "/login" in browser.url
        log_in_by_password(browser, carla)
        second = claims_of(server, client, exchange(server, client, answer_of(browser)["code"]).json())

        assert second["auth_time"] > first["auth_time"]
        assert time.time() - second["auth_time"] < 30

    def test_max_age_10000(self, server: Server, client: Client, anna: Stopping) -> None:
        """MaxAge 10000: a younger login does. OpenID Connect Core section 3.1.2.1."""
        assert "auth_time" in claims_of(server, client, tokens_of(server, client, anna, max_age="10000"))


class TestCodes:
    def test_auth_code_reuse(self, server: Server, client: Client, anna: Stopping) -> None:
        """AuthCodeReuse: refused. OpenID Connect Core section 3.1.3.2, RFC 6749 section 4.1.2."""
        code = code_of(anna, ask(server, client))

        assert exchange(server, client, code).status_code == 200
        again = exchange(server, client, code)
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")

    def test_auth_code_reuse_after_30_seconds(self, server: Server, client: Client, anna: Stopping) -> None:
        """AuthCodeReuseAfter30Seconds (revokes): what the first use gave is dead. RFC 6749 section 4.1.2.

        Without the wait: codes that were used are remembered for a day (tests/idp/test_cleaning.py).
        """
        code = code_of(anna, ask(server, client))
        tokens = exchange(server, client, code).json()
        exchange(server, client, code)

        headers = {"authorization": f"Bearer {tokens['access_token']}"}
        assert httpx2.get(f"{server.issuer}/oauth2/userinfo", headers=headers).status_code == 401

    def test_refresh_token(self, server: Server, client: Client, anna: Stopping) -> None:
        """RefreshToken: a new ID token of the same login. OpenID Connect Core section 12.2."""
        first = tokens_of(server, client, anna)
        form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        auth = (client.client_id, client.secret)
        second = httpx2.post(f"{server.issuer}/oauth2/token", data=form, auth=auth).json()

        before, after = claims_of(server, client, first), claims_of(server, client, second)

        for name in ("iss", "sub", "aud", "auth_time"):
            assert after[name] == before[name], name
        assert after["iat"] >= before["iat"]
        assert "nonce" not in after


class TestRequestObjects:
    def unsigned(self, server: Server, client: Client, **claims: str) -> str:
        def part(value: dict[str, str]) -> str:
            return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

        members = {"iss": client.client_id, "aud": server.issuer, "client_id": client.client_id, "scope": "openid"}
        return f"{part({'alg': 'none'})}.{part({**members, 'response_type': 'code', **claims})}."

    def test_unsigned_request(self, server: Server, client: Client, anna: Stopping) -> None:
        """unsigned request / request_uri handled or refused: refused, and told to the proven address.

        OpenID Connect Core section 6.1, RFC 9101 section 4.
        """
        anna.get(ask(server, client, request=self.unsigned(server, client)))

        assert answer_of(anna)["error"] == "invalid_request_object"

    def test_request_uri(self, server: Server, client: Client, anna: Stopping) -> None:
        """unsigned request / request_uri handled or refused: an address of the client's is never fetched.

        OpenID Connect Core section 6.2.
        """
        anna.get(ask(server, client, request_uri="http://localhost:9/request.jwt"))

        assert (anna.arrived, anna.status) == ("", 400)

    def test_request_object_with_redirect_uri(self, server: Server, client: Client, anna: Stopping) -> None:
        """RequestObjectWithRedirectUri: what an unsigned object says counts nowhere. OpenID Connect Core section 6.1."""
        inner = self.unsigned(server, client, redirect_uri="https://evil.example/")
        anna.get(ask(server, client, request=inner))

        assert answer_of(anna)["error"] == "invalid_request_object"
