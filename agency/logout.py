"""Hearing that a citizen's session has ended (OpenID Connect Back-Channel Logout 1.0 section 2.6).

The agency's endpoint reads `logout_token` from the posted form, ends its own sessions of that `sid`, and answers 200;
also when it knows no such session any more.
"""

from __future__ import annotations

from dataclasses import dataclass

from agency.client import Client
from agency.errors import InvalidToken

EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass(frozen=True, slots=True)
class Ended:
    """Whose session, and which: the `sub` and `sid` of the ID token that began it."""

    sub: str
    sid: str


async def ended(client: Client, logout_token: str) -> Ended:
    """Believe a logout token, or InvalidToken (answer 400).

    Steps: 1 signature, typ, iss, aud, exp, iat · 2 the event · 3 no nonce: an ID token must not pass for one · 4 sid.
    """
    claims = await client.verify(logout_token, typ="logout+jwt", audience=client.client_id)
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise InvalidToken("events")
    if "nonce" in claims:
        raise InvalidToken("nonce")
    if not all(isinstance(claims.get(name), str) for name in ("sub", "sid")):
        raise InvalidToken("sid")
    return Ended(claims["sub"], claims["sid"])
