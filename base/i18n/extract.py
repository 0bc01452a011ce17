"""From code and templates to the .po files, and what is wrong with them.

A tool for builders: it never runs in the service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("base", "consent", "idp")

_METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
_OPTIONS = {"**/templates/**.html": {"trimmed": "true", "trim_blocks": "true", "silent": "false"}}
_KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "N_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
}


def po_path(service: str, root: Path = ROOT) -> Path:
    return root / service / "locales" / "nl.po"


def template(service: str, root: Path = ROOT) -> Catalog:
    """Every message that the service's code and templates use."""
    catalogue = Catalog(locale="nl", project="regie", fuzzy=False)
    found = extract_from_dir(root / service, _METHODS, _OPTIONS, keywords=_KEYWORDS, comment_tags=("Translators:",))
    for filename, _line, message, comments, context in found:
        catalogue.add(message, None, [(f"{service}/{filename}", 1)], auto_comments=comments, context=context)
    return catalogue


def written(service: str, root: Path = ROOT) -> Catalog:
    """The Dutch catalogue as it is on disk; empty when there is none."""
    path = po_path(service, root)
    if not path.exists():
        return Catalog(locale="nl", project="regie", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale="nl")


def update(service: str, root: Path = ROOT) -> int:
    """Bring the service's nl.po up to date; a new message takes its Dutch from another service that has it.

    Returns how many messages still lack their Dutch.
    """
    catalogue = written(service, root)
    catalogue.update(template(service, root), no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    others = [written(other, root) for other in SERVICES if other != service]
    for message in _messages(catalogue):
        if not _complete(message):
            known = (other.get(message.id, message.context) for other in others)
            message.string = next((m.string for m in known if m is not None and _complete(m)), message.string)
    write(service, catalogue, root)
    return len(missing(service, root))


def missing(service: str, root: Path = ROOT) -> list[Message]:
    """The messages of the service's nl.po that lack their Dutch."""
    return [message for message in _messages(written(service, root)) if not _complete(message)]


def fill(service: str, dutch: Mapping[str, str], root: Path = ROOT) -> int:
    """Put Dutch texts into the service's nl.po by their English. Returns how many found their message."""
    catalogue = written(service, root)
    count = 0
    for english, text in dutch.items():
        message = catalogue.get(english)
        if message is not None:
            message.string = (*text.split("|", 1),) if message.pluralizable else text
            count += 1
    write(service, catalogue, root)
    return count


def write(service: str, catalogue: Catalog, root: Path = ROOT) -> None:
    path = po_path(service, root)
    path.parent.mkdir(parents=True, exist_ok=True)
    catalogue.header_comment = "# Dutch for this service's pages; python -m base.i18n extract keeps it up to date."
    catalogue.project, catalogue.version = "regie", "1"
    catalogue.msgid_bugs_address = catalogue.last_translator = catalogue.language_team = "regie"
    catalogue.revision_date = catalogue.creation_date
    with path.open("wb") as file:
        # Without line numbers and dates two people's changes meet only where they mean to.
        write_po(file, catalogue, width=120, omit_header=False, sort_output=True, include_lineno=False)


def faults(service: str, root: Path = ROOT) -> list[str]:
    """What is wrong with the service's Dutch, a sentence each: missing, fuzzy, unused, or with other placeholders."""
    used = {(message.id, message.context) for message in _messages(template(service, root))}
    catalogue = written(service, root)
    have = {(message.id, message.context): message for message in _messages(catalogue)}
    found = [f"{service}: no Dutch for {key[0]!r}" for key in used if key not in have or not _complete(have[key])]
    found += [f"{service}: unused {key[0]!r}" for key in have if key not in used]
    for message in have.values():
        if message.fuzzy:
            found.append(f"{service}: fuzzy {message.id!r}")
        found += [f"{service}: {message.id!r}: {error}" for error in message.check(catalogue)]
    return sorted(found)


def _messages(catalogue: Catalog) -> Iterator[Message]:
    return (message for message in catalogue if message.id)


def _complete(message: Message) -> bool:
    strings = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
    return bool(strings) and all(strings)
