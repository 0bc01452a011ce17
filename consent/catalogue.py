"""The catalogue: who may ask, for what, on which ground; and from whom the data comes.

A purpose's version is pinned by the hash of its content: a changed text or one more kind of data is another version,
and a consent to the old one does not stretch to it (GDPR art. 5(1)(b)).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from base.assurance import LEVELS
from base.text import is_latin, is_plain
from consent.interface import Frequency, Texts
from keys.digest import digest

LANGUAGES = ("nl", "en")
LEGAL_BASES = ("consent", "contract", "legal_obligation", "vital_interest", "public_task", "legitimate_interest")
"""GDPR art. 6(1)(a) to (f)."""
DRAFT, SUBMITTED, PUBLISHED, RETIRED = "draft", "submitted", "published", "retired"
"""Only forward. What is submitted is published by another person than who wrote and who submitted it."""
ACTIVE, SUSPENDED = "active", "suspended"
SENSITIVITIES = ("ordinary", "financial", "special")
DAY_S = 86_400
_LINK = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-;=?-~]*)?")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?")

_SLUG, _OIN = r"^[a-z][a-z0-9-]{1,62}\Z", r"^[0-9]{20}\Z"
_PERSON = re.compile(r"[a-z][a-z0-9._@-]{1,63}")
_IN_WORDS = {
    _SLUG: "2 to 63 small letters, digits and dashes that begin with a letter, such as housing-benefit",
    _OIN: "an OIN of 20 digits",
}

Slug = Annotated[str, msgspec.Meta(pattern=_SLUG)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=600)]


class CatalogueError(Exception):
    """A file or a change that the catalogue refuses; the message says what to mend."""


class CategoryFile(msgspec.Struct, forbid_unknown_fields=True):
    id: Slug
    name: dict[str, Text]
    description: dict[str, Text]
    sensitivity: str = "ordinary"


class AgencyFile(msgspec.Struct, forbid_unknown_fields=True):
    """An agency, with the kinds of data that it is the source of."""

    id: Slug
    oin: Annotated[str, msgspec.Meta(pattern=_OIN)]
    name: dict[str, Text]
    contact: Text
    url: str = ""
    categories: list[CategoryFile] = []


class RecipientFile(msgspec.Struct, forbid_unknown_fields=True):
    """Who gets the data besides the agency itself."""

    name: dict[str, Text]


class FrequencyFile(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    uses: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    period_days: Annotated[int, msgspec.Meta(ge=1, le=366)]


class PurposeFile(msgspec.Struct, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """A purpose. `max_duration_days`, `frequency`: the guard rails of a consent's length and of its use.

    `statute_url`: where the law that it rests on can be read. `retention_days`: how long the agency keeps the data.
    `acr`, `max_age` (seconds): the login under which claims are released: its level at least, its age at most.
    """

    id: Slug
    agency: Slug
    title: dict[str, Text]
    explanation: dict[str, Text]
    refusal: dict[str, Text]
    legal_basis: str
    statute: Text
    data: Annotated[list[Slug], msgspec.Meta(min_length=1, max_length=30)]
    max_duration_days: Annotated[int, msgspec.Meta(ge=1, le=3650)]
    acr: str = ""
    max_age: Annotated[int, msgspec.Meta(ge=60, le=DAY_S)] | None = None
    statute_url: Annotated[str, msgspec.Meta(max_length=500)] = ""
    retention_days: Annotated[int, msgspec.Meta(ge=1, le=36_500)] | None = None
    recipients: Annotated[list[RecipientFile], msgspec.Meta(max_length=10)] = []
    frequency: FrequencyFile | None = None


@dataclass(frozen=True, slots=True)
class Agency:
    id: str
    oin: str
    name: Texts
    contact: str
    url: str
    state: str


@dataclass(frozen=True, slots=True)
class Category:
    id: str
    source: str
    name: Texts
    description: Texts
    sensitivity: str


@dataclass(frozen=True, slots=True)
class Purpose:
    id: str
    version: int
    agency: str
    state: str
    hash: str
    title: Texts
    explanation: Texts
    refusal: Texts
    legal_basis: str
    statute: str
    data: tuple[str, ...]
    max_duration_s: int
    acr: str = ""
    max_age_s: int | None = None
    statute_url: str = ""
    retention_days: int | None = None
    recipients: tuple[Texts, ...] = ()
    frequency: Frequency | None = None
    author: str = ""
    submitter: str = ""
    publisher: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A snapshot. `purposes`: the published version of each; `versions`: all, by (id, version).

    `altered`: rows that are not what operators' acts made them, and so allow nothing (consent.believed).
    """

    revision: int
    agencies: Mapping[str, Agency]
    categories: Mapping[str, Category]
    purposes: Mapping[str, Purpose]
    versions: Mapping[tuple[str, int], Purpose]
    altered: tuple[str, ...] = ()

    def is_active(self, agency: str) -> bool:
        """Whether it takes part now: known, and not suspended."""
        found = self.agencies.get(agency)
        return found is not None and found.state == ACTIVE

    def source_of(self, category: str) -> str | None:
        found = self.categories.get(category)
        return found.source if found is not None else None

    def shown(self, purpose: str) -> Purpose | None:
        """What the public may know of a purpose: its published version, or the last that was published and ended."""
        if purpose in self.purposes:
            return self.purposes[purpose]
        ended = [one for one in self.versions.values() if one.id == purpose and one.state == RETIRED and one.publisher]
        return max(ended, key=lambda one: one.version, default=None)

    def is_counted(self, agency: str, purpose: str) -> bool:
        """Whether uses for this purpose are counted, because there is a most of them."""
        found = self.purpose_of(agency, purpose)
        return found is not None and found.frequency is not None

    def purpose_of(self, agency: str, purpose: str) -> Purpose | None:
        """The published purpose, if it is this agency's and the agency is active."""
        found = self.purposes.get(purpose)
        return found if found and found.agency == agency and self.is_active(agency) else None


