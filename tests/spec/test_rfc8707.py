"""RFC 8707, resource indicators, against `regie serve`."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx2
import pytest
from joserfc import jwt

from agency.client import Client
from agency.jose import Key
from tests.fixtures.server import CALLBACK
from tests.flows.test_independent_client import (
    VERIFIER,
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

USERINFO, CONSENT, GRANTS = "/oauth2/userinfo", "/consent/v1", "/oauth2/grants"


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    """A baseline client that refreshes, and acts for itself."""
    file = {
        "client_name": "both",
        "agency": "municipality",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "scope": "openid consent:check grant_management_query",
    }
    done = server.tell("client add", profile="baseline", file=file)
    return Client(server.issuer, done["client_id"], None, done["client_secret"])


def asking(server: Server, browser: Stopping, client: Client, *paths: str) -> dict[str, str]:
    """The answer to an authorization request that names these resources."""
    more = urlencode([("resource", path if "://" in path else server.issuer + path) for path in paths])
    browser.get(f"{address(server, client, scope='openid')}&{more}")
    return answer_of(browser)


def token(server: Server, client: Client, *paths: str, **form: str) -> httpx2.Response:
    fields: dict[str, Any] = dict(form)
    fields["resource"] = [path if "://" in path else server.issuer + path for path in paths]
    return httpx2.post(f"{server.issuer}/oauth2/token", data=fields, auth=(client.client_id, client.secret))


def code_grant(server: Server, client: Client, code: str, *paths: str) -> httpx2.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    return token(server, client, *paths, **form)


class TestSection2_1:
    """In the authorization request."""

    @pytest.mark.parametrize("paths", [(USERINFO,), (USERINFO, CONSENT), (USERINFO, USERINFO)])
    def test_known_apis_are_accepted_also_several(
        self, server: Server, logged_in: Stopping, client: Client, paths: tuple[str, ...]
    ) -> None:
        answer = asking(server, logged_in, client, *paths)

        tokens = redeem(server, client, answer["code"]).json()

        assert claims_of(tokens["access_token"])["aud"] == server.issuer + USERINFO

    @pytest.mark.parametrize(
        "paths",
        [
            ("https://other.example/api",),
            (USERINFO, "https://other.example/api"),
            (USERINFO + "/",),
            (USERINFO + "#x",),
            (USERINFO + "?x=1",),
            ("/OAUTH2/userinfo",),
            ("/",),
            (CONSENT,),
            (USERINFO + " " + CONSENT,),
        ],
        ids=str,
    )
    def test_another_one_is_invalid_target(
        self, server: Server, logged_in: Stopping, client: Client, paths: tuple[str, ...]
    ) -> None:
        """Exactly as it is known: neither a longer nor a shorter address is the same API."""
        answer = asking(server, logged_in, client, *paths)

        assert answer["error"] == "invalid_target"
        assert answer["iss"] == server.issuer

    def test_more_than_ten_are_refused(self, server: Server, logged_in: Stopping, client: Client) -> None:
        many = [f"https://a.example/{number}" for number in range(20)]

        assert asking(server, logged_in, client, USERINFO, *many)["error"] == "invalid_target"

    def test_a_pushed_request_is_checked_alike(self, server: Server, client: Client) -> None:
        form: dict[str, Any] = {
            "client_id": client.client_id,
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": "openid",
            "code_challenge": "c" * 43,
            "code_challenge_method": "S256",
        }
        auth = (client.client_id, client.secret)

        def push(*paths: str) -> httpx2.Response:
            named = {"resource": [server.issuer + path for path in paths]}
            return httpx2.post(f"{server.issuer}/oauth2/par", data={**form, **named}, auth=auth)

        assert push(USERINFO, CONSENT).status_code == 201
        refused = push(USERINFO, "/other")
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_target")

    @pytest.mark.parametrize(
        ("given", "error"),
        [
            ([USERINFO, CONSENT], None),
            (USERINFO, None),
            (["/other"], "invalid_target"),
            ([], "invalid_request_object"),
            ([5], "invalid_request_object"),
            ({"a": 1}, "invalid_target"),
        ],
        ids=str,
    )
    def test_in_a_request_object_it_is_a_text_or_a_list(
        self, server: Server, logged_in: Stopping, given: Any, error: str | None
    ) -> None:
        key = Key.generate()
        file = {
            "client_name": "signer",
            "agency": "municipality",
            "redirect_uris": [CALLBACK],
            "jwks": {"keys": [key.public()]},
            "token_endpoint_auth_method": "private_key_jwt",
        }
        client = Client(server.issuer, server.tell("client add", profile="baseline", file=file)["client_id"])

        def absolute(value: Any) -> Any:
            return server.issuer + value if isinstance(value, str) else value

        now = int(time.time())
        claims = {
            "iss": client.client_id,
            "client_id": client.client_id,
            "aud": server.issuer,
            "exp": now + 60,
            "nbf": now,
            "response_type": "code",
            "scope": "openid",
            "redirect_uri": CALLBACK,
            "code_challenge": "c" * 43,
            "code_challenge_method": "S256",
            "resource": [absolute(one) for one in given] if isinstance(given, list) else absolute(given),
        }
        signed = jwt.encode({"alg": "ES256", "kid": key.thumbprint, "typ": "oauth-authz-req+jwt"}, claims, key._key)

        logged_in.get(
            f"{server.issuer}/oauth2/authorize?"
            + urlencode({"client_id": client.client_id, "request": signed, "redirect_uri": CALLBACK})
        )

        assert answer_of(logged_in).get("error") == error


class TestSection2_2:
    """In the token request."""

    def test_it_can_only_narrow_what_was_granted(self, server: Server, logged_in: Stopping, client: Client) -> None:
        def code() -> str:
            return asking(server, logged_in, client, USERINFO, CONSENT)["code"]

        assert code_grant(server, client, code(), USERINFO).status_code == 200
        for paths in ((CONSENT,), (USERINFO, CONSENT), (GRANTS,), ("/other",)):
            refused = code_grant(server, client, code(), *paths)
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_target"), paths

    def test_a_refresh_too(self, server: Server, logged_in: Stopping, client: Client) -> None:
        answer = asking(server, logged_in, client, USERINFO)
        value = redeem(server, client, answer["code"]).json()["refresh_token"]

        refused = token(server, client, CONSENT, grant_type="refresh_token", refresh_token=value)
        done = token(server, client, USERINFO, grant_type="refresh_token", refresh_token=value)

        # What was refused used nothing up.
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_target")
        assert claims_of(done.json()["access_token"])["aud"] == server.issuer + USERINFO

    @pytest.mark.parametrize(
        ("scope", "paths", "audience"),
        [
            ("consent:check", (), CONSENT),
            ("consent:check", (CONSENT,), CONSENT),
            ("consent:check", (CONSENT, CONSENT), CONSENT),
            ("grant_management_query", (GRANTS,), GRANTS),
            ("consent:check", (USERINFO,), None),
            ("consent:check", (CONSENT, GRANTS), None),
            ("consent:check grant_management_query", (CONSENT,), None),
        ],
    )
    def test_a_token_is_for_one_api(
        self, server: Server, client: Client, scope: str, paths: tuple[str, ...], audience: str | None
    ) -> None:
        done = token(server, client, *paths, grant_type="client_credentials", scope=scope)

        if audience is None:
            assert (done.status_code, done.json()["error"]) == (400, "invalid_target")
        else:
            assert claims_of(done.json()["access_token"])["aud"] == server.issuer + audience

    def test_any_other_parameter_may_come_once(self, server: Server, client: Client) -> None:
        body = "grant_type=client_credentials&scope=consent:check&scope=consent:check"

        done = httpx2.post(
            f"{server.issuer}/oauth2/token",
            content=body,
            headers={"content-type": "application/x-www-form-urlencoded"},
            auth=(client.client_id, client.secret),
        )

        assert (done.status_code, done.json()["error"]) == (400, "invalid_request")
