"""Replay memory: what may be used once is claimed by inserting it; the second insert finds it there.

In the database, so that every worker and every restart knows it. A claim outlives the time in which the thing itself
would be accepted, so forgetting it revives nothing.
"""

from __future__ import annotations

from datetime import datetime

from base.database import Connection
from base.database.tables import claims


def claim_once(connection: Connection, kind: str, value: str, *, expires_at: datetime, now: datetime) -> bool:
    """Claim `value` of a kind; False when it was claimed before.

    `value`: at most 200 characters; longer ones are digested by the caller. `expires_at`: when the thing itself can
    no longer be accepted, leeway included. RFC 7523 section 3 (jti), RFC 9449 section 11.1.
    """
    return claims.claim(connection, kind, value, expires_at=expires_at, now=now)
