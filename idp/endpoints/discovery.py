"""The metadata documents (OpenID Connect Discovery, RFC 8414) and the keys. True in every line; bytes made once.

Each document has a view for each profile, `?profile=nlgov`: what is true for clients of that profile. What stands before
/.well-known/ is the issuer all the same, and `issuer` says it (docs/decisions/0011-one-issuer.md).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from base import dpop, i18n
from base.settings import Settings
from base.web import Cached
from base.web.errors import form_of
from idp.authenticators.levels import LEVELS
from idp.checks import RESPONSE_MODES
from idp.citizens.claims import CLAIMS
from idp.clients.certificates import offered
from idp.context import Context
from idp.endpoints import authorize, ciba, device, introspect, par, register
from idp.extensions import grant_management, rar
from idp.extensions.ciba import PING, POLL
from idp.profiles import CIBA, DEVICE, MTLS, PROFILES, PUBLIC, Profile
from idp.scopes import GRANTS_API, SCOPES, USERINFO
from idp.server import GRANTS, TOKEN_PATH
from idp.tokens import responses
from keys import jose
from keys.algorithms import CONTENT_ENCRYPTION, KEY_MANAGEMENT
from keys.ring import Ring

_OF_THE_LOGIN = ("iss", "sub", "aud", "exp", "iat", "nbf", "jti", "auth_time", "nonce", "acr", "amr", "sid")
WELL_KNOWN, OPENID, OAUTH = "/.well-known/", "openid-configuration", "oauth-authorization-server"
JWKS, LOGOUT = "/oauth2/jwks", "/oauth2/logout"
METADATA_TYP = "oauth-authorization-server+jwt"


def documents(context: Context) -> dict[str, Cached]:
    """By path; they follow the ring."""
    settings, ring = context.settings, context.ring
    shown = [one for one in PROFILES.values() if settings.development or not one.development_only]

    def cached(kind: str) -> Cached:
        views = {view(one).encode(): Cached(SignedMetadata(ring, document(settings, kind, [one]))) for one in shown}
        return Cached(SignedMetadata(ring, document(settings, kind, shown)), views=views)

    return {
        **{WELL_KNOWN + kind: cached(kind) for kind in (OPENID, OAUTH)},
        JWKS: Cached(ring.jwks, media_type="application/jwk-set+json"),
    }


def view(profile: Profile) -> str:
    """The query that asks for what is true for a profile."""
    return f"profile={profile.name}"


class SignedMetadata:
    """The document's bytes with `signed_metadata` in them (RFC 8414 section 2.1); the same object while the key is.

    Every worker makes the same bytes, and so the same ETag: no time stands in them, and ES256 is deterministic here.
    """

    def __init__(self, ring: Ring, metadata: dict[str, Any]) -> None:
        self._ring = ring
        self._metadata = metadata
        self._kid = ""
        self._bytes = b""

    def __call__(self) -> bytes:
        key = self._ring.active()
        if key.kid != self._kid:
            signed = jose.sign({"iss": self._metadata["issuer"], **self._metadata}, key, typ=METADATA_TYP)
            self._bytes = msgspec.json.encode({**self._metadata, "signed_metadata": signed})
            self._kid = key.kid
        return self._bytes


def document(settings: Settings, kind: str, profiles: Collection[Profile]) -> dict[str, Any]:
    """What is true for clients of these profiles. `kind`: OPENID or OAUTH."""
    issuer = settings.issuer
    grants = {one for profile in profiles for one in (profile.openid_grants if kind == OPENID else profile.grants)}
    members = {**_always(issuer), **_of(profiles), **_granting(issuer, grants), **_authentication(settings, profiles)}
    if CIBA in grants:
        members["backchannel_authentication_request_signing_alg_values_supported"] = _signing(profiles)
    if settings.takes_certificates:
        members["tls_client_certificate_bound_access_tokens"] = True
    if settings.mtls_address:
        members["mtls_endpoint_aliases"] = _aliases(members, issuer, settings.mtls_address)
    return members


def _aliases(members: Mapping[str, Any], issuer: str, mtls_address: str) -> dict[str, str]:
    """Every endpoint that software calls, where it may show a certificate (RFC 8705 section 5)."""
    paths = {name: value.removeprefix(issuer) for name, value in members.items() if name.endswith("_endpoint")}
    return {name: mtls_address + path for name, path in paths.items() if form_of(path) != "page"}


def _authentication(settings: Settings, profiles: Collection[Profile]) -> dict[str, Any]:
    """Without a way in for certificates, what needs one is not told."""
    all_ = {method for profile in profiles for method in profile.auth_methods}
    methods = sorted(all_ - (set(MTLS) - offered(settings)))
    shown = [method for method in methods if method != PUBLIC]
    signing = _signing(profiles)
    return {
        f"{endpoint}_endpoint_auth_{member}": value
        for endpoint, known in (("token", methods), ("introspection", shown), ("revocation", methods))
        for member, value in (("methods_supported", known), ("signing_alg_values_supported", signing))
    }


def _signing(profiles: Collection[Profile]) -> list[str]:
    """What these clients sign with."""
    return sorted({alg for profile in profiles for alg in profile.signing})


def _of(profiles: Collection[Profile]) -> dict[str, Any]:
    """What differs between profiles, but for grants and authentication."""
    own = [claim for claims in CLAIMS.values() for claim in claims]
    login = [one for one in _OF_THE_LOGIN if one != "amr" or any(profile.amr for profile in profiles)]
    return {
        **_algorithms(profiles),
        "claims_supported": [*login, *own],
        "request_object_signing_alg_values_supported": _signing(profiles),
        "require_pushed_authorization_requests": all(profile.par_required for profile in profiles),
    }


def _granting(issuer: str, grants: Collection[str]) -> dict[str, Any]:
    """The grants, and the endpoints that only some of them have."""
    members: dict[str, Any] = {"grant_types_supported": [one.GRANT_TYPE for one in GRANTS if one.GRANT_TYPE in grants]}
    if DEVICE in grants:
        members["device_authorization_endpoint"] = issuer + device.PATH
    if CIBA in grants:
        members["backchannel_authentication_endpoint"] = issuer + ciba.PATH
        members["backchannel_token_delivery_modes_supported"] = [POLL, PING]
        members["backchannel_user_code_parameter_supported"] = False
    return members


def _algorithms(profiles: Collection[Profile]) -> dict[str, Any]:
    """Of what is told in a JWT, and of requests."""
    signing = sorted({alg for profile in profiles for alg in profile.response_signing})
    encryption = {"alg": sorted(KEY_MANAGEMENT), "enc": sorted(CONTENT_ENCRYPTION)}
    return {f"{kind.name}_signing_alg_values_supported": signing for kind in responses.KINDS} | {
        f"{name}_encryption_{member}_values_supported": values
        for name in (*(kind.name for kind in responses.KINDS), "request_object")
        for member, values in encryption.items()
    }


def _always(issuer: str) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "authorization_endpoint": issuer + authorize.PATH,
        "token_endpoint": issuer + TOKEN_PATH,
        "userinfo_endpoint": issuer + USERINFO,
        "jwks_uri": issuer + JWKS,
        "pushed_authorization_request_endpoint": issuer + par.PATH,
        "introspection_endpoint": issuer + introspect.INTROSPECT,
        "revocation_endpoint": issuer + introspect.REVOKE,
        "registration_endpoint": issuer + register.PATH,
        "end_session_endpoint": issuer + LOGOUT,
        "grant_management_endpoint": issuer + GRANTS_API,
        "grant_management_actions_supported": list(grant_management.ACTIONS),
        "grant_management_action_required": False,
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "subject_types_supported": ["pairwise"],
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": sorted(dpop.ALGORITHMS),
        "authorization_response_iss_parameter_supported": True,
        "authorization_details_types_supported": [rar.TYPE],
        "acr_values_supported": list(LEVELS),
        "claims_parameter_supported": True,
        "request_parameter_supported": True,
        "ui_locales_supported": list(i18n.LANGUAGES),
        "request_uri_parameter_supported": False,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
    }
