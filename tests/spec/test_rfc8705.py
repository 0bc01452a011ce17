"""RFC 8705: OAuth 2.0 Mutual-TLS Client Authentication and Certificate-Bound Access Tokens, against `regie serve`."""

from __future__ import annotations

import base64
import json
import time
from contextlib import closing
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from cryptography import x509
from joserfc.jwk import ECKey

from base.ids import identifier
from regie.commands.base import Refused
from tests.fixtures.certificates import Authority, self_signed, subject
from tests.fixtures.listener import Listener, answer, in_thread
from tests.fixtures.mutual import CONSENT, DPOP, MTLS, PRIVATE_KEY_JWT, Mutual, Software, signed
from tests.fixtures.visitors import Visitor, citizen

if TYPE_CHECKING:
    from tests.fixtures.server import Server

SELF_SIGNED = "self_signed_tls_client_auth"
NAME = subject(country_name="NL", organization_name="Gemeente", common_name="api")
DN = "CN=api,O=Gemeente,C=NL"
OWN = {"grant_types": ["client_credentials"], "scope": CONSENT, "redirect_uris": []}

BY_NAME = {"token_endpoint_auth_method": MTLS, "tls_client_certificate_bound_access_tokens": True, **OWN}


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def ask(mutual: Mutual, caller: httpx2.Client, client_id: str, **form: str) -> httpx2.Response:
    """A token of the client's own, with nothing but what is on the connection."""
    body = {"grant_type": "client_credentials", "client_id": client_id, **form}
    return caller.post(f"{mutual.address}/oauth2/token", data=body)


@pytest.fixture(scope="module")
def software(mutual: Mutual) -> Software:
    """Authenticates by its certificate, and binds its tokens to it."""
    return mutual.software(MTLS, MTLS)


@pytest.fixture(scope="module")
def metadata(mutual: Mutual) -> dict[str, Any]:
    found: dict[str, Any] = httpx2.get(f"{mutual.server.issuer}/.well-known/openid-configuration").json()
    return found


class TestSection2_1:  # PKI mutual TLS
    @pytest.mark.parametrize(
        ("member", "value", "names"),
        [
            ("subject_dn", DN, []),
            ("san_dns", "api.agency.example", [x509.DNSName("api.agency.example")]),
            ("san_uri", "https://agency.example/api", [x509.UniformResourceIdentifier("https://agency.example/api")]),
            ("san_ip", "2001:db8::1", [x509.IPAddress(ip_address("2001:db8::1"))]),
            ("san_email", "api@agency.example", [x509.RFC822Name("api@agency.example")]),
        ],
    )
    def test_a_client_is_known_by_the_one_name_it_registered(
        self, mutual: Mutual, member: str, value: str, names: list[Any]
    ) -> None:
        """RFC 8705 section 2.1.2."""
        client_id = mutual.add(**{f"tls_client_auth_{member}": value}, **BY_NAME)["client_id"]
        own = mutual.authority.issue(NAME if not names else subject(common_name="x"), *names)
        other = mutual.authority.issue(subject(common_name="another"), x509.DNSName("other.example"))

        assert ask(mutual, mutual.caller(own), client_id).status_code == 200
        refused = ask(mutual, mutual.caller(other), client_id)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")

    def test_an_authority_between_is_sent_along(self, mutual: Mutual) -> None:
        client_id = mutual.add(tls_client_auth_subject_dn=DN, **BY_NAME)["client_id"]
        own = Authority("Between", mutual.authority).issue(NAME)

        assert ask(mutual, mutual.caller(own), client_id).status_code == 200

    @pytest.mark.parametrize("how", ["another authority", "self-signed", "expired", "of the future", "none"])
    def test_the_right_name_is_not_enough(self, mutual: Mutual, how: str) -> None:
        client_id = mutual.add(tls_client_auth_subject_dn=DN, **BY_NAME)["client_id"]
        shown = {
            "another authority": Authority().issue(NAME),
            "self-signed": self_signed(NAME),
            "expired": mutual.authority.issue(NAME, days=(-9, -1)),
            "of the future": mutual.authority.issue(NAME, days=(1, 9)),
            "none": None,
        }[how]

        refused = ask(mutual, mutual.caller(shown), client_id)

        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")

    @pytest.mark.parametrize(
        "members",
        [
            {},
            {"tls_client_auth_subject_dn": DN, "tls_client_auth_san_dns": "api.agency.example"},
            {"tls_client_auth_subject_dn": "api"},
            {"tls_client_auth_san_dns": "*.agency.example"},
            {"tls_client_auth_san_ip": "10.0.0.0/8"},
            {"tls_client_auth_san_uri": "agency"},
            {"tls_client_auth_san_email": "agency.example"},
            {"token_endpoint_auth_method": SELF_SIGNED, "tls_client_auth_san_dns": "api.agency.example"},
        ],
    )
    def test_exactly_one_name_that_can_be_compared_is_registered(self, mutual: Mutual, members: dict[str, str]) -> None:
        with pytest.raises(Refused, match="tls_client_auth"):
            mutual.add(**{**BY_NAME, **members})


