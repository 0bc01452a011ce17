"""Ending tokens (RFC 7009): an access token alone, a refresh token with all that grew from the same login."""

from __future__ import annotations

from datetime import datetime

from base import audit
from base.database import Connection
from base.ids import digest
from idp.clients import Client
from idp.store import grants
from idp.tokens import read
from keys.errors import InvalidToken
from keys.ring import Ring


def revoke(connection: Connection, ring: Ring, token: str, caller: Client, *, issuer: str, now: datetime) -> None:
    """What is not the caller's, or no token at all, changes nothing and is answered alike (section 2.2)."""
    refresh = grants.find_refresh(connection, digest(token))
    if refresh is not None and refresh.client_id == caller.client_id:
        grants.end_family(connection, refresh.family, now)
        audit.record(connection, "token.revoked", actor=caller.client_id, object=refresh.family, now=now)
        return
    try:
        claims = read.verified(ring, token, issuer=issuer, audience=None, now=now)
    except InvalidToken:
        return
    if claims["client_id"] == caller.client_id:
        grants.revoke_access(connection, claims["jti"], now)
        audit.record(connection, "token.revoked", actor=caller.client_id, object=claims["jti"], now=now)
