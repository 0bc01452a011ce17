"""Signed requests, signed and posted responses, and what a client may hint at, against `regie serve`."""

from __future__ import annotations

import html
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from agency.client import Client
from agency.jose import Key
from tests.fixtures.server import CALLBACK
from tests.flows.test_independent_client import (
    CHALLENGE,
    Stopping,
    address,
    answer_of,
    browser,
    logged_in,
    redeem,
)

if TYPE_CHECKING:
    from tests.fixtures.server import Server

__all__ = ["browser", "logged_in"]


@pytest.fixture(scope="module")
def signer(server: Server) -> Client:
    """A baseline client with a key of its own, which signs its requests."""
    key = Key.generate()
    metadata = {
        "client_name": "signer",
        "agency": "health-insurer",
        "purpose": "health-insurance",
        "scope": "openid birthdate",
        "redirect_uris": [CALLBACK, CALLBACK + "/2"],
        "jwks": {"keys": [key.public()]},
        "token_endpoint_auth_method": "private_key_jwt",
        "request_object_signing_alg": "ES256",
        "require_signed_request_object": True,
    }
    done = server.tell("client add", profile="baseline", file=metadata)
    return Client(server.issuer, done["client_id"], key)


def request_object(server: Server, client: Client, header: dict[str, Any] | None = None, **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": client.client_id,
        "aud": server.issuer,
        "exp": now + 300,
        "nbf": now,
        "client_id": client.client_id,
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "state": "t" * 22,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    assert client.key is not None
    made = {"alg": "ES256", "kid": client.key.thumbprint, "typ": "oauth-authz-req+jwt", **(header or {})}
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(made, kept, client.key._key)


def ask(server: Server, browser: Stopping, client: Client, request: str, **more: str) -> None:
    params = {"client_id": client.client_id, "request": request, **more}
    browser.arrived = ""
    browser.status = 0
    browser._follow(httpx2.get(f"{server.issuer}/oauth2/authorize", params=params, cookies=browser._http.cookies))


class TestSignedRequests:
    """RFC 9101."""

    def test_what_is_signed_counts_and_what_stands_beside_it_does_not(
        self, server: Server, logged_in: Stopping, signer: Client
    ) -> None:
        given = request_object(server, signer, max_age=100_000)

        ask(
            server,
            logged_in,
            signer,
            given,
            state="other",
            scope="openid birthdate",
            redirect_uri="https://evil.example",
        )

        answer = answer_of(logged_in)
        assert answer["state"] == "t" * 22
        assert "code" in answer

    def test_a_request_that_is_not_signed_goes_back(self, server: Server, logged_in: Stopping, signer: Client) -> None:
        logged_in.get(address(server, signer, scope="openid"))

        assert answer_of(logged_in)["error"] == "invalid_request"

    @pytest.mark.parametrize(
        ("header", "changes"),
        [
            ({}, {"aud": "https://other.example"}),
            ({}, {"iss": "another"}),
            ({}, {"client_id": "another"}),
            ({}, {"client_id": None}),
            ({}, {"exp": 1}),
            ({}, {"nbf": 99_999_999_999}),
            ({}, {"sub": "x"}),
            ({}, {"state": True}),
            ({"typ": "at+jwt"}, {}),
            ({"kid": "unknown"}, {}),
        ],
        ids=str,
    )
    def test_what_is_not_this_clients_request_now_is_refused(
        self, server: Server, logged_in: Stopping, signer: Client, header: dict[str, Any], changes: dict[str, Any]
    ) -> None:
        given = request_object(server, signer, header, **changes)

        ask(server, logged_in, signer, given)
        assert (logged_in.arrived, logged_in.status) == ("", 400)
        # With an address that is proven by itself, the client hears why.
        ask(server, logged_in, signer, given, redirect_uri=CALLBACK)
        assert answer_of(logged_in)["error"] == "invalid_request_object"

    def test_another_key_or_a_changed_object_is_refused(
        self, server: Server, logged_in: Stopping, signer: Client
    ) -> None:
        stranger = Client(server.issuer, signer.client_id, Key.generate())
        head, body, signature = request_object(server, signer).split(".")

        for given in (
            request_object(server, stranger, {"kid": signer.key.thumbprint if signer.key else ""}),
            f"{head}.{body[:-4]}AAAA.{signature}",
            f"eyJhbGciOiJub25lIn0.{body}.",
            "nonsense",
        ):
            ask(server, logged_in, signer, given)
            assert (logged_in.arrived, logged_in.status) == ("", 400)

    @pytest.mark.parametrize("name", ["request", "request_uri"])
    def test_no_request_stands_inside_a_request(
        self, server: Server, logged_in: Stopping, signer: Client, name: str
    ) -> None:
        """RFC 9101 section 4: such a request object is not valid, and proves no address."""
        ask(server, logged_in, signer, request_object(server, signer, **{name: "x"}))

        assert (logged_in.arrived, logged_in.status) == ("", 400)

    def test_no_registration_stands_inside_a_request(self, server: Server, logged_in: Stopping, signer: Client) -> None:
        ask(server, logged_in, signer, request_object(server, signer, registration="x"))

        assert answer_of(logged_in)["error"] == "registration_not_supported"

    def test_fapi_pushes_signed_requests_that_are_short_lived(self, server: Server) -> None:
        client = server.clients["fapi2"]
        now = int(time.time())
        inside = {"scope": "openid", "nonce": "n" * 22}

        def push(**changes: Any) -> httpx2.Response:
            assert client.key is not None
            url = f"{server.issuer}/oauth2/par"
            form = {
                "client_id": client.client_id,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": client.key.assertion(client.client_id, server.issuer),
                "request": request_object(server, client, **{**inside, **changes}),
            }
            return httpx2.post(url, data=form, headers={"dpop": client.key.proof("POST", url)})

        assert push().status_code == 201
        for changes in (
            {"nbf": None},
            {"exp": None},
            {"nbf": now - 3700, "exp": now + 60},
            {"exp": now + 4000},
            {"iss": None},
        ):
            refused = push(**changes)
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request_object"), changes


def jarm(server: Server, token: str, client: Client) -> dict[str, Any]:
    keys = KeySet.import_key_set(httpx2.get(f"{server.issuer}/oauth2/jwks").json())
    read = jwt.decode(token, keys, algorithms=["ES256"])
    assert read.header["typ"] == "authorization-response+jwt"
    claims = dict(read.claims)
    assert claims["iss"] == server.issuer
    assert claims["aud"] == client.client_id
    assert time.time() < claims["exp"] <= time.time() + 600
    return claims


class TestResponses:
    """JARM, and OAuth 2.0 Form Post Response Mode."""

    @pytest.mark.parametrize("mode", ["jwt", "query.jwt"])
    def test_a_signed_response_holds_the_code_and_nothing_stands_beside_it(
        self, server: Server, logged_in: Stopping, mode: str
    ) -> None:
        client = server.clients["baseline"]
        logged_in.get(address(server, client, response_mode=mode))
        answer = answer_of(logged_in)
        assert set(answer) == {"response"}

        claims = jarm(server, answer["response"], client)

        assert claims["state"] == "s" * 22
        assert redeem(server, client, claims["code"]).status_code == 200

    def test_an_error_is_signed_too(self, server: Server, logged_in: Stopping) -> None:
        client = server.clients["baseline"]
        logged_in.get(address(server, client, response_mode="jwt", prompt="none login"))

        assert jarm(server, answer_of(logged_in)["response"], client)["error"] == "invalid_request"

    def test_a_signed_response_passes_for_nothing_else(self, server: Server, logged_in: Stopping) -> None:
        client = server.clients["baseline"]
        logged_in.get(address(server, client, response_mode="jwt"))
        response = answer_of(logged_in)["response"]

        logged_in.get(address(server, client, prompt="none", id_token_hint=response))
        assert answer_of(logged_in)["error"] == "login_required"
        bearer = {"authorization": f"Bearer {response}"}
        assert httpx2.get(f"{server.issuer}/oauth2/userinfo", headers=bearer).status_code == 401

    @pytest.mark.parametrize("mode", ["form_post", "form_post.jwt"])
    def test_a_posted_response_is_a_form_to_the_client_alone(
        self, server: Server, logged_in: Stopping, mode: str
    ) -> None:
        client = server.clients["baseline"]
        page = logged_in._http.get(
            address(server, client, response_mode=mode, state='"><script>'), follow_redirects=True
        )

        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text.split("<main")[1]))
        assert f'action="{CALLBACK}"' in page.text
        assert "form-action 'self' http://localhost:9" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
        assert "<script>" not in page.text.replace("<script src", "")
        if mode == "form_post":
            assert set(fields) == {"code", "state", "iss"}
            assert html.unescape(fields["state"]) == '"><script>'
            assert redeem(server, client, fields["code"]).status_code == 200
        else:
            assert set(fields) == {"response"}
            assert jarm(server, fields["response"], client)["state"] == '"><script>'

    def test_the_browser_sends_it_on_by_itself(self, server: Server, logged_in: Stopping) -> None:
        page = logged_in._http.get(
            address(server, server.clients["baseline"], response_mode="form_post"), follow_redirects=True
        )
        script = re.search(r'<script src="(/static/form_post[^"]+)"', page.text)

        assert script is not None
        assert "submit()" in httpx2.get(server.issuer + script[1]).text