class TestSection2_2:  # Self-signed certificate mutual TLS
    def register(self, mutual: Mutual, *jwks: dict[str, Any]) -> str:
        members = {"token_endpoint_auth_method": SELF_SIGNED, "tls_client_certificate_bound_access_tokens": True, **OWN}
        return str(mutual.add(jwks={"keys": list(jwks)}, **members)["client_id"])

    def test_a_client_is_known_by_the_certificate_in_its_jwks(self, mutual: Mutual) -> None:
        own, again = self_signed(NAME), self_signed(NAME)
        client_id = self.register(mutual, {**own.jwk, "x5c": [base64.b64encode(own.der).decode()]})

        assert ask(mutual, mutual.caller(own), client_id).status_code == 200
        assert ask(mutual, mutual.caller(again), client_id).json()["error"] == "invalid_client"

    def test_a_key_with_a_certificate_stands_for_that_certificate_alone(self, mutual: Mutual) -> None:
        own = self_signed(NAME)
        renewed = self_signed(subject(common_name="renewed"), key=own.key)
        client_id = self.register(mutual, {**own.jwk, "x5c": [base64.b64encode(own.der).decode()]})

        assert ask(mutual, mutual.caller(renewed), client_id).json()["error"] == "invalid_client"

    def test_a_key_without_one_stands_for_any_certificate_of_that_key(self, mutual: Mutual) -> None:
        own = self_signed(NAME)
        renewed = self_signed(subject(common_name="renewed"), key=own.key)
        client_id = self.register(mutual, own.jwk)

        for one in (own, renewed, mutual.authority.issue(NAME, key=own.key)):
            assert ask(mutual, mutual.caller(one), client_id).status_code == 200

    def test_of_two_keys_each_serves(self, mutual: Mutual) -> None:
        """Section 6.2: a certificate is replaced without a moment in which none is known."""
        old, new = self_signed(NAME), self_signed(NAME)
        client_id = self.register(mutual, {**old.jwk, "kid": "old"}, {**new.jwk, "kid": "new"})

        assert [ask(mutual, mutual.caller(one), client_id).status_code for one in (old, new)] == [200, 200]

    def test_it_may_be_kept_at_an_address_and_is_looked_for_there_once_a_minute(self, mutual: Mutual) -> None:
        """With `jwks_uri`: a new certificate is known at once, and strangers do not make us ask."""
        old, new, stranger = (self_signed(NAME) for _ in range(3))
        sets = {"now": [{**old.jwk, "kid": "old"}]}
        listener = Listener(lambda _: answer({"keys": sets["now"]}))
        with in_thread(listener):
            members = {"token_endpoint_auth_method": SELF_SIGNED, "tls_client_certificate_bound_access_tokens": True}
            client_id = mutual.add(jwks_uri=listener.url, **members, **OWN)["client_id"]
            sets["now"].append({**new.jwk, "kid": "new"})
            known = [ask(mutual, mutual.caller(one), client_id).status_code for one in (old, new, old)]
            asked = listener.connections
            refused = {ask(mutual, mutual.caller(stranger), client_id).json()["error"] for _ in range(3)}

        assert known == [200, 200, 200]
        assert refused == {"invalid_client"}
        assert listener.connections == asked == 2

    def test_an_encryption_key_is_no_certificates(self, mutual: Mutual) -> None:
        own, sealing = self_signed(NAME), self_signed(NAME)
        keys = [{**own.jwk, "kid": "own"}, {**sealing.jwk, "kid": "sealing", "use": "enc", "alg": "ECDH-ES"}]
        client_id = self.register(mutual, *keys)

        assert ask(mutual, mutual.caller(own), client_id).status_code == 200
        assert ask(mutual, mutual.caller(sealing), client_id).json()["error"] == "invalid_client"

    def test_dates_count(self, mutual: Mutual) -> None:
        own = self_signed(NAME, days=(-9, -1))
        client_id = self.register(mutual, own.jwk)

        assert ask(mutual, mutual.caller(own), client_id).json()["error"] == "invalid_client"

    def test_a_registered_certificate_vouches_for_nobody(self, mutual: Mutual) -> None:
        """An authority in a client's own jwks must not make certificates with other agencies' names believed."""
        forger = Authority("Forger")
        self.register(mutual, forger.identity.jwk)
        victim = mutual.add(tls_client_auth_subject_dn=DN, **BY_NAME)["client_id"]

        refused = ask(mutual, mutual.caller(forger.issue(NAME)), victim)

        assert refused.json()["error"] == "invalid_client"

    def test_without_a_key_it_is_not_registered(self, mutual: Mutual) -> None:
        with pytest.raises(Refused, match=SELF_SIGNED):
            mutual.add(token_endpoint_auth_method=SELF_SIGNED, **OWN)


