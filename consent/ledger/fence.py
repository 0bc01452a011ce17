"""The fence: while the database does not contain the last checkpoint that left the house, the registry allows nothing.

A backup that is put back knows nothing of what was withdrawn after it was made. So each start proves, and each half
second again, that the tree in the database goes on from what was published: by the journal, and by what the witnesses
said when they were asked last. Until an operator reconciles (`regie ledger reconcile`), every permit and every check is
denied; withdrawing works.
"""

from __future__ import annotations

from pathlib import Path

from base.database import Connection
from base.log import log
from consent.ledger import merkle, tiles
from consent.ledger.journal import Journal
from consent.ledger.policy import Policy
from consent.store import ledger
from consent.store.ledger import Head

COSIGNED, AHEAD, FORKED, UNREACHABLE = "cosigned", "ahead", "forked", "unreachable"
"""What a witness said when it was asked last."""
BY_WITNESS = ("witness_ahead", "witness_forked")
REASONS = {
    "unproven": "the ledger has not been compared with what left the house yet",
    "journal_missing": "the database has a ledger, and the journal that says what left the house is not there",
    "database_older": "the database is older than the checkpoint that left the house last",
    "database_forked": "the database holds another history than the checkpoint that left the house last",
    "witness_ahead": "the witnesses have seen more of the ledger than the database holds",
    "witness_forked": "the witnesses have seen another history than the database holds",
    "file_replaced": "the database file was replaced while it was open; restart",
}


class Fence:
    """`reason`: why nothing is allowed, None when the fence is open.

    `file`: the database's, if it is one.
    """

    def __init__(self, journal: Journal, file: Path | None, policy: Policy) -> None:
        self._journal = journal
        self._policy = policy
        self._file = file
        self._inode = _inode(file)
        self.reason: str | None = "unproven"

    def is_open(self, connection: Connection) -> bool:
        """Proven at first use; from then on kept up to date by `prove`."""
        if self.reason == "unproven":
            self.prove(connection)
        return self.reason is None

    def prove(self, connection: Connection) -> str | None:
        """Compare once more; answers the reason. Reads a row and looks at a file."""
        # The journal first: what it says was in the database before, whoever is writing.
        last = self._journal.last()
        head = ledger.head(connection)
        if _inode(self._file) != self._inode:
            reason: str | None = "file_replaced"
        elif last is None:
            reason = None if head is None or head.published_size < 0 else "journal_missing"
        else:
            published = last.checkpoint
            reason = differs(connection, head, published.origin, published.size, published.root)
        self._set(reason or self._against(connection))
        return self.reason

    def _against(self, connection: Connection) -> str | None:
        """What as many witnesses as the quorum say against the database. One alone cannot close the house."""
        if not self._policy.witnesses:
            return None
        said = ledger.witnesses(connection)
        for word, reason in ((FORKED, "witness_forked"), (AHEAD, "witness_ahead")):
            if self._policy.holds({one["name"] for one in said if one["said"] in (word, FORKED)}):
                return reason
        return None

    def _set(self, reason: str | None) -> None:
        if reason != self.reason and (reason, self.reason) != (None, "unproven"):
            log.error("ledger.fence", state="closed" if reason else "open", reason=reason)
        self.reason = reason


def differs(connection: Connection, head: Head | None, origin: str, size: int, root: bytes) -> str | None:
    """Why the tree in the database does not go on from this checkpoint, or None."""
    if head is None or head.size < size:
        return "database_older"
    if head.origin != origin:
        return "database_forked"
    if head.size == size:
        return None if head.root == root else "database_forked"

    def read(level: int, n: int) -> bytes:
        return ledger.tile(connection, level, n)

    try:
        same = merkle.root(size, tiles.node_of(read)) == root
    except LookupError:
        same = False
    return None if same else "database_forked"


def _inode(path: Path | None) -> int:
    try:
        return path.stat().st_ino if path is not None else 0
    except FileNotFoundError:
        return -1
