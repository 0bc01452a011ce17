"""Authorization requests while a browser is in the middle of them: under a handle of which only the digest is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from base.database import Connection
from base.ids import digest, identifier, secret
from base.settings import Settings
from idp import checks, decoupled
from idp.authenticators.levels import first_met
from idp.authorization import levels_asked
from idp.checks import read_claims
from idp.clients import Client
from idp.decoupled import Decoupled
from idp.extensions import grant_management, rar, resource
from idp.scopes import known
from idp.sessions import Session
from idp.store import clients, grants, sessions
from idp.store.grants import Code, Family, Pending

__all__ = [
    "URN",
    "Pending",
    "allow",
    "bind",
    "confirm",
    "end",
    "find_client",
    "grant",
    "keep",
    "mark_asked",
    "open_decoupled",
    "refuse",
    "resume",
    "visit",
]

URN = "urn:ietf:params:oauth:request_uri:"


def find_client(connection: Connection, client_id: str | None) -> Client | None:
    return clients.find(connection, client_id) if client_id and len(client_id) <= 64 else None


def keep(
    connection: Connection,
    client: Client,
    form: Mapping[str, str],
    *,
    pushed: bool,
    browser: str | None,
    jkt: str | None,
    life_s: int,
    now: datetime,
) -> str:
    """Store a checked request; answers its handle."""
    handle = secret()
    row = {
        "digest": digest(handle),
        "client_id": client.client_id,
        "parameters": checks.completed(checks.PAR if pushed else checks.AUTHORIZE, client, form),
        "pushed": pushed,
        "browser": browser,
        "jkt": jkt,
        "created_at": now,
        "expires_at": now + timedelta(seconds=life_s),
    }
    grants.add_request(connection, row)
    return handle


def visit(
    connection: Connection, handle: str, client_id: str, browser: str, settings: Settings, now: datetime
) -> tuple[Pending, Client] | None:
    """A browser arrives with a pushed request: that request as it is once `bind` has tied it to this browser, and its client.

    It lives until the citizen is done, and may be loaded again by the same browser until then; another client's,
    another browser's or an expired one is unknown (RFC 9126 section 7.3).
    """
    found = grants.pending(connection, digest(handle), now)
    if found is None or found.client_id != client_id or not found.pushed or found.browser not in (None, browser):
        return None
    client = clients.find(connection, client_id)
    if client is None or not client.active:
        return None
    expires_at = found.expires_at if found.browser else now + timedelta(seconds=settings.request_s)
    return replace(found, browser=browser, expires_at=expires_at), client


def bind(connection: Connection, pending: Pending) -> bool:
    """Tie a visited request to its browser; False when another one was first, or it has ended."""
    assert pending.browser is not None
    return grants.bind_request(connection, pending.digest, pending.browser, pending.expires_at)


def open_decoupled(connection: Connection, one: Decoupled, user_code: str | None, browser: str) -> str:
    """A browser comes to answer what began elsewhere; answers its handle. `user_code`: what was typed there, to show."""
    handle = secret()
    row = {
        "digest": digest(handle),
        "client_id": one.client_id,
        "parameters": {**one.parameters, **({"user_code": user_code} if user_code else {})},
        "pushed": False,
        "browser": browser,
        "decoupled": one.digest,
        # A login since it began counts as one for it.
        "created_at": one.created_at,
        "expires_at": one.expires_at,
    }
    grants.add_request(connection, row)
    return handle


def resume(connection: Connection, handle: str, browser: str | None, now: datetime) -> tuple[Pending, Client] | None:
    """A pending request of this browser, with its client."""
    found = grants.pending(connection, digest(handle), now)
    if found is None or browser is None or found.browser != browser:
        return None
    if found.decoupled is not None and not found.decoupled.is_open(now):
        return None
    client = clients.find(connection, found.client_id)
    return (found, client) if client is not None and client.active else None


def mark_asked(connection: Connection, pending: Pending, purpose: str) -> None:
    grants.mark_asked(connection, pending.digest, [*pending.asked, purpose])


def confirm(connection: Connection, pending: Pending, session: Session) -> None:
    grants.confirm(connection, pending.digest, session.id)


def end(connection: Connection, pending: Pending, now: datetime) -> bool:
    """The request ends with an error for the client. Once."""
    return _use(connection, pending, now)


def grant(
    connection: Connection,
    pending: Pending,
    client: Client,
    redirect_uri: str,
    session: Session,
    settings: Settings,
    now: datetime,
) -> str | None:
    """End the request with a code. None when it has ended before (of two tabs, one gets a code), or the session has.

    The code tells the level that was asked for, where one was: what was reached beyond it is not the agency's business.
    """
    if not sessions.hold(connection, session.id) or not _use(connection, pending, now):
        return None
    form = pending.parameters
    family = grant_management.applied(connection, _family(pending, client, session, now), form)
    code = secret()
    grants.add_family(connection, family)
    one = Code(
        family.id,
        client.client_id,
        redirect_uri,
        "redirect_uri" in form,
        form.get("nonce"),
        form.get("code_challenge", ""),
        pending.jkt or form.get("dpop_jkt"),
    )
    grants.add_code(connection, digest(code), one, now + timedelta(seconds=settings.code_s))
    return code


def allow(connection: Connection, pending: Pending, client: Client, session: Session, now: datetime) -> bool:
    """The citizen says yes to what began elsewhere; False when it was answered before (of two tabs, one counts), or the session has ended."""
    assert pending.decoupled is not None
    if not sessions.hold(connection, session.id) or not _use(connection, pending, now):
        return False
    return decoupled.allow(connection, pending.decoupled, _family(pending, client, session, now), now)


def refuse(connection: Connection, pending: Pending, now: datetime) -> bool:
    """The citizen says no to what began elsewhere."""
    assert pending.decoupled is not None
    return _use(connection, pending, now) and decoupled.refuse(connection, pending.decoupled, now)


def _use(connection: Connection, pending: Pending, now: datetime) -> bool:
    return grants.use_request(connection, pending.digest, pending.browser, now)


def _family(pending: Pending, client: Client, session: Session, now: datetime) -> Family:
    form = pending.parameters
    return Family(
        identifier(),
        client.client_id,
        session.citizen_id,
        session.id,
        known(form.get("scope", "")),
        rar.read(form.get("authorization_details")),
        read_claims(form.get("claims")),
        first_met(session.acr, levels_asked(client, form)) or session.acr,
        list(session.amr),
        session.auth_time,
        now,
        None,
        resource=resource.read(form),
    )
