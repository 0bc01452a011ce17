"""The registry: the door's implementation, and what the registry's own API and pages call.

Each method is one unit of work. The catalogue is kept in memory and read again whenever its revision has moved.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from base.clock import Clock
from base.database import Connection, Database
from base.database.together import Together
from base.settings import Settings
from consent import checks, exchanging, history, permits, questions, receipts, records, releasing, seals, whom
from consent.believed import newest
from consent.catalogue import Catalogue
from consent.checks import Decision
from consent.errors import AgencySuspended
from consent.frequency import within
from consent.history import Filter, Overview, Page
from consent.interface import (
    Exchanged,
    LoginEvent,
    PermitRefused,
    PersonalDataUse,
    Question,
    Rails,
    Recorded,
    Redeemed,
    Waiting,
)
from consent.ledger.ledger import Ledger
from consent.permits import Asked, Outcome
from consent.receipts import Receipt
from consent.records import Withdrawn
from consent.releasing import BUILT_IN_SOURCE
from consent.store import checking, lodged, notices, subjects, uses
from consent.store import records as record_store
from consent.store.records import Record
from consent.store.uses import Use
from keys.ring import Ring

__all__ = ["BUILT_IN_SOURCE", "Checked", "Filter", "Page", "Permitted", "Record", "Registry", "Use", "Withdrawn"]

T = TypeVar("T")
LIST_LIMIT = 500
_EVERYTHING = Filter()


@dataclass(frozen=True, slots=True)
class Checked:
    """A decision, with what of the register it saw. `revision`: every event acknowledged before the check is in it."""

    decision: Decision
    revision: int
    at: datetime


@dataclass(frozen=True, slots=True)
class _Seen:
    """The register at one moment: the catalogue, and the answers of the citizens that were asked about."""

    catalogue: Catalogue
    rows: checking.Seen
    is_open: bool


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
        self.pseudonyms = ring.pseudonyms
        self._issuer = settings.issuer
        self._permit_s = settings.permit_s
        self.report_days = settings.report_days
        self.ledger = Ledger(database, ring, settings, clock)
        self._catalogue: Catalogue | None = None
        self._seeing = Together(database, self._see, checking.MOST)

    # The door

    async def question(
        self, *, citizen: str, agency: str, requests: Sequence[PersonalDataUse], answered: Collection[str], anew: bool
    ) -> Question | None:
        now = self.clock.now()
        return await self.database.read(
            lambda c: questions.first(
                c,
                self.snapshot(c),
                requests,
                pseudonyms=self.pseudonyms,
                citizen=citizen,
                agency=agency,
                answered=answered,
                anew=anew,
                now=now,
            )
        )

    async def rails(self) -> Rails:
        return questions.Rails(await self.catalogue())

    async def answer(self, *, citizen: str, question: Question, answers: Mapping[str, bool], language: str) -> Recorded:
        return await self.database.write(lambda c: self.answer_unit(c, citizen, question, answers, language))

    def answer_unit(
        self,
        connection: Connection,
        citizen: str,
        question: Question,
        answers: Mapping[str, bool],
        language: str,
        guardian: str = "",
    ) -> Recorded:
        sub = self._sub(citizen, question.agency)
        questions.check_open(self.snapshot(connection), question)
        whom.meet(connection, self.pseudonyms, citizen, question.agency)
        # A form that is sent twice: the second waits here, and then replaces the first.
        subjects.hold(connection, question.agency, sub)
        return records.answer(
            connection,
            citizen=citizen,
            question=question,
            answers=answers,
            language=language,
            guardian=guardian,
            **self._now(),
        )

    async def asked(self, citizen: str) -> list[Waiting]:
        now = self.clock.now()
        return await self.database.read(lambda c: lodged.waiting(c, self.snapshot(c), citizen, now))

    async def standing(
        self, *, citizen: str, agency: str, requests: Sequence[PersonalDataUse]
    ) -> tuple[PersonalDataUse, ...]:
        now = self.clock.now()

        def unit(connection: Connection) -> tuple[PersonalDataUse, ...]:
            if not self.ledger.fence.is_open(connection):
                return ()
            catalogue = self.snapshot(connection)
            return questions.standing(
                connection, catalogue, requests, pseudonyms=self.pseudonyms, citizen=citizen, agency=agency, now=now
            )

        return await self.database.read(unit)

    async def give_up(self, *, citizen: str, agency: str, purposes: Collection[str]) -> None:
        now = self.clock.now()
        await self.database.write(
            lambda c: records.withdraw_agency(
                c,
                agency=agency,
                citizen=citizen,
                pseudonyms=self._ring.pseudonyms,
                now=now,
                channel="agency",
                purposes=purposes,
            )
        )

    async def whom(self, *, agency: str, sub: str) -> str | None:
        return await self.database.read(lambda c: whom.find(c, self.pseudonyms, agency, sub))

    async def meet(self, *, citizen: str, agency: str) -> None:
        sub = self._sub(citizen, agency)
        if await self.whom(agency=agency, sub=sub) is None:
            await self.database.write(lambda c: whom.meet(c, self.pseudonyms, citizen, agency))

    async def release(
        self,
        *,
        citizen: str,
        agency: str,
        purpose: str | None,
        categories: frozenset[str],
        login: LoginEvent | None = None,
    ) -> frozenset[str]:
        if not categories:
            return frozenset()
        wanted = sorted(categories)
        now, sub = self.clock.now(), self._sub(citizen, agency)
        return await self.database.write(
            lambda c: releasing.release(
                c,
                self.snapshot(c),
                self._ring.pseudonyms,
                wanted,
                citizen=citizen,
                agency=agency,
                purpose=purpose or "",
                sub=sub,
                login=login,
                now=now,
                life_s=self._permit_s,
                closed=not self.ledger.fence.is_open(c),
            )
        )

    async def exchange(self, *, citizen: str, agency: str, use: PersonalDataUse, target: str) -> Exchanged:
        now, sub = self.clock.now(), self._sub(citizen, agency)
        return await self.database.write(
            lambda c: exchanging.exchange(
                c,
                self.snapshot(c),
                self._ring.pseudonyms,
                use,
                citizen=citizen,
                agency=agency,
                sub=sub,
                target=target,
                now=now,
                life_s=self._permit_s,
                closed=not self.ledger.fence.is_open(c),
            )
        )

    async def redeem(self, unverified_permit: str, *, source: str) -> Redeemed:
        done = await self.database.write(self.redemption(unverified_permit, source=source))
        if isinstance(done, str):
            raise PermitRefused(done)
        return done

    # The API

    async def check(
        self, *, agency: str, sub: str, purpose: str, data: Sequence[str], version: float | None = None
    ) -> Checked:
        """A decision now. It releases nothing and leaves no trace: only a permit does. AgencySuspended."""
        seen = await self._seeing.ask((agency, sub))
        catalogue, now = seen.catalogue, self.clock.now()
        if not catalogue.is_active(agency):
            raise AgencySuspended(agency)
        citizen = seen.rows.citizens.get(sub)
        if citizen is not None and not whom.is_his(self.pseudonyms, citizen, agency, sub):
            citizen = await self.database.write(lambda c: whom.tell(c, agency, sub, now))
        rows = seen.rows.answers.get((sub, purpose), {}) if citizen is not None else {}
        answers = seals.judged(self.pseudonyms, rows, citizen or "", agency, purpose)
        decision = checks.decide(catalogue, agency, purpose, data, answers, now, version=version)
        if any(one.state == checks.ALTERED for one in answers.values()):
            await self.database.write(lambda c: seals.tell(c, answers.values(), now))
        if citizen is None:
            decision = checks.of_nobody(decision)
        elif catalogue.is_counted(agency, purpose):
            of, before = catalogue.purpose_of(agency, purpose), decision
            decision = await self.database.read(lambda c: within(c, of, before, citizen, now))
        return Checked(decision if seen.is_open else checks.of_closed(decision), seen.rows.revision, now)

    def _see(self, connection: Connection, asked: Sequence[tuple[str, str]]) -> dict[tuple[str, str], _Seen]:
        """What checks that wait together need: one statement for each agency among them."""
        subs: dict[str, list[str]] = {}
        for agency, sub in asked:
            subs.setdefault(agency, []).append(sub)
        found, is_open = {}, self.ledger.fence.is_open(connection)
        for agency, of_agency in subs.items():
            rows = checking.see(connection, agency, of_agency)
            catalogue = self._catalogue = newest(connection, self.pseudonyms, self._catalogue, rows.catalogue)
            found.update(dict.fromkeys(((agency, sub) for sub in of_agency), _Seen(catalogue, rows, is_open)))
        return found

    def permit_unit(self, connection: Connection, asked: Asked, sub: str) -> Permitted:
        """Decide, record and sign; inside the caller's unit of work. The permit must not leave before its commit."""
        catalogue = self.snapshot(connection)
        alone = catalogue.is_counted(asked.agency, asked.purpose)
        known = whom.find_and_share(connection, self.pseudonyms, asked.agency, sub, now=self.clock.now(), alone=alone)
        outcome = permits.issue(
            connection,
            catalogue,
            self._ring.pseudonyms,
            asked,
            known=known,
            sub=sub,
            now=self.clock.now(),
            life_s=self._permit_s,
            closed=not self.ledger.fence.is_open(connection),
        )
        if outcome.permit_id is None:
            return Permitted(outcome, None)
        return Permitted(outcome, permits.sign(self._ring, self._issuer, asked, outcome, sub))

    def redemption(self, unverified_permit: str, *, source: str, at: datetime | None = None) -> permits.Redemption:
        """The unit of work that takes a permit, once. PermitRefused now for what is no permit for this source.

        `at`: when it was taken, if not now.
        """
        now = at or self.clock.now()
        claims = permits.verify(self._ring, self._issuer, unverified_permit, source=source, now=now)

        def unit(connection: Connection) -> Redeemed | str:
            if suspended := permits.suspended(self.snapshot(connection), claims, source, told_later=at is not None):
                return suspended
            if not self.ledger.fence.is_open(connection):
                return "unreconciled"
            return permits.redeem(connection, claims, source=source, pseudonyms=self._ring.pseudonyms, now=now)

        return unit

    # The citizen's pages and the operator's commands

    async def consents(self, citizen: str) -> list[Record]:
        return await self.database.read(lambda c: record_store.of_citizen(c, citizen, limit=LIST_LIMIT))

    async def consent(self, consent_id: str, citizen: str) -> Record | None:
        return await self.database.read(lambda c: record_store.one(c, consent_id, citizen))

    async def withdraw(
        self, consent_id: str, citizen: str, *, channel: str = "page", guardian: str = ""
    ) -> Withdrawn | None:
        """End one consent. None when there is none of this citizen that is still given. `guardian`: who does it for him."""
        how = {"citizen": citizen, "channel": channel, "guardian": guardian}
        return await self._end(records.withdraw, consent_id=consent_id, **how)

    async def withdraw_agency(
        self, agency: str, citizen: str, *, channel: str = "page", guardian: str = ""
    ) -> Withdrawn:
        """End everything given to one agency."""
        how = {"citizen": citizen, "channel": channel, "guardian": guardian}
        return await self._end(records.withdraw_agency, agency=agency, **how)

    async def withdraw_all(self, citizen: str, *, channel: str = "page", guardian: str = "") -> Withdrawn:
        """End everything that a citizen gave, in one commit."""
        return await self._end(records.withdraw_all, citizen=citizen, channel=channel, guardian=guardian)

    async def _end(self, act: Callable[..., T], **what: str) -> T:
        """An act of ending, which is written on a full disk too."""
        when = self._now()
        return await self.database.write(lambda c: act(c, **what, **when), vital=True)

    async def under_way(self, consent_id: str, citizen: str) -> list[str]:
        """Permits that rest on this consent and can be taken at this moment still, by id."""
        now = self.clock.now()
        found = await self.database.read(lambda c: uses.open_permits(c, citizen, [consent_id], now))
        return [one.id for one in found]

    async def history(
        self, citizen: str, *, before: str | None = None, limit: int = 25, wanted: Filter = _EVERYTHING
    ) -> Page:
        """Uses, denied attempts and redemptions, newest first. `before`: a page's `older`. BadCursor."""
        return await self.database.read(
            lambda c: history.page(c, self._ring.sealer, citizen, before=before, limit=limit, wanted=wanted)
        )

    async def history_overview(self, citizen: str, wanted: Filter = _EVERYTHING) -> Overview:
        now = self.clock.now()
        return await self.database.read(lambda c: history.overview(c, citizen, now=now, wanted=wanted))

    async def last_uses(self, citizen: str) -> dict[tuple[str, str, str], datetime]:
        return await self.database.read(lambda c: uses.last_uses(c, citizen))

    async def events(self, consent_id: str) -> list[dict[str, Any]]:
        return await self.database.read(lambda c: record_store.events(c, consent_id))

    async def notice(self, notice_hash: str) -> bytes | None:
        """What was shown, as canonical JSON whose SHA-256 is its name."""
        return await self.database.read(lambda c: notices.find(c, notice_hash))

    async def receipt(self, receipt_id: str, citizen: str) -> Receipt | None:
        """Of one event (`consent.seq`), of a consent's newest, or of one use (its leaf). None unless it is this citizen's."""
        now = self.clock.now()
        return await self.database.read(
            lambda c: receipts.find(
                c, self.snapshot(c), self._ring, receipt_id, citizen=citizen, issuer=self._issuer, now=now
            )
        )

    async def receipt_file(self, receipt_id: str, citizen: str) -> bytes | None:
        """The receipt with its proof; what was written just now is waited for."""
        receipt = await self.receipt(receipt_id, citizen)
        return receipt.file(await self.ledger.proof(receipt.leaf_hash, receipt.seq)) if receipt is not None else None

    async def catalogue(self) -> Catalogue:
        return await self.database.read(self.snapshot)

    def snapshot(self, connection: Connection) -> Catalogue:
        """The catalogue as this connection sees it."""
        catalogue = self._catalogue = newest(connection, self.pseudonyms, self._catalogue)
        return catalogue

    def _now(self) -> dict[str, Any]:
        """By whose keys, and when, something is written."""
        return {"pseudonyms": self.pseudonyms, "now": self.clock.now()}

    def _sub(self, citizen: str, agency: str) -> str:
        return self._ring.pseudonyms.pairwise(citizen, agency)


def events_of(connection: Connection, consent_id: str) -> list[dict[str, Any]]:
    """The life of a consent, oldest first, for an operator who was given its id."""
    return record_store.events(connection, consent_id)
