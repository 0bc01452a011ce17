"""The export for people: a PDF in their language that can be read on a screen, on paper, and aloud."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from base import i18n
from base.i18n import N_
from base.pdf.document import Document, Row
from consent.acting import GUARDIAN, SELF
from consent.catalogue import Catalogue
from consent.export.content import Export, Line
from consent.lookups import WHAT
from consent.pages.complaining import OUTCOMES as ANSWERS
from consent.pages.complaining import STATES as COMPLAINT_STATES
from consent.pages.complaining import SUBJECTS
from consent.pages.page import BASES, REASONS, STATES

OUTCOMES = {"used": N_("the data was used"), "not_used": N_("the data was not used")}
Translate = Callable[[str], str]


async def stream(export: Export, translate: Translate, language: str) -> AsyncIterator[bytes]:
    """`export`: without proofs. `translate`: into `language`."""
    now, _ = export.registry.clock.now(), translate
    catalogue = await export.registry.catalogue()
    document = Document(
        title=_("What Regie keeps of you"), language=language, page_of=_("Regie, page %(page)s"), now=now
    )
    words = _Words(translate, language, catalogue)
    head = await export.head()
    _about(document, words, head, now)
    for title, none, lines, told in (
        (_("Your permissions"), _("You gave and refused nothing."), export.consents(), words.consent),
        (_("Who used your data"), _("Nobody used your data."), export.uses(), words.use),
    ):
        document.heading(2, title)
        empty = True
        async for one in lines:
            document.block(*told(one))
            empty = False
            yield document.take()
        if empty:
            document.paragraph(none)
    _rest(document, words, head)
    yield document.close()


@dataclass(frozen=True, slots=True)
class _Words:
    """What ids and moments are for people."""

    translate: Translate
    language: str
    catalogue: Catalogue

    def consent(self, one: Line) -> tuple[str, list[Row]]:
        _, state = self.translate, STATES[one["state"]][1]
        rows = [
            (_("Purpose"), self.purpose(one)),
            (_("State"), _(state)),
            (_("Your answer"), self.at(one["answeredAt"])),
            (_("Until"), self.at(one["endedAt"] or one["expiresAt"])),
            (_("Done by"), _("a guardian") if one["events"] and one["events"][-1]["acting"] == GUARDIAN else ""),
            (_("Proof"), one["events"][-1]["leaf"] if one["events"] else ""),
        ]
        return f"{self.category(one['data'])} – {self.agency(one['agency'])}", rows

    def use(self, one: Line) -> tuple[str, list[Row]]:
        _ = self.translate
        said = OUTCOMES.get(one["outcome"], "")
        ground, reason = BASES[one["legalBasis"]], REASONS.get(one["reason"], "")
        decision = _("Allowed") if one["decision"] == "allowed" else _("Refused")
        rows = [
            (_("Purpose"), self.purpose(one)),
            (_("Data"), ", ".join(self.category(name) for name in one["data"])),
            (_("From"), self.agency(one["source"])),
            (_("Ground"), _(ground)),
            (_("Decision"), f"{decision}. {_(reason) if reason else ''}"),
            (_("Given"), self.at(one["takenAt"])),
            (_("The organisation says"), _(said) if said else ""),
            (_("Proof"), one["leaf"]),
        ]
        return f"{self.at(one['at'])} – {self.agency(one['recipient'])}", rows

    def at(self, moment: str | None) -> str:
        return i18n.moment(datetime.fromisoformat(moment), self.language) if moment else ""

    def day(self, text: str) -> str:
        """A register's dates may be partial: such a one stays as it is written there."""
        try:
            return i18n.day(date.fromisoformat(text), self.language)
        except ValueError:
            return text

    def agency(self, name: str) -> str:
        found = self.catalogue.agencies.get(name)
        return i18n.text(found.name, self.language) if found is not None else name

    def category(self, name: str) -> str:
        found = self.catalogue.categories.get(name)
        return i18n.text(found.name, self.language) if found is not None else name

    def purpose(self, one: Line) -> str:
        found = self.catalogue.versions.get((one["purpose"], one["purposeVersion"]))
        return i18n.text(found.title, self.language) if found is not None else one["purpose"]

    def title(self, purpose: str) -> str:
        found = self.catalogue.shown(purpose)
        return i18n.text(found.title, self.language) if found is not None else purpose


