"""Whom an agency means by a pseudonym: the row that tells, believed only as far as the pseudonym is really his.

A pseudonym is computed from the citizen, so that each use of the row can prove it (2 µs): who has the database alone
leads no pseudonym to another citizen, whose data would then go out under it. Such a row leads to nobody.
"""

from __future__ import annotations

from datetime import datetime

from base.database import Connection
from base.log import log
from consent import seals
from consent.store import subjects
from consent.store.subjects import Known
from keys.derive import Pseudonyms


def is_his(pseudonyms: Pseudonyms, citizen: str, agency: str, sub: str) -> bool:
    """Whether this is how the agency knows the citizen; an error in the log when not."""
    if pseudonyms.pairwise(citizen, agency) == sub:
        return True
    log.error(seals.EVENT, kind=seals.SUBJECT, detail=f"{agency} {sub}")
    return False


def find(connection: Connection, pseudonyms: Pseudonyms, agency: str, sub: str) -> str | None:
    """The citizen; None for a pseudonym that we never gave out, and for one that was altered."""
    citizen = subjects.find(connection, agency, sub)
    return citizen if citizen is not None and is_his(pseudonyms, citizen, agency, sub) else None


def find_and_share(
    connection: Connection, pseudonyms: Pseudonyms, agency: str, sub: str, *, now: datetime, alone: bool = False
) -> Known:
    """The same, as consent.store.subjects.find_and_share has it; the alarm is raised."""
    known = subjects.find_and_share(connection, agency, sub, alone=alone)
    if not known.citizen or is_his(pseudonyms, known.citizen, agency, sub):
        return known
    tell(connection, agency, sub, now)
    return Known()


def tell(connection: Connection, agency: str, sub: str, now: datetime) -> None:
    """Raise the alarm."""
    seals.alarm(connection, seals.SUBJECT, f"{agency} {sub}", now)


def meet(connection: Connection, pseudonyms: Pseudonyms, citizen: str, agency: str) -> None:
    """From now on his pseudonym leads to him, also where somebody had led it elsewhere."""
    sub = pseudonyms.pairwise(citizen, agency)
    if find(connection, pseudonyms, agency, sub) is None:
        subjects.remove(connection, agency, sub)
    subjects.meet(connection, agency, sub, citizen)
