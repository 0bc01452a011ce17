"""Whether an agency may be told who a citizen is at another: decided and recorded as a use, with no data in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from base.database import Connection
from consent import permits, questions, whom
from consent.catalogue import Catalogue
from consent.interface import Exchanged, PersonalDataUse
from consent.permits import Asked
from consent.store.subjects import Known
from keys.derive import Pseudonyms


def exchange(
    connection: Connection,
    catalogue: Catalogue,
    pseudonyms: Pseudonyms,
    use: PersonalDataUse,
    *,
    citizen: str,
    agency: str,
    sub: str,
    target: str,
    now: datetime,
    life_s: int,
    closed: bool,
) -> Exchanged:
    """See consent.interface.Door.exchange. `sub`: the citizen as `agency` knows him."""
    purpose, data = catalogue.purpose_of(agency, use.purpose), use.data
    if data is None:
        data = questions.data_of(catalogue, purpose, replace(use, source=target)) if purpose is not None else ()
    asked = Asked(agency, use.purpose, tuple(dict.fromkeys(data)), target)
    alone = catalogue.is_counted(agency, use.purpose)
    outcome = permits.issue(
        connection,
        catalogue,
        pseudonyms,
        asked,
        known=Known(citizen, whom.find_and_share(connection, pseudonyms, agency, sub, now=now, alone=alone).seed),
        sub=sub,
        now=now,
        life_s=life_s,
        closed=closed,
        kind=permits.EXCHANGE,
    )
    reason = outcome.decision.reason if data or purpose is None else "other_source"
    return Exchanged(outcome.permit_id, reason, asked.data)
