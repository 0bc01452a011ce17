"""What the ledger shows: the checkpoint, tiles, keys, and proofs made from tiles. Nothing that has not left the house.

Tiles are rows; full ones never change and are kept in memory, a bounded number. A partial tile is the beginning of the
fuller one that is in the row by now.
"""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from base.database import Connection
from consent.ledger import merkle, tiles
from consent.ledger.checkpoint import Checkpoint, parse
from consent.ledger.tiles import Asked
from consent.store import ledger
from consent.store.ledger import Head
from keys.digest import b64decode
from keys.ledger import LedgerKeys
from keys.notes import Verifier, split

KEPT = 256
"""Full tiles in memory: 2 MiB."""
_BATCHES = 256
"""Batches in which a leaf may have found its place: on PostgreSQL one that was numbered early may be committed late."""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """`path`: from the leaf's sibling upwards. `note`: the checkpoint that it leads to, with all its signatures."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: Checkpoint
    note: str

    @property
    def text(self) -> str:
        """As a file of its own (C2SP tlog-proof)."""
        lines = [
            "c2sp.org/tlog-proof@v1",
            f"index {self.index}",
            *(base64.b64encode(one).decode() for one in self.path),
        ]
        return "\n".join(lines) + "\n\n" + self.note


class Publisher:
    def __init__(self, keys: LedgerKeys, origin: str) -> None:
        self._keys = keys
        self._origin = origin
        self._full: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._note: tuple[str, bytes] = ("", b"")
        self._vkeys: tuple[str, bytes] = ("", b"")
        self.head: Head | None = None

    def refresh(self, connection: Connection) -> Head | None:
        """See what was published, by whichever process."""
        self.head = ledger.head(connection)
        return self.head

    @property
    def size(self) -> int:
        """Leaves in the published tree; -1 before anything was published."""
        return self.head.published_size if self.head is not None else -1

    @property
    def origin(self) -> str:
        return self.head.origin if self.head is not None else self._origin

    @property
    def verifiers(self) -> Sequence[Verifier]:
        return self._keys.verifiers(self.origin)

    def note(self) -> bytes:
        """The newest checkpoint, with its cosignatures where witnesses have answered already; empty before the first."""
        head = self.head
        text = "" if head is None else head.published_note
        if head is not None and head.cosigned_size == head.published_size:
            text = head.cosigned_note
        if text != self._note[0]:
            self._note = (text, text.encode())
        return self._note[1]

    def cosigned(self) -> bytes:
        """The newest checkpoint that a witness cosigned; empty when none did."""
        return self.head.cosigned_note.encode() if self.head is not None else b""

    def is_cosigned(self, checkpoint: Checkpoint) -> bool:
        return self.head is not None and checkpoint.size <= self.head.cosigned_size

    def vkeys(self) -> bytes:
        """Our public keys, one a line, the newest first."""
        text = "".join(f"{one.vkey}\n" for one in self.verifiers)
        if text != self._vkeys[0]:
            self._vkeys = (text, text.encode())
        return self._vkeys[1]

    def tile(self, connection: Connection, asked: Asked) -> bytes | None:
        """As it is served. None for what the published tree does not have."""
        if asked.end > self.size:
            return None
        hashes = self._read(connection, asked.level, asked.n)[: asked.width * tiles.HASH]
        return tiles.bundle(hashes) if asked.level == tiles.ENTRIES else hashes

    def consistency(self, connection: Connection, first: int, second: int) -> list[bytes]:
        """LookupError when the published tree is not as large."""
        if second > self.size:
            raise LookupError("not published")
        return merkle.consistency(first, second, self._node(connection))

    def inclusion(self, connection: Connection, leaf_hash: str, seq: int) -> Inclusion | None:
        """The proof for a leaf by its hash and its place in the queue. None while it is in no published checkpoint.

        To a checkpoint with cosignatures if there is one that has the leaf, else to the newest.
        """
        found = self.locate(connection, b64decode(leaf_hash), seq)
        head = self.head
        if found is None or head is None or found[0] >= head.published_size:
            return None
        index = found[0]
        note = head.cosigned_note if index < head.cosigned_size else self.note().decode()
        published = parse(split(note)[0])
        path = merkle.inclusion(index, published.size, self._node(connection))
        return Inclusion(index, tuple(path), published, note)

    def locate(self, connection: Connection, leaf_hash: bytes, seq: int) -> tuple[int, int] | None:
        """Where in the tree a leaf is that stood at `seq` in the queue, and where its batch begins; published or not."""
        for batch in ledger.batches_of(connection, seq, _BATCHES):
            for n in range(batch.first // tiles.WIDTH, -(-batch.size // tiles.WIDTH)):
                at = _place(self._read(connection, 0, n), leaf_hash)
                # A tile at its edge holds leaves of the batch beside it too, which may have stood in the queue together.
                if at is not None and batch.first <= n * tiles.WIDTH + at < batch.size:
                    return n * tiles.WIDTH + at, batch.first
        return None

    def _node(self, connection: Connection) -> merkle.Node:
        return tiles.node_of(lambda level, n: self._read(connection, level, n))

    def _read(self, connection: Connection, level: int, n: int) -> bytes:
        place = (level, n)
        kept = self._full.get(place)
        if kept is not None:
            return kept
        hashes = ledger.tile(connection, level, n)
        if len(hashes) == tiles.TILE:
            self._full[place] = hashes
            if len(self._full) > KEPT:
                self._full.popitem(last=False)
        return hashes


def _place(tile: bytes, leaf_hash: bytes) -> int | None:
    at = tile.find(leaf_hash)
    while at >= 0 and at % tiles.HASH:
        at = tile.find(leaf_hash, at + 1)
    return at // tiles.HASH if at >= 0 else None
