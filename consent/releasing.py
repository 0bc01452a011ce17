"""What the provider itself releases of what it holds: a use, or a denied attempt, recorded before it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from base.database import Connection
from consent import checks, permits, seals, whom
from consent.catalogue import Catalogue
from consent.interface import LoginEvent
from consent.permits import Asked
from consent.store.subjects import Known
from keys.derive import Pseudonyms

BUILT_IN_SOURCE = "population-register"
"""The source that the provider itself is: what it holds of citizens."""


def release(
    connection: Connection,
    catalogue: Catalogue,
    pseudonyms: Pseudonyms,
    wanted: Sequence[str],
    *,
    citizen: str,
    agency: str,
    purpose: str,
    sub: str,
    login: LoginEvent | None,
    now: datetime,
    life_s: int,
    closed: bool,
) -> frozenset[str]:
    """See consent.interface.Door.release. `sub`: the citizen as `agency` knows him."""
    checks.check_login(catalogue.purpose_of(agency, purpose), login, now)
    alone = catalogue.is_counted(agency, purpose)
    known = Known(citizen, whom.find_and_share(connection, pseudonyms, agency, sub, now=now, alone=alone).seed)
    answers = seals.answers(connection, pseudonyms, citizen, agency, purpose)
    items = checks.decide(catalogue, agency, purpose, wanted, answers, now).items
    released: frozenset[str] = frozenset()
    # What may be used and what may not are two lines of the history: each true by itself.
    for decision in (checks.ALLOWED, checks.DENIED):
        data = tuple(item.category for item in items if item.decision == decision)
        if not data:
            continue
        outcome = permits.issue(
            connection,
            catalogue,
            pseudonyms,
            Asked(agency, purpose, data, BUILT_IN_SOURCE),
            known=known,
            sub=sub,
            now=now,
            life_s=life_s,
            closed=closed,
            redeemed=True,
        )
        if outcome.decision.allowed:
            released |= frozenset(data)
    return released