class TestHints:
    def test_an_id_token_says_whom_the_client_means(self, server: Server, logged_in: Stopping) -> None:
        client = server.clients["baseline"]
        logged_in.get(address(server, client))
        token = redeem(server, client, answer_of(logged_in)["code"]).json()["id_token"]

        logged_in.get(address(server, client, prompt="none", id_token_hint=token))
        assert "code" in answer_of(logged_in)
        for hint in (token[:-3] + "abc", "nonsense"):
            logged_in.get(address(server, client, prompt="none", id_token_hint=hint))
            assert answer_of(logged_in)["error"] == "login_required"
        # Without prompt=none the citizen may log in as who is meant.
        logged_in.get(address(server, client, id_token_hint="nonsense"))
        assert "/login" in logged_in.url

    def test_a_demanded_subject_is_that_one_or_nobody(self, server: Server, logged_in: Stopping) -> None:
        client = server.clients["baseline"]
        logged_in.get(address(server, client))
        access = redeem(server, client, answer_of(logged_in)["code"]).json()["access_token"]
        headers = {"authorization": f"Bearer {access}"}
        sub = httpx2.get(f"{server.issuer}/oauth2/userinfo", headers=headers).json()["sub"]

        for value, expected in ((sub, "code"), ("somebody", "error")):
            claims = f'{{"id_token":{{"sub":{{"value":"{value}"}}}}}}'
            logged_in.get(address(server, client, prompt="none", claims=claims))
            assert expected in answer_of(logged_in)

    def test_the_login_page_speaks_the_readers_language_and_knows_the_name(
        self, server: Server, browser: Stopping
    ) -> None:
        where = address(server, server.clients["baseline"], ui_locales="fr nl-BE en", login_hint='anna"><b>')
        browser.get(where)

        page = browser._http.get(browser.url, headers={"accept-language": "en"})
        assert '<html lang="nl"' in page.text
        assert 'value="anna&#34;&gt;&lt;b&gt;"' in page.text
        # What the reader chose wins.
        browser._http.post(f"{server.issuer}/language", data={"language": "en", "back": "/"})
        browser.get(where)
        assert '<html lang="en"' in browser._http.get(browser.url).text


