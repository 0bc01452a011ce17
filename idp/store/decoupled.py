"""Requests that a citizen answers elsewhere than where they began, at rest. Each state change is one conditional update."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from base.database import Connection
from idp.store.tables import decoupled

DEVICE, CIBA = "device", "ciba"
WAITING, ALLOWED, REFUSED, TAKEN = "waiting", "allowed", "refused", "taken"


@dataclass(frozen=True, slots=True)
class Decoupled:
    """`digest`: of the device_code or auth_req_id. `citizen`: the registry's handle of who is asked (CIBA).

    `ping`: sealed, what the client is told with when the citizen has answered. `jkt`: the key that it began with.
    """

    digest: str
    kind: str
    client_id: str
    parameters: dict[str, str]
    citizen: str | None
    ping: bytes | None
    jkt: str | None
    state: str
    interval_s: int
    polled_at: datetime | None
    created_at: datetime
    expires_at: datetime

    def is_open(self, now: datetime) -> bool:
        """Whether the citizen can still answer it."""
        return self.state == WAITING and now < self.expires_at


_NAMES = (
    "digest", "kind", "client_id", "parameters", "citizen", "ping", "jkt", "state", "interval_s", "polled_at",
    "created_at", "expires_at",
)  # fmt: skip
_ONE = select(*(decoupled.c[name] for name in _NAMES))
_FIND = _ONE.where(decoupled.c.digest == bindparam("p_digest"))
_LOCK = _FIND.with_for_update()
_OPEN = (decoupled.c.state == WAITING, decoupled.c.expires_at > bindparam("p_now"))
_BY_USER_CODE = _ONE.where(decoupled.c.user_code == bindparam("p_user_code"), *_OPEN)
_TAKE = (
    update(decoupled)
    .where(
        decoupled.c.digest == bindparam("p_digest"),
        decoupled.c.kind == bindparam("p_kind"),
        decoupled.c.client_id == bindparam("p_client"),
        or_(decoupled.c.jkt.is_(None), decoupled.c.jkt == bindparam("p_jkt")),
        decoupled.c.state == ALLOWED,
        decoupled.c.expires_at > bindparam("p_now"),
    )
    .values(state=TAKEN)
    .returning(decoupled.c.family)
)
_SETTLE = (
    update(decoupled)
    .where(decoupled.c.digest == bindparam("p_digest"), *_OPEN)
    .values(state=bindparam("p_state"), family=bindparam("p_family"))
)


def add(connection: Connection, one: Decoupled, *, user_code: str | None) -> bool:
    """False when the user code is another request's: make a new one."""
    make = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    row = {**{name: getattr(one, name) for name in _NAMES}, "user_code": user_code}
    statement = make(decoupled).values(**row).on_conflict_do_nothing(index_elements=["user_code"])
    return connection.execute(statement.returning(decoupled.c.digest)).first() is not None


def find(connection: Connection, digest: str, *, lock: bool = False) -> Decoupled | None:
    row = connection.execute(_LOCK if lock else _FIND, {"p_digest": digest}).first()
    return Decoupled(*row) if row is not None else None


def by_user_code(connection: Connection, user_code: str, now: datetime) -> Decoupled | None:
    """One that waits for its citizen. `user_code`: its keyed index."""
    row = connection.execute(_BY_USER_CODE, {"p_user_code": user_code, "p_now": now}).first()
    return Decoupled(*row) if row is not None else None


def waiting_for(connection: Connection, citizen: str, now: datetime) -> list[Decoupled]:
    """What a citizen is asked, the newest first."""
    statement = _ONE.where(decoupled.c.citizen == citizen, *_OPEN).order_by(decoupled.c.created_at.desc())
    return [Decoupled(*row) for row in connection.execute(statement, {"p_now": now})]


def count_waiting(connection: Connection, citizen: str, client_id: str, now: datetime) -> int:
    where = (decoupled.c.citizen == citizen, decoupled.c.client_id == client_id, *_OPEN)
    return int(connection.execute(select(func.count()).where(*where), {"p_now": now}).scalar_one())


def settle(connection: Connection, digest: str, state: str, family: str | None, now: datetime) -> bool:
    """The citizen's answer, once: of two tabs, one counts."""
    given = {"p_digest": digest, "p_state": state, "p_family": family, "p_now": now}
    return connection.execute(_SETTLE, given).rowcount == 1


def take(connection: Connection, digest: str, kind: str, client_id: str, jkt: str | None, now: datetime) -> str | None:
    """The family of what was allowed, once, ever, to the client that asked, by the key that it asked with."""
    given: dict[str, Any] = {"p_digest": digest, "p_kind": kind, "p_client": client_id, "p_jkt": jkt, "p_now": now}
    return connection.execute(_TAKE, given).scalar()


def polled(connection: Connection, digest: str, interval_s: int, now: datetime) -> None:
    values = {"polled_at": now, "interval_s": interval_s}
    connection.execute(update(decoupled).where(decoupled.c.digest == digest).values(**values))
