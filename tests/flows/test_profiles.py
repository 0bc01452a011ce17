"""Each profile of the table, by a client that registers with it and goes through with what it demands."""

from __future__ import annotations

import base64
import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from agency.client import ASSERTION_TYPE, Client
from agency.jose import Key
from idp.clients.registration import InvalidMetadata, register
from idp.profiles import PROFILES
from tests.fixtures.counterparty import sealed, verified
from tests.fixtures.server import CALLBACK
from tests.flows.test_independent_client import (
    CHALLENGE,
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

METADATA: dict[str, Any] = {"client_name": "one", "agency": "health-insurer", "redirect_uris": [CALLBACK]}
WORKERS = 4
"""Processes on PostgreSQL: what is asked at once reaches several."""


def header_of(token: str) -> dict[str, Any]:
    head = token.split(".", maxsplit=1)[0]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    return found


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    done = server.run("client", "add", "--profile", "certification", file=METADATA)
    return Client(server.issuer, done["client_id"], None, done["client_secret"])


class TestCertification:
    """What the OpenID Connect Basic OP tests send: no PKCE, client_secret_basic or _post, RS256."""

    def test_a_code_without_pkce_is_redeemed(self, server: Server, logged_in: Stopping, client: Client) -> None:
        where = address(server, client, scope="openid", code_challenge="", code_challenge_method="", nonce="")
        logged_in.get(where)
        done = redeem(server, client, answer_of(logged_in)["code"], code_verifier="")

        assert done.status_code == 200
        assert header_of(done.json()["id_token"])["alg"] == "RS256"

    @pytest.mark.parametrize("verifier", [VERIFIER, "x", "v" * 43])
    def test_a_verifier_for_a_code_without_a_challenge_is_refused(
        self, server: Server, logged_in: Stopping, client: Client, verifier: str
    ) -> None:
        """PKCE downgrade, RFC 9700 section 4.8."""
        logged_in.get(address(server, client, scope="openid", code_challenge="", code_challenge_method=""))
        done = redeem(server, client, answer_of(logged_in)["code"], code_verifier=verifier)

        assert (done.status_code, done.json()["error"]) == (400, "invalid_grant")

    def test_who_sends_a_challenge_is_held_to_it(self, server: Server, logged_in: Stopping, client: Client) -> None:
        logged_in.get(address(server, client, scope="openid"))
        assert redeem(server, client, answer_of(logged_in)["code"], code_verifier="").status_code == 400
        logged_in.get(address(server, client, scope="openid", code_challenge_method=""))
        assert answer_of(logged_in)["error"] == "invalid_request"
        logged_in.get(address(server, client, scope="openid"))
        assert redeem(server, client, answer_of(logged_in)["code"]).status_code == 200

    def test_it_is_refused_in_service(self) -> None:
        raw = json.dumps({**METADATA, "redirect_uris": ["https://a.example/cb"]}).encode()

        with pytest.raises(InvalidMetadata, match="development"):
            register(raw, "certification", development=False)


class TestNlgov:
    @pytest.mark.parametrize("alg", ["PS256", "RS256", "ES256"])
    def test_the_whole_flow(self, server: Server, logged_in: Stopping, alg: str) -> None:
        key = ECKey.generate_key("P-256") if alg == "ES256" else RSAKey.generate_key(2048)
        public = {**key.as_dict(private=False), "kid": "k", "use": "sig", "alg": alg}
        file = {**METADATA, "jwks": {"keys": [public]}}
        client = server.run("client", "add", "--profile", "nlgov", file=file)
        known = Client(server.issuer, client["client_id"])
        logged_in.get(address(server, known, scope="openid"))
        now = int(time.time())
        claims = {"iss": known.client_id, "sub": known.client_id, "aud": client["token_endpoint"], "jti": f"{now}{alg}"}
        assertion = jwt.encode({"alg": alg, "kid": "k"}, {**claims, "iat": now, "exp": now + 60}, key, algorithms=[alg])

        done = httpx2.post(
            client["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "code": answer_of(logged_in)["code"],
                "redirect_uri": CALLBACK,
                "code_verifier": VERIFIER,
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion,
            },
        )

        assert done.status_code == 200
        assert header_of(done.json()["id_token"])["alg"] == "PS256"

    def test_a_client_reads_the_common_document_and_chooses_by_its_profile(
        self, server: Server, logged_in: Stopping
    ) -> None:
        """NL GOV OpenID Connect section 5.4.2: it knows its profile, an invitation and the issuer, and nothing else."""
        told = httpx2.get(f"{server.issuer}/.well-known/openid-configuration").json()
        assert told["issuer"] == server.issuer

        def chosen(member: str, *wanted: str) -> str:
            """The first that the profile prefers and the document has."""
            return next(one for one in wanted if one in told[member])

        signing = {
            registered: chosen(f"{offered}_values_supported", "PS256", "RS256")
            for registered, offered in (
                ("token_endpoint_auth_signing_alg", "token_endpoint_auth_signing_alg"),
                ("request_object_signing_alg", "request_object_signing_alg"),
                ("id_token_signed_response_alg", "id_token_signing_alg"),
                ("userinfo_signed_response_alg", "userinfo_signing_alg"),
            )
        }
        key = RSAKey.generate_key(2048)
        metadata = {
            "client_name": "one",
            "redirect_uris": [CALLBACK],
            "grant_types": [chosen("grant_types_supported", "authorization_code")],
            "response_types": [chosen("response_types_supported", "code")],
            "subject_type": chosen("subject_types_supported", "pairwise"),
            "scope": chosen("scopes_supported", "openid"),
            "token_endpoint_auth_method": chosen("token_endpoint_auth_methods_supported", "private_key_jwt"),
            "jwks": {"keys": [{**key.as_dict(private=False), "kid": "k", "use": "sig", "alg": "PS256"}]},
            **signing,
        }
        invitation = server.tell("client invite", agency="health-insurer", profile="nlgov", uses=1, days=1)
        bearer = {"authorization": f"Bearer {invitation['initial_access_token']}"}
        made = httpx2.post(told["registration_endpoint"], json=metadata, headers=bearer)
        assert made.status_code == 201, made.text
        client_id = made.json()["client_id"]
        assert {name: made.json()[name] for name in metadata} == metadata

        def signed(use: str, **claims: Any) -> str:
            now = int(time.time())
            common = {"iss": client_id, "jti": secrets.token_urlsafe(16), "iat": now, "nbf": now, "exp": now + 60}
            return jwt.encode({"alg": signing[use], "kid": "k"}, {**common, **claims}, key, algorithms=[signing[use]])

        asked = {
            "client_id": client_id,
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": "openid",
            "state": secrets.token_urlsafe(16),
            "nonce": secrets.token_urlsafe(16),
            "code_challenge": CHALLENGE,
            "code_challenge_method": chosen("code_challenge_methods_supported", "S256"),
            "acr_values": chosen("acr_values_supported", "http://eidas.europa.eu/LoA/substantial"),
        }
        request = signed("request_object_signing_alg", aud=told["issuer"], **asked)
        encryption = chosen("request_object_encryption_alg_values_supported", "RSA-OAEP")
        query = {name: asked[name] for name in ("client_id", "response_type", "scope")}
        query["request"] = sealed(server, request, encryption)
        logged_in.get(f"{told['authorization_endpoint']}?{urlencode(query)}")
        answer = answer_of(logged_in)
        assert (answer["iss"], answer["state"]) == (told["issuer"], asked["state"])

        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
            "client_id": client_id,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": signed("token_endpoint_auth_signing_alg", sub=client_id, aud=told["issuer"]),
        }
        given = httpx2.post(told["token_endpoint"], data=form)
        assert given.status_code == 200, given.text
        token = given.json()["access_token"]
        person = httpx2.get(told["userinfo_endpoint"], headers={"authorization": f"Bearer {token}"})

        identity = verified(server, given.json()["id_token"], typ="JWT", audience=client_id, alg="PS256")
        assert {"iss", "aud", "sub", "nonce", "jti", "exp", "iat", "nbf", "acr"} <= set(identity)
        assert (identity["nonce"], identity["acr"]) == (asked["nonce"], asked["acr_values"])
        assert "amr" not in identity
        about = verified(server, person.text, typ="userinfo+jwt", audience=client_id, alg="PS256")
        assert about["sub"] == identity["sub"]

    def test_it_demands_nonce_and_state(self, server: Server, logged_in: Stopping) -> None:
        file = {**METADATA, "jwks": {"keys": [Key.generate().public()]}}
        known = Client(server.issuer, server.run("client", "add", "--profile", "nlgov", file=file)["client_id"])

        for name in ("nonce", "state"):
            logged_in.get(address(server, known, scope="openid", **{name: ""}))
            assert answer_of(logged_in)["error"] == "invalid_request"


