"""What a database could not do, in a sentence for an operator: here, or at the other end of the server's socket."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from base.database.writer import Busy, Closed, NoRoom

_PRIVILEGE = "42501"
"""SQLSTATE: the role may not do this, such as making a schema."""


def sentence(error: BaseException) -> str | None:
    """None for what is a fault of ours. Never more than the first line: PostgreSQL's further ones hold what was written."""
    if isinstance(error, NoRoom):
        return "the disk is full: only withdrawals and logins are written; make room"
    if isinstance(error, Closed):
        return "the server is stopping: give the command again"
    if isinstance(error, Busy):
        return "too much waits to be written: give the command again"
    if isinstance(error, DBAPIError):
        said = str(error.orig).partition("\n")[0]
        if isinstance(error, OperationalError | InterfaceError) or getattr(error.orig, "sqlstate", "") == _PRIVILEGE:
            return f"the database did not do this: {said}"
    return None
