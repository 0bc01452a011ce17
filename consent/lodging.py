"""Requests that an agency lodges: the citizen finds them at a link, or among what he is asked, and answers when he likes.

lodged → shown → answered, closed (by the citizen, by the agency, or because the purpose is no more) or expired; only
forward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from base import outbox
from base.database import Connection
from base.ids import digest, identifier, secret
from consent import questions, whom
from consent.errors import AgencySuspended
from consent.events import sets, tell
from consent.interface import ConsentError, PersonalDataUse, Question
from consent.store import lodged as store
from consent.store.lodged import ANSWERED, CLOSED, EXPIRED, OPEN, PATH, SHOWN, Lodged

if TYPE_CHECKING:
    from consent.registry import Registry

__all__ = [
    "ANSWERED",
    "CLOSED",
    "EXPIRED",
    "LINKS",
    "PATH",
    "Lodged",
    "Lodging",
    "Receipt",
    "TooManyOpen",
    "UnknownCitizen",
    "Wanted",
]

MOST_OPEN = 20
"""Requests of one agency that wait for one citizen."""
LINKS = f"{PATH}/links"


class UnknownCitizen(Exception):
    """No citizen of this `sub` ever logged in at this agency."""


class TooManyOpen(Exception):
    """This citizen has enough to answer of this agency."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an agency lodges. `callback`: one of its client's redirect addresses, which the caller has checked."""

    agency: str
    client_id: str
    sub: str
    uses: tuple[PersonalDataUse, ...]
    callback: str
    renew: bool
    life_s: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """`link`: the secret in the address for the citizen; it is stored as a digest, and this is the only time it is told."""

    id: str
    link: str
    expires_at: datetime


class Lodging:
    """Each method is one unit of work on the registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def lodge(self, connection: Connection, wanted: Wanted) -> Receipt:
        """Inside the caller's unit of work. AgencySuspended, ConsentError, UnknownCitizen, TooManyOpen."""
        now, catalogue = self._registry.clock.now(), self._registry.snapshot(connection)
        if not catalogue.is_active(wanted.agency):
            raise AgencySuspended(wanted.agency)
        _check(wanted.uses)
        for one in wanted.uses:
            purpose = questions.purpose_for(catalogue, wanted.agency, one)
            if purpose.legal_basis != "consent":
                raise ConsentError(f"the purpose {purpose.id} needs no permission: its ground is {purpose.legal_basis}")
        citizen = whom.find(connection, self._registry.pseudonyms, wanted.agency, wanted.sub)
        if citizen is None:
            raise UnknownCitizen
        if store.count_open(connection, wanted.agency, citizen, now) >= MOST_OPEN:
            raise TooManyOpen
        made = Receipt(identifier(), secret(), now + timedelta(seconds=wanted.life_s))
        row = {
            "id": made.id,
            "agency": wanted.agency,
            "client": wanted.client_id,
            "citizen": citizen,
            "link": digest(made.link),
            "callback": wanted.callback,
            "renew": wanted.renew,
            "expires_at": made.expires_at,
        }
        store.add(connection, row, wanted.uses, now)
        return made

    async def state(self, request_id: str, agency: str) -> tuple[Lodged, str] | None:
        found = await self._registry.database.read(lambda c: store.of_agency(c, request_id, agency))
        return (found, found.state_at(self._registry.clock.now())) if found is not None else None

    def take_back(self, connection: Connection, request_id: str, agency: str) -> str | None:
        """Inside the caller's unit of work: the agency asks no more. The state after it; None when it has none of this id.

        What is over stays as it is. Who has the page open and presses changes nothing any more.
        """
        while (found := store.of_agency(connection, request_id, agency)) is not None:
            state = found.state_at(self._registry.clock.now())
            if state not in OPEN:
                return state
            if store.move(connection, found, CLOSED, found.answered):
                return CLOSED
        return None

    async def by_link(self, link: str, citizen: str) -> Lodged | None:
        """None for everybody but the citizen who is meant, and for him once it is over."""
        now = self._registry.clock.now()
        return await self._registry.database.read(lambda c: store.by_link(c, digest(link), citizen, now))

    async def open(self, request_id: str, citizen: str) -> tuple[Lodged, Question | None] | None:
        """What is to be shown next; from here on it was shown. None when it is not this citizen's, or came to an end.

        Without a question it is over: all is answered, he closed it, or the purpose is no more.
        """

        def unit(connection: Connection) -> tuple[Lodged, Question | None] | None:
            found = store.one(connection, request_id, citizen)
            state = found.state_at(self._registry.clock.now()) if found is not None else EXPIRED
            if found is None or state == EXPIRED:
                return None
            if state not in OPEN:
                return found, None
            if not self._registry.snapshot(connection).is_active(found.agency):
                # It waits until the agency takes part again.
                return None
            store.show(connection, found.id)
            found = replace(found, state=SHOWN)
            return found, self._next(connection, found)

        return await self._registry.database.write(unit)

    async def answer(
        self, one: Lodged, question: Question, answers: Mapping[str, bool], language: str, guardian: str = ""
    ) -> None:
        """The answers to one purpose and the request's step, in one commit; nothing when it was answered meanwhile.

        `guardian`: who answers for the citizen, as the population register had it a moment ago.
        ValueError, QuestionChanged: see consent.interface.Door.answer.
        """

        def unit(connection: Connection) -> None:
            after = replace(one, answered=(*one.answered, question.purpose))
            if store.move(connection, one, one.state, after.answered):
                self._registry.answer_unit(connection, one.citizen, question, answers, language, guardian)
                self._next(connection, after)

        await self._registry.database.write(unit)

    async def close(self, one: Lodged) -> None:
        """The citizen goes back without answering what is left."""
        await self._registry.database.write(lambda c: self._end(c, one, CLOSED))

    def _next(self, connection: Connection, one: Lodged) -> Question | None:
        catalogue, now = self._registry.snapshot(connection), self._registry.clock.now()
        try:
            question = questions.first(
                connection,
                catalogue,
                one.uses,
                pseudonyms=self._registry.pseudonyms,
                citizen=one.citizen,
                agency=one.agency,
                answered=one.answered,
                anew=one.renew,
                now=now,
            )
        except ConsentError:
            self._end(connection, one, CLOSED)
            return None
        if question is None:
            self._end(connection, one, ANSWERED)
        return question

    def _end(self, connection: Connection, one: Lodged, state: str) -> None:
        """An event too, so that the agency hears of it. Of two who end it, the first does."""
        if not store.move(connection, one, state, one.answered):
            return
        now = self._registry.clock.now()
        facts = {"request": one.id, "citizen": one.citizen, "agency": one.agency, "at": now.isoformat()}
        outbox.put(connection, f"request.{state}", facts, key=f"{one.citizen}.{one.agency}"[:100], now=now)
        tell.request_ended(
            connection,
            self._registry.pseudonyms,
            sets.ANSWERED if state == ANSWERED else sets.CLOSED,
            citizen=one.citizen,
            agency=one.agency,
            request=one.id,
            at=now,
        )


def _check(uses: Sequence[PersonalDataUse]) -> None:
    if len({one.purpose for one in uses}) != len(uses):
        raise ConsentError("a purpose is named twice")
