"""The whole audit of a house's own ledger: what anybody can check, the register behind it, and the journal beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from base.database import Connection
from consent.ledger import tiles
from consent.ledger.agree import agree
from consent.ledger.checkpoint import Checkpoint, open_checkpoint, parse
from consent.ledger.fence import REASONS
from consent.ledger.ledger import Ledger
from consent.ledger.publish import Publisher
from consent.ledger.tiles import Asked
from consent.ledger.verify import Finding, audit
from consent.store import ledger
from consent.store.ledger import Head
from keys.derive import Pseudonyms
from keys.errors import KeysError
from keys.notes import split

MOST = 100
"""Findings after which one knows enough."""


def inspect(
    connection: Connection, parts: Ledger, pseudonyms: Pseudonyms, before: Iterable[Checkpoint] = ()
) -> list[Finding]:
    """All that is not as it must be, up to `MOST`. `before`: checkpoints that were seen, as receipts hold them."""
    found: list[Finding] = []
    try:
        for finding in _everything(connection, parts, pseudonyms, before):
            found.append(finding)
            if len(found) == MOST:
                break
    except Exception as error:  # noqa: BLE001 - what cannot be read any more was altered, whatever the error is
        found.append(Finding("register", f"cannot be read: {type(error).__name__}"))
    return found


def _everything(
    connection: Connection, parts: Ledger, pseudonyms: Pseudonyms, before: Iterable[Checkpoint]
) -> Iterator[Finding]:
    reason = parts.fence.prove(connection)
    if reason is not None:
        yield Finding("fence", REASONS[reason])
    head = ledger.head(connection)
    if head is None:
        yield Finding("ledger_head", "is not there: nothing was ever sequenced")
        return
    # Not the one that serves: that keeps tiles in memory, and here the rows are what is audited.
    publisher = Publisher(parts.keys, head.origin)
    publisher.refresh(connection)
    yield from _head(head, publisher)

    def fetch(asked: Asked) -> bytes | None:
        return ledger.tile(connection, asked.level, asked.n)[: asked.width * tiles.HASH]

    seen = [*before, *_seen(head, parts)]
    _, found = audit(head.published_note, publisher.verifiers, head.origin, fetch, seen)
    yield from found
    yield from _longer(connection, head)
    yield from _journal(connection, head, parts)
    yield from agree(connection, publisher, pseudonyms)


def _head(head: Head, publisher: Publisher) -> Iterator[Finding]:
    """What stands in the head's columns is what its notes say."""
    notes = [
        ("note", head.note, head.size, head.root),
        ("published_note", head.published_note, head.published_size, None),
    ]
    if head.cosigned_note:
        notes.append(("cosigned_note", head.cosigned_note, head.cosigned_size, None))
    for name, note, size, root in notes:
        try:
            checkpoint, _ = open_checkpoint(note, publisher.verifiers, origin=head.origin)
        except KeysError as error:
            yield Finding(f"ledger_head {name}", str(error))
            continue
        if checkpoint.size != size or root not in (None, checkpoint.root):
            yield Finding(f"ledger_head {name}", "does not say what stands beside it")


def _seen(head: Head, parts: Ledger) -> Iterator[Checkpoint]:
    last = parts.journal.last()
    notes = [last.note] if last is not None else []
    for note in [*notes, *([head.cosigned_note] if head.cosigned_note else [])]:
        try:
            checkpoint = parse(split(note)[0])
        except KeysError:
            continue
        # The journal may be a step ahead of what is published: its process is at work, or died.
        if checkpoint.size <= head.published_size:
            yield checkpoint


def _longer(connection: Connection, head: Head) -> Iterator[Finding]:
    """No row of a tile holds more than the tree, and there is none behind it."""
    for (level, n), length in ledger.tile_lengths(connection):
        full, width = tiles.widths(head.size, level)
        most = tiles.WIDTH if n < full else width if n == full else 0
        if length != most * tiles.HASH:
            yield Finding(f"ledger_tile {level}/{n}", "has another length than the tree gives it")


def _journal(connection: Connection, head: Head, parts: Ledger) -> Iterator[Finding]:
    """The journal's leaves are the tree's."""
    for line in parts.journal.lines():
        checkpoint = line.checkpoint
        if checkpoint.origin != head.origin or checkpoint.size > head.size:
            continue
        for at, entry in enumerate(tiles.split(line.entries), line.first):
            tile = ledger.tile(connection, tiles.ENTRIES, at // tiles.WIDTH)
            start = at % tiles.WIDTH * tiles.HASH
            if tile[start : start + tiles.HASH] != entry:
                yield Finding(f"leaf {at}", "is not the one that left the house")
                return
