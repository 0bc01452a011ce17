"""Requests that agencies lodged. A state only goes forward: each step is one conditional update."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import delete, func, insert, select, update

from base.database import Connection
from consent.catalogue import Catalogue
from consent.interface import PersonalDataUse, Waiting
from consent.store.tables import lodged_request as lodged

LODGED, SHOWN, ANSWERED, CLOSED, EXPIRED = "lodged", "shown", "answered", "closed", "expired"
OPEN = (LODGED, SHOWN)
PATH = "/my/requests"
"""Where a citizen sees all that he is asked; each has its id below it."""
KEPT = timedelta(days=90)
"""How long after its end an agency can ask what became of a request."""


@dataclass(frozen=True, slots=True)
class Lodged:
    """`answered`: the purposes that the citizen has answered. `renew`: also what is allowed already is asked."""

    id: str
    agency: str
    citizen: str
    callback: str
    uses: tuple[PersonalDataUse, ...]
    renew: bool
    state: str
    answered: tuple[str, ...]
    lodged_at: datetime
    expires_at: datetime

    def state_at(self, now: datetime) -> str:
        """Expiry is decided when asked, never by a job."""
        return EXPIRED if self.state in OPEN and now >= self.expires_at else self.state


def add(connection: Connection, row: dict[str, Any], uses: Sequence[PersonalDataUse], now: datetime) -> None:
    connection.execute(delete(lodged).where(lodged.c.agency == row["agency"], lodged.c.expires_at <= now - KEPT))
    content = msgspec.to_builtins(list(uses))
    connection.execute(
        insert(lodged), {**row, "uses": content, "state": LODGED, "answered": [], "step": 0, "lodged_at": now}
    )


def count_open(connection: Connection, agency: str, citizen: str, now: datetime) -> int:
    where = (lodged.c.citizen == citizen, lodged.c.agency == agency, lodged.c.state.in_(OPEN))
    return connection.execute(
        select(func.count()).select_from(lodged).where(*where, lodged.c.expires_at > now)
    ).scalar_one()


def of_agency(connection: Connection, request_id: str, agency: str) -> Lodged | None:
    """By id and agency together: another's request is as if it were not there."""
    row = connection.execute(select(lodged).where(lodged.c.id == request_id, lodged.c.agency == agency)).first()
    return _lodged(row) if row is not None else None


def open_of(connection: Connection, citizen: str, now: datetime) -> list[Lodged]:
    """What waits for this citizen's answer, newest first."""
    where = (lodged.c.citizen == citizen, lodged.c.state.in_(OPEN), lodged.c.expires_at > now)
    return [
        _lodged(row) for row in connection.execute(select(lodged).where(*where).order_by(lodged.c.lodged_at.desc()))
    ]


def waiting(connection: Connection, catalogue: Catalogue, citizen: str, now: datetime) -> list[Waiting]:
    """See consent.interface.Door.asked. What a suspended agency asks waits until it takes part again."""
    found = []
    for one in open_of(connection, citizen, now):
        purposes = [purpose for use in one.uses if (purpose := catalogue.purpose_of(one.agency, use.purpose))]
        if purposes:
            titles = tuple(purpose.title for purpose in purposes)
            name = catalogue.agencies[one.agency].name
            found.append(Waiting(f"{PATH}/{one.id}", name, titles, one.lodged_at, one.expires_at))
    return found


def by_link(connection: Connection, link_digest: str, citizen: str, now: datetime) -> Lodged | None:
    where = (lodged.c.link == link_digest, lodged.c.citizen == citizen, lodged.c.state.in_(OPEN))
    row = connection.execute(select(lodged).where(*where, lodged.c.expires_at > now)).first()
    return _lodged(row) if row is not None else None


def one(connection: Connection, request_id: str, citizen: str) -> Lodged | None:
    """By id and citizen together."""
    row = connection.execute(select(lodged).where(lodged.c.id == request_id, lodged.c.citizen == citizen)).first()
    return _lodged(row) if row is not None else None


def show(connection: Connection, request_id: str) -> None:
    """Once."""
    connection.execute(update(lodged).where(lodged.c.id == request_id, lodged.c.state == LODGED).values(state=SHOWN))


def move(connection: Connection, one: Lodged, state: str, answered: Sequence[str]) -> bool:
    """From what was read to this. False when somebody else was first."""
    where = (lodged.c.id == one.id, lodged.c.state == one.state, lodged.c.step == len(one.answered))
    return (
        connection.execute(
            update(lodged).where(*where).values(state=state, answered=list(answered), step=len(answered))
        ).rowcount
        == 1
    )


def _lodged(row: Any) -> Lodged:
    return Lodged(
        row.id,
        row.agency,
        row.citizen,
        row.callback,
        tuple(msgspec.convert(row.uses, list[PersonalDataUse])),
        row.renew,
        row.state,
        tuple(row.answered),
        row.lodged_at,
        row.expires_at,
    )
