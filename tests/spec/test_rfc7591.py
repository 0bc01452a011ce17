"""RFC 7591, OAuth 2.0 Dynamic Client Registration, by invitation; and OpenID registration, as its Dynamic OP tests ask it."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from agency.client import ASSERTION_TYPE, Client
from agency.jose import Key
from idp.clients import software
from idp.errors import OAuthError
from tests.fixtures.listener import Listener, answer, in_thread
from tests.fixtures.server import CALLBACK
from tests.flows.test_independent_client import Stopping, address, answer_of, browser, logged_in, redeem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from base.clock import FrozenClock
    from tests.fixtures.house import Backend
    from tests.fixtures.server import Server

__all__ = ["browser", "logged_in"]

AGENCY = "health-insurer"
BASIC: dict[str, Any] = {"client_name": "Portaal", "redirect_uris": [CALLBACK]}


def invite(server: Server, profile: str = "baseline", uses: int = 50, agency: str = AGENCY) -> str:
    done = server.tell("client invite", agency=agency, profile=profile, uses=uses, days=7)
    assert done["registration_endpoint"] == f"{server.issuer}/oauth2/register"
    return str(done["initial_access_token"])


def register(server: Server, token: str, metadata: Any = None, **headers: str) -> httpx2.Response:
    given = {"authorization": f"Bearer {token}", **headers}
    return httpx2.post(
        f"{server.issuer}/oauth2/register", json=BASIC if metadata is None else metadata, headers=given, timeout=20
    )


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    return invite(server)


@pytest.fixture(scope="module")
def certification(server: Server) -> str:
    return invite(server, "certification")


def metadata_of(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = httpx2.get(f"{server.issuer}/.well-known/openid-configuration").json()
    return found


@pytest.fixture(scope="module")
def issuer(server: Server) -> ECKey:
    """A trusted issuer's key."""
    key = ECKey.generate_key("P-256")
    trusted = {**key.as_dict(private=False), "kid": "v", "use": "sig", "alg": "ES256"}
    server.tell("client trust", file={"iss": "https://vendor.example", "jwks": {"keys": [trusted]}})
    return key


class TestSection2:
    """Client metadata."""

    def test_members_that_are_not_known_are_ignored(self, server: Server, token: str) -> None:
        """RFC 7591 section 2."""
        done = register(server, token, {**BASIC, "x_of_another_world": {"a": [1]}, "agency": "tax-authority"})

        assert done.status_code == 201
        assert "x_of_another_world" not in done.json()
        assert server.run("client", "show", done.json()["client_id"])["agency"] == AGENCY

    def test_what_a_client_calls_itself_is_not_its_choice(self, server: Server, token: str) -> None:
        done = register(server, token, {**BASIC, "client_id": "my-own-name", "client_secret": "s"})

        assert done.json()["client_id"] not in ("", "my-own-name")
        assert done.json()["client_secret"] != "s"

    def test_members_in_other_languages(self, server: Server, token: str) -> None:
        """RFC 7591 section 2.2."""
        done = register(server, token, {**BASIC, "client_name#pap": "Portal", "tos_uri#en": "https://a.example/t"})

        assert done.json()["client_name#pap"] == "Portal"
        assert done.json()["tos_uri#en"] == "https://a.example/t"


