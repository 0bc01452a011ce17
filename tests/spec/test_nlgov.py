"""NL GOV Assurance profile for OpenID Connect 1.0.1: what it demands of the one discovery document.

One issuer serves every profile (docs/decisions/0011-one-issuer.md): a client of this one must find in the document all
that its profile demands, and what stands there for others must be refused to it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from agency.jose import Key
from idp.authenticators.levels import LEVELS
from idp.clients.registration import InvalidMetadata, register

if TYPE_CHECKING:
    from tests.fixtures.server import Server

DOCUMENTS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
TOLD_IN_A_JWT = ("id_token", "userinfo")
SIGNED = ("RS256", "PS256")
STRONG_ENOUGH = {*SIGNED, "ES256", "EdDSA", "Ed25519"}
"""The profile's «nothing weaker than RS256»."""
REGISTERED = {
    "client_name": "one",
    "agency": "health-insurer",
    "redirect_uris": ["https://agency.example.nl/callback"],
    "jwks": {"keys": [Key.generate().public()]},
}


@pytest.fixture(scope="module")
def document(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = httpx2.get(server.issuer + DOCUMENTS[0]).json()
    return found


class TestSection5_4_1:
    """Discovery endpoint."""

    @pytest.mark.parametrize("path", DOCUMENTS)
    def test_it_is_where_the_issuer_says_and_names_it(self, server: Server, path: str) -> None:
        """Else one provider passes for another.

        OpenID Connect Discovery section 4.3.
        """
        assert httpx2.get(server.issuer + path).json()["issuer"] == server.issuer

    @pytest.mark.parametrize("path", ["/nlgov" + DOCUMENTS[0], DOCUMENTS[1] + "/nlgov", DOCUMENTS[0] + "/nlgov"])
    def test_no_second_address_answers_for_the_same_issuer(self, server: Server, path: str) -> None:
        assert httpx2.get(server.issuer + path).status_code == 404

    def test_webfinger_is_not_there(self, server: Server) -> None:
        who = {"resource": "acct:anna@localhost", "rel": "http://openid.net/specs/connect/1.0/issuer"}

        assert httpx2.get(f"{server.issuer}/.well-known/webfinger", params=who).status_code == 404


class TestSection5_4_2:
    """Discovery document, member by member."""

    @pytest.mark.parametrize(
        "member",
        [
            "authorization_endpoint",
            "token_endpoint",
            "userinfo_endpoint",
            "registration_endpoint",
            "introspection_endpoint",
            "revocation_endpoint",
            "jwks_uri",
        ],
    )
    def test_its_addresses_are_the_issuers(self, server: Server, document: dict[str, Any], member: str) -> None:
        assert document[member].startswith(server.issuer + "/")

    @pytest.mark.parametrize(
        ("member", "value"),
        [
            ("response_types_supported", ["code"]),
            ("subject_types_supported", ["pairwise"]),
            ("code_challenge_methods_supported", ["S256"]),
            ("claims_parameter_supported", True),
            ("request_parameter_supported", True),
            # So `require_request_uri_registration` need not be there.
            ("request_uri_parameter_supported", False),
            *((f"{name}_encryption_enc_values_supported", ["A256GCM"]) for name in (*TOLD_IN_A_JWT, "request_object")),
        ],
    )
    def test_what_it_says_is_what_the_profile_says(self, document: dict[str, Any], member: str, value: Any) -> None:
        assert document[member] == value

    @pytest.mark.parametrize(
        ("member", "needed"),
        [
            ("grant_types_supported", {"authorization_code"}),
            ("token_endpoint_auth_methods_supported", {"private_key_jwt"}),
            ("token_endpoint_auth_signing_alg_values_supported", {*SIGNED}),
            ("scopes_supported", {"openid"}),
            ("claims_supported", {"iss", "aud", "sub", "nonce", "jti", "exp", "iat", "nbf", "auth_time", "acr"}),
            ("acr_values_supported", {*LEVELS}),
            *((f"{name}_signing_alg_values_supported", {*SIGNED}) for name in (*TOLD_IN_A_JWT, "request_object")),
            *((f"{name}_encryption_alg_values_supported", {"RSA-OAEP"}) for name in (*TOLD_IN_A_JWT, "request_object")),
        ],
    )
    def test_what_a_client_must_choose_stands_there(
        self, document: dict[str, Any], member: str, needed: set[str]
    ) -> None:
        assert needed <= set(document[member])

    def test_every_signature_is_strong_enough(self, document: dict[str, Any]) -> None:
        told = {name: set(value) for name, value in document.items() if name.endswith("signing_alg_values_supported")}

        assert len(told) >= 8
        assert {name: value for name, value in told.items() if not value <= STRONG_ENOUGH} == {}

    def test_it_is_signed(self, document: dict[str, Any]) -> None:
        """RFC 8414 section 2.1; recommended by the profile."""
        assert document["signed_metadata"].count(".") == 2


class TestWhatIsForOthers:
    """More stands in the document than the profile has. None of it is for its clients: they cannot register it.

    If nothing is left over in a member, its line in docs/divergences.md and here has had its time.
    """

    @pytest.mark.parametrize(
        ("member", "registered_as", "own"),
        [
            ("token_endpoint_auth_methods_supported", "token_endpoint_auth_method", {"private_key_jwt"}),
            ("token_endpoint_auth_signing_alg_values_supported", "token_endpoint_auth_signing_alg", {*SIGNED, "ES256"}),
            ("request_object_signing_alg_values_supported", "request_object_signing_alg", {*SIGNED, "ES256"}),
        ],
    )
    def test_it_is_refused(self, document: dict[str, Any], member: str, registered_as: str, own: set[str]) -> None:
        others = sorted(set(document[member]) - own)

        assert others
        for value in others:
            with pytest.raises(InvalidMetadata, match=registered_as):
                register(json.dumps({**REGISTERED, registered_as: value}).encode(), "nlgov", development=False)

    def test_a_certificate_is_an_authoritys(self) -> None:
        """NL GOV OpenID Connect section 5.4.2: private_key_jwt, tls_client_auth, or both; not the client's own word."""
        name = {**REGISTERED, "tls_client_auth_subject_dn": "CN=api,O=Gemeente Duinstad,C=NL"}
        by_authority = {**name, "token_endpoint_auth_method": "tls_client_auth"}
        by_itself = {**REGISTERED, "token_endpoint_auth_method": "self_signed_tls_client_auth"}

        assert register(json.dumps(by_authority).encode(), "nlgov", development=False)
        with pytest.raises(InvalidMetadata, match="token_endpoint_auth_method"):
            register(json.dumps(by_itself).encode(), "nlgov", development=False)

    def test_another_grant_is_another_client(self, document: dict[str, Any]) -> None:
        """NL GOV OAuth section 3.1.1."""
        others = sorted(set(document["grant_types_supported"]) - {"authorization_code", "refresh_token"})

        assert others
        for grant in others:
            both = {**REGISTERED, "grant_types": ["authorization_code", grant]}
            with pytest.raises(InvalidMetadata, match="one grant type"):
                register(json.dumps(both).encode(), "nlgov", development=False)
