"""A citizen writes to an agency about one use of his data: a complaint, or that it delete what it has (GDPR art. 17).

sent → seen (the agency fetched it) → answered; the agency has a month (art. 12(3)). What both write is sealed at rest.
"""

from __future__ import annotations

import calendar
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from base.database import Connection
from base.i18n import ZONE
from base.ids import identifier
from consent.acting import GUARDIAN, SELF
from consent.events import tell
from consent.store import complaints as store
from consent.store import subjects, uses
from consent.store.complaints import ANSWERED, Stored
from keys.ring import Ring

if TYPE_CHECKING:
    from consent.registry import Record, Registry

KINDS = ("complaint", "erasure")
OUTCOMES = ("done", "partly", "declined")
MOST_TEXT = 2_000
"""Characters of what either writes."""
MOST_OPEN = 20
"""What one citizen asked of one agency and waits for an answer."""
LIST = 100
_TABLE, _TEXT, _ANSWER = "complaint", "text", "answer"


class TooManyOpen(Exception):
    """This agency has enough to answer of this citizen."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """`due`: the last day for an answer. `text`, `answer`: as they were written."""

    stored: Stored
    text: str
    answer: str
    due: date

    def is_late(self, now: datetime) -> bool:
        return self.stored.state != ANSWERED and now.astimezone(ZONE).date() > self.due


@dataclass(frozen=True, slots=True)
class About:
    """The use that it is about. `leaf`: its name in the history."""

    leaf: str
    recipient: str
    source: str
    at: datetime
    purpose: str
    purpose_version: int
    categories: tuple[str, ...]
    decision: str
    permit: str | None


class Complaints:
    """Each method is one unit of work on the registry, or is called inside one."""

    def __init__(self, registry: Registry, ring: Ring) -> None:
        self._registry = registry
        self._ring = ring

    async def send(self, citizen: str, leaf: str, kind: str, text: str, guardian: str = "") -> str | None:
        """Its id; of a form that was sent twice the first one's. None when there is no such use of his. TooManyOpen.

        `guardian`: who writes for a child.
        """
        now, made = self._registry.clock.now(), identifier()

        def unit(connection: Connection) -> str | None:
            about = _about(connection, leaf, citizen)
            if about is None:
                return None
            agency = about.recipient
            # Whoever sends the same twice, or forgets him at this moment, is waited for; then it is looked at again.
            subjects.hold(connection, agency, self._ring.pseudonyms.pairwise(citizen, agency))
            if _about(connection, leaf, citizen) is None:
                return None
            for before, sealed in store.alike(connection, citizen, guardian, leaf, kind):
                if self._unseal(sealed, _TEXT, before) == readable(text):
                    return before
            if store.count_open(connection, citizen, agency) >= MOST_OPEN:
                raise TooManyOpen
            whose = {"id": made, "citizen": citizen, "agency": agency, "leaf": leaf, "kind": kind}
            wrote = {"acting": GUARDIAN if guardian else SELF, "guardian": guardian, "sent_at": now}
            store.add(connection, {**whose, **wrote, "text": self._seal(text, _TEXT, made)})
            tell.complained(
                connection, self._ring.pseudonyms, citizen=citizen, agency=agency, complaint=made, kind=kind, at=now
            )
            return made

        return await self._registry.database.write(unit)

    async def of_citizen(self, citizen: str, guardian: str = "", limit: int = LIST) -> list[Complaint]:
        """Newest first; of a child those that this guardian wrote."""
        found = await self._registry.database.read(lambda c: store.of_citizen(c, citizen, guardian, limit))
        return [self._open(one) for one in found]

    async def for_children(self, guardian: str, limit: int = LIST) -> list[Complaint]:
        """What he wrote for any child, newest first."""
        found = await self._registry.database.read(lambda c: store.of_guardian(c, guardian, limit))
        return [self._open(one) for one in found]

    async def one(self, complaint_id: str, citizen: str, guardian: str = "") -> Complaint | None:
        """For its reader: an answer was read once who wrote has read it."""
        database, now = self._registry.database, self._registry.clock.now()
        found = await database.read(lambda c: store.one(c, complaint_id, citizen, guardian))
        wrote = found is not None and found.acting == (GUARDIAN if guardian else SELF)
        if found is not None and wrote and found.state == ANSWERED and found.read_at is None:
            await database.write(lambda c: store.read(c, complaint_id, citizen, now))
        return self._open(found) if found is not None else None

    async def waiting(self, agency: str) -> list[Complaint]:
        """What an agency has to answer, oldest first, at most LIST."""
        found = await self._registry.database.read(lambda c: store.waiting(c, agency, LIST))
        return [self._open(one) for one in found]

    async def use(self, leaf: str, citizen: str) -> About | None:
        """A line of this citizen's history."""
        return await self._registry.database.read(lambda c: _about(c, leaf, citizen))

    async def last_use(self, record: Record) -> str | None:
        """The leaf of the last use that rests on what was answered here: what there may be to delete."""
        whose = (record.citizen, record.agency, record.purpose, record.category)
        return await self._registry.database.read(lambda c: uses.last_of(c, *whose))

    async def fetch(self, complaint_id: str, agency: str) -> tuple[Complaint, About, str] | None:
        """By its agency, with the citizen as it knows him; from now on it was seen. None for what is not this agency's."""
        now = self._registry.clock.now()

        def unit(connection: Connection) -> tuple[Stored, About] | None:
            store.see(connection, complaint_id, agency, now)
            found = store.of_agency(connection, complaint_id, agency)
            about = _about(connection, found.leaf, found.citizen) if found is not None else None
            return (found, about) if found is not None and about is not None else None

        done = await self._registry.database.write(unit)
        if done is None:
            return None
        return self._open(done[0]), done[1], self._ring.pseudonyms.pairwise(done[0].citizen, agency)

    def answer(self, connection: Connection, complaint_id: str, agency: str, outcome: str, text: str) -> str:
        """answered, unknown, or before (it has an answer already)."""
        sealed, now = self._seal(text, _ANSWER, complaint_id), self._registry.clock.now()
        if store.answer(connection, complaint_id, agency, outcome=outcome, text=sealed, now=now):
            return "answered"
        return "unknown" if store.of_agency(connection, complaint_id, agency) is None else "before"

    def _open(self, one: Stored) -> Complaint:
        answer = self._unseal(one.answer, _ANSWER, one.id) if one.answer is not None else ""
        return Complaint(one, self._unseal(one.text, _TEXT, one.id), answer, due(one.sent_at))

    def _seal(self, text: str, column: str, row: str) -> bytes:
        return self._ring.sealer.seal_system(readable(text).encode(), table=_TABLE, column=column, row=row)

    def _unseal(self, sealed: bytes, column: str, row: str) -> str:
        return self._ring.sealer.open_system(sealed, table=_TABLE, column=column, row=row).decode()


async def unread(registry: Registry, citizen: str, guardian: str = "") -> int:
    """Answers of agencies that who wrote has not read yet: he, or this guardian for him."""
    return await registry.database.read(lambda c: store.unread(c, citizen, guardian))


def _about(connection: Connection, leaf: str, citizen: str) -> About | None:
    row = uses.row(connection, citizen, leaf)
    if row is None:
        return None
    return About(
        leaf,
        row["recipient"],
        row["source"],
        row["at"],
        row["purpose"],
        row["purpose_version"],
        tuple(row["categories"]),
        row["decision"],
        row["permit"],
    )


def due(sent_at: datetime) -> date:
    """A month after it was received, on people's calendars (Regulation 1182/71 article 3): 31 January is due 28 February."""
    day = sent_at.astimezone(ZONE).date()
    year, month = (day.year, day.month + 1) if day.month < 12 else (day.year + 1, 1)
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def readable(text: str) -> str:
    """What people wrote, with its line ends, without what nobody sees or what turns a text around."""
    lines = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join("".join(one for one in line if one.isprintable()) for line in lines).strip()
