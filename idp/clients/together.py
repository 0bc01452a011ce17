"""What must hold between the members of a client's metadata, and the check of all of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from base.i18n import LANGUAGES
from idp.clients.metadata import InvalidMetadata, Metadata, Sent
from idp.clients.rules import RULES, Asked, text
from idp.profiles import CIBA, CODE, DEVICE, PUBLIC, REFRESH, Profile
from keys.certificate_names import MEMBERS
from keys.jwks import EncryptionKey, VerifyingKey, check_set, encryption_keys

OF_A_CITIZEN = (CODE, DEVICE, CIBA)
"""Grants in which a citizen logs in: what a refresh token can come from."""
INVALID_METADATA = "invalid_client_metadata"
_ERRORS = {"redirect_uris": "invalid_redirect_uri", "software_statement": "invalid_software_statement"}
ENCRYPTED = ("id_token", "userinfo", "authorization", "introspection")
"""What we can encrypt to a client: `<one>_encrypted_response_alg` and `_enc`."""


def check(sent: Sent, profile: Profile, *, development: bool) -> None:
    """InvalidMetadata for the first rule that is broken."""
    asked = Asked(sent.members, profile, development)
    given = {field: getattr(sent.members, field) for field in RULES}
    values = [(name, name, value) for name, value in given.items() if value not in ("", [], None, False)]
    values += [(name, name.partition("#")[0], value) for name, value in sent.tagged.items()]
    for name, member, value in values:
        # A name may be in another script in a language of that script; in ours it is shown to citizens.
        foreign = member == "client_name" != name and name.partition("#")[2].lower() not in LANGUAGES
        rule = text if foreign else RULES[member]
        if problem := rule(value, asked):
            raise InvalidMetadata(f"{name[:60]} {problem}", _ERRORS.get(member, INVALID_METADATA))
    for together, error in TOGETHER.items():
        if problem := together(asked):
            raise InvalidMetadata(problem, error)


def _flows(asked: Asked) -> str | None:
    members, profile = asked.members, asked.profile
    modes = set(members.grant_types) - {REFRESH}
    if profile.single_grant and len(modes) > 1:
        return f"profile {profile.name} allows one grant type a client: register a second client"
    if not modes or (REFRESH in members.grant_types and not modes & set(OF_A_CITIZEN)):
        return "grant_types: refresh_token needs a grant in which a citizen logs in, such as authorization_code"
    if (CODE in modes) != bool(members.response_types):
        return 'response_types must be ["code"] with authorization_code, and [] without'
    return None


def _public(asked: Asked) -> str | None:
    """Who cannot show who it is gets nothing of its own, and nothing without its redirect_uri (RFC 8252 section 8.4)."""
    members = asked.members
    if members.token_endpoint_auth_method == PUBLIC and not set(members.grant_types) <= {CODE, REFRESH}:
        return "a client with token_endpoint_auth_method none has authorization_code, and refresh_token, alone"
    return None


def _redirect(asked: Asked) -> str | None:
    missing = CODE in asked.members.grant_types and not asked.members.redirect_uris
    return "authorization_code needs at least one redirect_uri" if missing else None


def _frontchannel(asked: Asked) -> str | None:
    members = asked.members
    if members.frontchannel_logout_uri:
        # OpenID Connect Front-Channel Logout section 2: nobody may have a page of another opened.
        own = {urlsplit(one)[:2] for one in members.redirect_uris}
        if urlsplit(members.frontchannel_logout_uri)[:2] not in own:
            return "frontchannel_logout_uri must be on the scheme, host and port of one of the redirect_uris"
    return None


def _keys(asked: Asked) -> str | None:
    """Keys at an address are checked by the same rules when they are fetched (`keys_suffice`)."""
    members, profile = asked.members, asked.profile
    if members.jwks is not None and members.jwks_uri:
        return "jwks and jwks_uri exclude each other (RFC 7591 section 2)"
    if members.jwks_uri:
        return None
    signing = check_set(members.jwks) if members.jwks is not None else []
    sealing = encryption_keys(members.jwks) if members.jwks is not None else []
    return keys_suffice(members, profile, signing, sealing)


def keys_suffice(
    members: Metadata, profile: Profile, signing: Sequence[VerifyingKey], sealing: Sequence[EncryptionKey]
) -> str | None:
    """Whether a client's keys, wherever they came from, serve what its metadata says."""
    if members.token_endpoint_auth_method == "private_key_jwt":
        wanted = {members.token_endpoint_auth_signing_alg} - {""} or profile.signing
        if not any(key.algorithms & wanted for key in signing):
            return f"private_key_jwt needs jwks or jwks_uri with a public key for {', '.join(sorted(wanted))}"
    if members.token_endpoint_auth_method == "self_signed_tls_client_auth" and not signing:
        return "self_signed_tls_client_auth needs jwks or jwks_uri with the certificate (x5c), or its public key"
    alg = members.request_object_signing_alg
    if (alg or members.require_signed_request_object) and not any(not alg or alg in key.algorithms for key in signing):
        return "signed requests need jwks or jwks_uri with the client's public keys"
    for one in ENCRYPTED:
        wished = getattr(members, f"{one}_encrypted_response_alg")
        if wished and not any(wished in key.algorithms for key in sealing):
            return f'{one}_encrypted_response_alg needs a key with use "enc" for {wished} in jwks or jwks_uri'
    return None


def _encryption(asked: Asked) -> str | None:
    for one in (*(f"{name}_encrypted_response" for name in ENCRYPTED), "request_object_encryption"):
        if getattr(asked.members, f"{one}_enc") and not getattr(asked.members, f"{one}_alg"):
            return f"{one}_enc needs {one}_alg"
    return None


def _certificates(asked: Asked) -> str | None:
    given = [name for name in MEMBERS if getattr(asked.members, name)]
    by_subject = asked.members.token_endpoint_auth_method == "tls_client_auth"
    if len(given) != int(by_subject):
        return "tls_client_auth needs exactly one of the members tls_client_auth_..., and no other method has any"
    if asked.members.tls_client_certificate_bound_access_tokens and asked.members.dpop_bound_access_tokens:
        return "tokens are bound to a certificate or to a DPoP key, not to both"
    return None


def _backchannel(asked: Asked) -> str | None:
    """CIBA section 4."""
    members = asked.members
    if CIBA not in members.grant_types:
        given = members.backchannel_token_delivery_mode or members.backchannel_client_notification_endpoint
        return "backchannel_... members need the grant type urn:openid:params:grant-type:ciba" if given else None
    if members.backchannel_token_delivery_mode == "ping" and not members.backchannel_client_notification_endpoint:
        return "backchannel_token_delivery_mode ping needs backchannel_client_notification_endpoint"
    return None


def _logout(asked: Asked) -> str | None:
    members = asked.members
    for one in ("backchannel", "frontchannel"):
        if getattr(members, f"{one}_logout_session_required") and not getattr(members, f"{one}_logout_uri"):
            return f"{one}_logout_session_required needs {one}_logout_uri"
    return None


TOGETHER: dict[Callable[[Asked], str | None], str] = {
    _flows: INVALID_METADATA,
    _public: INVALID_METADATA,
    _redirect: "invalid_redirect_uri",
    _frontchannel: INVALID_METADATA,
    _keys: INVALID_METADATA,
    _encryption: INVALID_METADATA,
    _certificates: INVALID_METADATA,
    _backchannel: INVALID_METADATA,
    _logout: INVALID_METADATA,
}
"""What must hold between members: each answers what to mend, or None; and the error that it is (RFC 7591 section 3.2.2)."""
