"""The door: all that the provider may know of the registry.

Each call runs in the registry's own units of work and is durable before it returns.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import msgspec

from keys.digest import digest

Texts = Mapping[str, str]
"""A text in several languages, by language tag."""


class ConsentError(Exception):
    """Base of what the door refuses; the message is fit for the agency's developer."""


class UnknownPurpose(ConsentError):
    """Not published, or not this agency's."""


class QuestionChanged(ConsentError):
    """The catalogue changed while the citizen was reading: ask again, nothing was recorded."""


class AboveGuardRail(ConsentError):
    """More data, or for longer, than the purpose allows."""


class LoginTooWeak(ConsentError):
    """The purpose asks for another login than the one that is behind this use: of this level, of this age (seconds)."""

    def __init__(self, acr: str, max_age_s: int | None) -> None:
        super().__init__("the login is not strong or not fresh enough for this purpose")
        self.acr = acr
        self.max_age_s = max_age_s


class OtherSource(ConsentError):
    """Some of the data does not come from the agency that is named as its source."""


class PermitRefused(ConsentError):
    """A permit that does not work: `reason` is unknown, redeemed, expired, source, recipient, altered or unreconciled."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class LoginEvent:
    """How sure a login was, and when."""

    acr: str
    auth_time: datetime


@dataclass(frozen=True, slots=True)
class PersonalDataUse:
    """What an agency asks (RFC 9396, type personal_data_use).

    `data` None: all of the purpose. `source`: all of `data` must come from there; without `data`, what does.
    `one_time`: the consent ends with its first use.
    """

    purpose: str
    data: tuple[str, ...] | None = None
    duration_s: int | None = None
    source: str | None = None
    one_time: bool = False


@dataclass(frozen=True, slots=True)
class Frequency:
    """How often data may be used for a purpose: so many times in any so many days."""

    uses: int
    period_days: int


STANDING, EARLIER, ENDED, NEW = "standing", "earlier", "ended", "new"


@dataclass(frozen=True, slots=True)
class Item:
    """One kind of data that needs one answer.

    `mark`: what is different from what the citizen answered before: STANDING (he allows it now, `until`), EARLIER
    (allowed for an earlier version of the purpose), ENDED (it was allowed `until`), NEW (not asked before, beside what
    was), or "" where nothing was asked before.
    """

    category: str
    name: Texts
    description: Texts
    sensitivity: str
    source: str
    source_name: Texts
    mark: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What the asking page shows: one purpose of one agency."""

    agency: str
    agency_name: Texts
    purpose: str
    purpose_version: int
    title: Texts
    explanation: Texts
    refusal: Texts
    legal_basis: str
    statute: str
    duration_s: int
    items: tuple[Item, ...]
    already: tuple[Item, ...]
    statute_url: str = ""
    retention_days: int | None = None
    recipients: tuple[Texts, ...] = ()
    frequency: Frequency | None = None
    one_time: bool = False

    def notice(self, language: str) -> dict[str, object]:
        """Exactly what is shown in one language; its hash is what the record keeps."""
        return {
            "agency": self.agency,
            "agency_name": self.agency_name.get(language, ""),
            "purpose": self.purpose,
            "purpose_version": self.purpose_version,
            "language": language,
            "title": self.title.get(language, ""),
            "explanation": self.explanation.get(language, ""),
            "refusal": self.refusal.get(language, ""),
            "legal_basis": self.legal_basis,
            "statute": self.statute,
            "statute_url": self.statute_url,
            "duration_s": self.duration_s,
            "retention_days": self.retention_days,
            "recipients": [name.get(language, "") for name in self.recipients],
            "frequency": self.frequency,
            "one_time": self.one_time,
            "items": [
                {
                    "category": item.category,
                    "name": item.name.get(language, ""),
                    "description": item.description.get(language, ""),
                    "sensitivity": item.sensitivity,
                    "source": item.source,
                    "source_name": item.source_name.get(language, ""),
                    "mark": item.mark,
                    "until": item.until,
                }
                for item in self.items
            ],
        }

    def notice_bytes(self, language: str) -> bytes:
        """The notice as canonical JSON (sorted members, no space): what is stored of what was shown."""
        return msgspec.json.encode(self.notice(language), order="deterministic")

    def notice_hash(self, language: str) -> str:
        """SHA-256 of `notice_bytes`, 43 base64url characters: a form sends it back, the record keeps it."""
        return digest(self.notice_bytes(language).decode())


