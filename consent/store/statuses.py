"""Which bit of which list tells whether a consent still holds. Drawn by lot once, and then the consent's for ever."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select, text, union_all, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from base.database import Connection
from consent.store.tables import HOLDS_NO_MORE, consent, consent_status, forgotten_status

SIZE = 2**19
"""Bits of a list: 64 KiB, so that a token of it stays below what JOSE libraries read (128,000 bytes) at its worst."""
TRIES = 32
"""Draws in one list: when all are taken it is three quarters full, and the next list begins."""

ALL = -1
"""In place of an index: every bit of the list."""

_ADD = {
    name: make(consent_status).on_conflict_do_nothing().returning(consent_status.c.seq)
    for name, make in (("sqlite", sqlite_insert), ("postgresql", postgresql_insert))
}
_END = {
    name: make(forgotten_status).on_conflict_do_nothing()
    for name, make in (("sqlite", sqlite_insert), ("postgresql", postgresql_insert))
}
_FIND = select(consent_status.c.list, consent_status.c.idx).where(consent_status.c.consent == bindparam("p_consent"))
_NOTE = (
    update(consent)
    .where(consent.c.id == bindparam("p_consent"))
    .values(status_list=bindparam("p_list"), status_idx=bindparam("p_idx"))
)
_NEWEST = select(func.max(consent_status.c.list))
_CLOSED = select(func.max(forgotten_status.c.list)).where(forgotten_status.c.idx == ALL)
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


def find(connection: Connection, consent_id: str) -> Place | None:
    known = connection.execute(_FIND, {"p_consent": consent_id}).first()
    return Place(known[0], known[1]) if known is not None else None


def add(connection: Connection, row: dict[str, Any]) -> bool:
    """A line of `consent_status`, and the copy beside the consent. False when the bit, or the consent, has one."""
    if connection.execute(_ADD[connection.dialect.name], row).first() is None:
        return False
    connection.execute(_NOTE, {"p_consent": row["consent"], "p_list": row["list"], "p_idx": row["idx"]})
    return True


def is_known(connection: Connection, consent_id: str) -> bool:
    return connection.execute(select(consent.c.id).where(consent.c.id == consent_id)).first() is not None


def end(connection: Connection, place: Place, now: datetime) -> None:
    """The bit holds no more, for ever, whatever else is known of its consent."""
    row = {"list": place.list, "idx": place.idx, "at": now}
    connection.execute(_END[connection.dialect.name], row)


def newest(connection: Connection) -> int | None:
    """The last list's number; None while there is none. One that was closed is followed by another."""
    number: int | None = connection.execute(_NEWEST).scalar()
    closed: int | None = connection.execute(_CLOSED).scalar()
    return number if closed is None else max(closed + 1, number or 0)


def ended(connection: Connection, number: int, since: datetime | None) -> list[int]:
    """Bits of consents that hold no more: all, or those that ended since then; `ALL` among them for every bit."""
    if since is None:
        return list(connection.execute(_ALL_ENDED[connection.dialect.name], {"p_list": number}).scalars())
    return list(connection.execute(_ENDED_SINCE, {"p_list": number, "p_since": since}).scalars())
