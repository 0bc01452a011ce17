"""Ending tokens: at a client's word (RFC 7009), and when a consent that they were born of is withdrawn."""

from __future__ import annotations

from datetime import datetime

from base import audit
from base.database import Connection
from base.ids import digest
from idp.authorization import categories_asked
from idp.clients import Client
from idp.extensions import rar
from idp.store import clients, grants
from idp.store.grants import Family
from idp.tokens import read
from keys.errors import InvalidToken
from keys.ring import Ring


def revoke(connection: Connection, ring: Ring, token: str, caller: Client, *, issuer: str, now: datetime) -> bool:
    """An access token alone, a refresh token with all that grew from the same login. False for another type of token.

    What is not the caller's, or no token at all, changes nothing and is answered alike (section 2.2). A token of ours
    that cannot be revoked is told apart: else its bearer would think it dead (section 2.2.1).
    """
    refresh = grants.find_refresh(connection, digest(token))
    if refresh is not None and refresh.client_id == caller.client_id:
        grants.end_family(connection, refresh.family, now)
        audit.record(connection, "token.revoked", actor=caller.client_id, object=refresh.family, now=now)
        return True
    try:
        claims = read.verified(ring, token, issuer=issuer, audience=None, now=now)
    except InvalidToken:
        return not read.is_no_access_token(ring, token, issuer=issuer, now=now)
    if claims["client_id"] == caller.client_id:
        grants.revoke_access(connection, claims["jti"], now)
        audit.record(connection, "token.revoked", actor=caller.client_id, object=claims["jti"], now=now)
    return True


def consent_ended(
    connection: Connection, citizen_id: str, *, agency: str, purpose: str, category: str, at: datetime
) -> int:
    """End what grew from logins up to `at` in which this agency asked this data for this purpose; answers how many.

    A login that asked nothing of the kind goes on: withdrawing a consent logs nobody out.
    """
    ended = 0
    for family in grants.live_families(connection, citizen_id, before=at):
        client = clients.find(connection, family.client_id)
        if client is not None and client.agency == agency and _rests_on(family, client, purpose, category):
            grants.end_family(connection, family.id, at)
            audit.record(connection, "token.revoked", actor="registry", object=family.id, now=at, result="withdrawn")
            ended += 1
    return ended


def _rests_on(family: Family, client: Client, purpose: str, category: str) -> bool:
    asked = any(
        use.purpose == purpose and (use.data is None or category in use.data) for use in rar.uses(family.details)
    )
    return asked or (client.purpose == purpose and category in categories_asked(family.scope, family.claims))
