"""The lines of a citizen's export, a page at a time: no history is too long for it, and no read is long."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from base.database import Connection
from base.people import Accounts
from consent import receipts
from consent.complaining import Complaint, Complaints
from consent.dpv.record import state_of
from consent.export.mentioned import Mentioned
from consent.registry import Registry
from consent.store import exported, lookups, records, seeds
from consent.store.records import Record
from keys.ring import Ring

PAGE = 25
"""Lines that are read, signed and proven at a time."""
ALL = 10_000
"""Complaints: nobody writes more."""
Line = dict[str, Any]
_Read = Callable[[Connection, int | None], list[tuple[int, Line]]]


@dataclass(frozen=True, slots=True)
class Export:
    """`proven`: with the receipt of each line, and its proof."""

    registry: Registry
    ring: Ring
    issuer: str
    accounts: Accounts
    citizen: str
    mentioned: Mentioned
    complaints: Complaints
    proven: bool = True

    async def head(self) -> Line:
        """What comes before the lines. What was written last is waited for, so that each line has its proof."""
        registry, citizen = self.registry, self.citizen
        if self.proven:
            for leaf, seq in await registry.database.read(lambda c: exported.newest(c, citizen)):
                await registry.ledger.proof(leaf, seq)
        looked = await registry.database.read(lambda c: lookups.of_citizen(c, citizen, limit=ALL))
        known = await registry.database.read(lambda c: exported.pseudonyms(c, citizen))
        asked = await registry.database.read(lambda c: exported.requests(c, citizen))
        written = await self.complaints.of_citizen(citizen, limit=ALL)
        pressed = await registry.database.read(lambda c: exported.pressed(c, citizen, ALL))
        wrote = await self.complaints.for_children(citizen, ALL)
        named = (*known, *asked, *pressed)
        self.mentioned.agencies |= {one["agency"] for one in named} | {one.stored.agency for one in (*written, *wrote)}
        return {
            "account": await self.accounts.account(citizen),
            "pseudonyms": known,
            "requests": [_request(one) for one in asked],
            "complaints": [_complaint(one) for one in written],
            "asGuardian": [_pressed(one) for one in pressed],
            "complaintsAsGuardian": [_complaint(one) for one in wrote],
            "lookups": [{"at": time(one.at), "by": one.by, "what": one.what, "leaf": one.leaf} for one in looked],
        }

    def consents(self) -> AsyncIterator[Line]:
        """Newest first."""
        return self._pages(self._consents)

    def uses(self) -> AsyncIterator[Line]:
        """Newest first; denied attempts too."""
        return self._pages(self._uses)

    async def _pages(self, read: _Read) -> AsyncIterator[Line]:
        before: int | None = None
        while True:
            at = before
            page = await self.registry.database.scan(lambda c, at=at: read(c, at))  # type: ignore[misc]  # bound now
            for _, line in page:
                yield line
            if len(page) < PAGE:
                return
            before = page[-1][0]

    def _consents(self, connection: Connection, before: int | None) -> list[tuple[int, Line]]:
        now, seed = self.registry.clock.now(), seeds.find(connection, self.citizen)
        page = []
        for record in records.of_citizen(connection, self.citizen, limit=PAGE, before=before):
            self.mentioned.consent(record)
            events = records.events(connection, record.id)
            lines = [self._event(connection, one, seed, now) for one in events]
            page.append((record.seq, _consent(record, lines, now)))
        return page

    def _uses(self, connection: Connection, before: int | None) -> list[tuple[int, Line]]:
        now, seed = self.registry.clock.now(), seeds.find(connection, self.citizen)
        page = []
        for row in exported.uses(connection, self.citizen, before=before, limit=PAGE):
            self.mentioned.use(row)
            page.append((row["seq"], _use(row, self._receipt(connection, "use", row, seed, now))))
        return page

    def _event(self, connection: Connection, row: Mapping[str, Any], seed: bytes | None, now: datetime) -> Line:
        line = {"type": row["type"], "at": time(row["at"]), "channel": row["channel"], "leaf": row["leaf"]}
        return {**line, "acting": row["acting"], "receipt": self._receipt(connection, "consent", row, seed, now)}

    def _receipt(
        self, connection: Connection, kind: str, row: Mapping[str, Any], seed: bytes | None, now: datetime
    ) -> Line | None:
        """The file that the line's own page gives, too."""
        if seed is None or not self.proven:
            return None
        catalogue = self.registry.snapshot(connection)
        made = receipts.of(kind, row, catalogue, self.ring, seed, citizen=self.citizen, issuer=self.issuer, now=now)
        return made.members(self.registry.ledger.proof_now(connection, made.leaf_hash, made.seq))


def time(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at is not None else None


def _consent(record: Record, events: list[Line], now: datetime) -> Line:
    return {
        "id": record.id,
        "agency": record.agency,
        "purpose": record.purpose,
        "purposeVersion": record.purpose_version,
        "data": record.category,
        "state": state_of(record, now),
        "answeredAt": time(record.at),
        "expiresAt": time(record.expires_at),
        "oneTime": record.once,
        "endedAt": time(record.ended_at),
        "notice": record.notice_hash,
        "language": record.language,
        "events": events,
    }


def _use(row: Mapping[str, Any], receipt: Line | None) -> Line:
    return {
        "at": time(row["at"]),
        "recipient": row["recipient"],
        "source": row["source"],
        "purpose": row["purpose"],
        "purposeVersion": row["purpose_version"],
        "data": row["categories"],
        "kind": row["use_kind"],
        "legalBasis": row["legal_basis"],
        "decision": row["decision"],
        "reason": row["reason"],
        "permit": row["permit"],
        "takenAt": time(row["redeemed_at"]),
        "outcome": row["outcome"],
        "leaf": row["leaf"],
        "receipt": receipt,
    }


def _pressed(row: Mapping[str, Any]) -> Line:
    told = {name: row[name] for name in ("type", "agency", "purpose", "leaf")}
    return {"at": time(row["at"]), "data": row["category"], **told}


def _request(row: Mapping[str, Any]) -> Line:
    return {
        "id": row["id"],
        "agency": row["agency"],
        "purposes": [one["purpose"] for one in row["uses"]],
        "state": row["state"],
        "askedAt": time(row["lodged_at"]),
        "expiresAt": time(row["expires_at"]),
    }


def _complaint(one: Complaint) -> Line:
    stored = one.stored
    return {
        "id": stored.id,
        "agency": stored.agency,
        "kind": stored.kind,
        "acting": stored.acting,
        "useLeaf": stored.leaf,
        "state": stored.state,
        "text": one.text,
        "sentAt": time(stored.sent_at),
        "seenAt": time(stored.seen_at),
        "answeredAt": time(stored.answered_at),
        "outcome": stored.outcome,
        "answer": one.answer,
    }
