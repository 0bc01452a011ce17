"""The verbs of Estonia's consent service (e-gov/NT 2.0), on lodged requests, checks, permits and redemptions.

A consent there is one yes to one purpose; here each kind of data has an answer of its own. A reference stands for all of
them together: it is the id of the newest, and it is over for ever as soon as one of them ends or is given anew.

Whoever asks as the source is told under a permit, which is a use in the ledger, before he gives anything; what he
reports afterwards is that the permit was taken.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from base.database import Connection
from consent import checks, questions, seals, whom
from consent.catalogue import Catalogue, Purpose
from consent.errors import AgencySuspended
from consent.interface import ConsentError, PermitRefused
from consent.lodging import Lodging, Receipt, UnknownCitizen, Wanted
from consent.permits import Asked
from consent.registry import Registry
from consent.store import estonia as store
from consent.store.estonia import Answers, Named, Validation
from keys.derive import Pseudonyms

APPROVED, DECLINED, EXPIRED, INAPPLICABLE = "APPROVED", "DECLINED", "EXPIRED", "INAPPLICABLE"
"""The states of a consent that the protocol tells."""
NOT_FOUND, NOT_APPROVED = "HTTP_NOT_FOUND", "CONSENT_VALIDATE_INVALID_STATUS"
UNKNOWN_PURPOSE = "REQUESTED_CONSENTS_NOT_RELATED_TO_ANY_DECLARATIONS"
ENDED_PURPOSE = "REQUESTED_CONSENTS_RELATED_TO_INVALID_DECLARATIONS"
ALL_APPROVED = "ALL_REQUESTED_CONSENTS_HAVE_ALREADY_BEEN_APPROVED"
UNKNOWN_CITIZEN, INVALID = "ID_CODE_INVALID", "VALIDATION"
SUSPENDED, UNRECONCILED = "suspended", "unreconciled"
"""Two that the protocol does not know."""

SKEW = timedelta(seconds=60)
"""By how much a source's clock may differ from ours."""
REPORTED_WITHIN = timedelta(days=1)
PORTION = 200
"""References of one statement."""
_ENDS = {"expired": EXPIRED, "withdrawn": DECLINED, "refused": DECLINED}


class Refused(Exception):
    """`code`: in the protocol's words, or one of the two of ours."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Standing:
    """A reference at this moment. `sub`: the citizen as the recipient knows him."""

    reference: str
    status: str
    expires_at: datetime | None
    sub: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Released:
    """What a source is told when it may give. `sub`: the citizen as the source knows him. `before`: the permit's end."""

    reference: str
    expires_at: datetime
    sub: str
    recipient: str
    data: tuple[str, ...]
    purpose: str
    purpose_version: int
    before: datetime
    leaf: str