class TestSection2_3:
    """Software statements."""

    def statement(self, key: ECKey, alg: str = "ES256", **claims: Any) -> str:
        given = {"iss": "https://vendor.example", "software_id": "portal-9", **claims}
        return str(jwt.encode({"alg": alg, "kid": "v"}, given, key, algorithms=[alg]))

    def test_its_members_win_and_it_comes_back_unchanged(self, server: Server, token: str, issuer: ECKey) -> None:
        """RFC 7591 section 2.3 and section 3.2.1."""
        statement = self.statement(issuer, client_name="Zaaksysteem", tos_uri="https://v.example/t", jti="x", sub="y")
        done = register(server, token, {**BASIC, "software_statement": statement, "software_id": "mine"})

        assert done.status_code == 201
        told = done.json()
        assert (told["client_name"], told["software_id"]) == ("Zaaksysteem", "portal-9")
        assert told["software_statement"] == statement
        assert told["redirect_uris"] == [CALLBACK]

    @pytest.mark.parametrize(
        ("claims", "error"),
        [
            ({"iss": "https://stranger.example"}, "unapproved_software_statement"),
            ({"iss": None}, "unapproved_software_statement"),
            ({"exp": 1}, "invalid_software_statement"),
            ({"nbf": 2**33}, "invalid_software_statement"),
            ({"aud": "https://other.example"}, "invalid_software_statement"),
            ({"token_endpoint_auth_method": "no such"}, "invalid_client_metadata"),
            ({"redirect_uris": ["https://evil.example/#"]}, "invalid_redirect_uri"),
        ],
    )
    def test_what_does_not_hold_is_refused(
        self, server: Server, token: str, issuer: ECKey, claims: dict[str, Any], error: str
    ) -> None:
        """RFC 7591 section 3.2.2."""
        given = {name: value for name, value in claims.items() if value is not None}
        statement = self.statement(issuer, **given)
        if "iss" in claims and claims["iss"] is None:
            statement = str(jwt.encode({"alg": "ES256"}, {"software_id": "x"}, issuer, algorithms=["ES256"]))
        done = register(server, token, {**BASIC, "software_statement": statement})

        assert (done.status_code, done.json()["error"]) == (400, error)

    @pytest.mark.parametrize(
        "statement", ["x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL3ZlbmRvci5leGFtcGxlIn0.", 5]
    )
    def test_what_is_no_statement_is_refused(self, server: Server, token: str, issuer: ECKey, statement: Any) -> None:
        done = register(server, token, {**BASIC, "software_statement": statement})

        assert done.status_code == 400
        assert done.json()["error"] in ("invalid_software_statement", "unapproved_software_statement")

    def test_t10_a_statement_signed_by_a_key_that_it_brings_is_refused(
        self, server: Server, token: str, issuer: ECKey
    ) -> None:
        """Its `jku` and `jwk` are followed by nobody."""
        key = ECKey.generate_key("P-256")
        with in_thread(Listener(lambda _: answer({"keys": [key.as_dict(private=False)]}))) as listener:
            for header in ({"jku": listener.url}, {"jwk": key.as_dict(private=False)}, {"x5u": listener.url}, {}):
                statement = jwt.encode(
                    {"alg": "ES256", "kid": "v", **header}, {"iss": "https://vendor.example"}, key, algorithms=["ES256"]
                )
                done = register(server, token, {**BASIC, "software_statement": statement})
                assert (done.status_code, done.json()["error"]) == (400, "invalid_software_statement")

            assert listener.connections == 0

    def test_an_issuers_keys_are_replaced(self, server: Server, token: str, issuer: ECKey) -> None:
        other = ECKey.generate_key("P-256")
        public = {**other.as_dict(private=False), "kid": "v", "use": "sig", "alg": "ES256"}
        server.tell("client trust", file={"iss": "https://second.example", "jwks": {"keys": [public]}})
        old = {**issuer.as_dict(private=False), "kid": "v", "use": "sig", "alg": "ES256"}
        server.tell("client trust", file={"iss": "https://second.example", "jwks": {"keys": [old]}})

        statement = self.statement(other, iss="https://second.example")
        assert register(server, token, {**BASIC, "software_statement": statement}).status_code == 400
        statement = self.statement(issuer, iss="https://second.example")
        assert register(server, token, {**BASIC, "software_statement": statement}).status_code == 201


