"""The list of consents as a citizen wants it: searched, filtered and sorted. A form by GET, so that no script is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from base.forms import Form
from base.i18n import N_, text
from base.problems import Problem
from consent.catalogue import Catalogue
from consent.pages.page import STATES
from consent.registry import Record

ORDERS = {
    "newest": N_("Newest first"),
    "ending": N_("First to end"),
    "used": N_("Last used"),
    "agency": N_("Organisation"),
}
MAX_SEARCH = 100
_NEVER, _ENDLESS = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Row:
    """`words`: what a search looks through: the names as this reader sees them."""

    record: Record
    state: str
    last_used: datetime | None
    agency: str
    words: str


@dataclass(frozen=True, slots=True)
class Wanted:
    search: str = ""
    agency: str = ""
    state: str = ""
    order: str = "newest"


def read(query: Form) -> Wanted:
    """Problem 400 for what the form cannot send."""
    wanted = Wanted(
        query.get("search", "").strip(),
        query.get("agency", ""),
        query.get("state", ""),
        query.get("order", "") or "newest",
    )
    if len(wanted.search) > MAX_SEARCH or wanted.order not in ORDERS or wanted.state not in {"", *STATES}:
        raise Problem(400)
    return wanted


def row(
    record: Record,
    state: str,
    last: Mapping[tuple[str, str, str], datetime],
    catalogue: Catalogue,
    language: str,
) -> Row:
    agency, category = catalogue.agencies.get(record.agency), catalogue.categories.get(record.category)
    purpose = catalogue.versions.get((record.purpose, record.purpose_version))
    name = text(agency.name, language) if agency else record.agency
    words = (name, text(purpose.title, language) if purpose else "", text(category.name, language) if category else "")
    used = last.get((record.agency, record.purpose, record.category))
    return Row(record, state, used, name, " ".join(words).casefold())


def arranged(rows: Iterable[Row], wanted: Wanted) -> list[Row]:
    """`rows`: newest first, and so among those that are otherwise alike. Each word that is searched must be there."""
    words = wanted.search.casefold().split()
    found = [
        one
        for one in rows
        if wanted.agency in {"", one.record.agency}
        and wanted.state in {"", one.state}
        and all(word in one.words for word in words)
    ]
    if wanted.order == "agency":
        found.sort(key=lambda one: one.agency.casefold())
    elif wanted.order == "used":
        found.sort(key=lambda one: one.last_used or _NEVER, reverse=True)
    elif wanted.order == "ending":
        found.sort(key=_end)
    return found


def _end(one: Row) -> datetime:
    """What has ended does not end any more."""
    return one.record.expires_at or _ENDLESS if one.state == "given" else _ENDLESS
