"""A consent's bit in the status lists: drawn by lot once, and a line of the ledger from then on.

Whose bit is whose decides what an agency without a connection believes. So it is written as events are: nobody moves
a bit, or makes it anybody's no more, without the audit finding it, and the journal outside of the database knows it,
so that a backup that is put back knows again which signed consents are about.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from base.database import Connection
from consent.ledger import append
from consent.store import statuses
from consent.store.statuses import SIZE, TRIES, Place
from keys.derive import Pseudonyms

KIND = "place"
TELLS = "placed"
AHEAD = 16
"""Lists, of 400,000 bits each, that may have begun since a backup was made."""


def of(connection: Connection, consent_id: str, *, pseudonyms: Pseudonyms, now: datetime) -> Place:
    """The consent's own, drawn now if it has none."""
    newest, attempt = statuses.newest(connection) or 0, 0
    while (known := statuses.find(connection, consent_id)) is None:
        drawn = Place(newest + attempt // TRIES, secrets.randbelow(SIZE))
        put(connection, consent_id, drawn, pseudonyms=pseudonyms, now=now)
        attempt += 1
    return known


def put(connection: Connection, consent_id: str, place: Place, *, pseudonyms: Pseudonyms, now: datetime) -> bool:
    """False, and nothing is written, when the bit is another's or the consent has one."""
    row = {"consent": consent_id, "list": place.list, "idx": place.idx, "at": now}
    with connection.begin_nested() as point:
        # The leaf first, since its line cannot be changed; of a bit that is taken it goes again.
        tells = f"{TELLS} {consent_id} {place.list} {place.idx}"
        _, columns = append.add(connection, pseudonyms, KIND, row, tells=tells)
        added = statuses.add(connection, {**row, **columns})
        if not added:
            point.rollback()
    return added


def again(connection: Connection, told: str, *, pseudonyms: Pseudonyms, now: datetime) -> None:
    """What the journal tells of a bit that the database lost: a signed consent is about that leads to it.

    `told`: consent, list and index. A consent that was lost too holds no more.
    """
    consent_id, number, idx = told.split(" ")
    place = Place(int(number), int(idx))
    if put(connection, consent_id, place, pseudonyms=pseudonyms, now=now) and not statuses.is_known(
        connection, consent_id
    ):
        statuses.end(connection, place, now)


def close(connection: Connection, now: datetime) -> None:
    """All lists that there may be say of every bit that it holds no more; others begin behind them."""
    newest = statuses.newest(connection)
    last = (newest if newest is not None else 0) + AHEAD
    for number in range(last + 1):
        statuses.end(connection, Place(number, statuses.ALL), now)
