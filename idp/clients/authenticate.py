"""Who is calling an endpoint of ours (RFC 6749 section 2.3, RFC 7523 section 3, RFC 8705 section 2).

One method a request, the registered one. Whatever is wrong looks alike from outside, and takes about the same work.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote_plus

from base.certificates import Shown
from base.database import Connection
from base.ids import digest, same
from base.replay import claim_once
from idp.clients import Client
from idp.clients.certificates import SELF_SIGNED, is_shown
from idp.clients.fetched import require_certificate, require_key, require_keys
from idp.errors import OAuthError, invalid_client
from idp.store import clients
from keys import jose
from keys.errors import InvalidToken
from keys.jwks import source

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_LIFE_S = 300
LEEWAY_S = 10
_NO_DIGEST = digest("")
_NO_KEYS = source(())


@dataclass(frozen=True, slots=True)
class Presented:
    """What a caller shows of itself: its form, its Authorization header and, over mutual TLS, its certificate."""

    form: Mapping[str, str]
    authorization: str | None
    certificate: Shown | None = None


def authenticate(
    connection: Connection,
    presented: Presented,
    *,
    issuer: str,
    token_url: str | None,
    now: datetime,
    public: bool = False,
) -> Client:
    """The client, authenticated by its own registered method. OAuthError invalid_client.

    `token_url`: our token endpoint when this is it, None elsewhere. The jti of an assertion is claimed here, once.
    `public`: whether a client without authentication may call here by its name alone.
    """
    client = _shown(connection, presented, issuer=issuer, token_url=token_url, now=now, public=public)
    # Also of who shows a secret: what is encrypted to it needs its keys.
    require_keys(client, now, invalid_client())
    return client


def _shown(
    connection: Connection, presented: Presented, *, issuer: str, token_url: str | None, now: datetime, public: bool
) -> Client:
    form, authorization = presented.form, presented.authorization
    if "client_assertion" in form or "client_assertion_type" in form:
        if authorization is not None or "client_secret" in form:
            raise OAuthError("invalid_request", "More than one way of client authentication was used.")
        return _by_assertion(connection, form, issuer=issuer, token_url=token_url, now=now)
    if authorization is not None:
        if "client_secret" in form:
            raise OAuthError("invalid_request", "More than one way of client authentication was used.")
        client_id, given = _basic(authorization)
        if form.get("client_id", client_id) != client_id:
            raise invalid_client()
        return _by_secret(connection, client_id, given, "client_secret_basic")
    if presented.certificate is not None and "client_secret" not in form:
        client_id = form.get("client_id", "")
        return _by_certificate(connection, client_id, presented.certificate, now, public=public)
    if public and "client_secret" not in form:
        return _by_name(connection, form.get("client_id", ""))
    return _by_secret(connection, form.get("client_id", ""), form.get("client_secret", ""), "client_secret_post")


def _by_certificate(
    connection: Connection, client_id: str, certificate: Shown, now: datetime, *, public: bool
) -> Client:
    """A certificate is on the connection, not in the request: it counts where nothing else is shown (RFC 8705 section 2)."""
    client = clients.find(connection, client_id) if 0 < len(client_id) <= 64 else None
    if public and client is not None and client.active and client.is_public:
        return client
    known = client is not None and client.active and is_shown(client, certificate, now)
    if client is not None and client.active and client.auth_method == SELF_SIGNED:
        require_certificate(client, now, invalid_client(), known=known)
    if client is None or not known:
        raise invalid_client()
    return client


def _by_name(connection: Connection, client_id: str) -> Client:
    client = clients.find(connection, client_id) if 0 < len(client_id) <= 64 else None
    if client is None or not client.active or not client.is_public:
        raise invalid_client()
    return client


def _by_secret(connection: Connection, client_id: str, given: str, method: str) -> Client:
    client = clients.find(connection, client_id) if 0 < len(client_id) <= 64 else None
    expected = client.secret_digest if client is not None and client.secret_digest else _NO_DIGEST
    matches = same(digest(given[:512]), expected)
    if client is None or not client.active or not given or not matches or client.auth_method != method:
        raise invalid_client()
    return client


def _by_assertion(
    connection: Connection, form: Mapping[str, str], *, issuer: str, token_url: str | None, now: datetime
) -> Client:
    assertion = form.get("client_assertion", "")
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise invalid_client()
    try:
        client_id = jose.unverified_claims(assertion).get("sub")
        named = isinstance(client_id, str) and 0 < len(client_id) <= 64
        client = clients.find(connection, client_id) if named else None  # type: ignore[arg-type]  # named says so
        usable = client is not None and client.active and client.auth_method == "private_key_jwt"
        if client is not None and usable:
            require_key(client, assertion, now, invalid_client())
        claims = jose.verify(
            assertion,
            keys=client.key_source() if client is not None and usable else _NO_KEYS,
            typ=frozenset({None, "JWT", "client-authentication+jwt"}),
            algorithms=client.assertion_signing if client is not None else frozenset(),
            now=now,
            issuer=client.client_id if client is not None else None,
            leeway_s=LEEWAY_S,
        )
    except InvalidToken as error:
        raise invalid_client() from error
    assert client is not None
    _check_assertion(claims, client, form, issuer=issuer, token_url=token_url, now=now)
    expires_at = datetime.fromtimestamp(claims["exp"], UTC) + timedelta(seconds=LEEWAY_S)
    if not claim_once(
        connection, "assertion", digest(f"{client.client_id} {claims['jti']}"), expires_at=expires_at, now=now
    ):
        raise invalid_client()
    return client


def _check_assertion(
    claims: jose.VerifiedClaims,
    client: Client,
    form: Mapping[str, str],
    *,
    issuer: str,
    token_url: str | None,
    now: datetime,
) -> None:
    audiences = {issuer}
    if client.profile.token_url_audience and token_url is not None:
        audiences.add(token_url)
    jti = claims.get("jti")
    problems = (
        # A string and never a list: an assertion for two servers could be replayed by one at the other.
        not isinstance(claims.get("aud"), str) or claims["aud"] not in audiences,
        claims.get("sub") != client.client_id,
        form.get("client_id", client.client_id) != client.client_id,
        not isinstance(jti, str) or not 1 <= len(jti) <= 500,
        # Far expiries would fill the memory of what was used (Keycloak CVE-2025-2559).
        claims["exp"] > now.timestamp() + MAX_LIFE_S + LEEWAY_S,
    )
    if any(problems):
        raise invalid_client()


def _basic(authorization: str) -> tuple[str, str]:
    """RFC 6749 section 2.3.1: both parts are form-encoded within Basic."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > 2000:
        raise invalid_client()
    try:
        client_id, _, given = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        raise invalid_client() from None
    return unquote_plus(client_id), unquote_plus(given)