class TestSection3:
    """Registration is by invitation: an initial access token (section 1.2), of an operator, for one agency and profile."""

    @pytest.mark.parametrize(
        "authorization",
        [
            "",
            "Bearer",
            "bearer x y",
            "Bearer é",
            "Basic eDp5",
            "Bearer " + "x" * 5000,
        ],
    )
    def test_t29_a_malformed_token_is_401_and_never_500(self, server: Server, authorization: str) -> None:
        """RFC 7591 section 3.2.2, RFC 6750 section 3.1."""
        headers = {"authorization": authorization.encode()} if authorization else {}
        done = httpx2.post(f"{server.issuer}/oauth2/register", json=BASIC, headers=headers)

        assert (done.status_code, done.json()["error"]) == (401, "invalid_token")
        assert done.headers["www-authenticate"].startswith("Bearer")

    def test_t29_two_authorization_headers_are_401(self, server: Server, token: str) -> None:
        headers = [("authorization", f"Bearer {token}"), ("authorization", "Bearer x")]
        done = httpx2.post(f"{server.issuer}/oauth2/register", json=BASIC, headers=headers)

        assert done.status_code == 401

    def test_the_token_counts_in_the_header_alone(self, server: Server, token: str) -> None:
        done = httpx2.post(
            f"{server.issuer}/oauth2/register?access_token={token}", json={**BASIC, "access_token": token}
        )

        assert done.status_code == 401

    def test_it_serves_as_often_as_was_said(self, server: Server) -> None:
        token = invite(server, uses=2)

        assert [register(server, token).status_code for _ in range(3)] == [201, 201, 401]

    def test_a_refused_registration_costs_nothing(self, server: Server) -> None:
        token = invite(server, uses=1)

        assert register(server, token, {"redirect_uris": []}).status_code == 400
        assert register(server, token).status_code == 201

    def test_of_twenty_at_once_one_uses_the_last(self, server: Server) -> None:
        token = invite(server, uses=1)

        with ThreadPoolExecutor(20) as pool:
            done = list(pool.map(lambda _: register(server, token).status_code, range(20)))

        assert sorted(done) == [201, *[401] * 19]

    def test_it_ends(self, backend: Backend, clock: FrozenClock) -> None:
        database = backend.open("idp")
        life = timedelta(days=1)
        token = database.write_now(lambda c: software.invite(c, "agency", "fapi2", uses=1, life=life, now=clock.now()))
        assert database.read_now(lambda c: software.invited(c, token, clock.now())).profile == "fapi2"
        clock.advance(86_400)

        with pytest.raises(OAuthError, match="invalid_token"):
            database.read_now(lambda c: software.invited(c, token, clock.now()))

    def test_it_is_no_access_token_and_an_access_token_is_no_invitation(self, server: Server, token: str) -> None:
        client = server.clients["service"]
        form = {"grant_type": "client_credentials"}
        done = httpx2.post(f"{server.issuer}/oauth2/token", data=form, auth=(client.client_id, client.secret))

        assert register(server, done.json()["access_token"]).status_code == 401
        headers = {"authorization": f"Bearer {token}"}
        assert httpx2.get(f"{server.issuer}/oauth2/userinfo", headers=headers).status_code == 401

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
    def test_other_methods_are_405(self, server: Server, method: str) -> None:
        assert httpx2.request(method, f"{server.issuer}/oauth2/register").status_code == 405


class TestSection3_1:
    """The request: JSON, strictly."""

    @pytest.mark.parametrize(
        ("kind", "status"),
        [("application/x-www-form-urlencoded", 415), ("text/plain", 415), ("", 415), ("application/json", 400)],
    )
    def test_another_content_type_is_415(self, server: Server, token: str, kind: str, status: int) -> None:
        headers = {"authorization": f"Bearer {token}"} | ({"content-type": kind} if kind else {})
        done = httpx2.post(f"{server.issuer}/oauth2/register", content=b"client_name=x", headers=headers)

        assert done.status_code == status

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"[]",
            b"5",
            b"null",
            b'"x"',
            b"{",
            b'{"redirect_uris": ["https://a.example/"], "redirect_uris": ["https://b.example/"]}',
            b'{"client_name": "\\ud800"}',
            b"\xff",
            b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
            b'{"redirect_uris": "https://a.example/"}',
            b'{"redirect_uris": [1]}',
            b'{"default_max_age": "x"}',
        ],
    )
    def test_what_is_no_metadata_is_invalid_client_metadata(self, server: Server, token: str, body: bytes) -> None:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        done = httpx2.post(f"{server.issuer}/oauth2/register", content=body, headers=headers)

        assert (done.status_code, done.json()["error"]) == (400, "invalid_client_metadata")

    def test_too_much_is_413(self, server: Server, token: str) -> None:
        assert register(server, token, {**BASIC, "x": "y" * 200_000}).status_code == 413


