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
from idp.authorization import RESPONSE_MODES
from idp.citizens.claims import CLAIMS
from idp.clients.certificates import offered
from idp.context import Context
from idp.endpoints import authorize, introspect, par, register, responses
from idp.extensions import grant_management, rar
from idp.profiles import ALGORITHMS_OF_SHA256, MTLS, PROFILES
from idp.scopes import SCOPES
from idp.server import GRANTS, TOKEN_PATH
from idp.tokens.mint import GRANTS_API, USERINFO

_OF_THE_LOGIN = ("iss", "sub", "aud", "exp", "iat", "nbf", "jti", "auth_time", "nonce", "acr", "amr", "sid")
JWKS, LOGOUT = "/oauth2/jwks", "/oauth2/logout"


def documents(context: Context) -> dict[str, Cached]:
    """By path; the JWKS follows the ring."""
    metadata = msgspec.json.encode(document(context.settings))
    return {
        "/.well-known/openid-configuration": Cached(metadata),
        "/.well-known/oauth-authorization-server": Cached(metadata),
        JWKS: Cached(context.ring.jwks, media_type="application/jwk-set+json"),
    }


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
    known = {method for profile in PROFILES.values() for method in profile.auth_methods}
    methods = sorted(known - (set(MTLS) - offered(settings)))
    signing = sorted({alg for profile in PROFILES.values() for alg in profile.signing})
    return {
        f"{endpoint}_endpoint_auth_{member}": value
        for endpoint in ("token", "introspection", "revocation")
        for member, value in (("methods_supported", methods), ("signing_alg_values_supported", signing))
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
        "id_token_signing_alg_values_supported": sorted(ALGORITHMS_OF_SHA256),
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": sorted(dpop.ALGORITHMS),
        "authorization_response_iss_parameter_supported": True,
        "authorization_details_types_supported": [rar.TYPE],
        "acr_values_supported": list(LEVELS),
        "claims_parameter_supported": True,
        "claims_supported": [*_OF_THE_LOGIN, *own],
        "request_parameter_supported": True,
        "request_object_signing_alg_values_supported": signing,
        "authorization_signing_alg_values_supported": list(responses.SIGNING),
        "ui_locales_supported": list(i18n.LANGUAGES),
        "request_uri_parameter_supported": False,
        "require_pushed_authorization_requests": False,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
    }
