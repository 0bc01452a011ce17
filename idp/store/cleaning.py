"""What the provider forgets, and when."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, not_, select

from base.database.cleaning import Rule
from base.database.tables import COUNTER
from base.settings import Settings
from idp.store.tables import (
    access_token,
    account,
    authorization_request,
    client,
    code,
    decoupled,
    device,
    family,
    initial_access_token,
    managed_grant,
    metadata,
    notice,
    once,
    refresh_token,
    session,
    session_client,
)

DAY = timedelta(days=1)
KNOWN = timedelta(days=400)
"""As long as browsers keep a cookie."""


def rules(settings: Settings) -> tuple[Rule, ...]:
    """Each table with the time after which nothing asks for its rows any more."""
    login = timedelta(seconds=settings.session_total_s)
    tokens = login + timedelta(seconds=settings.refresh_total_s + settings.access_token_s)
    return (
        Rule(authorization_request, "expires_at"),
        Rule(once, "expires_at"),
        # Kept a while, so that a poll that comes late is told why.
        Rule(decoupled, "expires_at", DAY),
        Rule(access_token, "expires_at"),
        Rule(refresh_token, "expires_at"),
        # Kept a while, so that a code that comes back late still ends what it gave.
        Rule(code, "expires_at", DAY),
        Rule(family, "created_at", tokens + DAY),
        Rule(managed_grant, "ended_at", DAY),
        Rule(session, "auth_time", login + DAY),
        Rule(session_client, "created_at", login + DAY, besides=_of_no_session),
        Rule(device, "seen_at", KNOWN),
        Rule(notice, "at", KNOWN),
        Rule(initial_access_token, "expires_at", DAY),
        # By then nothing that it was given can come back.
        Rule(client, "deleted_at", tokens + DAY),
        Rule(metadata.tables[COUNTER.name], "changed_at", DAY, besides=_of_nobody),
    )


def _of_no_session() -> ColumnElement[bool]:
    """A session that is renewed lives on, and ends at all its clients."""
    return not_(session_client.c.session.in_(select(session.c.id)))


def _of_nobody() -> ColumnElement[bool]:
    """Guesses at names that nobody has. Those at an account count until the right answer comes, however long."""
    subject = metadata.tables[COUNTER.name].c.subject
    return not_(subject.in_(select(account.c.username_index).where(account.c.username_index.is_not(None)))) & not_(
        subject.like("totp %")
    )