class TestSection3_2:
    """The answer."""

    def test_what_was_registered_is_told_with_what_was_issued(self, server: Server, token: str) -> None:
        """RFC 7591 section 3.2.1."""
        before = int(time.time())
        done = register(server, token, {**BASIC, "scope": "openid birthdate"})
        told = done.json()

        assert done.status_code == 201
        assert done.headers["content-type"] == "application/json"
        assert (done.headers["cache-control"], done.headers["pragma"]) == ("no-store", "no-cache")
        assert before - 1 <= told["client_id_issued_at"] <= time.time() + 1
        assert (len(told["client_secret"]), told["client_secret_expires_at"]) == (43, 0)
        assert told["registration_client_uri"] == f"{server.issuer}/oauth2/register/{told['client_id']}"
        assert len(told["registration_access_token"]) == 43
        assert told["redirect_uris"] == [CALLBACK]
        assert told["grant_types"] == ["authorization_code"]
        assert told["token_endpoint_auth_method"] == "client_secret_basic"
        assert told["scope"] == "openid birthdate"

    def test_a_client_with_keys_gets_no_secret(self, server: Server, token: str) -> None:
        keys = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [Key.generate().public()]}}
        told = register(server, token, {**BASIC, **keys}).json()

        assert not {"client_secret", "client_secret_expires_at"} & set(told)

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"redirect_uris": ["https://a.example/#x"]}, "invalid_redirect_uri"),
            ({"redirect_uris": ["https://a.example/*"]}, "invalid_redirect_uri"),
            ({"redirect_uris": []}, "invalid_redirect_uri"),
            ({"grant_types": ["password"]}, "invalid_client_metadata"),
            ({"grant_types": ["implicit"], "response_types": ["token"]}, "invalid_client_metadata"),
            ({"token_endpoint_auth_method": "client_secret_jwt"}, "invalid_client_metadata"),
            ({"jwks": {"keys": []}, "jwks_uri": "https://a.example/"}, "invalid_client_metadata"),
            ({"subject_type": "public"}, "invalid_client_metadata"),
            ({"client_name": "<script>"}, "invalid_client_metadata"),
        ],
    )
    def test_what_breaks_a_rule_is_named(self, server: Server, token: str, changes: dict[str, Any], error: str) -> None:
        """RFC 7591 section 3.2.2."""
        done = register(server, token, {**BASIC, **changes})

        assert (done.status_code, done.json()["error"]) == (400, error)
        assert done.json()["error_description"].isascii()
        assert done.headers["cache-control"] == "no-store"

    def test_what_was_registered_works(self, server: Server, token: str, logged_in: Stopping) -> None:
        told = register(server, token).json()
        client = Client(server.issuer, told["client_id"], None, told["client_secret"])
        logged_in.get(address(server, client, scope="openid"))

        assert redeem(server, client, answer_of(logged_in)["code"]).status_code == 200


class TestProfiles:
    """What an invitation is for is the operator's word."""

    def test_nlgov_credentials_come_from_an_operator(self, server: Server) -> None:
        """NL GOV OAuth 1.1 section 2.1.3: direct access clients must not be registered dynamically."""
        token = invite(server, "nlgov")
        keys = {"jwks": {"keys": [Key.generate().public()]}, "scope": "consent:check"}

        refused = register(server, token, {**keys, "grant_types": ["client_credentials"]})
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_client_metadata")
        assert register(server, token, {**BASIC, **keys, "scope": "openid"}).status_code == 201

    def test_two_grants_are_one_too_many_for_nlgov(self, server: Server) -> None:
        """NL GOV OAuth 1.1 section 3.1.1."""
        token = invite(server, "nlgov")
        keys = {"jwks": {"keys": [Key.generate().public()]}}
        both = {"grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"]}

        assert register(server, token, {**BASIC, **keys, **both}).status_code == 400

    def test_a_fapi2_client_cannot_register_a_secret(self, server: Server) -> None:
        token = invite(server, "fapi2")

        for changes in ({}, {"token_endpoint_auth_method": "client_secret_basic"}, {"profile": "baseline"}):
            assert register(server, token, {**BASIC, **changes}).status_code == 400

    def test_nobody_is_invited_for_an_agency_that_is_not_there(self, server: Server) -> None:
        assert "error" in server.run("client", "invite", "--agency", "nobody", expect=1)
        assert "error" in server.run("client", "invite", "--agency", AGENCY, "--profile", "x", expect=1)
        assert "error" in server.run("client", "invite", "--agency", AGENCY, "--uses", "0", expect=1)
        assert "error" in server.run("client", "invite", "--agency", AGENCY, "--days", "400", expect=1)


