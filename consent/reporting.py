"""Closing a permit: its recipient says once what became of it. Who stays silent is silent in sight of the citizen.

The report is a leaf of the ledger, and the permit's row is its projection, both in one commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from base.database import Connection
from consent import whom
from consent.ledger import append
from consent.store import reports
from keys.derive import Pseudonyms

USED, NOT_USED = "used", "not_used"


@dataclass(frozen=True, slots=True)
class Reported:
    permit_id: str
    outcome: str
    at: datetime


def report(
    connection: Connection, permit_id: str, outcome: str, *, recipient: str, pseudonyms: Pseudonyms, now: datetime
) -> Reported | str:
    """Once; the same again answers as the first. A string is the reason why not (returned, as a redemption's is).

    `unknown`: no permit of this recipient, or one that was never his to show. `open`: it can still be taken.
    `reported`: something else was said of it before. A permit that nobody redeemed may be reported used: then its
    source gave data without asking, and that is to be in the ledger rather than unsaid.
    """
    found = reports.find(connection, permit_id, recipient)
    if found is None:
        return "unknown"
    sub = pseudonyms.pairwise(found.citizen, recipient)
    # Who forgets this citizen waits, or was first: then the permit is gone.
    known = whom.find_and_share(connection, pseudonyms, recipient, sub, now=now)
    if not known.citizen:
        return "unknown"
    if not reports.close(connection, permit_id, outcome, now):
        now_said = reports.find(connection, permit_id, recipient)
        if now_said is None:
            return "unknown"
        if now_said.at is None:
            return "open"
        return Reported(permit_id, outcome, now_said.at) if now_said.outcome == outcome else "reported"
    row = {"permit": permit_id, "citizen": found.citizen, "recipient": recipient, "outcome": outcome, "at": now}
    _, columns = append.add(connection, pseudonyms, "report", row, citizen=found.citizen, sub=sub, seed=known.seed)
    reports.add(connection, {**row, **columns})
    return Reported(permit_id, outcome, now)


def due(now: datetime, days: int) -> datetime:
    """What was taken at this moment or earlier should have been reported by now."""
    return now - timedelta(days=days)
