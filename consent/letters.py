"""Letters: what a citizen is told elsewhere than on his pages, in the house's message box.

A receipt of each answer and of each end, and a reminder of what still stands, every 90 days (docs/page-rules.md, rules 13
and 14); and to who comes of age, what a guardian allowed for him (EDPB Guidelines 05/2020 on consent, section 7.1). Words
alone: no letter has a button, and nothing is done by opening one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from gettext import NullTranslations
from typing import Any

from base import outbox
from base.clock import Clock
from base.database import Connection, Database
from base.i18n import DEFAULT, N_, day, text
from base.ids import identifier
from base.people import Guardians
from consent.catalogue import Catalogue
from consent.checks import GIVEN, REFUSED
from consent.registry import Registry
from consent.store import letters as store
from consent.store.letters import Line

KIND = "citizen.letter"
ANSWERED, ENDED, REMINDER, YOURS = "consent.answered", "consent.ended", "consent.reminder", "consent.yours"
SELF, GUARDIAN, CHILD = "self", "guardian", "child"
AFTER = timedelta(days=90)
MOST = 100
"""Lines of one letter; who allows more finds them all on his page."""
BITE = 500
SUBJECTS = {
    ANSWERED: N_("Your answer to %(agency)s"),
    ENDED: N_("Your permission has ended: %(agency)s"),
    REMINDER: N_("What organisations may use of you"),
    YOURS: N_("From now on you decide yourself"),
}
OPENINGS = {
    (ANSWERED, SELF): N_("You answered what this organisation asked of you:"),
    (ANSWERED, GUARDIAN): N_("You answered for %(name)s, as a guardian:"),
    (ANSWERED, CHILD): N_("A guardian answered for you what this organisation asked:"),
    (ENDED, SELF): N_("From this moment this is no longer given:"),
    (ENDED, GUARDIAN): N_("You stopped this for %(name)s, as a guardian:"),
    (ENDED, CHILD): N_("A guardian stopped this for you:"),
    (REMINDER, SELF): N_("You allow this. You need to do nothing if it is still right:"),
    (REMINDER, CHILD): N_(
        "This is allowed of you, some of it by a guardian. You need to do nothing if it is still right:"
    ),
    (YOURS, CHILD): N_(
        "You are old enough to decide yourself now. A guardian allowed this for you. It stands until its day, or until you stop it:"
    ),
    (REMINDER, GUARDIAN): N_(
        "This is allowed of %(name)s, for whom you act. You need to do nothing if it is still right:"
    ),
}
"""By what the letter is about, and who reads it: who did it himself, who did it for another, or that other."""
A_CHILD = N_("a child")
"""Whose guardian he is no more: the name is not his to read."""
LINES = {
    "once": N_("You allow %(agency)s to use, for one time until %(day)s: %(data)s."),
    GIVEN: N_("You allow %(agency)s to use, until %(day)s: %(data)s."),
    REFUSED: N_("You do not allow %(agency)s to use: %(data)s."),
    "withdrawn": N_("%(agency)s gets no more: %(data)s."),
}
LINES_BY_GUARDIAN = {
    "once": N_("%(agency)s may use, for one time until %(day)s: %(data)s."),
    GIVEN: N_("%(agency)s may use, until %(day)s: %(data)s."),
    REFUSED: N_("%(agency)s may not use: %(data)s."),
    "withdrawn": LINES["withdrawn"],
}
ABOUT = N_("It comes from %(source)s. It is for: %(purpose)s. %(explanation)s")
CLOSING = N_(
    "Log in yourself to look at this or to stop it, at any time. You find it under “My consents”, at %(address)s."
)
CLOSING_OF_GUARDIAN = N_(
    "Log in yourself to look at this or to stop it, at any time. You find it under “Children you act for”, at %(address)s."
)


@dataclass(frozen=True, slots=True)
class Letter:
    """`id`: the same when it is sent again."""

    id: str
    kind: str
    language: str
    subject: str
    text: str


class Letters:
    """`translations`: by language, as the renderer has them."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        translations: Mapping[str, NullTranslations],
        issuer: str,
        clock: Clock,
        guardians: Guardians,
    ) -> None:
        self._database = database
        self._registry = registry
        self._translations = translations
        self._address, self._guardians_address = f"{issuer}/my/consents", f"{issuer}/my"
        self._clock = clock
        self._guardians = guardians

    async def happened(self, event: Mapping[str, Any]) -> None:
        """An event of the register has left its outbox. The last of those of one act has a letter written about all.

        Of what a guardian did he gets one too.
        """
        citizen, at = event["citizen"], datetime.fromisoformat(event["at"])

        def unit(connection: Connection) -> None:
            lines, last = store.together(connection, citizen, at)
            if last == event["revision"]:
                kind = ANSWERED if any(one.type in (GIVEN, REFUSED) for one in lines) else ENDED
                now, letter_id = self._clock.now(), f"{event['consent']}.{last}"
                _write(connection, letter_id, kind, citizen, at, now)
                if guardian := lines[-1].guardian:
                    _write(connection, f"{letter_id}.guardian", kind, guardian, at, now, about=citizen)

        await self._database.write(unit)

    async def grown(self) -> int:
        """Everybody who has come of age while something stands that a guardian gave: it is his now. Answers how many."""
        after, total, now = "", 0, self._clock.now()
        while True:
            found = await self._database.scan(lambda c, after=after: store.left_by_guardians(c, after, now, BITE))  # type: ignore[misc]  # bound at once
            due = await self._guardians.grown(found) if found else ()
            if due:
                await self._database.write(lambda c, due=due: _hand_over(c, due, now))  # type: ignore[misc]  # bound at once
                total += len(due)
            if len(found) < BITE:
                return total
            after = found[-1]

    async def remind(self) -> int:
        """Everybody of whom something stands and who heard nothing of it for 90 days, and a child's guardians with it.

        Answers of how many.
        """
        after, total, now = "", 0, self._clock.now()
        while True:
            found = await self._database.scan(lambda c, after=after: store.bite(c, after, now, BITE))  # type: ignore[misc]  # bound at once
            due = [citizen for citizen, heard_at in found if now - heard_at >= AFTER]
            if due:
                acting = await self._guardians.guardians(due)
                await self._database.write(lambda c, due=due, acting=acting: _remind(c, due, acting, now))  # type: ignore[misc]  # bound at once
                total += len(due)
            if len(found) < BITE:
                return total
            after = found[-1][0]

    async def read(self, message: Mapping[str, Any]) -> Letter | None:
        """The letter of one message of the outbox; None when there is nothing to say any more."""
        at, now, about = datetime.fromisoformat(message["at"]), self._clock.now(), message["about"]
        is_own = about == message["citizen"]
        name = "" if is_own else await self._name(message["citizen"], about)
        if message["kind"] == REMINDER and not is_own and not name:
            # His custody ended while the letter waited.
            return None

        def unit(connection: Connection) -> Sequence[Line]:
            if message["kind"] == REMINDER:
                return store.standing(connection, about, now, MOST)
            if message["kind"] == YOURS:
                return [one for one in store.standing(connection, about, now, MOST) if one.by_guardian]
            return store.together(connection, about, at)[0][:MOST]

        lines = await self._database.read(unit)
        if not lines:
            return None
        reader = GUARDIAN if not is_own else CHILD if any(one.by_guardian for one in lines) else SELF
        catalogue = await self._registry.catalogue()
        return self._letter(message["id"], message["kind"], reader, name, lines, catalogue)

    async def _name(self, guardian: str, child: str) -> str:
        """Empty of whom he does not act for now."""
        children = await self._guardians.children(guardian)
        return next((one.name for one in children if one.citizen == child), "")

    def _letter(
        self, letter_id: str, kind: str, reader: str, name: str, lines: Sequence[Line], catalogue: Catalogue
    ) -> Letter:
        """`name`: of the child that it is about, for its guardian."""
        language = lines[0].language if lines[0].language in self._translations else DEFAULT
        _ = self._translations[language].gettext
        agencies = dict.fromkeys(text(catalogue.agencies[one.agency].name, language) for one in lines)
        said = [_(OPENINGS[kind, reader]) % {"name": name or _(A_CHILD)}]
        said.extend(f"- {self._line(one, reader, catalogue, language)}" for one in lines)
        if reader == GUARDIAN:
            said.append(_(CLOSING_OF_GUARDIAN) % {"address": self._guardians_address})
        else:
            said.append(_(CLOSING) % {"address": self._address})
        subject = _(SUBJECTS[kind]) % {"agency": ", ".join(agencies)}
        return Letter(letter_id, kind, language, subject, "\n\n".join(said))

    def _line(self, one: Line, reader: str, catalogue: Catalogue, language: str) -> str:
        _ = self._translations[language].gettext
        category, purpose = catalogue.categories[one.category], catalogue.versions[one.purpose, one.purpose_version]
        sentences = LINES if reader == SELF else LINES_BY_GUARDIAN
        sentence = sentences["once" if one.type == GIVEN and one.once else one.type]
        what = _(sentence) % {
            "agency": text(catalogue.agencies[one.agency].name, language),
            "day": day(one.expires_at, language) if one.expires_at is not None else "",
            "data": text(category.name, language),
        }
        about = _(ABOUT) % {
            "source": text(catalogue.agencies[category.source].name, language),
            "purpose": text(purpose.title, language),
            "explanation": text(purpose.explanation, language),
        }
        return f"{what} {about}"


def _remind(
    connection: Connection, citizens: Sequence[str], acting: Mapping[str, Sequence[str]], now: datetime
) -> None:
    for citizen in citizens:
        store.reminded(connection, citizen, now)
        _write(connection, identifier(), REMINDER, citizen, now, now)
        for guardian in acting.get(citizen, ()):
            _write(connection, identifier(), REMINDER, guardian, now, now, about=citizen)


def _hand_over(connection: Connection, citizens: Sequence[str], now: datetime) -> None:
    for citizen in citizens:
        store.reminded(connection, citizen, now, grown=True)
        _write(connection, identifier(), YOURS, citizen, now, now)


def _write(
    connection: Connection, letter_id: str, kind: str, citizen: str, at: datetime, now: datetime, about: str = ""
) -> None:
    """`about`: whose answers, when they are not the reader's."""
    message = {"id": letter_id, "kind": kind, "citizen": citizen, "about": about or citizen, "at": at.isoformat()}
    outbox.put(connection, KIND, message, key=f"letter {citizen}", now=now)
