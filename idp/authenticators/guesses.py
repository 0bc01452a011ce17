"""Wrong guesses, counted in the database: over all factors and workers of one account, atomically, before the answer.

After five wrong ones in a row each further try must wait, longer every time, up to 15 minutes; never for ever, so that
nobody can lock another out. At a hundred the account takes a passkey only (NIST SP 800-63B section 3.2.2).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from base.database import Connection
from base.database.tables import counters

FREE = 5
MOST = 100
LONGEST_S = 900
QUIET = timedelta(hours=1)
_KIND, _CODE = "guess", "user_code"


def may_try(connection: Connection, subject: str, now: datetime) -> bool:
    """Count this try as wrong until `clear` says otherwise: parallel tries cannot slip past (Keycloak CVE-2024-4629)."""
    count, last = counters.hold(connection, _KIND, subject, now)
    if count >= MOST or now < last + timedelta(seconds=pause_s(count)):
        return False
    counters.add(connection, _KIND, subject, now)
    return True


def clear(connection: Connection, subject: str) -> int:
    """The right answer was given; answers how many wrong ones came before it."""
    return max(counters.clear(connection, _KIND, subject) - 1, 0)


def count(connection: Connection, subject: str) -> int:
    """Tries since the last right answer, this one included."""
    return counters.count(connection, _KIND, subject)


def may_guess(connection: Connection, subject: str, now: datetime) -> bool:
    """As `may_try`, for what a right answer does not clear: anybody can have a right user code made (RFC 8628 section 5.1).

    An hour without a wrong one does. Until the commit nobody else guesses as this subject.
    """
    count, last = counters.hold(connection, _CODE, subject, now)
    if count and now >= last + QUIET:
        counters.clear(connection, _CODE, subject)
        return True
    return now >= last + timedelta(seconds=pause_s(count))


def guessed_wrong(connection: Connection, subject: str, now: datetime) -> None:
    counters.add(connection, _CODE, subject, now)


def pause_s(count: int) -> int:
    """Seconds to wait after this many wrong tries."""
    return 0 if count < FREE else min(LONGEST_S, 2 ** (count - FREE))
