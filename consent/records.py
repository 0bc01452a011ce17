"""Giving, refusing, withdrawing: an event, its projection, its leaf and its message, in one commit.

Functions here run inside a unit of work. Expiry is no event of theirs: it is decided when asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from base import outbox
from base.database import Connection
from base.ids import identifier
from consent.catalogue import canonical_hash
from consent.checks import GIVEN, REFUSED, WITHDRAWN
from consent.interface import Question, Recorded
from consent.store import leaves, records, uses


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """An acknowledged withdrawal. `under_way`: permits issued before it that can still be taken, by id."""

    consents: tuple[str, ...]
    revision: int
    under_way: tuple[str, ...]


def answer(
    connection: Connection,
    *,
    citizen: str,
    question: Question,
    answers: Mapping[str, bool],
    language: str,
    now: datetime,
) -> Recorded:
    """Record every answer of one asking page; a refusal is an event too. ValueError when an item has none."""
    if set(answers) != {item.category for item in question.items}:
        raise ValueError("each item needs one answer")
    notice_hash = canonical_hash(question.notice(language))
    given = []
    seq = 0
    for item in question.items:
        consent_id, state = identifier(), GIVEN if answers[item.category] else REFUSED
        expires_at = now + timedelta(seconds=question.duration_s) if state == GIVEN else None
        facts = {
            "citizen": citizen,
            "agency": question.agency,
            "purpose": question.purpose,
            "purpose_version": question.purpose_version,
            "category": item.category,
            "at": now,
            "expires_at": expires_at,
            "notice_hash": notice_hash,
            "language": language,
        }
        leaf = leaves.add(connection, state, {"consent": consent_id, **facts}, citizen=citizen, now=now)
        seq = records.add_event(
            connection, {"consent": consent_id, "type": state, "channel": "page", "leaf": leaf, **facts}
        )
        records.supersede(connection, citizen, question.agency, question.purpose, item.category, now)
        row = {"id": consent_id, "state": state, "current": True, "ended_at": None, "seq": seq, **facts}
        records.add(connection, row)
        outbox.put(connection, f"consent.{state}", {"consent": consent_id}, key=consent_id, now=now)
        if state == GIVEN:
            given.append(consent_id)
    return Recorded(tuple(given), seq)


def withdraw(
    connection: Connection, *, consent_id: str, citizen: str, now: datetime, channel: str = "page"
) -> Withdrawn | None:
    """End one consent. None when this citizen has no such consent that is still given.

    After the commit no check or permit that begins may say yes: both read the row that this changes, and a permit
    under way on another connection holds it until its own commit.
    """
    record = records.withdraw(connection, consent_id, citizen, now)
    if record is None:
        return None
    facts = {
        "citizen": citizen,
        "agency": record.agency,
        "purpose": record.purpose,
        "purpose_version": record.purpose_version,
        "category": record.category,
        "at": now,
        "expires_at": record.expires_at,
        "notice_hash": record.notice_hash,
        "language": record.language,
    }
    leaf = leaves.add(connection, WITHDRAWN, {"consent": consent_id, **facts}, citizen=citizen, now=now)
    seq = records.add_event(
        connection, {"consent": consent_id, "type": WITHDRAWN, "channel": channel, "leaf": leaf, **facts}
    )
    outbox.put(connection, "consent.withdrawn", {"consent": consent_id}, key=consent_id, now=now)
    under_way = tuple(one.id for one in uses.open_permits(connection, citizen, [consent_id], now))
    return Withdrawn((consent_id,), seq, under_way)


def withdraw_agency(connection: Connection, *, agency: str, citizen: str, now: datetime) -> Withdrawn:
    """End everything given to one agency, in one commit."""
    done = [
        one
        for consent_id in records.given(connection, citizen, agency)
        if (one := withdraw(connection, consent_id=consent_id, citizen=citizen, now=now)) is not None
    ]
    return Withdrawn(
        tuple(consent for one in done for consent in one.consents),
        done[-1].revision if done else records.revision(connection),
        tuple(dict.fromkeys(permit for one in done for permit in one.under_way)),
    )