class TestSection2:  # One method a request, the registered one
    def test_a_certificate_does_not_stand_in_for_another_method(self, mutual: Mutual) -> None:
        one = mutual.software(PRIVATE_KEY_JWT, MTLS)

        refused = ask(mutual, one.caller, one.client_id)

        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")

    def test_another_method_does_not_stand_in_for_the_certificate(self, mutual: Mutual, software: Software) -> None:
        form = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
        answers = [
            ask(mutual, software.caller, software.client_id, client_secret="s" * 43),
            ask(mutual, software.caller, software.client_id, client_assertion=software.assertion(), **form),
        ]

        assert [one.json()["error"] for one in answers] == ["invalid_client"] * 2

    def test_client_id_is_required(self, mutual: Mutual, software: Software) -> None:
        """RFC 8705 section 2: the certificate alone does not say which client it is."""
        assert ask(mutual, software.caller, "").json()["error"] == "invalid_client"

    @pytest.mark.parametrize("path", ["/oauth2/introspect", "/oauth2/revoke", "/oauth2/par"])
    def test_all_endpoints_with_client_authentication_know_it(self, software: Software, path: str) -> None:
        form = {"token": "x", "response_type": "code"}

        assert software.post(path, form).status_code in (200, 400)
        assert software.without_certificate().post(path, form).status_code == 401

    def test_a_disabled_client_is_unknown(self, mutual: Mutual) -> None:
        one = mutual.software(MTLS, MTLS)
        assert one.own_token().status_code == 200

        mutual.server.tell("client disable", client_id=one.client_id)

        assert one.own_token().json()["error"] == "invalid_client"


