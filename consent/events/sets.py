"""Security Event Tokens (RFC 8417): one event of one consent, for one receiver, who alone knows the citizen by its `sub`.

Made when they are sent, so that they are signed with the key of the day; what they say was fixed with the event. There
is no `exp` (what happened stays so), and no `sub` or `nonce`: no event passes for an ID token (section 4.5).
"""

from __future__ import annotations

from datetime import datetime

from consent.store.events import Event
from keys import jose
from keys.ring import Ring

TYP = "secevent+jwt"
GIVEN, CHANGED, WITHDRAWN = "consent-given", "consent-changed", "consent-withdrawn"
USED, EXPIRED = "consent-used", "consent-expired"
COMPLAINT = "complaint-sent"
ANSWERED, CLOSED = "request-answered", "request-closed"
"""Of a request that an agency lodged."""
KINDS = (GIVEN, CHANGED, WITHDRAWN, USED, EXPIRED, COMPLAINT, ANSWERED, CLOSED)
LOST = "events-lost"
"""About the stream itself, asked for or not: what waited too long was deleted."""
VERIFICATION = "verification"
_SSF_VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification"
"""OpenID Shared Signals Framework 1.0 section 8.1.4.1."""


def uri(issuer: str, kind: str) -> str:
    """The name of a kind of event on the wire."""
    return _SSF_VERIFICATION if kind == VERIFICATION else f"{issuer}/events/{kind}"


def sign(ring: Ring, issuer: str, event: Event, *, agency: str, now: datetime) -> str:
    """`agency`: the receiver. `iat`: now; `toe`: when it happened (section 2.2)."""
    subject = {"format": "iss_sub", "iss": issuer, "sub": event.sub}
    if not event.sub:
        subject = {"format": "opaque", "id": event.stream}
    claims = {
        "iss": issuer,
        "aud": agency,
        "jti": event.jti,
        "iat": int(now.timestamp()),
        "toe": int(event.at.timestamp()),
        "sub_id": subject,
        "events": {uri(issuer, event.kind): event.content},
    }
    return jose.sign(claims, ring.active(), typ=TYP)
