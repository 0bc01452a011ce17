"""Giving, refusing, withdrawing: an event, its projection, its leaf and its message, in one commit.

Functions here run inside a unit of work. Expiry is no event of theirs: it is decided when asked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from base import outbox
from base.database import Connection
from base.ids import identifier
from consent import acting, seals
from consent.checks import GIVEN, REFUSED, USED, WITHDRAWN
from consent.events import sets, tell
from consent.interface import Question, Recorded
from consent.ledger import append
from consent.store import notices, records, uses
from consent.store.records import Record
from keys.derive import Pseudonyms


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """An acknowledged withdrawal.

    `revision`: the consistency token. `under_way`: permits issued before it that can still be taken, by id.
    """

    consents: tuple[str, ...]
    revision: int
    under_way: tuple[str, ...]
    receipts: tuple[str, ...] = ()


def receipt_id(consent_id: str, seq: int) -> str:
    """The name of the receipt of one event of a consent."""
    return f"{consent_id}.{seq}"


def answer(
    connection: Connection,
    *,
    citizen: str,
    question: Question,
    answers: Mapping[str, bool],
    language: str,
    pseudonyms: Pseudonyms,
    now: datetime,
    guardian: str = "",
) -> Recorded:
    """Record every answer of one asking page; a refusal is an event too. `guardian`: who answers for him, if somebody.

    ValueError when an item has no answer, or for a language in which nothing could have been shown.
    """
    if set(answers) != {item.category for item in question.items}:
        raise ValueError("each item needs one answer")
    if language not in question.title:
        raise ValueError("the notice does not exist in this language")
    notice_hash = question.notice_hash(language)
    notices.keep(connection, notice_hash, question.notice_bytes(language))
    given, receipts = [], []
    seq = 0
    for item in question.items:
        consent_id, state = identifier(), GIVEN if answers[item.category] else REFUSED
        facts = {
            "citizen": citizen,
            "agency": question.agency,
            "purpose": question.purpose,
            "purpose_version": question.purpose_version,
            "category": item.category,
            "at": now,
            "expires_at": now + timedelta(seconds=question.duration_s) if state == GIVEN else None,
            "notice_hash": notice_hash,
            "language": language,
        }
        facts["once"] = question.one_time and state == GIVEN
        # The answer before it stops to count first: the database allows one that counts.
        before = records.supersede(connection, citizen, question.agency, question.purpose, item.category, now)
        ended = before.id if before is not None else None
        seq = _event(connection, consent_id, state, facts, pseudonyms=pseudonyms, ended=ended, guardian=guardian)
        tell.answered(connection, pseudonyms, facts, consent_id, state, before)
        row = {"id": consent_id, "state": state, "current": True, "ended_at": None, "seq": seq, **facts}
        records.add(connection, {**row, "seal": seals.of_consent(pseudonyms, row)})
        receipts.append(receipt_id(consent_id, seq))
        if state == GIVEN:
            given.append(consent_id)
    return Recorded(tuple(given), seq, tuple(receipts))


def withdraw(
    connection: Connection,
    *,
    consent_id: str,
    citizen: str,
    pseudonyms: Pseudonyms,
    now: datetime,
    channel: str = "page",
    guardian: str = "",
) -> Withdrawn | None:
    """End one consent. None when this citizen has no such consent that is still given. `guardian`: as for `answer`.

    After the commit no check or permit that begins may say yes: both read the row that this changes, and a permit
    under way on another connection holds it until its own commit.
    """
    record = records.end(connection, consent_id, citizen, now, WITHDRAWN)
    if record is None:
        return None
    facts = _facts(record, now)
    seq = _event(
        connection,
        consent_id,
        WITHDRAWN,
        facts,
        channel=channel,
        pseudonyms=pseudonyms,
        ended=consent_id,
        guardian=guardian,
    )
    tell.ended(connection, pseudonyms, sets.WITHDRAWN, facts, consent_id)
    under_way = tuple(one.id for one in uses.open_permits(connection, citizen, [consent_id], now))
    return Withdrawn((consent_id,), seq, under_way, (receipt_id(consent_id, seq),))


def use(connection: Connection, *, consent_id: str, citizen: str, pseudonyms: Pseudonyms, now: datetime) -> None:
    """What was given for one time ends with its first use, in the use's own commit.

    Whoever issues holds the row: of twenty at once one finds it given.
    """
    record = records.end(connection, consent_id, citizen, now, USED)
    assert record is not None
    facts = _facts(record, now)
    _event(connection, consent_id, USED, facts, channel="use", pseudonyms=pseudonyms, ended=consent_id)
    tell.ended(connection, pseudonyms, sets.USED, facts, consent_id)


def withdraw_all(
    connection: Connection,
    *,
    citizen: str,
    pseudonyms: Pseudonyms,
    now: datetime,
    channel: str = "page",
    guardian: str = "",
) -> Withdrawn:
    """End everything that this citizen gave, whoever got it, in one commit."""
    return _withdraw_each(
        connection,
        records.given_by(connection, citizen, now),
        citizen=citizen,
        pseudonyms=pseudonyms,
        now=now,
        channel=channel,
        guardian=guardian,
    )


def withdraw_agency(
    connection: Connection,
    *,
    agency: str,
    citizen: str,
    pseudonyms: Pseudonyms,
    now: datetime,
    channel: str = "page",
    purposes: Collection[str] | None = None,
    guardian: str = "",
) -> Withdrawn:
    """End everything given to one agency, or what was given it for some purposes, in one commit."""
    given = records.given(connection, citizen, agency, now, purposes)
    return _withdraw_each(
        connection, given, citizen=citizen, pseudonyms=pseudonyms, now=now, channel=channel, guardian=guardian
    )


def _withdraw_each(
    connection: Connection,
    consent_ids: Collection[str],
    *,
    citizen: str,
    pseudonyms: Pseudonyms,
    now: datetime,
    channel: str,
    guardian: str,
) -> Withdrawn:
    done = [
        one
        for consent_id in consent_ids
        if (
            one := withdraw(
                connection,
                consent_id=consent_id,
                citizen=citizen,
                pseudonyms=pseudonyms,
                now=now,
                channel=channel,
                guardian=guardian,
            )
        )
        is not None
    ]
    return Withdrawn(
        tuple(consent for one in done for consent in one.consents),
        done[-1].revision if done else records.revision(connection),
        tuple(dict.fromkeys(permit for one in done for permit in one.under_way)),
        tuple(receipt for one in done for receipt in one.receipts),
    )


def _event(
    connection: Connection,
    consent_id: str,
    kind: str,
    facts: Mapping[str, Any],
    *,
    pseudonyms: Pseudonyms,
    ended: str | None,
    channel: str = "page",
    guardian: str = "",
) -> int:
    """Leaf, event and message of one change; answers its place in the order. `ended`: the consent that it ends."""
    row = {"consent": consent_id, "type": kind, "channel": channel, **facts}
    row |= acting.columns(connection, pseudonyms, guardian, consent_id, kind)
    sub = pseudonyms.pairwise(facts["citizen"], facts["agency"])
    tells = f"ended {ended}" if ended is not None else None
    _, columns = append.add(connection, pseudonyms, "consent", row, citizen=facts["citizen"], sub=sub, tells=tells)
    seq = records.add_event(connection, {**row, **columns})
    message = {name: facts[name] for name in ("citizen", "agency", "purpose", "category")}
    outbox.put(
        connection,
        f"consent.{kind}",
        {"consent": consent_id, "revision": seq, "at": facts["at"].isoformat(), **message},
        key=f"{facts['citizen']}.{facts['agency']}"[:100],
        now=facts["at"],
    )
    return seq


def _facts(record: Record, now: datetime) -> dict[str, Any]:
    return {
        "citizen": record.citizen,
        "agency": record.agency,
        "purpose": record.purpose,
        "purpose_version": record.purpose_version,
        "category": record.category,
        "at": now,
        "expires_at": record.expires_at,
        "once": record.once,
        "notice_hash": record.notice_hash,
        "language": record.language,
    }
