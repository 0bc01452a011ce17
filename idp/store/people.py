"""Citizens and their ways to log in at rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from base.database import Connection
from idp.store.tables import account, citizen, device, handle, import_progress, notice, once, passkey


@dataclass(frozen=True, slots=True)
class StoredCitizen:
    id: str
    wrapped_key: bytes | None
    person: bytes | None
    row_digest: str
    state: str
    proofing: str


@dataclass(frozen=True, slots=True)
class Account:
    citizen: str
    password_hash: str | None
    totp_secret: bytes | None
    totp_step: int | None
    totp_acr: str | None


@dataclass(frozen=True, slots=True)
class Passkey:
    credential_id: str
    citizen: str
    public_key: bytes
    sign_count: int
    device_bound: bool
    acr: str
    label: str
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Once:
    """Something to be presented once, by the browser it was made for."""

    citizen: str | None
    payload: dict[str, Any]


def find(connection: Connection, citizen_id: str) -> StoredCitizen | None:
    row = connection.execute(select(citizen).where(citizen.c.id == citizen_id)).first()
    return stored(row) if row is not None else None


_HOLD = select(citizen).where(citizen.c.id == bindparam("p_id")).with_for_update()


def hold(connection: Connection, citizen_id: str) -> StoredCitizen | None:
    """The citizen; whoever else changes who may log in as him waits until the commit."""
    row = connection.execute(_HOLD, {"p_id": citizen_id}).first()
    return stored(row) if row is not None else None


def by_number(connection: Connection, number_indexes: Sequence[str]) -> dict[str, StoredCitizen]:
    """Citizens by the keyed index of their national number."""
    rows = connection.execute(select(citizen).where(citizen.c.number_index.in_(number_indexes)))
    return {row.number_index: stored(row) for row in rows}


def add_citizens(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(citizen), rows)


def change_citizens(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Each with `key`, the citizen's id."""
    if rows:
        names = ("person", "row_digest", "state", "proofing", "changed_at")
        connection.execute(
            update(citizen).where(citizen.c.id == bindparam("key")).values({n: bindparam(f"v_{n}") for n in names}),
            [{"key": row["key"], **{f"v_{n}": row[n] for n in names}} for row in rows],
        )


def set_state(connection: Connection, citizen_id: str, state: str, now: datetime) -> bool:
    statement = update(citizen).where(citizen.c.id == citizen_id).values(state=state, changed_at=now)
    return connection.execute(statement).rowcount == 1


def set_proofing(connection: Connection, citizen_id: str, proofing: str, now: datetime) -> None:
    statement = update(citizen).where(citizen.c.id == citizen_id).values(proofing=proofing, changed_at=now)
    connection.execute(statement)


def erase(connection: Connection, citizen_id: str, now: datetime) -> bool:
    """Destroy the data key, the sealed person and every way in; the id stays, so that nobody is taken for another."""
    values = {"wrapped_key": None, "person": None, "number_index": None, "row_digest": "", "state": "erased"}
    done = connection.execute(update(citizen).where(citizen.c.id == citizen_id).values(**values, changed_at=now))
    for table in (account, passkey, once, device, notice):
        connection.execute(delete(table).where(table.c.citizen == citizen_id))
    return done.rowcount == 1


def progress(connection: Connection, fingerprint: str) -> int:
    """The line up to which a file was imported before; 0 for a new file."""
    where = import_progress.c.fingerprint == fingerprint
    return connection.execute(select(import_progress.c.line).where(where)).scalar() or 0


def set_progress(connection: Connection, fingerprint: str, line: int, now: datetime) -> None:
    where = import_progress.c.fingerprint == fingerprint
    if connection.execute(update(import_progress).where(where).values(line=line, changed_at=now)).rowcount == 0:
        connection.execute(insert(import_progress), {"fingerprint": fingerprint, "line": line, "changed_at": now})


def account_of(connection: Connection, citizen_id: str) -> Account | None:
    return _account(connection.execute(select(account).where(account.c.citizen == citizen_id)).first())


def account_by_name(connection: Connection, username_index: str) -> Account | None:
    return _account(connection.execute(select(account).where(account.c.username_index == username_index)).first())


def put_account(connection: Connection, citizen_id: str, values: dict[str, Any], now: datetime) -> None:
    """Make or change; `values`: username_index, password_hash, totp_secret, totp_step, totp_acr."""
    make = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    row = {**values, "changed_at": now}
    statement = make(account).values(citizen=citizen_id, **row)
    connection.execute(statement.on_conflict_do_update(index_elements=["citizen"], set_=row))