class TestSection3:  # Certificate-bound access tokens
    def test_the_token_names_its_certificate(self, software: Software) -> None:
        """RFC 8705 section 3.1: `cnf` with `x5t#S256`."""
        answer = software.own_token().json()

        assert answer["token_type"] == "Bearer"
        assert claims_of(answer["access_token"])["cnf"] == {"x5t#S256": software.identity.x5t}

    def test_introspection_tells_it_too(self, software: Software) -> None:
        """RFC 8705 section 3.2."""
        told = software.post("/oauth2/introspect", {"token": software.own_token().json()["access_token"]}).json()

        assert told["active"] is True
        assert (told["cnf"], told["token_type"]) == ({"x5t#S256": software.identity.x5t}, "Bearer")

    def test_the_registry_serves_who_shows_the_certificate_and_nobody_else(
        self, mutual: Mutual, software: Software
    ) -> None:
        token = software.own_token().json()["access_token"]
        body = {"sub": "A" * 43, "purpose": "housing-benefit", "data": ["address"]}
        own, none, other, elsewhere = (
            one.call("POST", "/consent/v1/checks", token, json=body)
            for one in (
                software,
                software.without_certificate(),
                mutual.software(MTLS, MTLS),
                mutual.software(PRIVATE_KEY_JWT, DPOP),
            )
        )

        assert own.status_code == 200
        assert [one.status_code for one in (none, other, elsewhere)] == [401] * 3
        assert none.headers["www-authenticate"] == 'Bearer error="invalid_token"'

    def test_a_client_that_authenticates_otherwise_binds_by_any_certificate(self, mutual: Mutual) -> None:
        """RFC 8705 section 7.3: the binding needs no authority; the key is what counts."""
        one = mutual.software(PRIVATE_KEY_JWT, MTLS)
        own = self_signed(NAME)
        caller = mutual.caller(own)

        answer = caller.post(
            f"{mutual.address}/oauth2/token",
            data={"grant_type": "client_credentials", "scope": CONSENT, **one.credentials()},
        )

        assert claims_of(answer.json()["access_token"])["cnf"] == {"x5t#S256": own.x5t}

    def test_without_a_certificate_it_gets_no_token(self, mutual: Mutual) -> None:
        one = mutual.software(PRIVATE_KEY_JWT, MTLS)

        refused = one.without_certificate().own_token()

        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")

    def test_it_is_bound_to_one_thing(self, mutual: Mutual, software: Software) -> None:
        both = {"tls_client_certificate_bound_access_tokens": True, "dpop_bound_access_tokens": True}
        proof = {"dpop": software.proof("POST", software.url("/oauth2/token"))}

        with pytest.raises(Refused, match="not to both"):
            mutual.add(token_endpoint_auth_method=MTLS, tls_client_auth_subject_dn=DN, **OWN, **both)
        assert software.own_token(headers=proof).json()["error"] == "invalid_request"

    def test_a_client_with_a_secret_may_bind_too(self, mutual: Mutual) -> None:
        members = {"tls_client_certificate_bound_access_tokens": True, **OWN}
        done = mutual.add("baseline", **members)
        own = self_signed(NAME)

        answer = mutual.caller(own).post(
            f"{mutual.address}/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=(done["client_id"], done["client_secret"]),
        )

        assert claims_of(answer.json()["access_token"])["cnf"] == {"x5t#S256": own.x5t}


class TestSection3Elsewhere:  # Bound tokens of grants that begin outside the browser
    GRANTS = ("urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba")

    @pytest.mark.parametrize("auth", [PRIVATE_KEY_JWT, MTLS])
    def test_they_are_bound_to_the_certificate_too(self, mutual: Mutual, auth: str) -> None:
        one = mutual.software(
            auth, MTLS, grant_types=[*self.GRANTS], scope="openid", redirect_uris=[], **self.keys(auth)
        )
        username = f"by {auth}"
        citizen(mutual.server, username)
        with closing(Visitor(mutual.server, username)) as browser:
            browser.log_in()
            told = one.post("/oauth2/device_authorization", {"scope": "openid"}).json()
            browser.get(f"{mutual.server.issuer}/device")
            browser.submit("/device", user_code=told["user_code"])
            browser.submit("/confirm", answer="yes")
            device = self.fetched(one, self.GRANTS[0], device_code=told["device_code"])
            hint = claims_of(device["id_token"])["sub"]
            asked = {"iss": one.client_id, "aud": one.issuer, "scope": "openid", "login_hint": hint}
            at = int(time.time())
            whole = {**asked, "iat": at, "nbf": at, "exp": at + 60, "jti": identifier(), "binding_message": "A-1"}
            request = signed({"alg": "ES256", "kid": "k"}, whole, {}, self.key if auth == MTLS else one.key)
            told = one.post("/oauth2/bc-authorize", {"request": request}).json()
            browser.get(f"{mutual.server.issuer}/my/requests")
            browser.submit("/my/requests")
            browser.submit("/confirm", answer="yes")
            ciba = self.fetched(one, self.GRANTS[1], auth_req_id=told["auth_req_id"])

        for tokens in (device, ciba):
            assert claims_of(tokens["access_token"])["cnf"] == {"x5t#S256": one.identity.x5t}
            assert one.userinfo(tokens["access_token"]).json() == {"sub": hint}
            assert one.without_certificate().userinfo(tokens["access_token"]).status_code == 401

    def keys(self, auth: str) -> dict[str, Any]:
        """CIBA's requests are signed, however the client authenticates."""
        if auth == PRIVATE_KEY_JWT:
            return {}
        self.key = ECKey.generate_key("P-256", {"kid": "k", "use": "sig", "alg": "ES256"}, auto_kid=False)
        return {"jwks": {"keys": [self.key.as_dict(private=False)]}}

    def fetched(self, one: Software, grant_type: str, **form: str) -> Any:
        """The tokens; nobody gets them without the certificate."""
        bare = one.without_certificate().post("/oauth2/token", {"grant_type": grant_type, **form})
        assert bare.status_code in (400, 401)
        done = one.post("/oauth2/token", {"grant_type": grant_type, **form})
        assert done.status_code == 200, done.text
        return done.json()