def _about(document: Document, words: _Words, head: Line, now: datetime) -> None:
    _, account = words.translate, head["account"]
    document.heading(1, _("What Regie keeps of you"))
    document.paragraph(
        _("Made on %(when)s. Keep it where nobody else can read it.") % {"when": i18n.moment(now, words.language)}
    )
    if not account:
        return
    person: dict[str, Any] = account["person"]
    where = person["address"]
    document.heading(2, _("About you"))
    document.block(
        " ".join(person[one] for one in ("givenNames", "prefix", "familyName") if person[one]),
        [
            (_("National number"), person["nationalNumber"]),
            (_("Born"), " – ".join(one for one in (words.day(person["birthDate"]), person["birthPlace"]) if one)),
            (_("Nationality"), person["nationality"]),
            (_("Parents"), ", ".join(person["parents"])),
            (_("Address"), _address(where)),
        ],
    )
    document.heading(2, _("Your login"))
    ways = account["waysToLogIn"]
    passkeys = [one["label"] or _("a passkey") for one in ways["passkeys"]]
    usual = [_("a password")] * ways["password"] + [_("a code of an app")] * ways["codeOfAnApp"]
    document.block(_("How you log in"), [(_("With"), ", ".join([*usual, *passkeys]))])
    if account["children"] or account["guardians"]:
        number = str(account["guardians"]) if account["guardians"] else ""
        rows = [(_("You are a guardian of"), ", ".join(account["children"])), (_("Your guardians"), number)]
        document.block(_("Who decides for whom"), rows)
    for one in account["sessions"]:
        rows = [(_("Logged in"), words.at(one["loggedInAt"])), (_("Used at"), ", ".join(one["usedAt"]))]
        document.block(one["device"] or _("Unknown device"), rows)
    for one in account["grants"]:
        document.block(one["name"], [(_("May use your login since"), words.at(one["givenAt"]))])


def _rest(document: Document, words: _Words, head: Line) -> None:
    _ = words.translate
    if head["requests"]:
        document.heading(2, _("What organisations asked you"))
    for one in head["requests"]:
        titles = ", ".join(words.title(purpose) for purpose in one["purposes"])
        rows = [(_("Purpose"), titles), (_("Asked"), words.at(one["askedAt"]))]
        document.block(words.agency(one["agency"]), rows)
    _complaints(document, words, _("Your complaints and requests"), head["complaints"], SELF)
    _as_guardian(document, words, head["asGuardian"])
    _complaints(document, words, _("What you wrote for a child"), head["complaintsAsGuardian"], GUARDIAN)
    if head["lookups"]:
        document.heading(2, _("Who looked at your file here"))
    for one in head["lookups"]:
        what = WHAT[one["what"]]
        document.block(words.at(one["at"]), [(_("What was done"), _(what))])
    if head["pseudonyms"]:
        document.heading(2, _("How organisations know you"))
        document.paragraph(
            _("To each organisation you have another name, so that they cannot put together what they know.")
        )
    for one in head["pseudonyms"]:
        document.block(words.agency(one["agency"]), [(_("Knows you as"), one["sub"])])
    document.heading(2, _("What you can do"))
    document.paragraph(
        _(
            "You can stop every permission at any moment, ask an organisation to mend or delete what it has of you, and object to how it is used."
        )
    )
    document.paragraph(
        _(
            "Do you find that your data is used wrongly? You can complain to the supervisor: the Autoriteit Persoonsgegevens."
        )
    )
    document.paragraph(
        _(
            "“Proof” is the place of a line in the public ledger. The file for computers has the whole proof of each line."
        )
    )


def _complaints(document: Document, words: _Words, heading: str, written: list[Line], reader: str) -> None:
    """`reader`: as what he reads them, self or guardian."""
    _ = words.translate
    if written:
        document.heading(2, heading)
    for one in written:
        what, state = SUBJECTS[one["kind"]], COMPLAINT_STATES[one["state"]][1]
        said = ANSWERS[one["outcome"]] if one["outcome"] else ""
        rows = [
            (_("Sent"), words.at(one["sentAt"])),
            (_("State"), _(state)),
            (_("You wrote") if one["acting"] == reader else _("A guardian wrote"), one["text"]),
            (_("Answer"), f"{_(said)} {one['answer']}" if said else ""),
        ]
        document.block(f"{_(what)} – {words.agency(one['agency'])}", rows)


def _as_guardian(document: Document, words: _Words, pressed: list[Line]) -> None:
    _ = words.translate
    did = {
        "given": _("Permission was given"),
        "refused": _("This was refused"),
        "withdrawn": _("The permission was withdrawn"),
    }
    if pressed:
        document.heading(2, _("What you did for a child"))
    for one in pressed:
        rows = [(_("Purpose"), words.title(one["purpose"])), (_("Data"), words.category(one["data"]))]
        rows += [(_("What was done"), did[one["type"]]), (_("Proof"), one["leaf"])]
        document.block(f"{words.at(one['at'])} – {words.agency(one['agency'])}", rows)


def _address(where: dict[str, str]) -> str:
    street = " ".join(one for one in (where["street"], where["houseNumber"]) if one)
    city = " ".join(one for one in (where["postalCode"], where["city"]) if one)
    return ", ".join(one for one in (street, city, where["country"]) if one)