class TestWhatCitizensSee:
    """NL GOV OAuth 1.1 section 3.1.4: who registered the client. What software calls itself, it could call itself."""

    @pytest.fixture
    def client(self, server: Server, token: str) -> Client:
        members = {
            **BASIC,
            "client_name": "Belastingdienst",
            "client_name#en": "Tax office",
            "scope": "openid birthdate",
            "purpose": "health-insurance",
        }
        told = register(server, token, members).json()
        return Client(server.issuer, told["client_id"], None, told["client_secret"])

    def test_before_the_login_nobody_is_named_by_software(
        self, server: Server, browser: Stopping, client: Client
    ) -> None:
        browser.get(address(server, client))
        assert "Belastingdienst" not in browser._http.get(browser.url).text

        browser.get(address(server, server.clients["baseline"]))
        assert "baseline" in browser._http.get(browser.url).text

    def test_the_asking_page_says_who_registered_it(self, server: Server, logged_in: Stopping, client: Client) -> None:
        logged_in.get(address(server, client, prompt="consent"))
        by_software = logged_in._http.get(logged_in.url).text
        in_english = logged_in._http.get(logged_in.url, headers={"accept-language": "en"}).text
        logged_in.get(address(server, server.clients["baseline"], prompt="consent"))
        by_operator = logged_in._http.get(logged_in.url).text

        assert "Zorgverzekeraar Duinzicht vraagt" in by_software
        assert "noemt zichzelf “Belastingdienst” en is op uitnodiging aangemeld door de software zelf" in by_software
        assert "calls itself “Tax office”" in in_english
        assert "heet “baseline” en is aangemeld door de beheerders" in by_operator


@pytest.fixture
def keys() -> Iterator[tuple[ECKey, Listener]]:
    """A client's key, and the address where it stands."""
    key = ECKey.generate_key("P-256")
    with in_thread(Listener(lambda _: answer({"keys": [public(key, "k1")]}))) as listener:
        yield key, listener


def public(key: ECKey, kid: str) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": "ES256"}


def assertion(server: Server, client_id: str, key: ECKey, kid: str | None) -> dict[str, str]:
    at = int(time.time())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": server.issuer,
        "iat": at,
        "exp": at + 60,
        "jti": f"{time.time_ns()}",
    }
    header = {"alg": "ES256"} | ({"kid": kid} if kid else {})
    return {
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": str(jwt.encode(header, claims, key, algorithms=["ES256"])),
    }


