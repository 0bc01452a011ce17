"""Which bit of which list tells whether a consent still holds. Drawn by lot once, and then the consent's for ever."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, select, text, union_all, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from base.database import Connection
from consent.store.tables import HOLDS_NO_MORE, consent, consent_status, forgotten_status

SIZE = 2**19
"""Bits of a list: 64 KiB, so that a token of it stays below what JOSE libraries read (128,000 bytes) at its worst."""
TRIES = 32
"""Draws in one list: when all are taken it is three quarters full, and the next list begins."""

_PLACE = {
    "sqlite": sqlite_insert(consent_status).on_conflict_do_nothing(),
    "postgresql": postgresql_insert(consent_status).on_conflict_do_nothing(),
}
_FIND = select(consent_status.c.list, consent_status.c.idx).where(consent_status.c.consent == bindparam("p_consent"))
_NOTE = (
    update(consent)
    .where(consent.c.id == bindparam("p_consent"))
    .values(status_list=bindparam("p_list"), status_idx=bindparam("p_idx"))
)
_NEWEST = select(func.max(consent_status.c.list))
_OF_LIST = select(consent.c.status_idx).where(consent.c.status_list == bindparam("p_list"))
_FORGOTTEN = select(forgotten_status.c.idx).where(forgotten_status.c.list == bindparam("p_list"))
_ALL_ENDED = {name: union_all(_OF_LIST.where(text(what)), _FORGOTTEN) for name, what in HOLDS_NO_MORE.items()}
_SINCE = bindparam("p_since", type_=consent.c.ended_at.type)
_ENDED_SINCE = union_all(
    _OF_LIST.where(consent.c.ended_at >= _SINCE), _FORGOTTEN.where(forgotten_status.c.at >= _SINCE)
)


@dataclass(frozen=True, slots=True)
class Place:
    list: int
    idx: int


def place(connection: Connection, consent_id: str) -> Place:
    """The consent's own, drawn now if it has none."""
    if (known := connection.execute(_FIND, {"p_consent": consent_id}).first()) is not None:
        return Place(known[0], known[1])
    newest = connection.execute(_NEWEST).scalar() or 0
    attempt = 0
    while (found := connection.execute(_FIND, {"p_consent": consent_id}).first()) is None:
        drawn = {"consent": consent_id, "list": newest + attempt // TRIES, "idx": secrets.randbelow(SIZE)}
        connection.execute(_PLACE[connection.dialect.name], drawn)
        attempt += 1
    connection.execute(_NOTE, {"p_consent": consent_id, "p_list": found[0], "p_idx": found[1]})
    return Place(found[0], found[1])


def newest(connection: Connection) -> int | None:
    """The last list's number; None while there is none."""
    number: int | None = connection.execute(_NEWEST).scalar()
    return number


def ended(connection: Connection, number: int, since: datetime | None) -> list[int]:
    """Bits of consents that hold no more: all, or those that ended since then."""
    if since is None:
        return list(connection.execute(_ALL_ENDED[connection.dialect.name], {"p_list": number}).scalars())
    return list(connection.execute(_ENDED_SINCE, {"p_list": number, "p_since": since}).scalars())
