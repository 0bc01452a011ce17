"""What a logout request asks, and whether it is to be believed (OpenID Connect RP-Initiated Logout 1.0 sections 2 to 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode, urlsplit

from base.database import Connection
from idp.clients import Client
from idp.sessions import Left
from idp.store import clients
from idp.tokens import read as tokens
from idp.tokens import subject
from keys.errors import InvalidToken
from keys.jose import VerifiedClaims
from keys.ring import Ring

LENGTHS = {
    "id_token_hint": 5_000,
    "logout_hint": 500,
    "client_id": 64,
    "post_logout_redirect_uri": 2_000,
    "state": 2_000,
    "ui_locales": 200,
}
"""The parameters and their longest values, in characters; longer ones are refused."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to log out.

    `is_hinted`: by a client whom an ID token of ours names. `is_proven`: that token names this very session, so that no
    question is needed.
    `target`: where the browser may go afterwards, `state` included. `is_lost`: an address was given that this client
    did not register.
    """

    client: Client | None = None
    uri: str = ""
    state: str = ""
    locales: str = ""
    is_hinted: bool = False
    is_proven: bool = False

    @property
    def target(self) -> str | None:
        """Only an address that this client registered for this, by exact match."""
        if self.client is None or self.uri not in self.client.metadata.get("post_logout_redirect_uris", ()):
            return None
        if not self.state:
            return self.uri
        return f"{self.uri}{'&' if urlsplit(self.uri).query else '?'}{urlencode({'state': self.state})}"

    @property
    def is_lost(self) -> bool:
        return bool(self.uri) and self.target is None


def read(
    connection: Connection, ring: Ring, form: Mapping[str, str], session: Left | None, *, issuer: str, now: datetime
) -> Asked:
    """A request of an agency. A hint that does not verify, or names another client, proves no client at all.

    Proven is a hint, expired or not, whose `sub` and `sid` are this session's; with an address that is not registered
    something is wrong, and the citizen is asked.
    """
    hint, wrong = _hint(ring, form, issuer=issuer, now=now)
    client_id = hint["aud"] if hint is not None else form.get("client_id")
    client = clients.find(connection, client_id) if client_id and not wrong else None
    client = client if client is not None and client.active else None
    asked = Asked(client, form.get("post_logout_redirect_uri", ""), form.get("state", ""), form.get("ui_locales", ""))
    if hint is None or client is None:
        return asked
    own = session is not None and (hint["sub"], hint.get("sid")) == (
        subject.sub(ring, session.citizen_id, client),
        subject.sid(ring, session.id, client),
    )
    return replace(asked, is_hinted=True, is_proven=own and not asked.is_lost)


def confirmed(connection: Connection, form: Mapping[str, str]) -> Asked:
    """What our own page sends back after the citizen has said yes."""
    client = clients.find(connection, form["client_id"][:64]) if form.get("client_id") else None
    client = client if client is not None and client.active else None
    uri, state = form.get("post_logout_redirect_uri", ""), form.get("state", "")[: LENGTHS["state"]]
    return Asked(client, uri, state)


def _hint(ring: Ring, form: Mapping[str, str], *, issuer: str, now: datetime) -> tuple[VerifiedClaims | None, bool]:
    """The ID token of the request, if it is ours, and whether something is wrong with it."""
    if "id_token_hint" not in form:
        return None, False
    try:
        claims = tokens.hint(ring, form["id_token_hint"], issuer=issuer, now=now)
    except InvalidToken:
        return None, True
    if form.get("client_id", claims["aud"]) != claims["aud"]:
        return None, True
    return claims, False
