"""Client metadata: every member has a type and a rule, and the rules hold under every profile."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agency.jose import Key
from idp.clients.metadata import MEMBERS, InvalidMetadata
from idp.clients.registration import register
from idp.clients.rules import RULES
from idp.profiles import ALGORITHMS_OF_SHA256, CIBA, DEVICE, EXCHANGE, PROFILES
from keys.algorithms import CLIENT_SIGNING
from keys.jwks import public_jwk

CALLBACK = "https://agency.example/cb"
SIGNING = {**Key.generate().public(), "use": "sig", "kid": "s"}
SEALING = {**public_jwk(ec.generate_private_key(ec.SECP256R1()).public_key()), "use": "enc", "kid": "e"}
KEYS = {"keys": [SIGNING, SEALING]}
BASE = {"agency": "municipality", "redirect_uris": [CALLBACK]}
ADDRESS = "https://agency.example/x"


def registered(profile: str = "baseline", *, development: bool = False, **members: Any) -> dict[str, Any]:
    """The stored metadata."""
    client, _ = register(json.dumps({**BASE, **members}).encode(), profile, development=development)
    return dict(client.metadata)


def test_every_member_has_its_rule() -> None:
    assert set(RULES) == MEMBERS


ACCEPTED: list[tuple[str, Any, dict[str, Any]]] = [
    ("redirect_uris", [CALLBACK, "https://agency.example/cb?x=1"], {}),
    ("token_endpoint_auth_method", "client_secret_post", {}),
    ("token_endpoint_auth_method", "none", {"grant_types": ["authorization_code", "refresh_token"]}),
    ("grant_types", ["authorization_code", "refresh_token", DEVICE, CIBA, EXCHANGE], {}),
    ("grant_types", ["client_credentials"], {"redirect_uris": []}),
    ("response_types", ["code"], {}),
    ("client_name", "Gemeente Lindermeer – «Burgerzaken»", {}),
    ("client_uri", ADDRESS, {}),
    ("logo_uri", ADDRESS, {}),
    ("tos_uri", ADDRESS, {}),
    ("policy_uri", ADDRESS, {}),
    ("scope", "openid birthdate", {}),
    ("contacts", ["beheer@agency.example"], {}),
    ("jwks", KEYS, {}),
    ("jwks_uri", ADDRESS, {}),
    ("software_id", "4NRB1-0XZABZI9E6-5SM3R", {}),
    ("software_version", "2.1", {}),
    ("application_type", "web", {}),
    ("subject_type", "pairwise", {}),
    ("sector_identifier_uri", ADDRESS, {}),
    ("id_token_signed_response_alg", "PS256", {}),
    ("id_token_encrypted_response_alg", "ECDH-ES", {"jwks": KEYS}),
    ("id_token_encrypted_response_enc", "A256GCM", {"jwks": KEYS, "id_token_encrypted_response_alg": "ECDH-ES"}),
    ("userinfo_signed_response_alg", "ES256", {}),
    ("userinfo_encrypted_response_alg", "ECDH-ES+A256KW", {"jwks": KEYS}),
    ("userinfo_encrypted_response_enc", "A256GCM", {"jwks": KEYS, "userinfo_encrypted_response_alg": "ECDH-ES"}),
    ("request_object_signing_alg", "ES256", {"jwks": KEYS}),
    ("request_object_encryption_alg", "RSA-OAEP", {}),
    ("request_object_encryption_enc", "A256GCM", {"request_object_encryption_alg": "RSA-OAEP"}),
    ("token_endpoint_auth_signing_alg", "ES256", {"jwks": KEYS, "token_endpoint_auth_method": "private_key_jwt"}),
    ("default_max_age", 0, {}),
    ("default_max_age", 3600, {}),
    ("require_auth_time", True, {}),
    ("default_acr_values", ["http://eidas.europa.eu/LoA/substantial"], {}),
    ("initiate_login_uri", ADDRESS, {}),
    ("post_logout_redirect_uris", [ADDRESS], {}),
    ("backchannel_logout_uri", ADDRESS, {}),
    ("backchannel_logout_session_required", True, {"backchannel_logout_uri": ADDRESS}),
    ("frontchannel_logout_uri", ADDRESS, {}),
    ("frontchannel_logout_session_required", True, {"frontchannel_logout_uri": ADDRESS}),
    ("tls_client_certificate_bound_access_tokens", True, {}),
    ("dpop_bound_access_tokens", True, {}),
    ("require_signed_request_object", True, {"jwks": KEYS}),
    ("require_pushed_authorization_requests", True, {}),
    ("authorization_details_types", ["personal_data_use"], {}),
    ("authorization_signed_response_alg", "ES256", {}),
    ("authorization_encrypted_response_alg", "ECDH-ES", {"jwks": KEYS}),
    (
        "authorization_encrypted_response_enc",
        "A256GCM",
        {"jwks": KEYS, "authorization_encrypted_response_alg": "ECDH-ES"},
    ),
    ("introspection_signed_response_alg", "ES256", {}),
    ("introspection_encrypted_response_alg", "ECDH-ES", {"jwks": KEYS}),
    (
        "introspection_encrypted_response_enc",
        "A256GCM",
        {"jwks": KEYS, "introspection_encrypted_response_alg": "ECDH-ES"},
    ),
    ("backchannel_token_delivery_mode", "poll", {"grant_types": [CIBA], "redirect_uris": []}),
    (
        "backchannel_token_delivery_mode",
        "ping",
        {"grant_types": [CIBA], "backchannel_client_notification_endpoint": ADDRESS},
    ),
    ("backchannel_client_notification_endpoint", ADDRESS, {"grant_types": [CIBA]}),
    ("backchannel_authentication_request_signing_alg", "ES256", {}),
    ("backchannel_user_code_parameter", True, {}),
    ("use_mtls_endpoint_aliases", True, {}),
    ("purpose", "housing-benefit", {}),
]


@pytest.mark.parametrize(("member", "value", "others"), ACCEPTED, ids=[one[0] for one in ACCEPTED])
def test_a_proper_value_is_kept_as_it_was_given(member: str, value: Any, others: dict[str, Any]) -> None:
    assert registered(**{**others, member: value})[member] == value


REFUSED: list[tuple[str, Any, dict[str, Any]]] = [
    ("redirect_uris", [CALLBACK, CALLBACK], {}),
    ("redirect_uris", [f"https://agency.example/{n}" for n in range(51)], {}),
    ("redirect_uris", [], {}),
    ("redirect_uris", "https://agency.example/cb", {}),
    ("token_endpoint_auth_method", "client_secret_jwt", {}),
    ("token_endpoint_auth_method", "none of these", {}),
    ("token_endpoint_auth_method", "none", {"grant_types": ["client_credentials"], "redirect_uris": []}),
    ("token_endpoint_auth_method", "none", {"grant_types": ["authorization_code", DEVICE]}),
    ("token_endpoint_auth_method", "none", {"grant_types": ["authorization_code", CIBA]}),
    ("token_endpoint_auth_method", "none", {"grant_types": ["authorization_code", EXCHANGE]}),
    ("token_endpoint_auth_method", "private_key_jwt", {}),
    ("grant_types", ["implicit"], {}),
    ("grant_types", ["password"], {}),
    ("grant_types", ["authorization_code", "authorization_code"], {}),
    ("grant_types", ["refresh_token"], {}),
    ("grant_types", ["client_credentials", "refresh_token"], {}),
    ("response_types", ["token"], {}),
    ("response_types", ["code id_token"], {}),
    ("response_types", [], {}),
    ("response_types", ["code"], {"grant_types": ["client_credentials"]}),
    ("client_name", "x" * 101, {}),
    ("client_name", "<b>Gemeente</b>", {}),
    ("client_name", "eg\u202eatneem", {}),
    ("client_name", "Gеmeente", {}),  # a Cyrillic letter
    ("client_name", " Gemeente", {}),
    ("client_uri", "http://agency.example", {}),
    ("client_uri", "javascript:alert(1)", {}),
    ("logo_uri", "data:image/png;base64,AA", {}),
    ("tos_uri", "/terms", {}),
    ("policy_uri", "https://user@agency.example/", {}),
    ("scope", "openid admin", {}),
    ("scope", "openid openid", {}),
    ("contacts", ["x"] * 11, {}),
    ("contacts", ["a\nb"], {}),
    ("jwks", {"keys": []}, {}),
    ("jwks_uri", "http://agency.example/jwks", {}),
    ("jwks_uri", "https://localhost/jwks", {}),
    ("jwks_uri", "https://169.254.169.254/latest/meta-data", {}),
    ("jwks_uri", ADDRESS, {"jwks": KEYS}),
    ("software_id", "x" * 256, {}),
    ("software_version", "1\x00", {}),
    ("application_type", "browser", {}),
    ("subject_type", "public", {}),
    ("sector_identifier_uri", "https://10.0.0.1/", {}),
    ("id_token_signed_response_alg", "none", {}),
    ("id_token_signed_response_alg", "HS256", {}),
    ("id_token_encrypted_response_alg", "RSA1_5", {"jwks": KEYS}),
    ("id_token_encrypted_response_alg", "dir", {"jwks": KEYS}),
    ("id_token_encrypted_response_alg", "PBES2-HS256+A128KW", {"jwks": KEYS}),
    ("id_token_encrypted_response_alg", "ECDH-ES", {"jwks": {"keys": [SIGNING]}}),
    ("id_token_encrypted_response_alg", "RSA-OAEP", {"jwks": KEYS}),
    ("id_token_encrypted_response_enc", "A128CBC-HS256", {"jwks": KEYS, "id_token_encrypted_response_alg": "ECDH-ES"}),
    ("id_token_encrypted_response_enc", "A256GCM", {}),
    ("userinfo_signed_response_alg", "none", {}),
    ("userinfo_encrypted_response_alg", "ECDH-ES", {}),
    ("userinfo_encrypted_response_enc", "A256GCM", {}),
    ("request_object_signing_alg", "none", {"jwks": KEYS}),
    ("request_object_signing_alg", "PS256", {"jwks": KEYS}),
    ("request_object_signing_alg", "ES256", {}),
    ("request_object_encryption_alg", "RSA1_5", {}),
    ("request_object_encryption_enc", "A256GCM", {}),
    ("token_endpoint_auth_signing_alg", "HS256", {}),
    ("token_endpoint_auth_signing_alg", "PS256", {"jwks": KEYS, "token_endpoint_auth_method": "private_key_jwt"}),
    ("default_max_age", -1, {}),
    ("default_max_age", 1.5, {}),
    ("default_max_age", "60", {}),
    ("require_auth_time", "true", {}),
    ("default_acr_values", ["silver"], {}),
    ("initiate_login_uri", "http://agency.example/login", {}),
    ("post_logout_redirect_uris", ["https://agency.example/*"], {}),
    ("backchannel_logout_uri", "https://192.168.1.1/logout", {}),
    ("backchannel_logout_session_required", True, {}),
    ("frontchannel_logout_uri", "https://other.example/logout", {}),
    ("frontchannel_logout_uri", "https://agency.example:8443/logout", {}),
    ("frontchannel_logout_session_required", True, {}),
    ("tls_client_auth_subject_dn", "CN=client", {}),
    ("tls_client_auth_san_dns", "a b", {}),
    ("tls_client_auth_san_uri", "a b", {}),
    ("tls_client_auth_san_ip", "1.2.3", {}),
    ("tls_client_auth_san_email", "nobody", {}),
    ("tls_client_certificate_bound_access_tokens", True, {"dpop_bound_access_tokens": True}),
    ("dpop_bound_access_tokens", 1, {}),
    ("require_signed_request_object", True, {}),
    ("authorization_details_types", ["payment_initiation"], {}),
    ("authorization_signed_response_alg", "none", {}),
    ("authorization_encrypted_response_alg", "ECDH-ES", {}),
    ("authorization_encrypted_response_enc", "A256GCM", {}),
    ("introspection_signed_response_alg", "HS256", {}),
    ("introspection_encrypted_response_alg", "ECDH-ES", {}),
    ("introspection_encrypted_response_enc", "A256GCM", {}),
    ("backchannel_token_delivery_mode", "push", {"grant_types": [CIBA]}),
    ("backchannel_token_delivery_mode", "ping", {"grant_types": [CIBA]}),
    ("backchannel_token_delivery_mode", "poll", {}),
    ("backchannel_client_notification_endpoint", "https://[::1]/", {"grant_types": [CIBA]}),
    ("backchannel_authentication_request_signing_alg", "HS256", {}),
    ("purpose", "Housing Benefit", {}),
    ("client_nam", "a slip of the pen", {}),
    ("client_name#not_a_tag", "x", {}),
    ("client_name#nl", "Gеmeente", {}),  # a Cyrillic letter
    ("client_name#EN", "<b>", {}),
    ("client_name#nl", 5, {}),
    ("tos_uri#nl", "javascript:alert(1)", {}),
    ("jwks#nl", KEYS, {}),
]


@pytest.mark.parametrize(("member", "value", "others"), REFUSED, ids=[f"{one[0]}-{n}" for n, one in enumerate(REFUSED)])
def test_what_breaks_a_rule_is_refused_in_a_sentence(member: str, value: Any, others: dict[str, Any]) -> None:
    with pytest.raises(InvalidMetadata) as refused:
        registered(**{**others, member: value})

    assert 10 < len(str(refused.value)) < 400
    expected = (
        "invalid_redirect_uri" if member == "redirect_uris" and isinstance(value, list) else "invalid_client_metadata"
    )
    assert refused.value.error == expected
    assert str(refused.value).isascii()


def test_each_member_with_a_choice_is_refused_once_at_least() -> None:
    free = {"use_mtls_endpoint_aliases", "backchannel_user_code_parameter", "require_pushed_authorization_requests"}
    later = {"software_statement", "request_uris"}

    assert {one[0] for one in REFUSED} >= MEMBERS - free - later


def test_nothing_is_kept_that_a_request_could_point_to() -> None:
    """RFC 7591 section 3.2.1: the answer tells what was replaced."""
    assert "request_uris" not in registered(request_uris=["https://agency.example/request.jwt#hash"])


def test_members_in_further_languages_are_kept() -> None:
    """RFC 7591 section 2.2."""
    kept = registered(**{"client_name": "Gemeente", "client_name#pap": "Munisipio", "policy_uri#en": ADDRESS})

    assert (kept["client_name#pap"], kept["policy_uri#en"]) == ("Munisipio", ADDRESS)


def test_null_means_not_given() -> None:
    """RFC 7592 section 2.2."""
    assert registered(jwks=None, scope=None)["scope"] == "openid"


class TestDefaultsAreWrittenDown:
    def test_those_of_the_standards(self) -> None:
        kept = registered()

        assert kept["grant_types"] == ["authorization_code"]
        assert kept["response_types"] == ["code"]
        assert kept["token_endpoint_auth_method"] == "client_secret_basic"
        assert kept["application_type"] == "web"
        assert kept["subject_type"] == "pairwise"
        assert kept["scope"] == "openid"
        assert kept["client_name"] == "municipality"

    def test_encryption_is_with_gcm(self) -> None:
        kept = registered(jwks=KEYS, id_token_encrypted_response_alg="ECDH-ES")

        assert kept["id_token_encrypted_response_enc"] == "A256GCM"


class TestProfiles:
    """The table, walked."""

    @pytest.mark.parametrize("name", list(PROFILES))
    def test_its_methods_register_and_no_others(self, name: str) -> None:
        profile = PROFILES[name]
        methods = ("client_secret_basic", "client_secret_post", "private_key_jwt", "client_secret_jwt", "none")

        for method in methods:
            jwks = {"keys": [SIGNING]}
            if method in profile.auth_methods:
                kept = registered(name, development=True, token_endpoint_auth_method=method, jwks=jwks)
                assert kept["token_endpoint_auth_method"] == method
            else:
                with pytest.raises(InvalidMetadata, match="token_endpoint_auth_method"):
                    registered(name, development=True, token_endpoint_auth_method=method, jwks=jwks)

    @pytest.mark.parametrize("name", list(PROFILES))
    def test_its_algorithms_register_and_no_others(self, name: str) -> None:
        profile = PROFILES[name]
        keys = {"jwks": {"keys": [SIGNING]}, "development": True}

        for alg in (*CLIENT_SIGNING, "none", "HS256", "ES384"):
            for member, allowed in (
                ("backchannel_authentication_request_signing_alg", profile.signing),
                ("id_token_signed_response_alg", profile.response_signing),
            ):
                if alg in allowed:
                    assert registered(name, **keys, **{member: alg})[member] == alg
                else:
                    with pytest.raises(InvalidMetadata, match=member):
                        registered(name, **keys, **{member: alg})

    @pytest.mark.parametrize("name", list(PROFILES))
    def test_two_grants_register_unless_one_is_the_rule(self, name: str) -> None:
        keys = {"jwks": {"keys": [SIGNING]}, "development": True}
        both = ["authorization_code", "client_credentials"]

        if PROFILES[name].single_grant:
            with pytest.raises(InvalidMetadata, match="one grant type"):
                registered(name, **keys, grant_types=both)
        else:
            assert registered(name, **keys, grant_types=both)["grant_types"] == both
        assert registered(name, **keys, grant_types=["client_credentials"])["response_types"] == []

    @pytest.mark.parametrize("name", list(PROFILES))
    def test_only_those_of_development_are_refused_in_service(self, name: str) -> None:
        keys = {"jwks": {"keys": [SIGNING]}}

        if PROFILES[name].development_only:
            with pytest.raises(InvalidMetadata, match="development"):
                registered(name, **keys)
        else:
            assert registered(name, **keys)

    def test_what_we_sign_with_has_the_hash_that_at_hash_needs(self) -> None:
        assert all(one.id_token_alg in one.response_signing <= ALGORITHMS_OF_SHA256 for one in PROFILES.values())
        assert "RS256" not in PROFILES["fapi2"].response_signing | PROFILES["fapi2"].signing
