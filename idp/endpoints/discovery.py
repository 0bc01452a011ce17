"""The metadata documents (OpenID Connect Discovery, RFC 8414) and the keys. True in every line; bytes made once."""

from __future__ import annotations

from collections.abc import Mapping
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
from idp.profiles import ALGORITHMS_OF_SHA256, MTLS, PROFILES, PUBLIC
from idp.scopes import GRANTS_API, SCOPES, USERINFO
from idp.server import GRANTS, TOKEN_PATH
from idp.tokens import responses
from keys import jose
from keys.algorithms import CONTENT_ENCRYPTION, KEY_MANAGEMENT
from keys.ring import Ring

_OF_THE_LOGIN = ("iss", "sub", "aud", "exp", "iat", "nbf", "jti", "auth_time", "nonce", "acr", "amr", "sid")
JWKS, LOGOUT = "/oauth2/jwks", "/oauth2/logout"
METADATA_TYP = "oauth-authorization-server+jwt"


def documents(context: Context) -> dict[str, Cached]:
    """By path; they follow the ring."""
    metadata = SignedMetadata(context.ring, document(context.settings))
    return {
        "/.well-known/openid-configuration": Cached(metadata),
        "/.well-known/oauth-authorization-server": Cached(metadata),
        JWKS: Cached(context.ring.jwks, media_type="application/jwk-set+json"),
    }


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


def document(settings: Settings) -> dict[str, Any]:
    issuer = settings.issuer
    members = {**_always(issuer), **_authentication(settings)}
    if settings.takes_certificates:
        members["tls_client_certificate_bound_access_tokens"] = True
    if settings.mtls_address:
        members["mtls_endpoint_aliases"] = _aliases(members, issuer, settings.mtls_address)
    return members


def _aliases(members: Mapping[str, Any], issuer: str, mtls_address: str) -> dict[str, str]:
    """Every endpoint that software calls, where it may show a certificate (RFC 8705 section 5)."""
    paths = {name: value.removeprefix(issuer) for name, value in members.items() if name.endswith("_endpoint")}
    return {name: mtls_address + path for name, path in paths.items() if form_of(path) != "page"}


def _authentication(settings: Settings) -> dict[str, Any]:
    """Without a way in for certificates, what needs one is not told."""
    all_ = {method for profile in PROFILES.values() for method in profile.auth_methods}
    methods = sorted(all_ - (set(MTLS) - offered(settings)))
    shown = [method for method in methods if method != PUBLIC]
    signing = sorted({alg for profile in PROFILES.values() for alg in profile.signing})
    return {
        f"{endpoint}_endpoint_auth_{member}": value
        for endpoint, known in (("token", methods), ("introspection", shown), ("revocation", methods))
        for member, value in (("methods_supported", known), ("signing_alg_values_supported", signing))
    }


def _algorithms() -> dict[str, Any]:
    """Of what is told in a JWT, and of requests."""
    encryption = {"alg": sorted(KEY_MANAGEMENT), "enc": sorted(CONTENT_ENCRYPTION)}
    return {f"{kind.name}_signing_alg_values_supported": sorted(ALGORITHMS_OF_SHA256) for kind in responses.KINDS} | {
        f"{name}_encryption_{member}_values_supported": values
        for name in (*(kind.name for kind in responses.KINDS), "request_object")
        for member, values in encryption.items()
    }


def _always(issuer: str) -> dict[str, Any]:
    signing = sorted({alg for profile in PROFILES.values() for alg in profile.signing})
    own = [claim for claims in CLAIMS.values() for claim in claims]
    return {
        "issuer": issuer,
        "authorization_endpoint": issuer + authorize.PATH,
        "token_endpoint": issuer + TOKEN_PATH,
        "userinfo_endpoint": issuer + USERINFO,
        "jwks_uri": issuer + JWKS,
        "pushed_authorization_request_endpoint": issuer + par.PATH,
        "device_authorization_endpoint": issuer + device.PATH,
        "backchannel_authentication_endpoint": issuer + ciba.PATH,
        "backchannel_token_delivery_modes_supported": [POLL, PING],
        "backchannel_authentication_request_signing_alg_values_supported": signing,
        "backchannel_user_code_parameter_supported": False,
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
        "grant_types_supported": [grant.GRANT_TYPE for grant in GRANTS],
        "subject_types_supported": ["pairwise"],
        **_algorithms(),
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": sorted(dpop.ALGORITHMS),
        "authorization_response_iss_parameter_supported": True,
        "authorization_details_types_supported": [rar.TYPE],
        "acr_values_supported": list(LEVELS),
        "claims_parameter_supported": True,
        "claims_supported": [*_OF_THE_LOGIN, *own],
        "request_parameter_supported": True,
        "request_object_signing_alg_values_supported": signing,
        "ui_locales_supported": list(i18n.LANGUAGES),
        "request_uri_parameter_supported": False,
        "require_pushed_authorization_requests": False,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
    }
