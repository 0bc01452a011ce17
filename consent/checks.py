"""Deciding, purely: records, catalogue, query and time in; a decision with its reason out.

Flat items, an explicit no, the newest answer wins. Expiry is decided here, at the moment of asking, and never by a job.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from base.assurance import at_least
from consent.catalogue import Catalogue, Purpose
from consent.interface import LoginEvent, LoginTooWeak

GIVEN, REFUSED, WITHDRAWN, USED = "given", "refused", "withdrawn", "used"
"""`used`: it was given for one use, and that was made."""
ALTERED = "altered"
"""What the row of an answer says is not what was written (consent.seals)."""
ALLOWED, DENIED = "allowed", "denied"


@dataclass(frozen=True, slots=True)
class Answer:
    """The newest answer of a citizen on one kind of data for one purpose.

    `last`: the number of the last event of this consent. `seal`: consent.seals.
    """

    id: str
    state: str
    purpose_version: int
    expires_at: datetime | None
    once: bool = False
    last: int = 0
    seal: bytes = b""


@dataclass(frozen=True, slots=True)
class ItemDecision:
    category: str
    decision: str
    reason: str
    consent: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    decision: str
    reason: str
    items: tuple[ItemDecision, ...]
    legal_basis: str = ""
    purpose_version: int = 0

    @property
    def allowed(self) -> bool:
        return self.decision == ALLOWED


def check_login(purpose: Purpose | None, login: LoginEvent | None, now: datetime) -> None:
    """LoginTooWeak when a purpose asks for a stronger or fresher login than this one (RFC 9470 section 3)."""
    if purpose is None or (not purpose.acr and purpose.max_age_s is None):
        return
    strong = login is not None and (not purpose.acr or at_least(login.acr, purpose.acr))
    fresh = login is not None and (
        purpose.max_age_s is None or now < login.auth_time + timedelta(seconds=purpose.max_age_s)
    )
    if not strong or not fresh:
        raise LoginTooWeak(purpose.acr, purpose.max_age_s)


def decide(
    catalogue: Catalogue,
    agency: str,
    purpose: str,
    data: Iterable[str],
    answers: Mapping[str, Answer],
    now: datetime,
    *,
    version: float | None = None,
) -> Decision:
    """Whether `agency` may now use each kind in `data` for `purpose`; allowed only if all are.

    `answers`: by category, of this citizen, agency and purpose. `version`: the one the agency has in mind, if it says.
    Reasons: `consent`, or the legal basis; `no_consent`, `refused`, `withdrawn`, `expired`, `used`, `altered` (the row is not what
    was written), `changed` (another version of the purpose is published), `unknown_purpose`, `not_in_purpose`.
    """
    found = catalogue.purpose_of(agency, purpose)
    wanted = tuple(dict.fromkeys(data))
    if found is None:
        return Decision(
            DENIED, "unknown_purpose", tuple(ItemDecision(one, DENIED, "unknown_purpose") for one in wanted)
        )
    items = []
    for one in wanted:
        if one not in found.data:
            items.append(ItemDecision(one, DENIED, "not_in_purpose"))
        elif version not in (None, found.version):
            items.append(ItemDecision(one, DENIED, "changed"))
        elif found.legal_basis != "consent":
            items.append(ItemDecision(one, ALLOWED, found.legal_basis))
        else:
            items.append(_by_consent(one, answers.get(one), found.version, now))
    return of_items(items, found.legal_basis, found.version)


def of_items(items: Iterable[ItemDecision], legal_basis: str, purpose_version: int) -> Decision:
    """One decision of several: the first denial decides; nothing asked is nothing allowed."""
    items = tuple(items)
    denied = next((item for item in items if item.decision == DENIED), None)
    if denied is None and items:
        return Decision(ALLOWED, items[0].reason, items, legal_basis, purpose_version)
    return Decision(DENIED, denied.reason if denied else "no_consent", items, legal_basis, purpose_version)


def of_nobody(decision: Decision) -> Decision:
    """The decision on a pseudonym that we never gave out: as on a citizen who never consented, on any legal basis."""
    items = (
        ItemDecision(item.category, DENIED, "no_consent") if item.decision == ALLOWED else item
        for item in decision.items
    )
    return of_items(items, decision.legal_basis, decision.purpose_version)


def of_closed(decision: Decision) -> Decision:
    """The decision while the ledger's fence is closed: no to everything, whatever the records say."""
    return of_all(decision, "unreconciled")


def of_all(decision: Decision, reason: str) -> Decision:
    """No to everything, for one reason."""
    items = (ItemDecision(item.category, DENIED, reason) for item in decision.items)
    return of_items(items, decision.legal_basis, decision.purpose_version)


def _by_consent(category: str, answer: Answer | None, version: int, now: datetime) -> ItemDecision:
    if answer is None:
        return ItemDecision(category, DENIED, "no_consent")
    if answer.state != GIVEN:
        return ItemDecision(category, DENIED, answer.state)
    if answer.purpose_version != version:
        return ItemDecision(category, DENIED, "changed")
    # A consent without an end would never expire: the register has none.
    if answer.expires_at is None or now >= answer.expires_at:
        return ItemDecision(category, DENIED, "expired")
    return ItemDecision(category, ALLOWED, "consent", answer.id)
