"""Permits: signed, valid 30 seconds, for one use of one kind of request. Functions run inside a unit of work.

The record of the use is committed before the permit leaves; a denied attempt leaves the same trace. If nothing can be
written, nothing is released.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from base.database import Connection
from base.ids import identifier
from base.log import log
from consent import checks, frequency, seals
from consent import records as giving
from consent.catalogue import Catalogue
from consent.checks import ALLOWED, DENIED, Decision, ItemDecision
from consent.interface import PermitRefused, Redeemed
from consent.ledger import append
from consent.ledger.append import Leaf
from consent.store import records, subjects, uses
from consent.store.subjects import Known
from consent.store.uses import Permit
from keys import jose
from keys.derive import Pseudonyms
from keys.errors import InvalidToken
from keys.ring import Ring

TYP = "permit+jwt"
RELEASE, EXCHANGE = "release", "exchange"
"""What a use was: data goes from its source to the recipient; or the recipient is only told who the citizen is there."""
Redemption = Callable[[Connection], Redeemed | str]
"""A unit of work; a string is the reason why not."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an agency wants to use now, of whom, from where. `version`: the purpose's that it has in mind, if it says."""

    agency: str
    purpose: str
    data: tuple[str, ...]
    source: str
    version: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A decision that has left its trace. `permit_id` only when allowed."""

    decision: Decision
    revision: int
    at: datetime
    expires_at: datetime | None = None
    permit_id: str | None = None
    source_sub: str = ""
    leaf: Leaf | None = None
    consents: tuple[str, ...] = ()


def issue(
    connection: Connection,
    catalogue: Catalogue,
    pseudonyms: Pseudonyms,
    asked: Asked,
    *,
    known: Known,
    sub: str,
    now: datetime,
    life_s: int,
    closed: bool,
    redeemed: bool = False,
    kind: str = RELEASE,
) -> Outcome:
    """Decide, and record the use or the denied attempt. `redeemed`: the provider releases at once, itself.

    `known`: the citizen, "" for a pseudonym `sub` that we never gave out; it is denied, and the attempt is kept for
    the supervisor.
    `closed`: the ledger's fence is; it is denied. On PostgreSQL the answers are locked until the commit: a withdrawal that is acknowledged before this began is
    seen, and one that comes later waits.
    """
    citizen = known.citizen
    answers = seals.answers(connection, pseudonyms, citizen, asked.agency, asked.purpose, lock=True)
    seals.tell(connection, answers.values(), now)
    decision = checks.decide(catalogue, asked.agency, asked.purpose, asked.data, answers, now, version=asked.version)
    decision = _with_source(catalogue, decision, asked.source)
    decision = frequency.within(connection, catalogue.purpose_of(asked.agency, asked.purpose), decision, citizen, now)
    if not citizen:
        decision = checks.of_nobody(decision)
    if closed:
        decision = checks.of_closed(decision)
    permit_id = identifier() if decision.allowed else None
    facts = {
        "citizen": citizen,
        "recipient": asked.agency,
        "source": asked.source,
        "purpose": asked.purpose,
        "purpose_version": decision.purpose_version,
        "categories": list(asked.data),
        "use_kind": kind,
        "legal_basis": decision.legal_basis,
        "decision": decision.decision,
        "reason": decision.reason,
        "at": now,
        "permit": permit_id,
    }
    if permit_id is not None:
        for one in (answers[item.category] for item in decision.items if item.consent is not None):
            if one.once:
                giving.use(connection, consent_id=one.id, citizen=citizen, pseudonyms=pseudonyms, now=now)
    leaf, columns = append.add(
        connection, pseudonyms, "use", facts, citizen=citizen, sub=sub if citizen else "", seed=known.seed
    )
    uses.add_use(connection, {**facts, **columns})
    revision = records.revision(connection)
    if permit_id is None:
        return Outcome(decision, revision, now, leaf=leaf)
    expires_at = now + timedelta(seconds=life_s)
    consents = tuple(item.consent for item in decision.items if item.consent is not None)
    row = {
        "id": permit_id,
        "citizen": citizen,
        "recipient": asked.agency,
        "source": asked.source,
        "purpose": asked.purpose,
        "categories": list(asked.data),
        "consents": list(consents),
        "issued_at": now,
        "expires_at": expires_at,
        "redeemed_at": now if redeemed else None,
        "seal": seals.NO_SEAL if redeemed else seals.of_permit(pseudonyms, permit_id),
        # The provider's own releases leave no permit that anybody could say more of.
        "closed_at": now if redeemed else None,
    }
    uses.add_permit(connection, row)
    source_sub = pseudonyms.pairwise(citizen, asked.source)
    if not redeemed:
        subjects.meet(connection, asked.source, source_sub, citizen)
    return Outcome(decision, revision, now, expires_at, permit_id, source_sub, leaf, consents)


def sign(ring: Ring, issuer: str, asked: Asked, outcome: Outcome, recipient_sub: str) -> str:
    """The permit of an allowed outcome: a JWT of type permit+jwt for the source."""
    assert outcome.permit_id is not None
    assert outcome.expires_at is not None
    assert outcome.leaf is not None
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": asked.source,
        "jti": outcome.permit_id,
        "iat": int(outcome.at.timestamp()),
        "exp": int(outcome.expires_at.timestamp()),
        "recipient": asked.agency,
        "recipient_sub": recipient_sub,
        "source_sub": outcome.source_sub,
        "purpose": asked.purpose,
        "purpose_version": outcome.decision.purpose_version,
        "legal_basis": outcome.decision.legal_basis,
        "data": list(asked.data),
        "consent": list(outcome.consents),
        "revision": outcome.revision,
        "ledger": {"leaf_hash": outcome.leaf.hash, "seq": outcome.leaf.seq},
    }
    return jose.sign(claims, ring.active(), typ=TYP)


def verify(ring: Ring, issuer: str, unverified_permit: str, *, source: str, now: datetime) -> Mapping[str, Any]:
    """What a permit says that we signed for this source. PermitRefused."""
    try:
        claims = jose.verify(
            unverified_permit,
            keys=ring.source,
            typ=frozenset({TYP}),
            algorithms=frozenset({"ES256"}),
            now=now,
            issuer=issuer,
            leeway_s=0,
        )
    except InvalidToken as error:
        raise PermitRefused("expired" if str(error) == "expired" else "unknown") from error
    if claims["aud"] != source:
        raise PermitRefused("source")
    return claims


def suspended(catalogue: Catalogue, claims: Mapping[str, Any], source: str, *, told_later: bool) -> str | None:
    """Which of the two takes no part now, and so may not give or get. `told_later`: the data went out before."""
    if not catalogue.is_active(source):
        return "source"
    return None if told_later or catalogue.is_active(claims["recipient"]) else "recipient"


def redeem(
    connection: Connection, claims: Mapping[str, Any], *, source: str, pseudonyms: Pseudonyms, now: datetime
) -> Redeemed | str:
    """Take it, once. A string is the reason why not (returned, so that what was written stays written).

    `claims`: of the signed permit, which is valid at `now`. A row that says otherwise was altered: it is no permit
    any more, and the alarm is raised.
    """
    permit_id = str(claims["jti"])
    seal = seals.of_permit(pseudonyms, permit_id)
    taken = uses.redeem(connection, permit_id, source, seal, now)
    if taken is None:
        return _why_not(connection, permit_id, now)
    sub = pseudonyms.pairwise(taken.citizen, source)
    if not _is_signed(claims, taken, sub):
        uses.give_back(connection, permit_id)
        return _altered(connection, permit_id, now)
    row = {"permit": taken.id, "citizen": taken.citizen, "source": source, "at": now}
    _, columns = append.add(connection, pseudonyms, "redemption", row, citizen=taken.citizen, sub=sub)
    uses.add_redemption(connection, {**row, **columns})
    return Redeemed(taken.id, taken.citizen, sub, taken.recipient, taken.purpose, taken.categories, now)


def _is_signed(claims: Mapping[str, Any], row: Permit, source_sub: str) -> bool:
    """Whether the row says what the permit says."""
    said = (row.recipient, row.purpose, list(row.categories), list(row.consents), source_sub)
    times = (int(row.issued_at.timestamp()), int(row.expires_at.timestamp()))
    signed = (claims["recipient"], claims["purpose"], claims["data"], claims["consent"], claims["source_sub"])
    return said == signed and times == (claims["iat"], claims["exp"])


def _why_not(connection: Connection, permit_id: str, now: datetime) -> str:
    found = uses.find(connection, permit_id)
    if found is None:
        return "unknown"
    # Its seal goes as it is taken: a row has one of the two, and the permit itself is valid and for this source.
    if found.redeemed_at is not None and not found.seal:
        return "redeemed"
    return _altered(connection, permit_id, now)


def _altered(connection: Connection, permit_id: str, now: datetime) -> str:
    log.error(seals.EVENT, kind=seals.PERMIT, detail=permit_id)
    seals.alarm(connection, seals.PERMIT, permit_id, now)
    return "altered"


def _with_source(catalogue: Catalogue, decision: Decision, source: str) -> Decision:
    """Deny what this source is not the source of; a suspended one is the source of nothing."""
    items = (
        item
        if item.decision == DENIED or (catalogue.is_active(source) and catalogue.source_of(item.category) == source)
        else ItemDecision(item.category, DENIED, "other_source")
        for item in decision.items
    )
    return checks.of_items(items, decision.legal_basis, decision.purpose_version)


__all__ = ["ALLOWED", "Asked", "Outcome", "issue", "redeem", "sign", "verify"]
