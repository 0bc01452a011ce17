"""Requests without a browser of their own (OpenID Client-Initiated Backchannel Authentication Core 1.0, FAPI-CIBA).

What is particular to them: exactly one hint at the citizen, the message that both places show, how long, how the client
hears of the end; and the form in which they are signed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from base.database import Connection
from base.ids import digest
from base.replay import claim_once
from idp.clients import Client
from idp.clients.fetched import require_key
from idp.errors import OAuthError
from idp.extensions import jar
from idp.tokens import read
from keys import jose
from keys.errors import InvalidToken
from keys.ring import Ring

PING, POLL = "ping", "poll"
HINTS = ("login_hint_token", "id_token_hint", "login_hint")
MAX_MESSAGE = 100
"""Characters of a binding_message: what fits on a small screen and is compared at a glance."""
LEEWAY_S = 10
_MESSAGE = re.compile(rf"[ -;=?-~\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f€‘’“”–—]{{1,{MAX_MESSAGE}}}\Z")
"""Letters of our script and signs that read alike everywhere: no direction marks, nothing unseen, no markup."""
_SUB = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]{22,1024}=*\Z")
"""A bearer token (RFC 6750 section 2.1) that can hold 128 bits, and at most 1024 characters (section 7.1)."""


def opened(
    connection: Connection, client: Client, form: Mapping[str, str], *, issuer: str, now: datetime
) -> Mapping[str, str]:
    """The parameters of `form`, or of the signed request in it; what stands beside that one does not count (section 7.1.1).

    It must hold iss, aud, exp, iat, nbf and jti; it lives an hour at most, and serves once. OAuthError invalid_request.
    """
    registered = client.metadata.get("backchannel_authentication_request_signing_alg")
    if "request" not in form:
        if registered or client.profile.par_required or client.metadata.get("require_signed_request_object"):
            raise OAuthError("invalid_request", "This client must sign its requests (CIBA section 7.1.1).")
        return form
    require_key(client, form["request"], now, _invalid())
    try:
        claims = jose.verify(
            form["request"],
            keys=client.key_source(),
            typ=jar.TYP,
            algorithms=frozenset({registered}) & client.profile.signing if registered else client.profile.signing,
            now=now,
            issuer=client.client_id,
            audience=issuer,
            leeway_s=LEEWAY_S,
        )
    except InvalidToken:
        raise _invalid() from None
    jti, iat, nbf, exp = (claims.get(name) for name in ("jti", "iat", "nbf", "exp"))
    if not isinstance(jti, str) or not 1 <= len(jti) <= 500 or iat is None or nbf is None or exp is None:
        raise _invalid()
    if now.timestamp() - nbf > jar.MAX_LIFE_S or exp - nbf > jar.MAX_LIFE_S:
        raise _invalid()
    # With `sub` it could be shown as a client's assertion.
    if claims.get("client_id", client.client_id) != client.client_id or "sub" in claims:
        raise _invalid()
    expires_at = datetime.fromtimestamp(exp, UTC) + timedelta(seconds=LEEWAY_S)
    if not claim_once(connection, "request", digest(f"{client.client_id} {jti}"), expires_at=expires_at, now=now):
        raise _invalid()
    try:
        return jar.parameters(claims)
    except OAuthError:
        raise _invalid() from None


def check_hints(form: Mapping[str, str]) -> None:
    """Exactly one (section 7.1); a login_hint is the `sub` under which the client's agency knows the citizen."""
    given = [name for name in HINTS if name in form]
    if len(given) != 1:
        raise OAuthError("invalid_request", "Send exactly one hint: login_hint or id_token_hint.")
    if "login_hint_token" in form:
        raise OAuthError("invalid_request", "login_hint_token is not supported: send login_hint with a sub.")


def check_message(client: Client, form: Mapping[str, str]) -> None:
    """OAuthError invalid_binding_message. Who must bind more than others says something particular (FAPI-CIBA section 5.2.2)."""
    message = form.get("binding_message")
    if message is None:
        if client.profile.par_required and "authorization_details" not in form:
            raise OAuthError("invalid_request", "This client must send a binding_message or authorization_details.")
        return
    if not _MESSAGE.match(message) or message.strip() != message:
        raise OAuthError("invalid_binding_message", f"At most {MAX_MESSAGE} plain characters can be shown.")


def check_expiry(form: Mapping[str, str]) -> None:
    text = form.get("requested_expiry", "1")
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) == 0:
        raise OAuthError("invalid_request", "requested_expiry must be a positive number of seconds.")


def check_notification(client: Client, form: Mapping[str, str]) -> None:
    if delivery(client) == PING and not _BEARER.match(form.get("client_notification_token", "")):
        raise OAuthError("invalid_request", "client_notification_token must be a bearer token of 128 bits or more.")


def delivery(client: Client) -> str:
    return str(client.metadata.get("backchannel_token_delivery_mode") or POLL)


def hinted(ring: Ring, client: Client, form: Mapping[str, str], *, issuer: str, now: datetime) -> str:
    """The `sub` that a checked request means. OAuthError: invalid_request, or unknown_user_id for what can be none."""
    if "id_token_hint" in form:
        try:
            hint = read.hint(ring, form["id_token_hint"], issuer=issuer, now=now)
        except InvalidToken:
            raise OAuthError("invalid_request", "id_token_hint is not an ID token of ours.") from None
        if hint["aud"] != client.client_id:
            raise OAuthError("invalid_request", "id_token_hint is another client's.")
        return str(hint["sub"])
    if not _SUB.match(form["login_hint"]):
        raise unknown_user()
    return form["login_hint"]


def unknown_user() -> OAuthError:
    """Not a `sub` of this agency. Subs cannot be guessed: who asks learns of nobody whom it does not know already."""
    return OAuthError("unknown_user_id", "The hint is not a sub of this agency.")


def _invalid() -> OAuthError:
    return OAuthError("invalid_request", "The signed request is not valid for this client (CIBA section 7.1.1).")
