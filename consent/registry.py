"""The registry: the door's implementation, and what the registry's own API and pages call.

Each method is one unit of work. The catalogue is kept in memory and read again whenever its revision has moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from base.clock import Clock
from base.database import Connection, Database
from base.settings import Settings
from consent import checks, permits, receipts, records
from consent.catalogue import Catalogue, Purpose
from consent.checks import Answer, Decision
from consent.interface import (
    AboveGuardRail,
    Item,
    PermitRefused,
    PersonalDataUse,
    Question,
    Recorded,
    Redeemed,
    UnknownPurpose,
)
from consent.permits import Asked, Outcome
from consent.records import Withdrawn
from consent.store import catalogue as catalogue_store
from consent.store import records as record_store
from consent.store import subjects, uses
from consent.store.records import Record
from consent.store.uses import Use
from keys.ring import Ring

__all__ = ["BUILT_IN_SOURCE", "Checked", "Permitted", "Record", "Registry", "Use"]

BUILT_IN_SOURCE = "population-register"
"""The source that the provider itself is: what it holds of citizens."""
LIST_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Checked:
    decision: Decision
    revision: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Permitted:
    """`permit`: the signed JWT, when allowed."""

    outcome: Outcome
    permit: str | None


class Registry:
    def __init__(self, database: Database, ring: Ring, settings: Settings, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self._ring = ring
        self._issuer = settings.issuer
        self._permit_s = settings.permit_s
        self._catalogue: Catalogue | None = None

    # The door

    async def question(
        self, *, citizen: str, agency: str, requests: Sequence[PersonalDataUse], again: bool
    ) -> Question | None:
        now = self.clock.now()

        def read(connection: Connection) -> Question | None:
            catalogue = self.snapshot(connection)
            for wanted in requests:
                purpose = _purpose_for(catalogue, agency, wanted)
                if purpose.legal_basis != "consent":
                    continue
                answers = record_store.answers(connection, citizen, agency, purpose.id)
                asked = _question(catalogue, purpose, wanted, answers, again=again, now=now)
                if asked.items:
                    return asked
            return None

        return await self.database.read(read)

    async def answer(self, *, citizen: str, question: Question, answers: Mapping[str, bool], language: str) -> Recorded:
        now = self.clock.now()

        def unit(connection: Connection) -> Recorded:
            subjects.meet(connection, question.agency, self._sub(citizen, question.agency), citizen)
            return records.answer(
                connection, citizen=citizen, question=question, answers=answers, language=language, now=now
            )

        return await self.database.write(unit)

    async def meet(self, *, citizen: str, agency: str) -> None:
        sub = self._sub(citizen, agency)
        if await self.database.read(lambda c: subjects.find(c, agency, sub)) is None:
            await self.database.write(lambda c: subjects.meet(c, agency, sub, citizen))

    async def release(self, *, citizen: str, agency: str, purpose: str, categories: frozenset[str]) -> frozenset[str]:
        now = self.clock.now()
        wanted = sorted(categories)

        def unit(connection: Connection) -> frozenset[str]:
            catalogue = self.snapshot(connection)
            answers = record_store.answers(connection, citizen, agency, purpose)
            items = checks.decide(catalogue, agency, purpose, wanted, answers, now).items
            allowed = tuple(item.category for item in items if item.decision == checks.ALLOWED)
            denied = tuple(item.category for item in items if item.decision == checks.DENIED)
            released: frozenset[str] = frozenset()
            # What may be used and what may not are two lines of the history: each true by itself.
            for data in filter(None, (allowed, denied)):
                asked = Asked(agency, purpose, data, BUILT_IN_SOURCE)
                outcome = permits.issue(
                    connection,
                    catalogue,
                    self._ring.pseudonyms,
                    asked,
                    citizen=citizen,
                    now=now,
                    life_s=self._permit_s,
                    redeemed=True,
                )
                if outcome.decision.allowed:
                    released |= frozenset(data)
            return released

        return await self.database.write(unit) if wanted else frozenset()

    async def redeem(self, unverified_permit: str, *, source: str) -> Redeemed:
        now = self.clock.now()
        permit_id = permits.verify(self._ring, self._issuer, unverified_permit, source=source, now=now)
        done = await self.database.write(
            lambda c: permits.redeem(c, permit_id, source=source, sub=self._ring.pseudonyms, now=now)
        )
        if isinstance(done, str):
            raise PermitRefused(done)
        return done

    # The API

    async def check(self, *, agency: str, sub: str, purpose: str, data: Sequence[str]) -> Checked:
        """A decision now. It releases nothing and leaves no trace: only a permit does."""
        now = self.clock.now()

        def read(connection: Connection) -> Checked:
            citizen, catalogue_revision, revision, answers = record_store.check(connection, agency, sub, purpose)
            catalogue = self._catalogue
            if catalogue is None or catalogue.revision != catalogue_revision:
                catalogue = self._catalogue = catalogue_store.load(connection)
            # A pseudonym that we never gave out is answered like a citizen who never consented, on any basis.
            decision = checks.decide(catalogue, agency, purpose, data, answers, now)
            if citizen is None and decision.allowed:
                decision = Decision(checks.DENIED, "no_consent", ())
            return Checked(decision, revision, now)

        return await self.database.read(read)

    def permit_unit(self, connection: Connection, asked: Asked, sub: str) -> Permitted:
        """Decide, record and sign; inside the caller's unit of work. The permit must not leave before its commit."""
        now = self.clock.now()
        catalogue = self.snapshot(connection)
        citizen = subjects.find(connection, asked.agency, sub)
        if citizen is None:
            return Permitted(
                Outcome(Decision(checks.DENIED, "no_consent", ()), record_store.revision(connection), now), None
            )
        outcome = permits.issue(
            connection, catalogue, self._ring.pseudonyms, asked, citizen=citizen, now=now, life_s=self._permit_s
        )
        if outcome.permit_id is None:
            return Permitted(outcome, None)
        return Permitted(outcome, permits.sign(self._ring, self._issuer, asked, outcome, sub))

    # The citizen's pages and the operator's commands

    async def consents(self, citizen: str) -> list[Record]:
        return await self.database.read(lambda c: record_store.of_citizen(c, citizen, limit=LIST_LIMIT))

    async def consent(self, consent_id: str, citizen: str) -> Record | None:
        return await self.database.read(lambda c: record_store.one(c, consent_id, citizen))

    async def withdraw(self, consent_id: str, citizen: str, *, channel: str = "page") -> Withdrawn | None:
        now = self.clock.now()
        return await self.database.write(
            lambda c: records.withdraw(c, consent_id=consent_id, citizen=citizen, now=now, channel=channel)
        )

    async def withdraw_agency(self, agency: str, citizen: str) -> Withdrawn:
        now = self.clock.now()
        return await self.database.write(lambda c: records.withdraw_agency(c, agency=agency, citizen=citizen, now=now))

    async def history(
        self, citizen: str, *, before: int | None, limit: int, agency: str | None, decision: str | None
    ) -> list[Use]:
        return await self.database.read(
            lambda c: uses.of_citizen(c, citizen, before=before, limit=limit, agency=agency, decision=decision)
        )

    async def recipients(self, citizen: str) -> list[str]:
        return await self.database.read(lambda c: uses.recipients(c, citizen))

    async def last_uses(self, citizen: str) -> dict[tuple[str, str], datetime]:
        return await self.database.read(lambda c: uses.last_uses(c, citizen))

    async def events(self, consent_id: str) -> list[dict[str, Any]]:
        return await self.database.read(lambda c: record_store.events(c, consent_id))

    async def receipt(self, consent_id: str, citizen: str) -> str | None:
        """The signed receipt of a consent's newest event. None for a consent that is not this citizen's."""
        if await self.consent(consent_id, citizen) is None:
            return None
        events = await self.events(consent_id)
        catalogue = await self.catalogue()
        return receipts.sign(
            self._ring, receipts.claims(events[-1], catalogue, issuer=self._issuer, now=self.clock.now())
        )

    async def catalogue(self) -> Catalogue:
        return await self.database.read(self.snapshot)

    def snapshot(self, connection: Connection) -> Catalogue:
        """The catalogue as this connection sees it."""
        catalogue = self._catalogue
        if catalogue is None or catalogue.revision != catalogue_store.revision(connection):
            catalogue = self._catalogue = catalogue_store.load(connection)
        return catalogue

    def _sub(self, citizen: str, agency: str) -> str:
        return self._ring.pseudonyms.pairwise(citizen, agency)