class TestDynamicOp:
    """The modules of the OpenID Foundation's Dynamic OP plan."""

    def test_registration_dynamic(self, server: Server, certification: str) -> None:
        """oidcc-registration-dynamic; oidcc-discovery-endpoint-verification: the endpoint is advertised."""
        assert metadata_of(server)["registration_endpoint"] == f"{server.issuer}/oauth2/register"
        told = register(server, certification, {**BASIC, "contacts": ["a@example.nl"], "response_types": ["code"]})

        assert told.status_code == 201
        assert told.json()["contacts"] == ["a@example.nl"]

    @pytest.mark.parametrize("member", ["logo_uri", "policy_uri", "tos_uri"])
    def test_registration_of_pages(self, server: Server, certification: str, member: str) -> None:
        """oidcc-registration-logo-uri, oidcc-registration-policy-uri, oidcc-registration-tos-uri: kept, fetched by nobody."""
        with in_thread(Listener(lambda _: answer({}))) as listener:
            told = register(server, certification, {**BASIC, member: listener.url}).json()

            assert told[member] == listener.url
            assert listener.connections == 0

    def test_registration_jwks_uri(
        self, server: Server, certification: str, keys: tuple[ECKey, Listener], logged_in: Stopping
    ) -> None:
        """oidcc-registration-jwks-uri: the flow goes on with private_key_jwt by the key that stands there."""
        key, listener = keys
        members = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": listener.url}
        told = register(server, certification, {**BASIC, **members}).json()
        client = Client(server.issuer, told["client_id"])
        logged_in.get(address(server, client, scope="openid"))
        form = {"grant_type": "authorization_code", "code": answer_of(logged_in)["code"], "redirect_uri": CALLBACK}
        form |= {"code_verifier": "v" * 64, **assertion(server, client.client_id, key, "k1")}

        assert "jwks" not in told
        assert httpx2.post(f"{server.issuer}/oauth2/token", data=form).status_code == 200
        assert listener.connections == 1

    def test_registration_sector_uri(self, server: Server, certification: str) -> None:
        """oidcc-registration-sector-uri: the document lists the redirect_uris (OpenID Connect Dynamic Client Registration section 5)."""
        with in_thread(Listener(lambda _: answer([CALLBACK, "https://other.example/cb"]))) as listener:
            members = {"sector_identifier_uri": listener.url, "subject_type": "pairwise"}
            told = register(server, certification, {**BASIC, **members})

            assert told.status_code == 201
            assert told.json()["sector_identifier_uri"] == listener.url

    @pytest.mark.parametrize("listed", [["https://other.example/cb"], [], {"a": 1}, [5, None], [CALLBACK + "/"]])
    def test_registration_sector_bad(self, server: Server, certification: str, listed: Any) -> None:
        """oidcc-registration-sector-bad: one that does not list them is invalid_client_metadata."""
        with in_thread(Listener(lambda _: answer(listed))) as listener:
            told = register(server, certification, {**BASIC, "sector_identifier_uri": listener.url})

            assert (told.status_code, told.json()["error"]) == (400, "invalid_client_metadata")

    def test_redirect_uri_with_a_fragment(self, server: Server, certification: str) -> None:
        """oidcc-redirect-uri-regfrag."""
        told = register(server, certification, {"redirect_uris": [CALLBACK + "#fragment"]})

        assert (told.status_code, told.json()["error"]) == (400, "invalid_redirect_uri")

    def test_redirect_uri_with_a_query(self, server: Server, certification: str, logged_in: Stopping) -> None:
        """oidcc-redirect-uri-query-OK, oidcc-redirect-uri-query-mismatch, oidcc-redirect-uri-query-added."""
        told = register(server, certification, {"redirect_uris": [CALLBACK + "?foo=bar", CALLBACK + "/2"]}).json()
        client = Client(server.issuer, told["client_id"], None, told["client_secret"])
        logged_in.get(address(server, client, scope="openid", redirect_uri=CALLBACK + "?foo=bar"))

        assert "foo=bar&code=" in logged_in.arrived
        for other in ("?foo=baz", "?foo=bar&x=y", "", "/2?x=y"):
            logged_in.get(address(server, client, scope="openid", redirect_uri=CALLBACK + other))
            assert (logged_in.arrived, logged_in.status) == ("", 400)

    def test_rp_key_rotation(self, server: Server, certification: str, keys: tuple[ECKey, Listener]) -> None:
        """oidcc-refresh-token-rp-key-rotation: a key that is new at jwks_uri works at its first use."""
        key, listener = keys
        members = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": listener.url}
        members |= {"grant_types": ["client_credentials"], "scope": "consent:check"}
        client_id = register(server, certification, members).json()["client_id"]
        other = ECKey.generate_key("P-256")
        assert credentials(server, client_id, key, "k1") == 200
        listener.respond = lambda _: answer({"keys": [public(other, "k2")]})

        assert credentials(server, client_id, other, "k2") == 200
        assert credentials(server, client_id, key, "k1") == 401
        assert listener.connections == 2

    def test_request_uri_unsigned_and_signed(self, server: Server, certification: str, logged_in: Stopping) -> None:
        """oidcc-request-uri-unsigned, oidcc-request-uri-signed-rs256: refused, and not advertised."""
        with in_thread(Listener(lambda _: answer({}))) as listener:
            told = register(server, certification, {**BASIC, "request_uris": [listener.url]}).json()
            client = Client(server.issuer, told["client_id"], None, told["client_secret"])
            logged_in.get(address(server, client, scope="openid", request_uri=listener.url))

            assert "request_uris" not in told
            assert metadata_of(server)["request_uri_parameter_supported"] is False
            assert (logged_in.arrived, logged_in.status) == ("", 400)
            assert listener.connections == 0


def credentials(server: Server, client_id: str, key: ECKey, kid: str | None) -> int:
    form = {"grant_type": "client_credentials", **assertion(server, client_id, key, kid)}
    return httpx2.post(f"{server.issuer}/oauth2/token", data=form, timeout=20).status_code