def read_agency(raw: bytes) -> AgencyFile:
    """An agency file (JSON). CatalogueError with what to mend."""
    file: AgencyFile = _decode(raw, AgencyFile)
    _check_texts(file.name, "name")
    for one in file.categories:
        _check_texts(one.name, f"{one.id}: name")
        _check_texts(one.description, f"{one.id}: description")
        if one.sensitivity not in SENSITIVITIES:
            raise CatalogueError(f"{one.id}: sensitivity must be one of {', '.join(SENSITIVITIES)}")
    return file


def read_purpose(raw: bytes) -> PurposeFile:
    """A purpose file (JSON). CatalogueError with what to mend."""
    file: PurposeFile = _decode(raw, PurposeFile)
    for name in ("title", "explanation", "refusal"):
        _check_texts(getattr(file, name), name)
    if file.legal_basis not in LEGAL_BASES:
        raise CatalogueError(f"legalBasis must be one of {', '.join(LEGAL_BASES)}")
    if file.statute_url and not _LINK.fullmatch(file.statute_url):
        raise CatalogueError("statuteUrl must be an https address")
    for number, one in enumerate(file.recipients, 1):
        _check_texts(one.name, f"recipients, {number}: name")
    if file.acr and file.acr not in LEVELS:
        raise CatalogueError(f"acr must be one of {', '.join(LEVELS)}")
    if len(set(file.data)) != len(file.data):
        raise CatalogueError("data names a category twice")
    return file


def check_person(name: str) -> str:
    """The name of who does something to the catalogue. CatalogueError for what could be read as another's."""
    if not _PERSON.fullmatch(name):
        raise CatalogueError("a person's name is 2 to 64 small letters, digits, dots, dashes and @, such as j.jansen")
    return name


def content_of(file: AgencyFile | PurposeFile) -> dict[str, Any]:
    """The file's members; of a purpose, what the version's hash covers."""
    content: dict[str, Any] = msgspec.to_builtins(file)
    return content


def canonical_hash(content: object) -> str:
    """SHA-256 of canonical JSON (sorted members, no space), 43 base64url characters."""
    return digest(msgspec.json.encode(content, order="deterministic").decode())


def _decode(raw: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"the file is not as expected: {_worded(error)}") from error


def _worded(error: Exception) -> str:
    """What msgspec says, with words instead of a pattern."""
    told = str(error)
    for pattern, words in _IN_WORDS.items():
        told = told.replace(f"Expected `str` matching regex {pattern!r}", f"Expected {words}")
    return told


def _check_texts(texts: Texts, where: str) -> None:
    missing = [language for language in LANGUAGES if not texts.get(language, "").strip()]
    if missing:
        raise CatalogueError(f"{where}: the text is missing in {', '.join(missing)}")
    if odd := [language for language in texts if not _LANGUAGE.fullmatch(language)]:
        raise CatalogueError(f"{where}: {odd[0][:20]!r} is not a language tag such as nl or en")
    for language, text in texts.items():
        if not is_plain(text):
            raise CatalogueError(f"{where}: markup, invisible characters and direction marks are not allowed")
        if language in LANGUAGES and not is_latin(text):
            raise CatalogueError(f"{where}: a letter of another script is not allowed in {language}")