@dataclass(frozen=True, slots=True)
class ConsentService:
    """Methods that take a connection run inside the caller's unit of work."""

    registry: Registry
    lodging: Lodging
    pseudonyms: Pseudonyms

    def request(self, connection: Connection, wanted: Wanted, represented_by: str = "") -> Receipt:
        """getConsentGroupReference: what is allowed already is not asked again. Refused, lodging.TooManyOpen.

        `represented_by`: the pseudonym of who is to answer for him, if another is.
        """
        catalogue, now = self.registry.snapshot(connection), self.registry.clock.now()
        if not catalogue.is_active(wanted.agency):
            raise Refused(SUSPENDED)
        for one in wanted.uses:
            purpose = catalogue.purpose_of(wanted.agency, one.purpose)
            if purpose is None or purpose.legal_basis != "consent":
                raise Refused(_why_not(catalogue, wanted.agency, one.purpose))
        citizen = whom.find(connection, self.pseudonyms, wanted.agency, wanted.sub)
        if citizen is None or (
            represented_by and whom.find(connection, self.pseudonyms, wanted.agency, represented_by) is None
        ):
            raise Refused(UNKNOWN_CITIZEN)
        open_ = questions.first(
            connection,
            catalogue,
            wanted.uses,
            pseudonyms=self.pseudonyms,
            citizen=citizen,
            agency=wanted.agency,
            answered=(),
            anew=False,
            now=now,
        )
        if open_ is None:
            raise Refused(ALL_APPROVED)
        try:
            return self.lodging.lodge(connection, wanted)
        except UnknownCitizen:
            raise Refused(UNKNOWN_CITIZEN) from None
        except (AgencySuspended, ConsentError):
            raise Refused(UNKNOWN_PURPOSE) from None

    async def references(self, agency: str, sub: str, purposes: Collection[str]) -> dict[str, str]:
        """getConsentReferences: by purpose, of those that are approved. Nobody, and another agency's, have none."""
        found, seen = await self.registry.database.read(lambda c: self._references(c, agency, sub, purposes))
        await self._tell(seen)
        return found

    def _references(
        self, connection: Connection, agency: str, sub: str, purposes: Collection[str]
    ) -> tuple[dict[str, str], list[Answers]]:
        citizen, found, seen = whom.find(connection, self.pseudonyms, agency, sub), {}, []
        if citizen is None or not self.registry.ledger.fence.is_open(connection):
            return {}, []
        catalogue, now = self.registry.snapshot(connection), self.registry.clock.now()
        for name, rows in store.of_citizen(connection, citizen, agency, purposes).items():
            purpose = catalogue.purpose_of(agency, name)
            answers = seals.judged(self.pseudonyms, rows, citizen, agency, name)
            seen.append(answers)
            if purpose is not None and _reason(catalogue, purpose, answers, now) == "consent":
                found[name] = _newest(purpose, answers)
        return found, seen

    async def _tell(self, seen: Sequence[Answers]) -> None:
        """Raise the alarm for answers that are not what was written."""
        wrong = [one for answers in seen for one in answers.values() if one.state == checks.ALTERED]
        if wrong:
            now = self.registry.clock.now()
            await self.registry.database.write(lambda c: seals.tell(c, wrong, now))

    async def standing(self, agency: str, reference: str) -> Standing:
        """ValidateConsentForClient. Refused."""
        (found,) = await self.standings(agency, [reference]) or (None,)
        if found is None:
            raise Refused(NOT_FOUND)
        if found.status != APPROVED:
            raise Refused(NOT_APPROVED)
        return found

    async def standings(self, agency: str, references: Sequence[str]) -> list[Standing]:
        """Of those that are this agency's, in the order asked; in portions, each as of its own moment."""
        found: list[Standing] = []
        for start in range(0, len(references), PORTION):
            found += await self._portion(agency, references[start : start + PORTION])
        return found

    async def _portion(self, agency: str, references: Sequence[str]) -> list[Standing]:
        def unit(connection: Connection) -> tuple[list[Standing], list[Answers]]:
            rows, catalogue = self._named(connection, references), self.registry.snapshot(connection)
            is_open = self.registry.ledger.fence.is_open(connection)
            mine = [rows[one] for one in references if one in rows and rows[one].agency == agency]
            found = [self._standing(catalogue, one, is_open=is_open) for one in mine]
            return found, [one.answers for one in mine]

        standings, seen = await self.registry.database.read(unit)
        await self._tell(seen)
        return standings

    def _named(self, connection: Connection, references: Collection[str]) -> dict[str, Named]:
        """With the answers as far as they are what was written."""
        return {
            name: replace(one, answers=seals.judged(self.pseudonyms, one.answers, one.citizen, one.agency, one.purpose))
            for name, one in store.named(connection, references).items()
        }

    def _standing(self, catalogue: Catalogue, one: Named, *, is_open: bool) -> Standing:
        status = _status(catalogue, one, self.registry.clock.now(), is_open=is_open)
        expires_at = one.expires_at
        if status == APPROVED:
            data = catalogue.purposes[one.purpose].data
            ends = (answer.expires_at for category, answer in one.answers.items() if category in data)
            expires_at = min(at for at in ends if at is not None)
        sub = self.pseudonyms.pairwise(one.citizen, one.agency)
        return Standing(one.reference, status, expires_at, sub, one.purpose)

    def release(self, connection: Connection, source: str, reference: str) -> Released | str:
        """validateConsentForDataProvider: a use, in the ledger before it is told; a string is the code of the refusal.

        Returned, so that a denied attempt stays written. Where a source's own data would be allowed and the reference
        is over all the same, nothing was attempted that a check would not have told.
        """
        catalogue = self.registry.snapshot(connection)
        if not catalogue.is_active(source):
            return SUSPENDED
        one = self._named(connection, [reference]).get(reference)
        data = _of_source(catalogue, one, source) if one is not None else ()
        if one is None or not data:
            return NOT_FOUND
        is_open, now = self.registry.ledger.fence.is_open(connection), self.registry.clock.now()
        standing = self._standing(catalogue, one, is_open=is_open)
        own = checks.decide(catalogue, one.agency, one.purpose, data, one.answers, now)
        if standing.status != APPROVED and own.allowed and is_open:
            return NOT_APPROVED
        done = self.registry.permit_unit(connection, Asked(one.agency, one.purpose, data, source), standing.sub)
        outcome = done.outcome
        if done.permit is None or outcome.permit_id is None or outcome.expires_at is None or outcome.leaf is None:
            return NOT_APPROVED
        assert standing.expires_at is not None
        store.add_validation(
            connection, outcome.permit_id, reference, done.permit, now=now, until=outcome.expires_at + REPORTED_WITHIN
        )
        return Released(
            reference,
            standing.expires_at,
            outcome.source_sub,
            one.agency,
            data,
            one.purpose,
            outcome.decision.purpose_version,
            outcome.expires_at,
            outcome.leaf.hash,
        )

    def report(self, connection: Connection, source: str, reference: str, told: datetime) -> None:
        """reportDataTransmission: the permit that the source was told under is taken, at that moment, once. Refused.

        The same report again changes nothing. What was not validated before, or had run out by then, is no report.
        """
        now = self.registry.clock.now()
        if not now - REPORTED_WITHIN < told <= now + SKEW:
            raise Refused(INVALID)
        if not self.registry.snapshot(connection).is_active(source):
            raise Refused(SUSPENDED)
        if not self.registry.ledger.fence.is_open(connection):
            raise Refused(UNRECONCILED)
        told = told.astimezone(UTC)
        found = store.validations(connection, reference, source)
        if any(one.told == told for one in found):
            return
        for one in found:
            moment = _moment(one, min(told, now))
            if moment is not None and one.told is None and self._take(connection, source, one.signed, moment):
                store.report(connection, one.permit, told)
                return
        raise Refused(NOT_FOUND)

    def _take(self, connection: Connection, source: str, signed: str, at: datetime) -> bool:
        try:
            return not isinstance(self.registry.redemption(signed, source=source, at=at)(connection), str)
        except PermitRefused:
            return False

    async def is_up(self) -> bool:
        return await self.registry.database.read(self.registry.ledger.fence.is_open)