class TestKeysAtAnAddress:
    """`jwks_uri`: R-11, K-07."""

    @pytest.fixture
    def client_id(self, server: Server, certification: str, keys: tuple[ECKey, Listener]) -> str:
        members = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": keys[1].url}
        members |= {"grant_types": ["client_credentials"], "scope": "consent:check"}
        done = register(server, certification, members)
        assert done.status_code == 201, done.text
        return str(done.json()["client_id"])

    def test_an_unknown_kid_makes_us_fetch_once_a_minute_and_no_more(
        self, server: Server, client_id: str, keys: tuple[ECKey, Listener]
    ) -> None:
        """An attacker cannot make us fetch."""
        key, listener = keys
        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda n: credentials(server, client_id, key, f"unknown-{n}"), range(40)))

        assert set(done) == {401}
        # Once to register, once for the first of these.
        assert listener.connections == 2
        assert credentials(server, client_id, key, "k1") == 200

    def test_eight_at_once_with_a_new_key_wait_for_the_one_that_fetches(
        self, server: Server, client_id: str, keys: tuple[ECKey, Listener], moved_on: Callable[[str], None]
    ) -> None:
        _, listener = keys
        other = ECKey.generate_key("P-256")
        listener.respond = lambda _: answer({"keys": [public(other, "k2")]})
        listener.delay_s = 0.4
        moved_on(client_id)

        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda _: credentials(server, client_id, other, "k2"), range(8)))

        assert done == [200] * 8
        assert listener.connections == 2

    @pytest.mark.parametrize(
        "sent",
        [
            answer({"keys": []}),
            answer({"keys": [{"kty": "oct", "k": "AAAA", "kid": "k2"}]}),
            answer({}, status="500 x"),
            answer({"keys": []}, kind="text/html"),
            b"",
        ],
    )
    def test_a_bad_set_changes_nothing(
        self,
        server: Server,
        client_id: str,
        keys: tuple[ECKey, Listener],
        moved_on: Callable[[str], None],
        sent: bytes,
    ) -> None:
        key, listener = keys
        listener.respond = lambda _: sent
        moved_on(client_id)

        assert credentials(server, client_id, key, "k2") == 401
        assert listener.connections == 2
        assert credentials(server, client_id, key, "k1") == 200

    @pytest.mark.parametrize(
        "sent",
        [
            answer({"keys": []}),
            answer({"keys": [{"kty": "oct", "k": "AAAA"}]}),
            answer({"keys": [ECKey.generate_key("P-256").as_dict(private=True)]}),
            answer({"keys": [{**ECKey.generate_key("P-256").as_dict(private=False), "use": "enc", "kid": "e"}]}),
            answer(["no set"]),
            answer({}, status="404 Not Found"),
            answer({}, status="302 Found", location="http://localhost:1/"),
        ],
    )
    def test_an_address_without_a_good_set_is_not_registered(
        self, server: Server, certification: str, sent: bytes
    ) -> None:
        """NL GOV OAuth 1.1 section 2.1.2: the server must check that it holds a key set."""
        with in_thread(Listener(lambda _: sent)) as listener:
            members = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": listener.url}
            done = register(server, certification, {**BASIC, **members})

            assert (done.status_code, done.json()["error"]) == (400, "invalid_client_metadata")
            assert listener.connections == 1

    def test_a_key_without_a_kid_there_is_not_registered(self, server: Server, certification: str) -> None:
        key = ECKey.generate_key("P-256").as_dict(private=False)
        key.pop("kid", None)
        with in_thread(Listener(lambda _: answer({"keys": [key]}))) as listener:
            members = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": listener.url}

            assert "kid" in register(server, certification, {**BASIC, **members}).json()["error_description"]

    def test_also_keys_for_encryption_of_who_shows_a_secret_are_renewed(
        self, server: Server, certification: str, keys: tuple[ECKey, Listener]
    ) -> None:
        _, listener = keys
        members = {"grant_types": ["client_credentials"], "scope": "consent:check", "jwks_uri": listener.url}
        told = register(server, certification, members).json()
        auth, form = (told["client_id"], told["client_secret"]), {"grant_type": "client_credentials"}

        def call() -> int:
            return httpx2.post(f"{server.issuer}/oauth2/token", data=form, auth=auth, timeout=20).status_code

        assert (call(), listener.connections) == (200, 1)
        moved(server, told["client_id"], "keys_until", 7_200)
        assert (call(), listener.connections) == (200, 2)
        assert (call(), listener.connections) == (200, 2)

    def test_signed_requests_work_with_it(
        self, server: Server, certification: str, keys: tuple[ECKey, Listener], logged_in: Stopping
    ) -> None:
        """RFC 9101 section 6.2, at /authorize and /par, by a key that is new there."""
        key, listener = keys
        members = {**BASIC, "jwks_uri": listener.url, "request_object_signing_alg": "ES256"}
        told = register(server, certification, members).json()
        client = Client(server.issuer, told["client_id"], None, told["client_secret"])

        def request(signing: ECKey, kid: str) -> str:
            claims = {"client_id": client.client_id, "aud": server.issuer, "exp": int(time.time()) + 60}
            claims |= {"response_type": "code", "redirect_uri": CALLBACK, "scope": "openid", "state": "signed"}
            return str(jwt.encode({"alg": "ES256", "kid": kid}, claims, signing, algorithms=["ES256"]))

        where = f"{server.issuer}/oauth2/authorize?client_id={client.client_id}&request="
        logged_in.get(where + request(key, "k1"))
        assert answer_of(logged_in)["state"] == "signed"

        other = ECKey.generate_key("P-256")
        listener.respond = lambda _: answer({"keys": [public(other, "k2")]})
        form = {"client_id": client.client_id, "request": request(other, "k2")}
        auth = (client.client_id, client.secret)
        assert httpx2.post(f"{server.issuer}/oauth2/par", data=form, auth=auth).status_code == 201
        logged_in.get(where + request(other, "k2"))
        assert answer_of(logged_in)["state"] == "signed"
        form["request"] = request(key, "k3")
        pushed = httpx2.post(f"{server.issuer}/oauth2/par", data=form, auth=auth)
        assert (pushed.status_code, pushed.json()["error"]) == (400, "invalid_request_object")
        assert listener.connections == 2