class TestFirstVisitOfAPushedRequest:
    def test_who_needs_no_asking_is_answered_at_once_and_only_once(self, server: Server, logged_in: Stopping) -> None:
        """FAPI 2.0: a request_uri is used once, of many visits at a time too."""
        where = pushed_address(server)

        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: visit(where, logged_in), range(6)))

        given = [one.headers["location"] for one in answers if one.status_code == 303]
        assert len([one for one in given if one.startswith(CALLBACK) and "code=" in one]) == 1
        assert len(given) == 1
        assert visit(where, logged_in).status_code == 400

    def test_it_is_nobodys_that_another_browser_opened_first(self, server: Server, logged_in: Stopping) -> None:
        where = pushed_address(server)

        first = httpx2.get(where)

        assert (first.status_code, "resume=" in first.headers["location"]) == (303, True)
        assert visit(where, logged_in).status_code == 400

    @pytest.mark.parametrize(
        "changes", [{"prompt": "login"}, {"prompt": "consent", "scope": "openid birthdate"}, {"max_age": "0"}]
    )
    def test_who_must_be_asked_is_asked(self, server: Server, logged_in: Stopping, changes: dict[str, str]) -> None:
        where = pushed_address(server, **changes)

        # Loaded again, as a citizen may.
        for _ in range(2):
            assert "resume=" in visit(where, logged_in).headers["location"]


def pushed_address(server: Server, **changes: str) -> str:
    client = server.clients["baseline"]
    form = dict(parse_qsl(urlsplit(address(server, client, **{"scope": "openid", **changes})).query))
    done = httpx2.post(f"{server.issuer}/oauth2/par", data=form, auth=(client.client_id, client.secret))
    query = httpx2.QueryParams({"client_id": client.client_id, "request_uri": done.json()["request_uri"]})
    return f"{server.issuer}/oauth2/authorize?{query}"


def visit(where: str, browser: Stopping) -> httpx2.Response:
    """One answer, followed nowhere."""
    return httpx2.get(where, cookies=browser._http.cookies)