class TestSection5:  # Metadata
    def test_every_alias_is_the_endpoint_at_the_mtls_address(self, mutual: Mutual, metadata: dict[str, Any]) -> None:
        aliases = metadata["mtls_endpoint_aliases"]

        assert {
            "token_endpoint",
            "pushed_authorization_request_endpoint",
            "introspection_endpoint",
            "revocation_endpoint",
            "userinfo_endpoint",
        } <= set(aliases)
        for name, alias in aliases.items():
            assert alias == metadata[name].replace(mutual.server.issuer, mutual.address)

    def test_what_needs_certificates_is_told(self, metadata: dict[str, Any]) -> None:
        assert metadata["tls_client_certificate_bound_access_tokens"] is True
        for endpoint in ("token", "introspection", "revocation"):
            assert {MTLS, SELF_SIGNED} <= set(metadata[f"{endpoint}_endpoint_auth_methods_supported"])

    def test_the_dutch_profile_has_an_authoritys_alone(self, mutual: Mutual) -> None:
        """NL GOV OpenID Connect section 5.4.2."""
        told = httpx2.get(f"{mutual.server.issuer}/.well-known/openid-configuration?profile=nlgov").json()

        assert told["token_endpoint_auth_methods_supported"] == ["private_key_jwt", MTLS]

    def test_a_client_is_told_the_aliases_when_it_registers(self, mutual: Mutual, metadata: dict[str, Any]) -> None:
        done = mutual.add("baseline", **OWN)

        assert done["mtls_endpoint_aliases"] == metadata["mtls_endpoint_aliases"]

    @pytest.mark.parametrize("path", ["/", "/login", "/my", "/oauth2/authorize", "/oauth2/logout"])
    def test_no_page_is_served_there(self, mutual: Mutual, path: str) -> None:
        """Nobody's browser is to ask for a certificate."""
        assert mutual.caller().get(mutual.address + path).status_code == 404


class TestWithoutCertificates:
    def test_nothing_of_it_is_told(self, server: Server) -> None:
        """RFC 8705 section 5: the metadata are true."""
        metadata = httpx2.get(f"{server.issuer}/.well-known/openid-configuration").json()

        assert "mtls_endpoint_aliases" not in metadata
        assert "tls_client_certificate_bound_access_tokens" not in metadata
        assert not {MTLS, SELF_SIGNED} & set(metadata["token_endpoint_auth_methods_supported"])

    def test_no_client_registers_for_them(self, server: Server) -> None:
        file = {"client_name": "x", "agency": "municipality", **OWN}
        by_name = {**file, "token_endpoint_auth_method": MTLS, "tls_client_auth_subject_dn": DN}
        bound = {**file, "tls_client_certificate_bound_access_tokens": True}

        for profile, one in (("fapi2", by_name), ("baseline", bound)):
            refused = server.run("client", "add", "--profile", profile, file=one, expect=1)
            assert "certificates" in refused["error"]
