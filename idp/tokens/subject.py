"""How a client knows a citizen and a session: pairwise, so that nothing links what two agencies know."""

from __future__ import annotations

from idp.clients import Client
from keys.ring import Ring


def sub(ring: Ring, citizen_id: str, client: Client) -> str:
    """The pseudonym of a citizen at this client's agency (OpenID Connect Core section 8.1)."""
    return ring.pseudonyms.pairwise(ring.pseudonyms.handle(citizen_id), client.agency)


def sid(ring: Ring, session_id: str, client: Client) -> str:
    """The name of a session at this client, in ID tokens and logout tokens (Front-Channel Logout section 3)."""
    return ring.pseudonyms.sid(session_id, client.client_id)