@pytest.mark.parametrize("profile", list(PROFILES))
def test_every_profile_registers_and_prints_what_a_client_needs(server: Server, profile: str) -> None:
    """RFC 7591 section 3.2.1."""
    file = dict(METADATA)
    if "client_secret_basic" not in PROFILES[profile].auth_methods:
        file["jwks"] = {"keys": [Key.generate().public()]}

    told = server.run("client", "add", "--profile", profile, file=file)

    assert {"client_id", "redirect_uris", "grant_types", "response_types", "token_endpoint_auth_method"} <= set(told)
    assert told["token_endpoint_auth_method"] in PROFILES[profile].auth_methods
    if told["token_endpoint_auth_method"].startswith("client_secret"):
        assert len(told["client_secret"]) == 43
        assert told["client_secret_expires_at"] == 0
    for name in ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"):
        assert told[name].startswith(server.issuer)


class TestAtOnce:
    """On SQLite with one process and on PostgreSQL with several."""

    def test_t15_fifty_redemptions_of_one_code_give_tokens_once_and_they_end(
        self, server: Server, logged_in: Stopping
    ) -> None:
        client = server.clients["baseline"]
        logged_in.get(address(server, client))
        code = answer_of(logged_in)["code"]

        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda _: redeem(server, client, code), range(50)))

        given = [one.json() for one in answers if one.status_code == 200]
        assert len(given) == 1
        assert {one.json()["error"] for one in answers if one.status_code != 200} == {"invalid_grant"}
        told = httpx2.post(
            f"{server.issuer}/oauth2/introspect",
            data={"token": given[0]["access_token"]},
            auth=(client.client_id, client.secret),
        )
        assert told.json() == {"active": False}

    def test_sixty_four_refreshes_leave_one_living_child(self, server: Server, logged_in: Stopping) -> None:
        """RFC 9700 section 4.14.2: by a client whose tokens are not bound to a key."""
        file = {**METADATA, "grant_types": ["authorization_code", "refresh_token"], "scope": "openid"}
        done = server.run("client", "add", "--profile", "baseline", file=file)
        client = Client(server.issuer, done["client_id"], None, done["client_secret"])
        logged_in.get(address(server, client, scope="openid"))
        first = redeem(server, client, answer_of(logged_in)["code"]).json()["refresh_token"]

        def refresh(token: str) -> httpx2.Response:
            form = {"grant_type": "refresh_token", "refresh_token": token}
            return httpx2.post(
                f"{server.issuer}/oauth2/token", data=form, auth=(client.client_id, client.secret), timeout=30
            )

        with ThreadPoolExecutor(64) as pool:
            answers = list(pool.map(lambda _: refresh(first), range(64)))

        # A moment's repeats get the answer that was given: one child, however often it is told.
        assert {one.status_code for one in answers} == {200}
        children = {one.json()["refresh_token"] for one in answers}
        assert len(children) == 1
        (child,) = children
        grandchild = refresh(child).json()["refresh_token"]
        # The predecessor of a token that was used: somebody has a copy, and everything ends.
        assert refresh(first).json()["error"] == "invalid_grant"
        assert refresh(grandchild).json()["error"] == "invalid_grant"
