"""FAPI 2.0 Security Profile, as the OpenID Foundation's tests ask it: each test is named by the module that it stands for.

In the four ways of the profile: private_key_jwt or mutual TLS, and tokens bound by DPoP or by mutual TLS.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest
from jose import jwt as second_verifier
from joserfc.jwk import ECKey, RSAKey

from tests.fixtures.certificates import Authority
from tests.fixtures.mutual import (
    COMBINATIONS,
    DPOP,
    MTLS,
    PRIVATE_KEY_JWT,
    REQUEST,
    Mutual,
    Software,
    mutual_of,
)
from tests.fixtures.server import CALLBACK, Server, copied, log_in
from tests.flows.test_independent_client import Stopping, wait_for_new_code

TOKEN, PAR, USERINFO, CHECKS = "/oauth2/token", "/oauth2/par", "/oauth2/userinfo", "/consent/v1/checks"
OF_THE_INSURER = {"agency": "health-insurer", "purpose": "health-insurance"}
Combination = tuple[str, str]
Clients = dict[Combination, tuple[Software, Software]]
IDS = ["+".join(one) for one in COMBINATIONS]


def registered(mutual: Mutual) -> Clients:
    """Two clients of each kind."""
    return {one: (mutual.software(*one, **OF_THE_INSURER), mutual.software(*one)) for one in COMBINATIONS}


def logged_in(mutual: Mutual, clients: Clients) -> Stopping:
    """A browser of anna, who has answered the insurer."""
    browser = Stopping()
    wait_for_new_code("anna" + mutual.server.issuer)
    one, _ = clients[COMBINATIONS[0]]
    log_in(browser, one.address(one.push(scope="openid birthdate").json()["request_uri"]))
    browser.submit("/ask", **{"birth-date": "allow"})
    return browser


@pytest.fixture(scope="module")
def clients(mutual: Mutual) -> Clients:
    return registered(mutual)


@pytest.fixture(scope="module")
def browser(mutual: Mutual, clients: Clients) -> Iterator[Stopping]:
    one = logged_in(mutual, clients)
    yield one
    one.close()


@pytest.fixture(params=COMBINATIONS, ids=IDS)
def one(request: pytest.FixtureRequest, clients: Clients) -> Software:
    return clients[request.param][0]


@pytest.fixture
def other(one: Software, clients: Clients) -> Software:
    """Another client of the same kind, of another agency."""
    return clients[one.auth, one.binding][1]


@pytest.fixture(params=[DPOP, MTLS])
def signer(request: pytest.FixtureRequest, clients: Clients) -> Software:
    """One that authenticates by an assertion."""
    return clients[PRIVATE_KEY_JWT, request.param][0]


@pytest.fixture(params=[PRIVATE_KEY_JWT, MTLS])
def prover(request: pytest.FixtureRequest, clients: Clients) -> Software:
    """One that binds its tokens by DPoP."""
    return clients[request.param, DPOP][0]


def answered(browser: Stopping, one: Software, **changes: str) -> dict[str, str]:
    """Push, authorize, and what comes back to the client."""
    return resumed(browser, one, one.push(**changes).json()["request_uri"])


def resumed(browser: Stopping, one: Software, request_uri: str) -> dict[str, str]:
    browser.get(one.address(request_uri))
    return dict(parse_qsl(urlsplit(browser.arrived).query))


def code_of(browser: Stopping, one: Software, **changes: str) -> str:
    return answered(browser, one, **changes)["code"]


def is_refused(answer: httpx2.Response, error: str, status: int = 400) -> bool:
    return (answer.status_code, answer.json().get("error")) == (status, error)


def is_unknown(browser: Stopping, one: Software, request_uri: str) -> bool:
    """A page of ours and no redirect: what was asked cannot be known."""
    browser.get(one.address(request_uri))
    return browser.arrived == "" and browser.status == 400


def verified(one: Software, id_token: str, access_token: str) -> dict[str, Any]:
    """Read by a verifier that did not sign it."""
    keys = httpx2.get(f"{one.issuer}/oauth2/jwks").json()
    found: dict[str, Any] = second_verifier.decode(
        id_token, keys, algorithms=["ES256"], audience=one.client_id, issuer=one.issuer, access_token=access_token
    )
    return found


class TestNormalBehaviour:
    """FAPI 2.0 Security Profile section 5.3: the positive modules."""

    def test_discovery(self, mutual: Mutual, one: Software) -> None:
        """Discovery: what a client of this kind needs is told, and nothing that the profile forbids."""
        told = httpx2.get(f"{one.issuer}/.well-known/openid-configuration").json()

        assert told["issuer"] == one.issuer
        assert {"authorization_code", "client_credentials", "refresh_token"} <= set(told["grant_types_supported"])
        assert told["response_types_supported"] == ["code"]
        assert told["code_challenge_methods_supported"] == ["S256"]
        assert told["authorization_response_iss_parameter_supported"] is True
        assert one.auth in told["token_endpoint_auth_methods_supported"]
        if one.binding == DPOP:
            assert {"ES256", "PS256", "EdDSA"} <= set(told["dpop_signing_alg_values_supported"])
        else:
            assert told["tls_client_certificate_bound_access_tokens"] is True
        where = told["mtls_endpoint_aliases"] if MTLS in (one.auth, one.binding) else told
        assert where["token_endpoint"] == one.url(TOKEN)
        assert where["pushed_authorization_request_endpoint"] == one.url(PAR)

    def test_happy_flow(self, browser: Stopping, one: Software) -> None:
        """HappyFlow: PAR, authorization, tokens, a resource, and the ID token as another library reads it."""
        pushed = one.push(scope="openid birthdate")
        answer = resumed(browser, one, pushed.json()["request_uri"])
        tokens = one.redeem(answer["code"])
        body = tokens.json()
        claims = verified(one, body["id_token"], body["access_token"])
        told = one.userinfo(body["access_token"])

        assert pushed.status_code == 201
        assert pushed.json()["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
        assert 5 <= pushed.json()["expires_in"] < 600
        assert (answer["state"], answer["iss"]) == (REQUEST["state"], one.issuer)
        assert tokens.headers["cache-control"] == "no-store"
        assert body["token_type"] == (DPOP if one.binding == DPOP else "Bearer")
        assert (claims["nonce"], claims["aud"], claims["acr"]) == (
            REQUEST["nonce"],
            one.client_id,
            "http://eidas.europa.eu/LoA/substantial",
        )
        assert claims["sub"] == told.json()["sub"]
        assert told.json()["birthdate"] == "1954-03-02"

    def test_user_rejects(self, browser: Stopping, one: Software) -> None:
        """UserRejects: the client is told access_denied, with state and iss."""
        browser.get(one.address(one.push(scope="openid birthdate", prompt="consent").json()["request_uri"]))
        browser.submit("/ask", stop="1")
        answer = dict(parse_qsl(urlsplit(browser.arrived).query))

        assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", REQUEST["state"], one.issuer)
        assert "code" not in answer

    def test_without_state(self, browser: Stopping, one: Software) -> None:
        """WithoutState: state is no necessity where PKCE and iss are."""
        answer = answered(browser, one, state="")

        assert set(answer) == {"code", "iss"}
        assert one.redeem(answer["code"]).status_code == 200

    def test_without_nonce(self, browser: Stopping, one: Software) -> None:
        """WithoutNonce: nor is nonce."""
        body = one.redeem(code_of(browser, one, nonce="")).json()

        assert "nonce" not in verified(one, body["id_token"], body["access_token"])

    def test_a_nonce_of_64_characters(self, browser: Stopping, one: Software) -> None:
        """64CharNonce: comes back whole."""
        nonce = "N" * 64
        body = one.redeem(code_of(browser, one, nonce=nonce)).json()

        assert verified(one, body["id_token"], body["access_token"])["nonce"] == nonce

    def test_other_scope_order(self, browser: Stopping, one: Software) -> None:
        """OtherScopeOrder: openid need not come first."""
        body = one.redeem(code_of(browser, one, scope="birthdate openid")).json()

        assert "id_token" in body
        assert set(body["scope"].split()) == {"birthdate", "openid"}

    def test_claims_parameter(self, browser: Stopping, one: Software) -> None:
        """ClaimsParameter: single claims may be asked, and the registry lets them go."""
        claims = json.dumps({"userinfo": {"birthdate": {"essential": True}}, "id_token": {"acr": {"essential": True}}})
        body = one.redeem(code_of(browser, one, claims=claims)).json()

        assert one.userinfo(body["access_token"]).json()["birthdate"] == "1954-03-02"
        assert "acr" in verified(one, body["id_token"], body["access_token"])

    @pytest.mark.parametrize("spell", [str.lower, str.upper, str.swapcase])
    def test_the_scheme_in_any_case(self, browser: Stopping, one: Software, spell: Callable[[str], str]) -> None:
        """AccessTokenTypeHeaderCaseSensitivity: RFC 9110 section 11.1."""
        token = one.redeem(code_of(browser, one)).json()["access_token"]
        scheme = spell(DPOP if one.binding == DPOP else "Bearer")

        assert one.userinfo(token, scheme=scheme).status_code == 200

    @pytest.mark.parametrize("iat", [-10, 8])
    def test_dpop_iat(self, browser: Stopping, prover: Software, iat: int) -> None:
        """DPoP iat +-10 s: clocks differ (8 s ahead, since the request takes its time too)."""
        code = code_of(browser, prover)
        headers = prover.proven("POST", prover.url(TOKEN), iat=iat)

        assert prover.redeem(code, headers).status_code == 200

    def test_dpop_binding_at_par_and_code(self, browser: Stopping, prover: Software) -> None:
        """DPoP binding at PAR and code: by dpop_jkt, and by the proof that came with the pushed request."""
        by_thumbprint = code_of(browser, prover, dpop_jkt=prover.jkt)
        pushed = prover.push(prover.proven("POST", prover.url(PAR))).json()["request_uri"]
        by_proof = resumed(browser, prover, pushed)["code"]

        assert [prover.redeem(one).status_code for one in (by_thumbprint, by_proof)] == [200, 200]

    def test_request_uri_before_authentication_completes(self, browser: Stopping, one: Software) -> None:
        """RequestUri reusable before authentication completes: a page that is loaded again is no attack."""
        where = one.address(one.push(prompt="login").json()["request_uri"])

        for _ in range(3):
            browser.get(where)
            assert "/login" in browser.url

    @pytest.mark.parametrize("claim", ["iat", "nbf"])
    def test_an_assertion_of_8_seconds_ahead(self, signer: Software, claim: str) -> None:
        """assertion iat/nbf 8 s ahead accepted: at PAR and at the token endpoint."""
        for path in (PAR, TOKEN):
            credentials = signer.credentials(**{claim: 8})
            headers = signer.proven("POST", signer.url(path))
            form = (
                {**REQUEST, "grant_type": "client_credentials"} if path == PAR else {"grant_type": "client_credentials"}
            )
            assert signer.post(path, {**form, **credentials}, headers).status_code in (200, 201)

    def test_refresh_token(self, browser: Stopping, one: Software, other: Software) -> None:
        """RefreshToken: not rotated, bound to the client, and its next access token may be bound to a new key.

        FAPI 2.0 Security Profile section 5.3.2.1.
        """
        first = one.redeem(code_of(browser, one)).json()
        renewed = replace(one, proof_key=ECKey.generate_key("P-256"))
        second = renewed.refresh(first["refresh_token"])
        unproven = one.without_certificate().refresh(first["refresh_token"], headers={})

        assert second.status_code == 200
        assert second.json().get("refresh_token", first["refresh_token"]) == first["refresh_token"]
        assert second.json()["access_token"] != first["access_token"]
        assert renewed.userinfo(second.json()["access_token"]).status_code == 200
        assert unproven.json()["error"] in ("invalid_request", "invalid_client")
        assert is_refused(other.refresh(first["refresh_token"]), "invalid_grant")


class TestAuthorizationRequests:
    """FAPI 2.0 Security Profile section 5.3.2.2: the negative modules of the authorization request."""

    @pytest.mark.parametrize("name", ["nonce", "state"])
    def test_a_long_value(self, browser: Stopping, one: Software, name: str) -> None:
        """long nonce/state handled: 384 characters come back whole, 3,000 are refused."""
        answer = answered(browser, one, **{name: "x" * 384})

        assert "code" in answer
        if name == "state":
            assert answer["state"] == "x" * 384
        assert is_refused(one.push(**{name: "x" * 3_000}), "invalid_request")

    def test_response_type_code_id_token(self, one: Software) -> None:
        """ResponseType code id_token fails: at PAR already."""
        assert is_refused(one.push(response_type="code id_token"), "unsupported_response_type")

    def test_response_type_token(self, one: Software) -> None:
        """ResponseType token fails: at PAR already."""
        assert is_refused(one.push(response_type="token"), "unsupported_response_type")

    def test_without_par(self, browser: Stopping, one: Software) -> None:
        """without PAR fails: the client is told, with iss."""
        query = urlencode({**REQUEST, "client_id": one.client_id})
        browser.get(f"{one.issuer}/oauth2/authorize?{query}")
        answer = dict(parse_qsl(urlsplit(browser.arrived).query))

        assert (answer["error"], answer["iss"]) == ("invalid_request", one.issuer)

    def test_missing_redirect_uri(self, one: Software) -> None:
        """missing redirect_uri fails: also when only one is registered."""
        assert is_refused(one.push(redirect_uri=""), "invalid_request")

    @pytest.mark.parametrize("uri", [CALLBACK + "/x", CALLBACK + "?x=y", "https://evil.example/cb", CALLBACK.upper()])
    def test_another_redirect_uri(self, one: Software, uri: str) -> None:
        """RegisteredRedirectUri: FAPI2SPFinalEnsureRegisteredRedirectUri."""
        assert is_refused(one.push(redirect_uri=uri), "invalid_request")

    def test_request_uri_reuse(self, browser: Stopping, one: Software) -> None:
        """request_uri reuse fails: once it has ended in a code."""
        request_uri = one.push().json()["request_uri"]
        resumed(browser, one, request_uri)

        assert is_unknown(browser, one, request_uri)

    def test_request_uri_of_another_client(self, browser: Stopping, one: Software, other: Software) -> None:
        """request_uri other client fails: it is bound to who pushed it."""
        assert is_unknown(browser, other, one.push().json()["request_uri"])

    def test_request_uri_inside_the_form(self, one: Software) -> None:
        """request_uri inside PAR form fails: RFC 9126 section 2.1."""
        request_uri = one.push().json()["request_uri"]

        assert is_refused(one.push(request_uri=request_uri), "invalid_request")

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
    def test_wrong_verb(self, one: Software, method: str) -> None:
        """wrong HTTP verb fails: PAR is posted."""
        query = urlencode({**one.credentials(), **REQUEST})

        assert one.caller.request(method, f"{one.url(PAR)}?{query}").status_code == 405

    def test_a_parameter_twice(self, one: Software) -> None:
        """ParWithoutDuplicateParameters: RFC 6749 section 3.1."""
        body = urlencode([*{**one.credentials(), **REQUEST}.items(), ("scope", "openid")])
        headers = {"content-type": "application/x-www-form-urlencoded"}

        assert is_refused(one.caller.post(one.url(PAR), content=body, headers=headers), "invalid_request")

    def test_without_authentication(self, mutual: Mutual, one: Software) -> None:
        """PAR unauthenticated fails: RFC 9126 section 2."""
        answer = mutual.caller().post(one.url(PAR), data={**REQUEST, "client_id": one.client_id})

        assert is_refused(answer, "invalid_client", 401)


class TestPkce:
    """FAPI 2.0 Security Profile section 5.3.2.1: PKCE with S256, always."""

    def test_missing(self, one: Software) -> None:
        """PKCE missing fails: at PAR already."""
        assert is_refused(one.push(code_challenge="", code_challenge_method=""), "invalid_request")

    def test_plain(self, one: Software) -> None:
        """PKCE plain fails: said or left to the default."""
        assert is_refused(one.push(code_challenge_method="plain"), "invalid_request")
        assert is_refused(one.push(code_challenge_method=""), "invalid_request")

    @pytest.mark.parametrize("verifier", ["w" * 64, "v" * 63, REQUEST["code_challenge"]])
    def test_wrong(self, browser: Stopping, one: Software, verifier: str) -> None:
        """PKCE wrong fails: and the code is gone."""
        code = code_of(browser, one)

        assert is_refused(one.redeem(code, code_verifier=verifier), "invalid_grant")
        assert is_refused(one.redeem(code), "invalid_grant")

    def test_no_verifier(self, browser: Stopping, one: Software) -> None:
        """PKCE missing fails: at the token endpoint."""
        assert is_refused(one.redeem(code_of(browser, one), code_verifier=""), "invalid_grant")


class TestTokenRequests:
    """FAPI 2.0 Security Profile section 5.3.2.1: the negative modules of the token endpoint."""

    def test_holder_of_key(self, browser: Stopping, one: Software) -> None:
        """HolderOfKeyRequired: no bearer token for nobody; without what binds it there is none."""
        code = code_of(browser, one)
        answer = one.without_certificate().redeem(code, headers={})

        assert answer.status_code in (400, 401)
        assert answer.json()["error"] in ("invalid_request", "invalid_client")

    def test_a_token_without_its_binding(self, browser: Stopping, one: Software) -> None:
        """HolderOfKeyRequired: at the resources too, whoever shows the token."""
        token = one.redeem(code_of(browser, one)).json()["access_token"]
        thief = replace(one.without_certificate(), proof_key=ECKey.generate_key("P-256"))

        for scheme, headers in (("Bearer", {}), (DPOP, {}), (DPOP, thief.proven("GET", one.url(USERINFO), token))):
            assert thief.userinfo(token, scheme=scheme, headers=headers).status_code == 401

    def test_code_of_another_client(self, browser: Stopping, one: Software, other: Software) -> None:
        """code bound to client: another one gets nothing for it."""
        assert is_refused(other.redeem(code_of(browser, one)), "invalid_grant")

    def test_client_id_of_another(self, browser: Stopping, one: Software, other: Software) -> None:
        """ClientIdInTokenEndpoint: what the form says of the client and what proves it must agree."""
        answer = one.redeem(code_of(browser, one), client_id=other.client_id)

        assert answer.status_code in (400, 401)
        assert answer.json()["error"] in ("invalid_client", "invalid_request", "invalid_grant")

    def test_code_reuse(self, browser: Stopping, one: Software) -> None:
        """code reuse after 1 s fails: and what came of it ends."""
        code = code_of(browser, one)
        tokens = one.redeem(code).json()
        time.sleep(1.1)

        assert is_refused(one.redeem(code), "invalid_grant")
        assert one.userinfo(tokens["access_token"]).status_code == 401
        assert is_refused(one.refresh(tokens["refresh_token"]), "invalid_grant")


class TestAssertions:
    """FAPI 2.0 Security Profile section 5.3.2.1: client assertions, where they are used."""

    def everywhere(self, signer: Software, credentials: dict[str, str], status: int = 401) -> bool:
        answers = [
            signer.post(
                path,
                {**REQUEST, "grant_type": "client_credentials", "token": "x", **credentials},
                signer.proven("POST", signer.url(path)) if path in (PAR, TOKEN) else {},
            )
            for path in (PAR, TOKEN, "/oauth2/introspect", "/oauth2/revoke")
        ]
        return all(is_refused(one, "invalid_client", status) for one in answers)

    def test_rs256(self, mutual: Mutual, signer: Software) -> None:
        """assertion RS256 fails: also from a client whose key could sign with it."""
        key = RSAKey.generate_key(2048)
        public = {**key.as_dict(private=False), "kid": "k", "use": "sig"}
        client_id = mutual.add(jwks={"keys": [public]}, grant_types=["client_credentials"], redirect_uris=[])[
            "client_id"
        ]
        own = replace(signer, client_id=client_id)

        assert self.everywhere(own, own.credentials(alg="RS256", key=key))
        good = own.post(PAR, {**REQUEST, **own.credentials(alg="PS256", key=key)})
        assert good.json()["error"] != "invalid_client"

    @pytest.mark.parametrize("exp", [-300, -60, -11])
    def test_expired(self, signer: Software, exp: int) -> None:
        """assertion expired 5 min fails: or a minute, or just."""
        assert self.everywhere(signer, signer.credentials(exp=exp, iat=exp - 60))

    @pytest.mark.parametrize("aud", ["https://another.example", None, "", 5, {}])
    def test_wrong_aud(self, signer: Software, aud: Any) -> None:
        """assertion wrong aud fails: or none."""
        assert self.everywhere(signer, signer.credentials(aud=aud))

    def test_no_sub(self, signer: Software) -> None:
        """assertion no sub fails."""
        assert self.everywhere(signer, signer.credentials(sub=None))

    def test_missing(self, signer: Software) -> None:
        """assertion missing fails: client_id alone is nobody."""
        assert self.everywhere(signer, {"client_assertion": "", "client_assertion_type": ""})

    def test_par_endpoint_as_audience(self, signer: Software) -> None:
        """PAR endpoint as assertion audience fails: the issuer is the only one."""
        assert self.everywhere(signer, signer.credentials(aud=signer.url(PAR)))

    def test_token_endpoint_as_audience(self, signer: Software) -> None:
        """token endpoint as assertion audience fails: at the token endpoint too."""
        assert self.everywhere(signer, signer.credentials(aud=signer.url(TOKEN)))
        assert self.everywhere(signer, signer.credentials(aud=signer.issuer + TOKEN))

    def test_array_as_audience(self, signer: Software) -> None:
        """array as assertion audience fails: also with the issuer in it, or alone."""
        for aud in ([signer.issuer], [signer.issuer, signer.url(PAR)], [signer.url(PAR), signer.issuer]):
            assert self.everywhere(signer, signer.credentials(aud=aud))

    @pytest.mark.parametrize("claim", ["iat", "nbf"])
    @pytest.mark.parametrize("ahead", [15, 61, 3600])
    def test_far_ahead(self, signer: Software, claim: str, ahead: int) -> None:
        """iat/nbf > 60 s fails: and less than that."""
        assert self.everywhere(signer, signer.credentials(**{claim: ahead}))

    def test_replayed(self, signer: Software) -> None:
        """T-12 (Hydra GHSA-3p3g-vpw6-4w66): an assertion serves once, at whatever endpoint, on all workers."""
        credentials = signer.credentials()
        first = signer.post("/oauth2/introspect", {"token": "x", **credentials})

        assert first.status_code == 200
        for _ in range(4):
            assert self.everywhere(signer, credentials)

    def test_with_a_certificate_of_another(self, signer: Software, clients: Clients) -> None:
        """T-12: whoever holds a certificate of ours cannot use another client's assertion again."""
        thief, _ = clients[MTLS, MTLS]
        credentials = signer.credentials()
        assert signer.post("/oauth2/introspect", {"token": "x", **credentials}).status_code == 200

        answer = thief.caller.post(thief.url(TOKEN), data={"grant_type": "client_credentials", **credentials})

        assert is_refused(answer, "invalid_client", 401)

    def test_two_methods(self, signer: Software) -> None:
        """One authentication method a request: RFC 6749 section 2.3."""
        answer = signer.post(PAR, {**REQUEST, **signer.credentials(), "client_secret": "s" * 43})

        assert is_refused(answer, "invalid_request")


