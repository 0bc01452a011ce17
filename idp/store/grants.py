"""Requests, codes, families and tokens at rest. Each state change is one conditional update."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from base.binding import Binding, binding_of
from base.database import Connection
from base.database.prepared import Prepared
from idp.store import decoupled
from idp.store.decoupled import Decoupled
from idp.store.tables import access_token, authorization_request, code, family, refresh_token, session_client


@dataclass(frozen=True, slots=True)
class Pending:
    """An authorization request that waits for its citizen."""

    digest: str
    client_id: str
    parameters: dict[str, str]
    pushed: bool
    browser: str | None
    jkt: str | None
    created_at: datetime
    expires_at: datetime
    asked: list[str]
    confirmed: str | None = None
    decoupled: Decoupled | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """All that grew from one login at one client: its code and its tokens live and end together."""

    id: str
    client_id: str
    citizen: str
    session: str
    scope: str
    details: list[dict[str, Any]]
    claims: dict[str, Any]
    acr: str
    amr: list[str]
    auth_time: datetime
    created_at: datetime
    ended_at: datetime | None
    managed_grant: str | None = None
    resource: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Code:
    family: str
    client_id: str
    redirect_uri: str
    redirect_uri_given: bool
    nonce: str | None
    code_challenge: str
    jkt: str | None


@dataclass(frozen=True, slots=True)
class Reused:
    """A code or refresh token that was taken before: its family must end."""

    family: str


@dataclass(frozen=True, slots=True)
class Refresh:
    digest: str
    family: str
    client_id: str
    binding: Binding | None
    expires_at: datetime
    idle_at: datetime
    used_at: datetime | None
    response: bytes | None


# Statements are made once: building one costs as much as running it.
_CONSUME = (
    update(code)
    .where(
        code.c.digest == bindparam("p_digest"),
        code.c.client_id == bindparam("p_client"),
        code.c.used_at.is_(None),
        code.c.expires_at > bindparam("p_now"),
    )
    .values(used_at=bindparam("p_now"))
    .returning(*code.c)
)
_FIND_FAMILY = Prepared(select(family).where(family.c.id == bindparam("p_id")))
_ADD_REQUEST = insert(authorization_request)
_FIND_REFRESH = select(refresh_token).where(refresh_token.c.digest == bindparam("p_digest"))
_LOCK_REFRESH = _FIND_REFRESH.with_for_update()
_PENDING = Prepared(
    select(authorization_request).where(
        authorization_request.c.digest == bindparam("p_digest"),
        authorization_request.c.used_at.is_(None),
        authorization_request.c.expires_at > bindparam("p_now"),
    )
)
_FREE_REQUEST = (
    authorization_request.c.digest == bindparam("p_digest"),
    authorization_request.c.used_at.is_(None),
    authorization_request.c.browser.is_(None) | (authorization_request.c.browser == bindparam("p_browser")),
)
_BIND_REQUEST = Prepared(
    update(authorization_request)
    .where(*_FREE_REQUEST)
    .values(browser=bindparam("p_browser"), expires_at=bindparam("p_expires"))
)
_USE_REQUEST = Prepared(
    update(authorization_request)
    .where(*_FREE_REQUEST)
    .values(browser=bindparam("p_browser"), used_at=bindparam("p_now"))
)
_FAMILY = (
    "id", "client_id", "citizen", "session", "scope", "details", "claims", "acr", "amr", "auth_time", "managed_grant"
)  # fmt: skip
_CODE = ("family", "client_id", "redirect_uri", "redirect_uri_given", "nonce", "code_challenge", "jkt")
_ADD_FAMILY = Prepared(insert(family), (*_FAMILY, "resource", "created_at"))
_ADD_CODE = Prepared(insert(code), ("digest", "expires_at", *_CODE))
_LINK = {
    name: make(session_client).on_conflict_do_nothing()
    for name, make in (("sqlite", sqlite_insert), ("postgresql", postgresql_insert))
}


def add_request(connection: Connection, row: dict[str, Any]) -> None:
    connection.execute(_ADD_REQUEST, row)


def pending(connection: Connection, digest: str, now: datetime) -> Pending | None:
    """A request that is neither used nor expired."""
    row = _PENDING.first(connection, {"p_digest": digest, "p_now": now})
    if row is None:
        return None
    return Pending(
        row.digest,
        row.client_id,
        row.parameters,
        row.pushed,
        row.browser,
        row.jkt,
        row.created_at,
        row.expires_at,
        row.asked or [],
        row.confirmed,
        decoupled.find(connection, row.decoupled) if row.decoupled is not None else None,
    )


def bind_request(connection: Connection, digest: str, browser: str, expires_at: datetime) -> bool:
    """Tie a request to the browser that opened it first; another browser finds it taken."""
    given = {"p_digest": digest, "p_browser": browser, "p_expires": expires_at}
    return _BIND_REQUEST.run(connection, given) == 1


def mark_asked(connection: Connection, digest: str, asked: list[str]) -> None:
    """The citizen has answered for this request on these purposes: what was refused is not asked again."""
    table = authorization_request.c
    connection.execute(update(authorization_request).where(table.digest == digest).values(asked=asked))


def confirm(connection: Connection, digest: str, session_id: str) -> None:
    """The citizen has said to go on as who is logged in in this session; in another one it is asked again."""
    table = authorization_request.c
    connection.execute(update(authorization_request).where(table.digest == digest).values(confirmed=session_id))


def use_request(connection: Connection, digest: str, browser: str | None, now: datetime) -> bool:
    """Once, and by the browser that it is tied to: the request ends in a response."""
    given = {"p_digest": digest, "p_browser": browser, "p_now": now}
    return _USE_REQUEST.run(connection, given) == 1


def add_family(connection: Connection, one: Family) -> None:
    row = {name: getattr(one, name) for name in _FAMILY}
    _ADD_FAMILY.run(connection, {**row, "resource": list(one.resource), "created_at": one.created_at})
    # Who is told when the session ends (idp.logouts).
    link = {"session": one.session, "client_id": one.client_id, "created_at": one.created_at}
    connection.execute(_LINK[connection.dialect.name], link)


def find_family(connection: Connection, family_id: str) -> Family | None:
    """A family in any state."""
    row = _FIND_FAMILY.first(connection, {"p_id": family_id})
    return _family(row) if row is not None else None


def end_family(connection: Connection, family_id: str, now: datetime) -> None:
    """Every token of it is dead from the commit on."""
    connection.execute(update(family).where(family.c.id == family_id, family.c.ended_at.is_(None)).values(ended_at=now))


def live_families(connection: Connection, citizen: str, *, before: datetime) -> list[Family]:
    """What a citizen's logins up to a moment have left."""
    table = family.c
    where = (table.citizen == citizen, table.ended_at.is_(None), table.created_at <= before)
    return [_family(row) for row in connection.execute(select(family).where(*where))]


