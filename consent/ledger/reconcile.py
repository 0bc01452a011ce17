"""Reconciling: the operator's act that opens the fence again, itself in the ledger.

Three ways, each with what it costs:
  replay    the journal has all leaves that the database lacks: the tree is completed as it was published, and exactly
            the consents that had ended end again
  new log   the leaves are lost: what was published cannot be continued, so the tree goes on as another log, with a name
            of its own; nobody knows what had been withdrawn, so everything that is given ends, and agencies ask again
  declared  the journal alone is lost, and the operator declares that the database is the newest: nothing ends

While it runs the fence is closed, so the order of its steps endangers nothing; broken off, it is run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from base import audit
from base.database import Connection, Database
from consent import acts, forgetting, records
from consent.ledger import merkle, tiles
from consent.ledger.checkpoint import Checkpoint, origin_of
from consent.ledger.fence import BY_WITNESS, REASONS
from consent.ledger.journal import Line, Replay
from consent.ledger.ledger import Ledger
from consent.offline import places
from consent.store import leaves, ledger, seeds
from consent.store import records as record_store
from consent.store.ledger import Batch, Head
from keys.derive import Pseudonyms
from keys.digest import digest

BITE = 200
CHANNEL = "reconciled"
EVENT = "ledger.reconciled"
REPLAY, NEW_LOG, DECLARED = "replay", "new log", "declared"


class NotReconciled(Exception):
    """The message says why, and which way is open."""


@dataclass(frozen=True, slots=True)
class Report:
    """`lost_acts`: operators' acts of which the database knows nothing any more: to be looked at, and done again."""

    way: str
    reason: str
    origin: str
    size: int
    ended: int
    forgotten: int
    lost_acts: tuple[str, ...]


def reconcile(
    database: Database,
    parts: Ledger,
    *,
    issuer: str,
    pseudonyms: Pseudonyms,
    now: datetime,
    as_new_log: bool = False,
    declared: bool = False,
) -> Report:
    """Open the fence. NotReconciled when it is open, or when the way that is left was not asked for."""
    reason = database.read_now(parts.fence.prove)
    if reason is None:
        raise NotReconciled("there is nothing to reconcile: the database contains what left the house")
    if reason == "file_replaced":
        raise NotReconciled(REASONS[reason])
    # The journal knows less than the witnesses: what it completes is not what left the house.
    replay = None if reason in BY_WITNESS else database.read_now(lambda c: _replay(c, parts))
    if declared and reason != "journal_missing":
        raise NotReconciled("only a lost journal can be made up for by declaring that the database is the newest")
    if replay is None and not (as_new_log or declared):
        raise NotReconciled(_ways(reason))
    work = _Work(database, parts, issuer, pseudonyms, now, reason)
    if declared:
        return work.declare()
    if replay is not None:
        return work.replay(replay)
    return work.new_log()


def _ways(reason: str) -> str:
    ways = "bring the journal (REGIE_LEDGER_DIR) back, or go on as another log: --as-new-log; every consent then ends"
    if reason == "journal_missing":
        ways += "; or, if you know that this database is the newest: --database-is-newest"
    return f"{REASONS[reason]}: {ways}"


def _replay(connection: Connection, parts: Ledger) -> Replay | None:
    """What completes the tree to exactly the one that was published; None when that is not here."""
    head, last = ledger.head(connection), parts.journal.last()
    if last is None or (head is not None and head.origin != last.checkpoint.origin):
        return None
    size = head.size if head is not None else 0
    found = parts.journal.behind(size) if size <= last.checkpoint.size else None
    if found is None:
        return None
    edge = ledger.tiles(connection, tiles.edge(size))
    try:
        root = tiles.grow(size, found.entries, lambda level, n: edge[level, n]).root
    except (KeyError, LookupError):
        return None
    return found if root == last.checkpoint.root else None