@pytest.fixture
def moved_on(server: Server) -> Callable[[str], None]:
    """As if the last fetch of a client's keys had been two minutes ago."""
    return lambda client_id: moved(server, client_id, "keys_tried_at", 120)


def moved(server: Server, client_id: str, column: str, seconds: int) -> None:
    """An instant of a client's row lies that much further back."""
    from sqlalchemy import create_engine, text

    if "REGIE_DATABASE_URL" in server.environment:
        url, back, table = server.environment["REGIE_DATABASE_URL"], f"interval '{seconds} seconds'", "idp.client"
    else:
        url, back, table = f"sqlite:///{server.directory}/idp.db", str(seconds * 1_000_000), "client"
    engine = create_engine(url)
    with engine.begin() as connection:
        where = {"c": client_id}
        connection.execute(text(f"UPDATE {table} SET {column} = {column} - {back} WHERE client_id = :c"), where)
    engine.dispose()


class TestCommandLine:
    """`regie client add` prints the whole answer of RFC 7591 section 3.2.1, and where our endpoints are."""

    def test_the_whole_answer(self, server: Server) -> None:
        told = server.tell("client add", profile="baseline", file={**BASIC, "agency": AGENCY})
        document = metadata_of(server)

        assert {"client_id", "client_secret", "client_secret_expires_at", "client_id_issued_at"} <= set(told)
        assert {name for name in document if name.endswith("_endpoint")} <= set(told)
        assert (told["issuer"], told["jwks_uri"]) == (document["issuer"], document["jwks_uri"])
        shown = server.tell("client show", client_id=told["client_id"])
        assert {**told, "active": True, "registered_by": "operator"} == {
            **shown,
            "client_secret": told["client_secret"],
            "client_secret_expires_at": 0,
        }

    def test_keys_at_an_address(self, server: Server, keys: tuple[ECKey, Listener]) -> None:
        key, listener = keys
        file = {"agency": AGENCY, "jwks_uri": listener.url, "token_endpoint_auth_method": "private_key_jwt"}
        file |= {"grant_types": ["client_credentials"], "scope": "consent:check"}
        told = server.tell("client add", profile="baseline", file=file)

        assert told["jwks_uri"] == listener.url
        assert credentials(server, told["client_id"], key, "k1") == 200
        listener.respond = lambda _: answer({"keys": []})
        assert "jwks_uri" in server.run("client", "add", "--profile", "baseline", file=file, expect=1)["error"]

    def test_nothing_of_it_is_stored_in_the_clear(self, server: Server, token: str) -> None:
        """Initial and registration access tokens and secrets are digests."""
        told = register(server, token).json()
        shown = json.dumps(server.tell("client show", client_id=told["client_id"]))

        for value in (token, told["registration_access_token"], told["client_secret"]):
            assert value not in shown
            for path in server.directory.glob("idp.db*"):
                assert value.encode() not in path.read_bytes()