def live_families_of_login(connection: Connection, client_id: str, auth_time: int) -> list[Family]:
    """What a client has of logins in one second (seconds since 1970, as an ID token tells it)."""
    table, first = family.c, datetime.fromtimestamp(auth_time, UTC)
    where = (
        table.client_id == client_id,
        table.auth_time >= first,
        table.auth_time < first + timedelta(seconds=1),
        table.ended_at.is_(None),
    )
    return [_family(row) for row in connection.execute(select(family).where(*where))]


def end_families(connection: Connection, *, citizen: str, now: datetime, session: str | None = None) -> None:
    where = [family.c.citizen == citizen, family.c.ended_at.is_(None)]
    if session is not None:
        where.append(family.c.session == session)
    connection.execute(update(family).where(*where).values(ended_at=now))


def add_code(connection: Connection, digest: str, one: Code, expires_at: datetime) -> None:
    row = {name: getattr(one, name) for name in _CODE}
    _ADD_CODE.run(connection, {"digest": digest, "expires_at": expires_at, **row})


def consume_code(connection: Connection, digest: str, client_id: str, now: datetime) -> Code | Reused | None:
    """Take an authorization code, once, ever.

    Reused when taken before: end that family and *return* the refusal, since raising would roll the ending back.
    None when unknown, expired or another client's. RFC 6749 sections 4.1.2 and 10.5.
    """
    row = connection.execute(_CONSUME, {"p_digest": digest, "p_client": client_id, "p_now": now}).first()
    if row is not None:
        return Code(
            row.family,
            row.client_id,
            row.redirect_uri,
            row.redirect_uri_given,
            row.nonce,
            row.code_challenge,
            row.jkt,
        )
    where = (code.c.digest == digest, code.c.client_id == client_id, code.c.used_at.is_not(None))
    used = connection.execute(select(code.c.family).where(*where)).scalar()
    return Reused(used) if used is not None else None


def add_refresh(connection: Connection, row: dict[str, Any]) -> None:
    connection.execute(insert(refresh_token), row)


def find_refresh(connection: Connection, digest: str, *, lock: bool = False) -> Refresh | None:
    row = connection.execute(_LOCK_REFRESH if lock else _FIND_REFRESH, {"p_digest": digest}).first()
    if row is None:
        return None
    return Refresh(
        row.digest,
        row.family,
        row.client_id,
        binding_of(row.cnf),
        row.expires_at,
        row.idle_at,
        row.used_at,
        row.response,
    )


def touch_refresh(connection: Connection, digest: str, idle_at: datetime) -> None:
    connection.execute(update(refresh_token).where(refresh_token.c.digest == digest).values(idle_at=idle_at))


def rotate_refresh(connection: Connection, digest: str, now: datetime) -> bool:
    where = (refresh_token.c.digest == digest, refresh_token.c.used_at.is_(None))
    return connection.execute(update(refresh_token).where(*where).values(used_at=now)).rowcount == 1


def keep_response(connection: Connection, digest: str, response: bytes) -> None:
    connection.execute(update(refresh_token).where(refresh_token.c.digest == digest).values(response=response))


_ACCESS = Prepared(insert(access_token), ("jti", "client_id", "family", "expires_at"))
_LIVE = Prepared(
    select(access_token.c.family, access_token.c.revoked_at, family.c.ended_at)
    .select_from(access_token.outerjoin(family, family.c.id == access_token.c.family))
    .where(access_token.c.jti == bindparam("p_jti"))
)


def add_access(connection: Connection, jti: str, client_id: str, family_id: str | None, expires_at: datetime) -> None:
    """No record, no token."""
    row = {"jti": jti, "client_id": client_id, "family": family_id, "expires_at": expires_at}
    _ACCESS.run(connection, row)


def is_live(connection: Connection, jti: str) -> tuple[bool, str | None]:
    """Whether a token is neither revoked nor of an ended family; and its family. The caller has checked its `exp`."""
    row = _LIVE.first(connection, {"p_jti": jti})
    return (row is not None and row[1] is None and row[2] is None, row[0] if row is not None else None)


def revoke_access(connection: Connection, jti: str, now: datetime) -> None:
    connection.execute(update(access_token).where(access_token.c.jti == jti).values(revoked_at=now))


def _family(row: Any) -> Family:
    return Family(
        row.id,
        row.client_id,
        row.citizen,
        row.session,
        row.scope,
        row.details,
        row.claims,
        row.acr,
        row.amr,
        row.auth_time,
        row.created_at,
        row.ended_at,
        row.managed_grant,
        tuple(row.resource),
    )