def _moment(one: Validation, at: datetime) -> datetime | None:
    """When a source gave data under this, by its own clock; as it was issued, where that clock is behind ours."""
    return max(at, one.issued_at) if one.issued_at - at <= SKEW else None


def _why_not(catalogue: Catalogue, agency: str, purpose: str) -> str:
    """What was this agency's once, and what it never was: another's and nobody's look alike."""
    known = any(
        name == purpose and one.agency == agency and one.publisher for (name, _), one in catalogue.versions.items()
    )
    return ENDED_PURPOSE if known and purpose not in catalogue.purposes else UNKNOWN_PURPOSE


def _status(catalogue: Catalogue, one: Named, now: datetime, *, is_open: bool) -> str:
    if one.state != checks.GIVEN:
        return _ENDS.get(one.state, INAPPLICABLE)
    purpose = catalogue.purpose_of(one.agency, one.purpose)
    if purpose is None:
        return INAPPLICABLE
    reason = _reason(catalogue, purpose, one.answers, now)
    if reason != "consent":
        return _ENDS.get(reason, INAPPLICABLE)
    return APPROVED if is_open and _newest(purpose, one.answers) == one.reference else INAPPLICABLE


def _reason(catalogue: Catalogue, purpose: Purpose, answers: Answers, now: datetime) -> str:
    """As a check of all the purpose's data decides; "consent" when all of it is given."""
    return checks.decide(catalogue, purpose.agency, purpose.id, purpose.data, answers, now).reason


def _newest(purpose: Purpose, answers: Answers) -> str:
    return [answer.id for category, answer in answers.items() if category in purpose.data][-1]


def _of_source(catalogue: Catalogue, one: Named, source: str) -> tuple[str, ...]:
    """The data of the purpose, as the consent was to it, that this agency is the source of."""
    purpose = catalogue.purpose_of(one.agency, one.purpose) or catalogue.versions[one.purpose, one.purpose_version]
    return tuple(category for category in purpose.data if catalogue.source_of(category) == source)
