"""What became of a consent goes to the streams of its recipient and of its source, in the same commit.

Each line names the citizen as its own receiver knows him. Who has no stream is told nothing, and nothing is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from base.database import Connection
from base.ids import identifier
from consent.checks import GIVEN
from consent.events import sets
from consent.store import event_streams, events
from consent.store.records import Record
from keys.derive import Pseudonyms

BITE = 200


def answered(
    connection: Connection,
    pseudonyms: Pseudonyms,
    facts: Mapping[str, Any],
    consent: str,
    state: str,
    before: Record | None,
) -> None:
    """A citizen answered. `facts`: of the answer; `before`: the one that it replaces.

    A refusal of what was not allowed is nobody's business but of who asked, and he is told when the browser returns.
    """
    held = before is not None and before.state == GIVEN
    if before is not None and held and before.expires_at is not None and before.expires_at <= facts["at"]:
        held = False
        if not before.expiry_told:
            _ended(connection, pseudonyms, sets.EXPIRED, before, before.expires_at, now=facts["at"])
    if state == GIVEN:
        said = {"consent": consent, "expires_at": int(facts["expires_at"].timestamp()), "one_time": facts["once"]}
        if before is not None and held:
            said["previous"] = before.id
        _tell(connection, pseudonyms, sets.CHANGED if held else sets.GIVEN, facts, said)
    elif before is not None and held:
        _ended(connection, pseudonyms, sets.WITHDRAWN, before, facts["at"], now=facts["at"])


def ended(connection: Connection, pseudonyms: Pseudonyms, kind: str, facts: Mapping[str, Any], consent: str) -> None:
    """A consent holds no more. `kind`: WITHDRAWN, USED or EXPIRED."""
    _tell(connection, pseudonyms, kind, facts, {"consent": consent})


def complained(
    connection: Connection,
    pseudonyms: Pseudonyms,
    *,
    citizen: str,
    agency: str,
    complaint: str,
    kind: str,
    at: datetime,
) -> None:
    """A citizen wrote to an agency; what he wrote it fetches."""
    sub, content = pseudonyms.pairwise(citizen, agency), {"complaint": complaint, "kind": kind}
    _tell_alone(connection, agency, sub, sets.COMPLAINT, content, at)


def request_ended(
    connection: Connection, pseudonyms: Pseudonyms, kind: str, *, citizen: str, agency: str, request: str, at: datetime
) -> None:
    """A request that an agency lodged is over. `kind`: ANSWERED or CLOSED. What was answered it learns as always."""
    _tell_alone(connection, agency, pseudonyms.pairwise(citizen, agency), kind, {"request": request}, at)


def _tell_alone(
    connection: Connection, agency: str, sub: str, kind: str, content: Mapping[str, str], at: datetime
) -> None:
    """One agency, by an id; no source hears of it."""
    rows = [
        {"stream": stream, "jti": identifier(), "kind": kind, "sub": sub, "content": content, "at": at}
        for stream, owner, wanted in event_streams.receivers(connection, agency, "")
        if owner == agency and kind in wanted
    ]
    if rows:
        events.put(connection, rows, at)


def expire(connection: Connection, pseudonyms: Pseudonyms, now: datetime, *, citizen: str | None = None) -> int:
    """Tell of consents whose time is up, each once, whoever else looks at the same moment. How many there were.

    `citizen`: of his, all of them; of everybody's some.

    No decision waits for it: every check compares the time itself.
    """
    found = events.expired(connection, now, BITE) if citizen is None else events.expired_of(connection, now, citizen)
    for one in found:
        assert one.expires_at is not None
        _ended(connection, pseudonyms, sets.EXPIRED, one, one.expires_at, now=now)
    return len(found)


def _ended(
    connection: Connection, pseudonyms: Pseudonyms, kind: str, record: Record, at: datetime, *, now: datetime
) -> None:
    names = ("citizen", "agency", "purpose", "purpose_version", "category")
    facts = {**{name: getattr(record, name) for name in names}, "at": at}
    _tell(connection, pseudonyms, kind, facts, {"consent": record.id}, told_at=now)


def _tell(
    connection: Connection,
    pseudonyms: Pseudonyms,
    kind: str,
    facts: Mapping[str, Any],
    said: Mapping[str, Any],
    told_at: datetime | None = None,
) -> None:
    """`told_at`: when it is told after it happened."""
    content = {
        **said,
        "recipient": facts["agency"],
        "purpose": facts["purpose"],
        "purpose_version": facts["purpose_version"],
        "data": [facts["category"]],
    }
    rows = [
        {
            "stream": stream,
            "jti": identifier(),
            "kind": kind,
            "sub": pseudonyms.pairwise(facts["citizen"], agency),
            "content": content,
            "at": facts["at"],
        }
        for stream, agency, wanted in event_streams.receivers(connection, facts["agency"], facts["category"])
        if kind in wanted
    ]
    if rows:
        events.put(connection, rows, told_at or facts["at"])