def _purpose_for(catalogue: Catalogue, agency: str, wanted: PersonalDataUse) -> Purpose:
    purpose = catalogue.purpose_of(agency, wanted.purpose)
    if purpose is None:
        raise UnknownPurpose("the purpose is not published for this agency")
    if wanted.data is not None and not set(wanted.data) <= set(purpose.data):
        raise AboveGuardRail("more data is asked than the purpose allows")
    if wanted.duration_s is not None and not 0 < wanted.duration_s <= purpose.max_duration_s:
        raise AboveGuardRail("a longer time is asked than the purpose allows")
    return purpose


def _question(
    catalogue: Catalogue,
    purpose: Purpose,
    wanted: PersonalDataUse,
    answers: Mapping[str, Answer],
    *,
    again: bool,
    now: datetime,
) -> Question:
    agency = catalogue.agencies[purpose.agency]
    data = purpose.data if wanted.data is None else tuple(one for one in purpose.data if one in wanted.data)
    decided = checks.decide(catalogue, purpose.agency, purpose.id, data, answers, now)
    items, already = [], []
    for one in decided.items:
        category = catalogue.categories[one.category]
        source = catalogue.agencies[category.source]
        item = Item(category.id, category.name, category.description, category.sensitivity, source.id, source.name)
        if one.decision == checks.ALLOWED:
            already.append(item)
        elif again or one.reason != checks.REFUSED:
            items.append(item)
    return Question(
        agency.id,
        agency.name,
        purpose.id,
        purpose.version,
        purpose.title,
        purpose.explanation,
        purpose.refusal,
        purpose.legal_basis,
        purpose.statute,
        wanted.duration_s or purpose.max_duration_s,
        tuple(items),
        tuple(already),
    )
