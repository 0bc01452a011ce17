"""Tables that each service has in its own database, and their few queries."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import (
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from base.database import Connection
from base.database.types import Instant, Json, Sequence

_own = MetaData()

CLAIM = Table(
    "claim",
    _own,
    Column("kind", String(32), primary_key=True),
    Column("value", String(200), primary_key=True),
    Column("expires_at", Instant, nullable=False, index=True),
)
COUNTER = Table(
    "counter",
    _own,
    Column("kind", String(32), primary_key=True),
    Column("subject", String(200), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("changed_at", Instant, nullable=False, index=True),
)
OUTBOX = Table(
    "outbox",
    _own,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("key", String(100), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("payload", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", Instant, nullable=False),
    Column("parked_at", Instant),
    Index("ix_outbox_due", "parked_at", "due_at"),
)
LEASE = Table(
    "lease",
    _own,
    Column("name", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("expires_at", Instant, nullable=False),
)
AUDIT = Table(
    "audit",
    _own,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("event", String(64), nullable=False),
    Column("actor", String(100), nullable=False),
    Column("object", String(200), nullable=False),
    Column("result", String(32), nullable=False),
    Column("details", Json, nullable=False),
)
HOUSE = Table(
    "house",
    _own,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("mark", String(64), nullable=False),
)
"""One row (base.database.belonging)."""


def attach(metadata: MetaData) -> None:
    """Give a service these tables."""
    for table in _own.sorted_tables:
        table.to_metadata(metadata)


def insert_of(connection: Connection) -> Any:
    return sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert


class claims:  # noqa: N801 - a room of queries, named as one
    _INSERT: ClassVar = {
        name: make(CLAIM).on_conflict_do_nothing().returning(CLAIM.c.kind)
        for name, make in (("sqlite", sqlite_insert), ("postgresql", postgresql_insert))
    }
    _PURGE = delete(CLAIM).where(
        CLAIM.c.kind == bindparam("p_kind"),
        CLAIM.c.value.in_(
            select(CLAIM.c.value)
            .where(CLAIM.c.kind == bindparam("p_kind"), CLAIM.c.expires_at < bindparam("p_now"))
            .limit(bindparam("p_limit"))
        ),
    )

    @classmethod
    def claim(cls, connection: Connection, kind: str, value: str, *, expires_at: datetime, now: datetime) -> bool:
        row = {"kind": kind, "value": value, "expires_at": expires_at}
        claimed = connection.execute(cls._INSERT[connection.dialect.name], row).first() is not None
        # The store stays bounded without a job: one claim in sixteen takes expired ones along.
        if claimed and hash(value) % 16 == 0:
            connection.execute(cls._PURGE, {"p_kind": kind, "p_now": now, "p_limit": 64})
        return claimed


class counters:  # noqa: N801 - as claims
    @staticmethod
    def add(connection: Connection, kind: str, subject: str, now: datetime) -> int:
        """One more; answers the count. Atomic: parallel calls are all counted (Keycloak CVE-2024-4629)."""
        statement = insert_of(connection)(COUNTER).values(kind=kind, subject=subject, count=1, changed_at=now)
        statement = statement.on_conflict_do_update(
            index_elements=["kind", "subject"], set_={"count": COUNTER.c.count + 1, "changed_at": now}
        ).returning(COUNTER.c.count)
        return int(connection.execute(statement).scalar_one())

    @staticmethod
    def hold(connection: Connection, kind: str, subject: str, now: datetime) -> tuple[int, datetime]:
        """The count and when it last moved, 0 for a new one; nobody else counts this subject until the commit."""
        new = insert_of(connection)(COUNTER).values(kind=kind, subject=subject, count=0, changed_at=now)
        connection.execute(new.on_conflict_do_nothing())
        where = (COUNTER.c.kind == kind, COUNTER.c.subject == subject)
        row = connection.execute(select(COUNTER.c.count, COUNTER.c.changed_at).where(*where).with_for_update()).one()
        return int(row[0]), row[1]

    @staticmethod
    def count(connection: Connection, kind: str, subject: str) -> int:
        where = (COUNTER.c.kind == kind, COUNTER.c.subject == subject)
        return int(connection.execute(select(COUNTER.c.count).where(*where)).scalar() or 0)

    @staticmethod
    def clear(connection: Connection, kind: str, subject: str) -> int:
        """Back to nothing; answers what it was."""
        where = (COUNTER.c.kind == kind, COUNTER.c.subject == subject)
        return int(connection.execute(delete(COUNTER).where(*where).returning(COUNTER.c.count)).scalar() or 0)


class outbox:  # noqa: N801 - as claims
    @staticmethod
    def put(connection: Connection, kind: str, payload: dict[str, Any], *, key: str, now: datetime) -> None:
        connection.execute(
            insert(OUTBOX), {"key": key, "kind": kind, "payload": payload, "created_at": now, "due_at": now}
        )

    @staticmethod
    def due(connection: Connection, now: datetime, limit: int) -> list[tuple[int, str, str, dict[str, Any], int]]:
        """The oldest message of each key, if it is due: order holds per key."""
        first = (
            select(func.min(OUTBOX.c.seq).label("seq")).where(OUTBOX.c.parked_at.is_(None)).group_by(OUTBOX.c.key)
        ).subquery()
        rows = connection.execute(
            select(OUTBOX.c.seq, OUTBOX.c.key, OUTBOX.c.kind, OUTBOX.c.payload, OUTBOX.c.attempts)
            .join(first, first.c.seq == OUTBOX.c.seq)
            .where(OUTBOX.c.due_at <= now)
            .order_by(OUTBOX.c.seq)
            .limit(limit)
        )
        return [(row.seq, row.key, row.kind, row.payload, row.attempts) for row in rows]

    @staticmethod
    def done(connection: Connection, seq: int) -> None:
        connection.execute(delete(OUTBOX).where(OUTBOX.c.seq == seq))

    @staticmethod
    def failed(connection: Connection, seq: int, *, due_at: datetime, parked_at: datetime | None) -> None:
        connection.execute(
            update(OUTBOX)
            .where(OUTBOX.c.seq == seq)
            .values(attempts=OUTBOX.c.attempts + 1, due_at=due_at, parked_at=parked_at)
        )

    @staticmethod
    def waiting(connection: Connection) -> tuple[int, int]:
        """How many wait, how many are parked."""
        row = connection.execute(select(func.count(OUTBOX.c.seq), func.count(OUTBOX.c.parked_at))).one()
        return row[0] - row[1], row[1]

    @staticmethod
    def lease(connection: Connection, name: str, holder: str, now: datetime, seconds: float) -> bool:
        """Hold the right to deliver for `seconds`; False while another process holds it."""
        until = now + timedelta(seconds=seconds)
        statement = insert_of(connection)(LEASE).values(name=name, holder=holder, expires_at=until)
        statement = statement.on_conflict_do_update(
            index_elements=["name"],
            set_={"holder": holder, "expires_at": until},
            where=or_(LEASE.c.holder == holder, LEASE.c.expires_at < now),
        ).returning(LEASE.c.name)
        return connection.execute(statement).first() is not None

    @staticmethod
    def release(connection: Connection, name: str, holder: str) -> None:
        """Who ends need not be waited for."""
        connection.execute(delete(LEASE).where(LEASE.c.name == name, LEASE.c.holder == holder))


class audit:  # noqa: N801 - as claims
    @staticmethod
    def add(
        connection: Connection, at: datetime, event: str, actor: str, object_: str, result: str, details: dict[str, Any]
    ) -> None:
        row = {"at": at, "event": event, "actor": actor, "object": object_, "result": result, "details": details}
        connection.execute(insert(AUDIT), row)
