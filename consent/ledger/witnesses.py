"""Asking witnesses to cosign what was published (C2SP tlog-witness), and hearing what they say against it.

Beside the sequencer, and never before it: a witness that is slow or away holds nothing up. The newest checkpoint is
shown to each, with the proof that leads from the one that it cosigned last; the cosignatures that are enough for the
policy go into proofs and receipts from then on.

A witness remembers what a restored backup, journal and all, has forgotten. When as many as the policy's quorum say that
they saw a larger tree, or another one, the fence closes (consent.ledger.fence).
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass

from base.clock import Clock
from base.database import Connection, Database
from base.database.tables import outbox
from base.fetch import Fetch, Unreachable
from base.ids import identifier
from base.log import log
from consent.ledger.fence import AHEAD, COSIGNED, FORKED, UNREACHABLE, Fence
from consent.ledger.policy import Policy, Witness
from consent.ledger.publish import Publisher
from consent.store import ledger
from consent.store.ledger import Head
from keys.errors import KeysError
from keys.notes import open_note, split

LEASE_S = 10
PAUSE_S = 0.25
RETRY_S = 10
"""When too few cosigned and nothing new is published meanwhile."""
_SIZE = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class _Answer:
    """`size`: of the tree that it cosigned last. `said`: one of the fence's words. `lines`: its cosignatures."""

    said: str
    size: int
    lines: tuple[str, ...] = ()


class Witnesses:
    def __init__(
        self, database: Database, fetch: Fetch, policy: Policy, publisher: Publisher, fence: Fence, clock: Clock
    ) -> None:
        self._database = database
        self._fetch = fetch
        self._policy = policy
        self._publisher = publisher
        self._fence = fence
        self._clock = clock
        self._holder = identifier()
        self._tried: tuple[str, int, float] = ("", -1, 0.0)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Ask once before anything is allowed, and go on for ever. Nothing when no witness is named."""
        if self._policy.witnesses:
            await self.round(first=True)
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def round(self, *, first: bool = False) -> bool:
        """Show what is published and not cosigned yet; whether anything was shown.

        `first`: even when it was cosigned before, since what the witnesses remember is asked for.
        """
        head = await self._database.read(self._publisher.refresh)
        if head is None or head.published_size < 0 or not (first or self._is_due(head)):
            return False
        if not first and not await self._database.write(self._hold):
            return False
        before = await self._database.read(ledger.witnesses)
        sizes = {one["name"]: one["size"] for one in before}
        asked = [self._ask(one, head, sizes.get(one.name, 0)) for one in self._policy.witnesses]
        names = [one.name for one in self._policy.witnesses]
        answers = dict(zip(names, await asyncio.gather(*asked), strict=True))
        await self._database.write(lambda c: self._keep(c, head, answers))
        await self._database.read(self._fence.prove)
        await self._database.read(self._publisher.refresh)
        self._tried = (head.origin, head.published_size, asyncio.get_running_loop().time())
        return True

    def _is_due(self, head: Head) -> bool:
        origin, size, at = self._tried
        again = asyncio.get_running_loop().time() >= at + RETRY_S
        return head.published_size > head.cosigned_size and (
            (origin, size) != (head.origin, head.published_size) or again
        )

    def _hold(self, connection: Connection) -> bool:
        return outbox.lease(connection, "witnesses", self._holder, self._clock.now(), LEASE_S)

    def _keep(self, connection: Connection, head: Head, answers: dict[str, _Answer]) -> None:
        now = self._clock.now()
        for name, answer in answers.items():
            ledger.witnessed(connection, name, size=answer.size, at=now, said=answer.said)
        lines = [line for answer in answers.values() for line in answer.lines]
        cosigned = {name for name, answer in answers.items() if answer.lines}
        if self._policy.holds(cosigned) or (lines and not self._policy.asks):
            note = head.published_note + "".join(f"{line}\n" for line in lines)
            ledger.cosigned(connection, head.origin, head.published_size, note)

    async def _ask(self, witness: Witness, head: Head, old: int) -> _Answer:
        """At most twice: the second time from where the witness says that it is."""
        try:
            answer = await self._show(witness, head, min(old, head.published_size))
            if answer.said == COSIGNED or not 0 <= answer.size <= head.published_size or answer.size == old:
                return answer
            return await self._show(witness, head, answer.size)
        except (Unreachable, KeysError, LookupError) as error:
            log.warning("ledger.witness", witness=witness.name, error=type(error).__name__)
            return _Answer(UNREACHABLE, old)

    async def _show(self, witness: Witness, head: Head, old: int) -> _Answer:
        size, note = head.published_size, head.published_note
        path = (
            [] if old in (0, size) else await self._database.read(lambda c: self._publisher.consistency(c, old, size))
        )
        lines = [f"old {old}", *(base64.b64encode(one).decode() for one in path)]
        body = "\n".join(lines) + "\n\n" + note
        answered = await self._fetch.post_text(f"{witness.url}/add-checkpoint", body)
        if answered.status == 200:
            return _Answer(COSIGNED, size, _cosignatures(witness, note, answered.body))
        if answered.status == 409 and answered.media_type == _SIZE:
            last = _size(answered.body)
            if last > size:
                return _Answer(await self._ahead(last), last)
            # It cosigned a tree of this very size, and it is not this one.
            return _Answer(FORKED if last == old else UNREACHABLE, last)
        if answered.status == 422:
            return _Answer(FORKED, old)
        raise Unreachable("it answered something else than a cosignature")

    async def _ahead(self, size: int) -> str:
        """What it saw may have been published by another process since."""
        head = await self._database.read(ledger.head)
        return AHEAD if head is None or head.published_size < size else UNREACHABLE

    async def _run(self) -> None:
        while True:
            try:
                await self.round()
            except Exception as error:  # noqa: BLE001 - the loop outlives a database that is away for a while
                log.error("ledger.witnesses", error=type(error).__name__)
            await asyncio.sleep(PAUSE_S)


def _cosignatures(witness: Witness, note: str, body: bytes) -> tuple[str, ...]:
    """The lines that hold, of this witness alone. KeysError when there is none."""
    try:
        text, signed = open_note(note + body.decode(), [witness.verifier])
    except UnicodeDecodeError as error:
        raise Unreachable("it answered something else than a cosignature") from error
    if text != split(note)[0]:
        # With an empty line in its answer it signed more than was shown: such a line in receipts would refute them.
        raise Unreachable("it signed something else than it was shown")
    return tuple(one.line for one in signed)


def _size(body: bytes) -> int:
    text = body.decode(errors="replace").removesuffix("\n")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Unreachable("it answered something else than a size")
    return int(text)
