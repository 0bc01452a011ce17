"""Audit: who did what to what, when, with which result; written in the act's own transaction (BIO2 8.15).

A closed list of events; ids and pseudonyms only, and nothing that helps break in.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from base.database import Connection
from base.database.tables import audit

EVENTS = frozenset(
    {
        "citizen.added", "citizen.imported", "citizen.suspended", "citizen.erased", "citizen.enrolled", "citizen.looked_up",
        "login.succeeded", "login.failed", "authenticator.added", "authenticator.removed", "session.ended",
        "client.added", "client.disabled", "client.secret_rotated", "client.invited", "client.registered", "client.updated",
        "client.deleted", "client.registration_token_rotated", "software_issuer.added", "code.reused", "token.revoked", "refresh.reused",
        "grant.amended", "grant.revoked",
        "stream.added", "stream.changed", "stream.removed", "stream.resumed", "stream.replayed", "stream.lost", "agency.added", "agency.suspended", "agency.resumed", "purpose.added", "purpose.submitted",
        "purpose.published", "purpose.rejected", "purpose.retired",
        "key.rotated", "key.revoked", "consent.withdrawn_by_operator", "govstack.policy", "govstack.webhook", "ledger.reconciled", "ledger.keys_rotated",
        "row.altered",
        "officer.invited", "officer.enrolled", "officer.logged_in", "officer.refused", "officer.left", "officer.ended", "supervisor.looked",
    }
)  # fmt: skip


def record(
    connection: Connection,
    event: str,
    *,
    actor: str,
    object: str,
    now: datetime,
    result: str = "ok",
    **details: Any,
) -> None:
    """One line. ValueError for an event that is not on the list."""
    if event not in EVENTS:
        raise ValueError(f"{event} is not an audit event")
    audit.add(connection, now, event, actor, object, result, details)