@dataclass(frozen=True, slots=True)
class Recorded:
    """An answer that is in the register.

    `consents`: the ids of what was given. `revision`: the consistency token. `receipts`: one for each item.
    """

    consents: tuple[str, ...]
    revision: int
    receipts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A permit taken by its source, once. `sub`: the citizen as the source knows him."""

    permit_id: str
    citizen: str
    sub: str
    recipient: str
    purpose: str
    data: tuple[str, ...]
    redeemed_at: datetime


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What the registry says to an agency that wants to deal with another about a citizen; it is in the citizen's history.

    `permit`: its id, when allowed. `data`: the kinds that it was asked for.
    """

    permit: str | None
    reason: str
    data: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that an agency lodged, for the list of what a citizen is asked. `path`: where he answers it."""

    path: str
    agency_name: Texts
    titles: tuple[Texts, ...]
    lodged_at: datetime
    expires_at: datetime


class Rails(Protocol):
    def check(self, agency: str, uses: Sequence[PersonalDataUse]) -> None:
        """UnknownPurpose, AboveGuardRail or OtherSource for a request that no citizen will be asked."""
        ...


class Door(Protocol):
    async def rails(self) -> Rails:
        """What the catalogue allows to be asked at this moment."""
        ...

    async def question(
        self, *, citizen: str, agency: str, requests: Sequence[PersonalDataUse], answered: Collection[str], anew: bool
    ) -> Question | None:
        """The first purpose that still needs an answer, or None. UnknownPurpose, AboveGuardRail, OtherSource.

        What was refused is asked again, and with `anew` what was allowed too; but never what this citizen has just
        answered: the purposes in `answered`.
        """
        ...

    async def answer(self, *, citizen: str, question: Question, answers: Mapping[str, bool], language: str) -> Recorded:
        """Record one answer for each item of `question`, refusals too, in one commit.

        ValueError when an item has no answer. QuestionChanged when this is no longer what the catalogue would ask.
        """
        ...

    async def asked(self, citizen: str) -> list[Waiting]:
        """What agencies lodged and this citizen has not answered, newest first."""
        ...

    async def standing(
        self, *, citizen: str, agency: str, requests: Sequence[PersonalDataUse]
    ) -> tuple[PersonalDataUse, ...]:
        """What of these uses is allowed at this moment, each with just that data. Releases and records nothing."""
        ...

    async def give_up(self, *, citizen: str, agency: str, purposes: Collection[str]) -> None:
        """The agency needs what it was given for these purposes no more: those consents end, as its own doing."""
        ...

    async def whom(self, *, agency: str, sub: str) -> str | None:
        """The citizen whom this agency means by a `sub`: someone who logged in there. None for any other text."""
        ...

    async def meet(self, *, citizen: str, agency: str) -> None:
        """A citizen logs in at an agency: from now on its `sub` can be translated."""
        ...

    async def release(
        self,
        *,
        citizen: str,
        agency: str,
        purpose: str | None,
        categories: frozenset[str],
        login: LoginEvent | None = None,
    ) -> frozenset[str]:
        """What the provider itself may release now. The use, or the denied attempt, is recorded first.

        `purpose` None: the client has none, so nothing is released. `login`: the one behind the use; LoginTooWeak when
        the purpose asks for more. Then nothing is recorded: nothing was decided.
        """
        ...

    async def exchange(self, *, citizen: str, agency: str, use: PersonalDataUse, target: str) -> Exchanged:
        """Whether `agency` may now be told who a citizen is at `target`, which is the source of what `use` needs.

        A recorded use, or a recorded denied attempt; no data is released by it. From then on `target` and its `sub`
        can be translated.
        """
        ...

    async def redeem(self, unverified_permit: str, *, source: str) -> Redeemed:
        """Take a permit as its source. PermitRefused."""
        ...
