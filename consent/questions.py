"""What is still to be asked: the first purpose of a request with kinds of data that have no answer which counts.

Another legal basis than consent is not asked: it is in the catalogue, and its uses are in the history.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from base.database import Connection
from consent import checks, seals
from consent.catalogue import DAY_S, Catalogue, Purpose
from consent.checks import Answer, ItemDecision
from consent.interface import (
    EARLIER,
    ENDED,
    NEW,
    STANDING,
    AboveGuardRail,
    Item,
    OtherSource,
    PersonalDataUse,
    Question,
    QuestionChanged,
    UnknownPurpose,
)
from keys.derive import Pseudonyms


def first(
    connection: Connection,
    catalogue: Catalogue,
    requests: Sequence[PersonalDataUse],
    *,
    pseudonyms: Pseudonyms,
    citizen: str,
    agency: str,
    answered: Collection[str],
    anew: bool,
    now: datetime,
) -> Question | None:
    """The first question that is open, or None: see consent.interface.Door.question.

    UnknownPurpose, AboveGuardRail, OtherSource: for any of the requests, before anything is asked.
    """
    purposes = [purpose_for(catalogue, agency, wanted) for wanted in requests]
    for wanted, purpose in zip(requests, purposes, strict=True):
        if purpose.legal_basis != "consent":
            continue
        answers = seals.answers(connection, pseudonyms, citizen, agency, purpose.id)
        just_answered = purpose.id in answered
        question = _question(catalogue, purpose, wanted, answers, just_answered=just_answered, anew=anew, now=now)
        if question.items:
            return question
    return None


def standing(
    connection: Connection,
    catalogue: Catalogue,
    requests: Sequence[PersonalDataUse],
    *,
    pseudonyms: Pseudonyms,
    citizen: str,
    agency: str,
    now: datetime,
) -> tuple[PersonalDataUse, ...]:
    """What of these uses is allowed now: see consent.interface.Door.standing. A purpose that is no more allows nothing."""
    found = []
    for wanted in requests:
        purpose = catalogue.purpose_of(agency, wanted.purpose)
        if purpose is None:
            continue
        data = data_of(catalogue, purpose, wanted)
        answers = seals.answers(connection, pseudonyms, citizen, agency, purpose.id)
        items = checks.decide(catalogue, agency, purpose.id, data, answers, now).items
        allowed = tuple(one.category for one in items if one.decision == checks.ALLOWED)
        if allowed:
            found.append(PersonalDataUse(purpose.id, allowed, wanted.duration_s, one_time=wanted.one_time))
    return tuple(found)


def check_open(catalogue: Catalogue, question: Question) -> None:
    """QuestionChanged when the catalogue would not ask this now: what was answered was another thing."""
    purpose = catalogue.purpose_of(question.agency, question.purpose)
    if (
        purpose is None
        or purpose.version != question.purpose_version
        or purpose.legal_basis != "consent"
        or not {item.category for item in question.items} <= set(purpose.data)
        or not 0 < question.duration_s <= purpose.max_duration_s
    ):
        raise QuestionChanged("the purpose changed while it was asked")


@dataclass(frozen=True, slots=True)
class Rails:
    """See consent.interface.Rails."""

    catalogue: Catalogue

    def check(self, agency: str, uses: Sequence[PersonalDataUse]) -> None:
        for one in uses:
            purpose_for(self.catalogue, agency, one)


def purpose_for(catalogue: Catalogue, agency: str, wanted: PersonalDataUse) -> Purpose:
    """The purpose of one request. UnknownPurpose, AboveGuardRail (it says what is allowed), OtherSource."""
    purpose = catalogue.purpose_of(agency, wanted.purpose)
    if purpose is None:
        raise UnknownPurpose("the purpose is not published for this agency")
    if wanted.data is not None and not set(wanted.data) <= set(purpose.data):
        raise AboveGuardRail(f"the purpose {purpose.id} allows no other data than {', '.join(purpose.data)}")
    if wanted.duration_s is not None and not 0 < wanted.duration_s <= purpose.max_duration_s:
        raise AboveGuardRail(f"the purpose {purpose.id} allows 1 to {purpose.max_duration_s // DAY_S} days")
    if wanted.source is not None:
        elsewhere = set(wanted.data or ()) - set(_from_source(catalogue, purpose, wanted.source))
        if elsewhere or not _from_source(catalogue, purpose, wanted.source):
            raise OtherSource("the data does not come from this source")
    return purpose


def data_of(catalogue: Catalogue, purpose: Purpose, wanted: PersonalDataUse) -> tuple[str, ...]:
    """The kinds of data of a purpose that a request means, in the purpose's order."""
    data = purpose.data if wanted.source is None else _from_source(catalogue, purpose, wanted.source)
    return data if wanted.data is None else tuple(one for one in data if one in wanted.data)


def _from_source(catalogue: Catalogue, purpose: Purpose, source: str) -> tuple[str, ...]:
    return tuple(one for one in purpose.data if catalogue.source_of(one) == source)


def _question(
    catalogue: Catalogue,
    purpose: Purpose,
    wanted: PersonalDataUse,
    answers: Mapping[str, Answer],
    *,
    just_answered: bool,
    anew: bool,
    now: datetime,
) -> Question:
    agency = catalogue.agencies[purpose.agency]
    data = data_of(catalogue, purpose, wanted)
    decided = checks.decide(catalogue, purpose.agency, purpose.id, data, answers, now)
    items, already = [], []
    for one in decided.items:
        item = _item(catalogue, one.category)
        answer = answers.get(one.category)
        # Who gave it for one time did not give it for longer.
        shorter = answer is not None and answer.once and not wanted.one_time
        if _is_open(one, just_answered=just_answered, anew=anew or shorter):
            items.append(_marked(item, one, answer))
        elif one.decision == checks.ALLOWED:
            already.append(item)
    if already or any(item.mark for item in items):
        items = [item if item.mark or item.category in answers else replace(item, mark=NEW) for item in items]
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
        purpose.statute_url,
        purpose.retention_days,
        purpose.recipients,
        purpose.frequency,
        wanted.one_time,
    )


def _marked(item: Item, one: ItemDecision, answer: Answer | None) -> Item:
    """With what the citizen answered before, so that he sees what is different now."""
    if answer is not None and one.reason == "used":
        return replace(item, mark=ENDED)
    if answer is None or answer.state != checks.GIVEN:
        return item
    mark = {"consent": STANDING, "changed": EARLIER, "expired": ENDED}[one.reason]
    return replace(item, mark=mark, until=answer.expires_at if mark != EARLIER else None)


def _is_open(one: ItemDecision, *, just_answered: bool, anew: bool) -> bool:
    if one.decision == checks.ALLOWED:
        return anew and not just_answered
    return not (just_answered and one.reason == checks.REFUSED)


def _item(catalogue: Catalogue, category_id: str) -> Item:
    category = catalogue.categories[category_id]
    source = catalogue.agencies[category.source]
    return Item(category.id, category.name, category.description, category.sensitivity, source.id, source.name)
