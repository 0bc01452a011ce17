"""Rows that decide carry a seal: who edits one in the database edits it to a no, and is heard of.

A given consent has a MAC over what is decided by and over the number of its last event. It is taken away in the
statement that ends the consent: a row set back to given has none, and a row put back whole has one of before its end.
A permit has one until it is taken; what it says is compared with the signed permit itself. The key is made from a secret
that is in no database. Why so: docs/decisions/0030-sealed-rows.md.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from base import audit
from base.database import Connection
from base.log import log
from consent.checks import ALTERED, GIVEN, Answer
from consent.store import altered, records, subjects
from consent.store.altered import Altered
from consent.store.records import Record
from keys.derive import Pseudonyms

EVENT = "row.altered"
CONSENT, PERMIT, SUBJECT, STREAM = "consent", "permit", "subject", "stream"
NO_SEAL = b""
_PURPOSE, _MAC_BYTES = "row", 16
_encode = msgspec.json.Encoder().encode


def of_consent(pseudonyms: Pseudonyms, row: Mapping[str, Any]) -> bytes:
    """The seal of a row that is about to be written; of a given consent alone."""
    if row["state"] != GIVEN or not row["current"]:
        return NO_SEAL
    return _of(
        pseudonyms,
        Answer(row["id"], row["state"], row["purpose_version"], row["expires_at"], row["once"], row["seq"]),
        row["category"],
        row["citizen"],
        row["agency"],
        row["purpose"],
    )


def of_permit(pseudonyms: Pseudonyms, permit_id: str) -> bytes:
    """Of a permit that can be taken."""
    return pseudonyms.mac(_PURPOSE, _encode((PERMIT, permit_id)))[:_MAC_BYTES]


def of_stream(pseudonyms: Pseudonyms, stream: str, agency: str, endpoint: str) -> bytes:
    """Of an event stream: whose events go where."""
    return pseudonyms.mac(_PURPOSE, _encode((STREAM, stream, agency, endpoint)))[:_MAC_BYTES]


def answers(
    connection: Connection, pseudonyms: Pseudonyms, citizen: str, agency: str, purpose: str, *, lock: bool = False
) -> Mapping[str, Answer]:
    """The newest answers by category (consent.store.records.answers), as far as they are what was written."""
    found = records.answers(connection, citizen, agency, purpose, lock=lock)
    return judged(pseudonyms, found, citizen, agency, purpose)


def judged(
    pseudonyms: Pseudonyms, found: Mapping[str, Answer], citizen: str, agency: str, purpose: str
) -> Mapping[str, Answer]:
    """The same; in place of an answer that was altered one of state `altered`, which decides as a no."""
    wrong = {}
    for category, one in found.items():
        seal = _of(pseudonyms, one, category, citizen, agency, purpose) if one.state == GIVEN else NO_SEAL
        if not hmac.compare_digest(seal, one.seal):
            wrong[category] = replace(one, state=ALTERED)
            log.error(EVENT, kind=CONSENT, consent=one.id)
    return {**found, **wrong} if wrong else found


def holds(pseudonyms: Pseudonyms, record: Record) -> bool:
    """Whether one record is what was written, as far as it decides."""
    if record.state != GIVEN or not record.current:
        return record.seal == NO_SEAL
    one = Answer(record.id, record.state, record.purpose_version, record.expires_at, record.once, record.seq)
    return hmac.compare_digest(
        _of(pseudonyms, one, record.category, record.citizen, record.agency, record.purpose), record.seal
    )


def tell(connection: Connection, found: Iterable[Answer], now: datetime) -> None:
    """Raise the alarm for those of `found` that were altered."""
    for one in found:
        if one.state == ALTERED:
            alarm(connection, CONSENT, one.id, now)


def alarm(connection: Connection, kind: str, row: str, now: datetime) -> None:
    """Once for each row: for the audit, and for `regie doctor` until it is dealt with."""
    if altered.add(connection, kind, row, now):
        audit.record(connection, EVENT, actor="registry", object=f"{kind} {row}", now=now, result="denied")


def standing(connection: Connection, pseudonyms: Pseudonyms, since: datetime) -> list[str]:
    """Alarms an operator has to look at: rows that are altered still, and those found after `since`."""
    found = altered.every(connection)
    return [f"{one.kind} {one.row}" for one in found if one.at > since or _is_altered(connection, pseudonyms, one)]


def _is_altered(connection: Connection, pseudonyms: Pseudonyms, one: Altered) -> bool:
    """Whether it still is, as far as the row itself tells."""
    if one.kind == SUBJECT:
        agency, _, sub = one.row.partition(" ")
        citizen = subjects.find(connection, agency, sub)
        return citizen is not None and pseudonyms.pairwise(citizen, agency) != sub
    record = records.by_id(connection, one.row) if one.kind == CONSENT else None
    return record is not None and not holds(pseudonyms, record)


def _of(pseudonyms: Pseudonyms, one: Answer, category: str, citizen: str, agency: str, purpose: str) -> bytes:
    decides = (one.id, citizen, agency, purpose, category, one.purpose_version, one.expires_at, one.once, one.last)
    return pseudonyms.mac(_PURPOSE, _encode((CONSENT, *decides)))[:_MAC_BYTES]
