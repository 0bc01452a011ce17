"""Forgetting a citizen (GDPR art. 17): what he gave ends, and then nothing in the register leads to him any more.

His lines stay, without him; the salts of his leaves can never be made again; every proof of the ledger still verifies.
The act itself is in the ledger and lists the lines that were emptied and what is left of each, so that nobody can pass
an altered line off as a forgotten one. What he did as a guardian stays the child's, and nothing leads from it to him.
"""

from __future__ import annotations

from datetime import datetime

from base.database import Connection
from consent import acts, records
from consent.events import tell
from consent.ledger import leaf
from consent.store import event_streams, events, forgetting, seeds, subjects
from consent.store import records as record_store
from keys.derive import Pseudonyms
from keys.digest import digest

EVENT = "citizen.forgotten"


def forget(connection: Connection, citizen: str, *, pseudonyms: Pseudonyms, now: datetime) -> int:
    """How many leaves can no longer be opened. Again changes nothing. ValueError for nobody.

    `citizen`: the registry's handle. Runs inside a unit of work.
    """
    if not citizen:
        raise ValueError("the attempts for pseudonyms that nobody has are nobody's")
    # First: nobody issues for him from here on, and who does at this moment is waited for.
    subjects.forget(connection, citizen)
    # What expired a moment ago is told as that, before its row goes.
    tell.expire(connection, pseudonyms, now, citizen=citizen)
    for consent_id in record_store.given_by(connection, citizen, now):
        records.withdraw(
            connection, consent_id=consent_id, citizen=citizen, pseudonyms=pseudonyms, now=now, channel="erasure"
        )
    # What is left of each line is pinned by the act: emptied, it opens its leaf no more.
    lines = {row["leaf"]: leaf.remains(kind, row) for kind, row in forgetting.lines(connection, citizen)}
    forgetting.forget(connection, citizen, now)
    pressed = forgetting.pressed(connection, citizen)
    events.forget(connection, [pseudonyms.pairwise(citizen, agency) for agency in event_streams.agencies(connection)])
    seeds.forget(connection, citizen)
    if lines or pressed:
        # The journal knows whom, without his name: a backup that is put back remembers him, and forgets him again.
        tells = f"forgotten {digest(citizen)}"
        acts.record(
            connection, EVENT, "", {"lines": lines, "pressed": pressed}, pseudonyms=pseudonyms, now=now, tells=tells
        )
    return len(lines)