class _Work:
    def __init__(
        self,
        database: Database,
        parts: Ledger,
        issuer: str,
        pseudonyms: Pseudonyms,
        now: datetime,
        reason: str,
    ) -> None:
        self._database = database
        self._parts = parts
        self._issuer = issuer
        self._pseudonyms = pseudonyms
        self._now = now
        self._reason = reason

    def declare(self) -> Report:
        head = self._database.read_now(ledger.head)
        assert head is not None
        self._database.write_now(lambda c: self._record(c, DECLARED, head, ended=0, forgotten=0))
        self._publish(Line(head.note, head.size, b"", None))
        return self._report(DECLARED, head.origin, head.size)

    def replay(self, replay: Replay) -> Report:
        ended, forgotten, lost_acts = 0, 0, list[str]()
        if replay.tells is None:
            ended = self._end_everything()
        for start in range(0, len(replay.tells or ()), BITE):
            told = [one.partition(" ") for one in (replay.tells or ())[start : start + BITE]]
            self._place([rest for word, _, rest in told if word == places.TELLS])
            ended += self._end([rest for word, _, rest in told if word == "ended"])
            forgotten += self._forget({rest for word, _, rest in told if word == "forgotten"})
            lost_acts += [rest for word, _, rest in told if word == "act"]
        head = self._database.write_now(lambda c: self._complete(c, replay, ended, forgotten))
        self._database.read_now(self._parts.fence.prove)
        published = replay.last.checkpoint
        report = self._report(REPLAY, head.origin, published.size, ended, forgotten)
        return Report(report.way, report.reason, report.origin, report.size, ended, forgotten, tuple(lost_acts))

    def new_log(self) -> Report:
        ended = self._end_everything()
        head = self._database.write_now(lambda c: self._rename(c, ended))
        self._publish(Line(head.note, head.size, b"", []))
        return self._report(NEW_LOG, head.origin, head.size, ended)

    def _complete(self, connection: Connection, replay: Replay, ended: int, forgotten: int) -> Head:
        """The tree as it was published. Leaves that wait in the queue and are in it already wait no more."""
        published, head = replay.last.checkpoint, self._head(connection, replay.last.checkpoint.origin)
        edge = ledger.tiles(connection, tiles.edge(head.size))
        growth = tiles.grow(head.size, replay.entries, lambda level, n: edge[level, n])
        known = set(replay.entries)
        seqs = [seq for seq, entry in leaves.hashes(connection).items() if entry in known]
        leaves.remove(connection, seqs)
        if replay.entries:
            ledger.put_tiles(connection, growth.tiles)
            span = (min(seqs), max(seqs)) if seqs else (0, 0)
            ledger.add_batch(connection, Batch(head.size, growth.size, *span, self._now))
        ledger.swap(connection, head, size=published.size, root=published.root, note=replay.last.note, tells=[])
        ledger.publish(connection, published.size, replay.last.note)
        self._record(connection, REPLAY, head, ended=ended, forgotten=forgotten)
        return head

    def _rename(self, connection: Connection, ended: int) -> Head:
        last = self._parts.journal.last()
        head = self._head(connection, origin_of(self._issuer))
        numbers = [head.number, _number(last.checkpoint.origin) if last is not None else 1]
        origin = origin_of(self._issuer, max(numbers) + 1)
        note = self._parts.keys.sign(origin, Checkpoint(origin, head.size, head.root).text)
        self._record(connection, NEW_LOG, head, ended=ended, forgotten=0)
        ledger.rename(connection, origin, max(numbers) + 1, note)
        renamed = ledger.head(connection)
        assert renamed is not None
        return renamed

    def _head(self, connection: Connection, origin: str) -> Head:
        head = ledger.head(connection, lock=True)
        if head is None:
            # A database that was made anew: it has not even an empty tree.
            note = self._parts.keys.sign(origin, Checkpoint(origin, 0, merkle.EMPTY).text)
            ledger.begin(connection, origin, merkle.EMPTY, note)
            head = ledger.head(connection, lock=True)
            assert head is not None
        return head

    def _publish(self, line: Line) -> None:
        self._parts.journal.append(line)
        self._database.write_now(lambda c: ledger.publish(c, line.checkpoint.size, line.note))
        self._database.read_now(self._parts.fence.prove)

    def _end_everything(self) -> int:
        total = 0
        # Signed consents may be about of which nothing is known here.
        self._database.write_now(lambda c: places.close(c, self._now))
        while given := self._database.read_now(lambda c: record_store.given_ids(c, self._now, BITE)):
            total += self._end(given)
        return total

    def _end(self, consents: Sequence[str]) -> int:
        def unit(connection: Connection) -> int:
            done = 0
            for consent_id, citizen in record_store.owners(connection, consents).items():
                ended = records.withdraw(
                    connection,
                    consent_id=consent_id,
                    citizen=citizen,
                    pseudonyms=self._pseudonyms,
                    now=self._now,
                    channel=CHANNEL,
                )
                done += ended is not None
            return done

        return self._database.write_now(unit) if consents else 0

    def _place(self, told: Sequence[str]) -> None:
        def unit(connection: Connection) -> None:
            for one in told:
                places.again(connection, one, pseudonyms=self._pseudonyms, now=self._now)

        if told:
            self._database.write_now(unit)

    def _forget(self, digests: set[str]) -> int:
        def unit(connection: Connection) -> int:
            found = [one for one in seeds.citizens(connection) if digest(one) in digests]
            for citizen in found:
                forgetting.forget(connection, citizen, pseudonyms=self._pseudonyms, now=self._now)
            return len(found)

        return self._database.write_now(unit) if digests else 0

    def _record(self, connection: Connection, way: str, head: Head, *, ended: int, forgotten: int) -> None:
        last = self._parts.journal.last()
        published = last.note if last is not None else ""
        content: dict[str, Any] = {"way": way, "reason": self._reason, "database": head.note, "published": published}
        content |= {"ended": ended, "forgotten": forgotten}
        acts.record(connection, EVENT, head.origin, content, pseudonyms=self._pseudonyms, now=self._now)
        audit.record(connection, EVENT, actor="operator", object=head.origin, now=self._now, way=way)

    def _report(self, way: str, origin: str, size: int, ended: int = 0, forgotten: int = 0) -> Report:
        return Report(way, self._reason, origin, size, ended, forgotten, ())


def _number(origin: str) -> int:
    last = origin.rpartition("/")[2]
    return int(last) if last.isdigit() else 1
