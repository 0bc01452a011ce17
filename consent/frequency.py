"""How often: a purpose with a frequency allows so many uses of one citizen's data in any so many days, on every legal basis.

Only what was allowed counts. It is counted in the history itself, whose lines cannot be taken away.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from base.database import Connection
from consent import checks
from consent.catalogue import Purpose
from consent.checks import Decision
from consent.store import uses

REASON = "too_often"


def within(
    connection: Connection, purpose: Purpose | None, decision: Decision, citizen: str, now: datetime
) -> Decision:
    """The decision, or no when the purpose was used as often as it may be.

    Who issues a permit holds the citizen's pseudonym alone (`store.subjects.find_and_share`): the count stays true.
    """
    if purpose is None or purpose.frequency is None or not decision.allowed:
        return decision
    since = now - timedelta(days=purpose.frequency.period_days)
    if uses.count_since(connection, citizen, purpose.agency, purpose.id, since) < purpose.frequency.uses:
        return decision
    return checks.of_all(decision, REASON)
