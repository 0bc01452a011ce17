"""Which witnesses cosign the ledger, and how many of them it takes (C2SP tlog-policy).

witness one <vkey> https://witness.example
witness two <vkey> https://other.example
witness three <vkey> https://third.example
group all-of-them 2 one two three
quorum all-of-them
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from base.settings import UnsafeSettings
from keys.notes import COSIGNATURE, BadNote, Verifier

MOST = 32
"""Witnesses, and groups (C2SP tlog-policy, implementation limits)."""
_MAX_FILE = 64 * 1024
_NONE = "none"


class BadPolicy(Exception):
    """The message names the line and says what it should be."""


@dataclass(frozen=True, slots=True)
class Witness:
    """`url`: the submission prefix."""

    name: str
    verifier: Verifier
    url: str


@dataclass(frozen=True, slots=True)
class Group:
    """Holds when `count` of its members hold."""

    count: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """`quorum`: the name of a witness or of a group, or none."""

    witnesses: tuple[Witness, ...] = ()
    groups: tuple[tuple[str, Group], ...] = ()
    quorum: str = _NONE

    @property
    def asks(self) -> bool:
        """Whether a checkpoint is worth more with cosignatures."""
        return self.quorum != _NONE

    def holds(self, witnesses: Collection[str]) -> bool:
        """Whether these, by their names here, are enough. Never when nothing is asked for: `quorum none`."""
        held = set(witnesses)
        for name, group in self.groups:
            if len(held.intersection(group.members)) >= group.count:
                held.add(name)
        return self.quorum in held


def read(path: Path | None) -> Policy:
    """No file, no witnesses. UnsafeSettings."""
    if path is None:
        return Policy()
    try:
        with path.open("rb") as file:
            return parse(file.read(_MAX_FILE + 1))
    except (OSError, BadPolicy) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UnsafeSettings(f"REGIE_LEDGER_POLICY: {path.name}: {why}.") from error


def parse(raw: bytes) -> Policy:
    """BadPolicy."""
    if len(raw) > _MAX_FILE or any(one < 0x20 and one not in b"\t\n" for one in raw):
        raise BadPolicy("not a policy of acceptable size and characters")
    reader = _Reader()
    for number, line in enumerate(raw.decode(errors="surrogateescape").split("\n"), 1):
        words = [word for word in line.replace("\t", " ").split(" ") if word]
        if not words or words[0].startswith("#"):
            continue
        try:
            reader.line(words)
        except (BadPolicy, BadNote) as error:
            raise BadPolicy(f"line {number}: {error}") from error
    return reader.done()


class _Reader:
    def __init__(self) -> None:
        self._witnesses: dict[str, Witness] = {}
        self._groups: dict[str, Group] = {}
        self._members: set[str] = set()
        self._quorum: str | None = None
        self._lines: dict[str, Callable[[list[str]], None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum_line,
        }

    def line(self, words: list[str]) -> None:
        kind = self._lines.get(words[0])
        if kind is None:
            raise BadPolicy("begins with log, witness, group or quorum")
        kind(words[1:])

    def done(self) -> Policy:
        if self._quorum is None:
            raise BadPolicy("one line says the quorum")
        return Policy(tuple(self._witnesses.values()), tuple(self._groups.items()), self._quorum)

    def _log(self, words: list[str]) -> None:
        """This house knows its own log: the line is for those who verify with the same file."""
        if not 1 <= len(words) <= 2:
            raise BadPolicy("log VKEY [URL]")
        Verifier.parse(words[0])

    def _witness(self, words: list[str]) -> None:
        if len(words) != 3:
            raise BadPolicy("witness NAME VKEY URL; the URL is where this house asks")
        verifier = Verifier.parse(words[1])
        if verifier.kind != COSIGNATURE:
            raise BadPolicy("the key of a witness is of the kind of a cosignature")
        if any(one.verifier.encoded == verifier.encoded for one in self._witnesses.values()):
            raise BadPolicy("this key stands here already")
        self._new(words[0], len(self._witnesses))
        self._witnesses[words[0]] = Witness(words[0], verifier, words[2].removesuffix("/"))

    def _group(self, words: list[str]) -> None:
        name, count, members = words[0] if words else "", words[1] if words[1:] else "", words[2:]
        counts = {"all": len(members), "any": 1}
        wanted = counts.get(count, int(count) if count.isascii() and count.isdigit() else 0)
        if not members or not 1 <= wanted <= len(members):
            raise BadPolicy("group NAME all|any|K MEMBER …, with K members at least")
        for one in members:
            if not self._knows(one):
                raise BadPolicy(f"{one} is not defined above")
            if one in self._members:
                raise BadPolicy(f"{one} is a member already")
            self._members.add(one)
        self._new(name, len(self._groups))
        self._groups[name] = Group(wanted, tuple(members))

    def _quorum_line(self, words: list[str]) -> None:
        if self._quorum is not None:
            raise BadPolicy("one line says the quorum")
        if len(words) != 1 or not (words[0] == _NONE or self._knows(words[0])):
            raise BadPolicy("quorum NAME, of a witness or a group that is defined above, or none")
        self._quorum = words[0]

    def _knows(self, name: str) -> bool:
        return name in self._witnesses or name in self._groups

    def _new(self, name: str, count: int) -> None:
        if name == _NONE or self._knows(name) or count >= MOST:
            raise BadPolicy(f"a name of its own, and {MOST} at most")