class TestDpop:
    """FAPI 2.0 Security Profile section 5.3.2.1: DPoP, where it is used."""

    def test_par_with_another_jkt(self, prover: Software) -> None:
        """DPoP jkt mismatches fail: a proof at PAR, and a dpop_jkt of another key."""
        answer = prover.push(prover.proven("POST", prover.url(PAR)), dpop_jkt="A" * 43)

        assert is_refused(answer, "invalid_dpop_proof")

    def test_code_with_another_proof(self, browser: Stopping, prover: Software) -> None:
        """DPoP jkt mismatches fail: a code that was bound by a proof at PAR, redeemed with another key."""
        pushed = prover.push(prover.proven("POST", prover.url(PAR))).json()["request_uri"]
        code = resumed(browser, prover, pushed)["code"]
        thief = replace(prover, proof_key=ECKey.generate_key("P-256"))

        assert is_refused(thief.redeem(code), "invalid_grant")

    def test_code_with_another_jkt(self, browser: Stopping, prover: Software) -> None:
        """DPoP jkt mismatches fail: a code that was bound by dpop_jkt, redeemed with another key."""
        code = code_of(browser, prover, dpop_jkt="A" * 43)

        assert is_refused(prover.redeem(code), "invalid_grant")

    @pytest.mark.parametrize(
        "changes",
        [
            {"htm": "POST"},
            {"htu": "https://another.example/oauth2/userinfo"},
            {"ath": "A" * 43},
            {"ath": None},
            {"iat": -3600},
            {"iat": 60},
            {"jti": None},
            {"alg": "RS256"},
            {"header": {"typ": "JWT"}},
            {"header": {"jwk": None}},
            {"exp": -60},
            {"nbf": 60},
        ],
    )
    def test_negative(self, browser: Stopping, prover: Software, changes: dict[str, Any]) -> None:
        """DpopNegativeTests: at a resource."""
        token = prover.redeem(code_of(browser, prover)).json()["access_token"]
        if changes.get("alg") == "RS256":
            key = RSAKey.generate_key(2048)
            changes = {**changes, "key": key, "header": {"jwk": key.as_dict(private=False)}}
        answer = prover.userinfo(token, headers=prover.proven("GET", prover.url(USERINFO), token, **changes))

        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'DPoP error="invalid_dpop_proof"')

    def test_replayed(self, browser: Stopping, prover: Software) -> None:
        """DpopNegativeTests: a proof serves once."""
        token = prover.redeem(code_of(browser, prover)).json()["access_token"]
        headers = prover.proven("GET", prover.url(USERINFO), token)

        assert [prover.userinfo(token, headers=headers).status_code for _ in range(3)] == [200, 401, 401]

    def test_nbf_and_exp_are_allowed(self, browser: Stopping, prover: Software) -> None:
        """CheckDpopProofNbfExp: they are no members of a proof, and no harm."""
        code = code_of(browser, prover)

        assert prover.redeem(code, prover.proven("POST", prover.url(TOKEN), nbf=-5, exp=60)).status_code == 200


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def brief(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    authority: Authority,
    mutual_environment: Callable[[], tuple[dict[str, str], Path]],
) -> Iterator[Mutual]:
    """A server where codes live one second and pushed requests eight."""
    filled: Callable[[pytest.FixtureRequest], Server] = request.getfixturevalue("filled_server")
    server = copied(filled(request), request, tmp_path_factory)
    lives = {"REGIE_CODE_S": "1", "REGIE_PAR_S": "8"}
    made = mutual_of(server, authority, mutual_environment(), tmp_path_factory.mktemp("brief"), **lives)
    try:
        yield made
    finally:
        made.close()


class TestWhatExpires:
    """FAPI 2.0 Security Profile section 5.3.2.1: codes live 60 s, pushed requests less than 600 s; here shorter, to see it."""

    def test_of_all_four_kinds(self, brief: Mutual) -> None:
        """expired code fails, request_uri expired fails: each for all four kinds of client, waiting once."""
        kinds = registered(brief)
        browser = logged_in(brief, kinds)
        pushed = [(one, one.push().json()["request_uri"]) for one, _ in kinds.values()]
        codes = [(one, code_of(browser, one)) for one, _ in kinds.values()]
        time.sleep(8.2)

        for one, code in codes:
            assert is_refused(one.redeem(code), "invalid_grant")
        for one, request_uri in pushed:
            assert is_unknown(browser, one, request_uri)
        browser.close()