def take_totp_step(connection: Connection, citizen_id: str, step: int) -> bool:
    """Each time step serves once: True for the first."""
    where = (account.c.citizen == citizen_id, account.c.totp_step.is_(None) | (account.c.totp_step < step))
    return connection.execute(update(account).where(*where).values(totp_step=step)).rowcount == 1


def passkeys(connection: Connection, citizen_id: str) -> list[Passkey]:
    rows = connection.execute(select(passkey).where(passkey.c.citizen == citizen_id).order_by(passkey.c.created_at))
    return [_passkey(row) for row in rows]


def find_passkey(connection: Connection, credential_id: str) -> Passkey | None:
    row = connection.execute(select(passkey).where(passkey.c.credential_id == credential_id)).first()
    return _passkey(row) if row is not None else None


def add_passkey(connection: Connection, one: Passkey) -> None:
    names = ("credential_id", "citizen", "public_key", "sign_count", "device_bound", "acr", "label", "created_at")
    connection.execute(insert(passkey), {name: getattr(one, name) for name in names})


def use_passkey(connection: Connection, credential_id: str, was: int, count: int, now: datetime) -> bool:
    """Move the counter on, if it is still what was verified against."""
    where = (passkey.c.credential_id == credential_id, passkey.c.sign_count == was)
    return connection.execute(update(passkey).where(*where).values(sign_count=count, last_used_at=now)).rowcount == 1


def remove_passkey(connection: Connection, credential_id: str, citizen_id: str) -> bool:
    where = (passkey.c.credential_id == credential_id, passkey.c.citizen == citizen_id)
    return connection.execute(delete(passkey).where(*where)).rowcount == 1


def put_once(
    connection: Connection,
    digest: str,
    kind: str,
    *,
    browser: str,
    citizen_id: str | None,
    payload: dict[str, Any],
    expires_at: datetime,
) -> None:
    row = {"digest": digest, "kind": kind, "browser": browser, "citizen": citizen_id, "payload": payload}
    connection.execute(insert(once), {**row, "expires_at": expires_at})


def find_once(connection: Connection, digest: str, kind: str, *, browser: str, now: datetime) -> Once | None:
    where = (once.c.digest == digest, once.c.kind == kind, once.c.browser == browser, once.c.expires_at > now)
    row = connection.execute(select(once).where(*where)).first()
    return Once(row.citizen, row.payload) if row is not None else None


def take_once(connection: Connection, digest: str, kind: str, *, browser: str, now: datetime) -> Once | None:
    """Present it: it is gone, whatever comes of it."""
    where = (once.c.digest == digest, once.c.kind == kind, once.c.browser == browser, once.c.expires_at > now)
    row = connection.execute(delete(once).where(*where).returning(once.c.citizen, once.c.payload)).first()
    return Once(row.citizen, row.payload) if row is not None else None


def drop_once(connection: Connection, citizen_id: str, kinds: Sequence[str]) -> None:
    """What was handed out to a citizen serves no more."""
    connection.execute(delete(once).where(once.c.citizen == citizen_id, once.c.kind.in_(kinds)))


def stored(row: Any) -> StoredCitizen:
    """From a row of `citizen`."""
    return StoredCitizen(row.id, row.wrapped_key, row.person, row.row_digest, row.state, row.proofing)


def _account(row: Any) -> Account | None:
    if row is None:
        return None
    return Account(row.citizen, row.password_hash, row.totp_secret, row.totp_step, row.totp_acr)


def _passkey(row: Any) -> Passkey:
    return Passkey(
        row.credential_id,
        row.citizen,
        row.public_key,
        row.sign_count,
        row.device_bound,
        row.acr,
        row.label,
        row.created_at,
        row.last_used_at,
    )


def remember_handle(connection: Connection, citizen_handle: str, citizen_id: str) -> None:
    """So that the provider, as a source, finds the person a permit is about."""
    make = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    statement = make(handle).values(handle=citizen_handle, citizen=citizen_id).on_conflict_do_nothing()
    connection.execute(statement)


def citizen_of_handle(connection: Connection, citizen_handle: str) -> str | None:
    return connection.execute(select(handle.c.citizen).where(handle.c.handle == citizen_handle)).scalar()


def forget_handle(connection: Connection, citizen_handle: str) -> None:
    connection.execute(delete(handle).where(handle.c.handle == citizen_handle))
