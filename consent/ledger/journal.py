"""The journal: a file outside of the database that says which checkpoint left the house, with the leaves it added.

Written and on disk before anything is published. A database that does not contain its last line is not the one that we
published from (consent.ledger.fence). Its lines bring back what a restored database lacks: the leaves, as commitments,
and what must not be undone: consents that ended, citizens that were forgotten. It is no part of a backup: a copy that
comes back with the database would know no more than the database.

One JSON line a checkpoint, in files of bounded size. A line without its line break was never finished, and what it
says was never published.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from consent.ledger import checkpoint, tiles
from consent.ledger.checkpoint import Checkpoint
from keys.files import private_directory
from keys.notes import split

FILE_BYTES = 64 * 1024 * 1024
"""A file that is longer gets no further line; an operator may remove what no backup reaches back to."""
_CHUNK = 256 * 1024


class Line(msgspec.Struct, frozen=True):
    """`note` adds `entries` to the tree of `first` leaves. `tells`: None when that is not known."""

    note: str
    first: int
    entries: bytes
    tells: list[str] | None

    @property
    def checkpoint(self) -> Checkpoint:
        return checkpoint.parse(split(self.note)[0])


@dataclass(frozen=True, slots=True)
class Replay:
    """What the journal has behind a tree of some size. `tells`: None when a part of it is not known."""

    last: Line
    entries: tuple[bytes, ...]
    tells: tuple[str, ...] | None


class Journal:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: tuple[tuple[str, int, int] | None, Line | None] = (None, None)

    def last(self) -> Line | None:
        """What left the house last, if anything did. Read again only when the file changed."""
        path = self._newest()
        if path is None:
            return None
        state = path.stat()
        stamp = (path.name, state.st_mtime_ns, state.st_size)
        if self._seen[0] != stamp:
            self._seen = (stamp, _last_line(path) or self._before(path))
        return self._seen[1]

    def append(self, line: Line) -> None:
        """On disk when this returns. Does nothing when the journal is as far already: another process was first."""
        private_directory(self._directory)
        with self._locked():
            last, new = self.last(), line.checkpoint
            if last is not None and last.checkpoint.origin == new.origin and last.checkpoint.size >= new.size:
                return
            path = self._newest()
            made = path is None or path.stat().st_size > FILE_BYTES
            if path is None or made:
                path = self._directory / f"journal.{line.first:019d}"
            with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
                # What a process that died left unfinished goes.
                file.truncate(_whole(file.fileno()))
                file.seek(0, os.SEEK_END)
                file.write(msgspec.json.encode(line) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            if made:
                _sync(self._directory)

    def behind(self, size: int) -> Replay | None:
        """The leaves from `size` on, up to the last line. None when they are not all here."""
        last, at, entries, tells = self.last(), size, list[bytes](), list[str]()
        if last is None:
            return None
        known, origin = True, last.checkpoint.origin
        for line in self.lines():
            if line.checkpoint.origin != origin:
                continue
            added = tiles.split(line.entries)
            if line.first > at:
                return None
            new = added[at - line.first :]
            if new:
                entries += new
                known = known and line.tells is not None and line.first == at
                tells += line.tells or []
                at += len(new)
        if at != last.checkpoint.size:
            return None
        return Replay(last, tuple(entries), tuple(tells) if known else None)

    def lines(self) -> Iterator[Line]:
        """All that is there, from the oldest."""
        for path in self._files():
            with path.open("rb") as file:
                for raw in file:
                    if raw.endswith(b"\n"):
                        yield msgspec.json.decode(raw, type=Line)

    def _files(self) -> list[Path]:
        return sorted(self._directory.glob("journal.[0-9]*"))

    def _newest(self) -> Path | None:
        return next(iter(reversed(self._files())), None)

    def _before(self, path: Path) -> Line | None:
        """The last line of the file before: this one has none yet that is whole."""
        files = self._files()
        at = files.index(path)
        return _last_line(files[at - 1]) if at else None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._directory / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _last_line(path: Path) -> Line | None:
    with path.open("rb") as file:
        end = _whole(file.fileno())
        if end == 0:
            return None
        start, raw = end, b""
        while start and raw.count(b"\n") < 2:
            start = max(0, start - _CHUNK)
            raw = os.pread(file.fileno(), end - start, start)
    return msgspec.json.decode(raw[:-1].rpartition(b"\n")[2], type=Line)


def _whole(descriptor: int) -> int:
    """Up to where the file has whole lines."""
    at = os.fstat(descriptor).st_size
    while at:
        start = max(0, at - _CHUNK)
        found = os.pread(descriptor, at - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        at = start
    return 0


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
