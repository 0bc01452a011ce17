"""Request objects (RFC 9101), by value: a signed request is the whole request; what stands beside it does not count.

It may be encrypted to us as well (section 6.1); what is inside must be signed all the same (section 6.2).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from idp.clients import Client
from idp.clients.fetched import require_key
from idp.errors import OAuthError
from idp.extensions import resource
from keys import jose, jwe
from keys.errors import InvalidToken
from keys.ring import Ring

TYP = frozenset({"oauth-authz-req+jwt", "JWT", None})
CTY = frozenset({"JWT", "oauth-authz-req+jwt"})
"""Of an encrypted one: RFC 7519 section 5.2 has JWT, clients in use also say which kind of JWT."""
MAX_LIFE_S = 3_600
"""FAPI 2.0 Message Signing section 5.3.1: from `nbf` to now, and from `nbf` to `exp`."""
_OF_THE_TOKEN = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})


def opened(client: Client, form: Mapping[str, str], *, ring: Ring, issuer: str, now: datetime) -> Mapping[str, str]:
    """The parameters of `form`, or of the request object in it. OAuthError invalid_request_object."""
    if "request" not in form:
        if client.metadata.get("require_signed_request_object"):
            raise OAuthError("invalid_request", "This client must sign its requests (RFC 9101).")
        return form
    if "request_uri" in form:
        raise OAuthError("invalid_request", "request and request_uri exclude each other (RFC 9101 section 5).")
    signed = _decrypted(form["request"], ring)
    require_key(client, signed, now, _invalid())
    strict = client.profile.par_required
    registered = client.metadata.get("request_object_signing_alg")
    try:
        claims = jose.verify(
            signed,
            keys=client.key_source(),
            typ=TYP,
            algorithms=frozenset({registered}) & client.profile.signing if registered else client.profile.signing,
            now=now,
            issuer=client.client_id if strict else None,
            audience=issuer,
            exp_required=strict,
        )
    except InvalidToken:
        raise _invalid() from None
    if strict and not _is_short(claims, now):
        raise _invalid()
    # With `sub` it could be shown as a client's assertion; client_id is what binds it to its sender.
    if claims.get("client_id") != client.client_id or form.get("client_id", client.client_id) != client.client_id:
        raise _invalid()
    if claims.get("iss") not in (None, client.client_id) or {"sub", "request", "request_uri"} & set(claims):
        raise _invalid()
    return parameters(claims)


def parameters(claims: Mapping[str, Any]) -> dict[str, str]:
    """What a verified object asks, as a form would. OAuthError invalid_request_object."""
    return {name: _text(name, value) for name, value in claims.items() if name not in _OF_THE_TOKEN}


def _decrypted(unverified_object: str, ring: Ring) -> str:
    if not jwe.is_encrypted(unverified_object):
        return unverified_object
    try:
        return jwe.decrypt(unverified_object, keys=ring.decrypting, cty=CTY, typ=TYP)
    except InvalidToken:
        raise _invalid() from None


def _is_short(claims: Mapping[str, Any], now: datetime) -> bool:
    begin = claims.get("nbf")
    if begin is None:
        return False
    return bool(now.timestamp() - begin <= MAX_LIFE_S and claims["exp"] - begin <= MAX_LIFE_S)


def _text(name: str, value: Any) -> str:
    """As the parameter would be in a form: numbers and objects as JSON (section 4)."""
    if name == "resource" and isinstance(value, str | list):
        values = [value] if isinstance(value, str) else value
        if not values or not all(isinstance(one, str) for one in values):
            raise _invalid()
        return resource.text(values)
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | dict | list):
        raise _invalid()
    return json.dumps(value, separators=(",", ":"))


def _invalid() -> OAuthError:
    return OAuthError("invalid_request_object", "The request object is not valid for this client (RFC 9101).")
