"""Push delivery (RFC 8935): each token is posted to its receiver, in order for each citizen, until it is taken.

A receiver that fails is left alone for growing pauses; after `PARK` of failing its stream is parked: nothing is sent
any more, what happens waits, and the operator is told. One process pushes at a time, by a lease in the database; a
receiver that is slow makes no other one wait.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec

from base.clock import Clock
from base.database import Connection, Database
from base.database.tables import outbox
from base.fetch import Answer, Fetch, Unreachable
from base.ids import identifier
from base.log import log
from consent import seals
from consent.events import sets
from consent.store import event_streams, events
from consent.store.event_streams import Stream
from consent.store.events import Event
from keys.ring import Ring

PARK = timedelta(days=3)
"""So long may a receiver fail before its stream is parked."""
PAUSE_MOST_S = 3600
LEASE, LEASE_S = "event-push", 5
BITE, AT_ONCE = 50, 4
"""Events of a stream in one turn, and how many of them, each of another citizen, are under way."""
TAKEN = frozenset({200, 202, 204})
ASIDE = "invalid_request"
"""The one refusal that is about the token itself: it is put aside and holds up nothing (section 2.4). All others are
about keys and rights, which somebody mends."""


class Pusher:
    def __init__(self, database: Database, ring: Ring, fetch: Fetch, issuer: str, clock: Clock) -> None:
        self._database = database
        self._ring = ring
        self._fetch = fetch
        self._issuer = issuer
        self._clock = clock
        self._holder = identifier()
        self._under_way: dict[str, asyncio.Task[bool]] = {}

    async def stop(self) -> None:
        tasks = list(self._under_way.values())
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def round(self) -> list[asyncio.Task[bool]]:
        """Begin a turn of each stream that is due and has none; the turns, True for what went well."""
        due = await self._database.scan(lambda c: event_streams.pushable(c, self._clock.now()))
        if not due and not self._under_way:
            return []
        if not await self._hold():
            await self.stop()
            return []
        # Read again: another process may have sent these before it gave up the lease.
        due = await self._database.scan(lambda c: event_streams.pushable(c, self._clock.now()))
        begun = []
        for stream in due:
            if stream.id not in self._under_way:
                task = self._under_way[stream.id] = asyncio.create_task(self._try(stream))
                task.add_done_callback(lambda _, name=stream.id: self._under_way.pop(name, None))  # type: ignore[misc]  # bound at once
                begun.append(task)
        return begun

    async def _hold(self) -> bool:
        now = self._clock.now()
        return await self._database.write(lambda c: outbox.lease(c, LEASE, self._holder, now, LEASE_S))

    async def _try(self, stream: Stream) -> bool:
        try:
            return await self._turn(stream)
        except Exception as error:  # noqa: BLE001 - a database that is away comes back, and the next turn begins anew
            log.error("events.unavailable", stream=stream.id, error=type(error).__name__)
            return False

    async def _turn(self, stream: Stream) -> bool:
        if stream.seal != seals.of_stream(self._ring.pseudonyms, stream.id, stream.agency, stream.endpoint):
            return await self._altered(stream)
        waiting = await self._database.read(lambda c: events.waiting(c, stream.id, BITE))
        chains: dict[str, list[Event]] = {}
        for one in waiting:
            chains.setdefault(one.sub, []).append(one)
        slots, failures = asyncio.Semaphore(AT_ONCE), list[str]()

        async def chain(one_citizens: list[Event]) -> None:
            for one in one_citizens:
                async with slots:
                    if failures:
                        return
                    try:
                        await self._send(stream, one)
                    except Unreachable as error:
                        failures.append(str(error))

        # What is about the stream itself comes after all that waits. A chain that breaks takes the others along.
        about_it = chains.pop("", [])
        async with asyncio.TaskGroup() as group:
            for of_citizen in chains.values():
                group.create_task(chain(of_citizen))
        await chain(about_it)
        await self._judge(stream, failures[0] if failures else "")
        return not failures

    async def _altered(self, stream: Stream) -> bool:
        """Somebody led it elsewhere: nothing is pushed until its agency says again where to."""
        now = self._clock.now()
        log.error(seals.EVENT, kind=seals.STREAM, detail=stream.id)

        def unit(connection: Connection) -> None:
            seals.alarm(connection, seals.STREAM, stream.id, now)
            event_streams.judge(connection, stream, {"parked_at": now, "said": "altered in the database"})

        await self._database.write(unit)
        return False

    async def _send(self, stream: Stream, event: Event) -> None:
        """Unreachable when it was not taken."""
        now = self._clock.now()
        token = sets.sign(self._ring, self._issuer, event, agency=stream.agency, now=now)
        answer = await self._fetch.post_text(
            stream.endpoint, token, kind="application/secevent+jwt", accept="application/json"
        )
        error = "" if answer.status in TAKEN else _error(answer)
        if error not in ("", ASIDE):
            raise Unreachable(error)
        await self._database.write(lambda c: events.settle(c, stream.id, [event.jti], error, self._clock.now()))

    async def _judge(self, stream: Stream, said: str) -> None:
        """When the next turn may be; `said`: why this one failed."""
        if not said and not stream.failures:
            return
        now, failures = self._clock.now(), stream.failures + 1 if said else 0
        since = (stream.failing_since or now) if said else None
        parked = now if since is not None and now - since >= PARK else None
        due_at = now + timedelta(seconds=min(2 ** min(failures, 12), PAUSE_MOST_S)) if said else now
        values = {
            "failures": failures,
            "failing_since": since,
            "due_at": due_at,
            "said": said[:100],
            "parked_at": parked,
        }
        await self._database.write(lambda c: event_streams.judge(c, stream, values))
        if said:
            log.warning("events.failed", stream=stream.id, error=said[:100], parked=parked is not None)


def _error(answer: Answer) -> str:
    """What a receiver said that did not take a token: the `err` of section 2.3, of a closed alphabet, or its status."""
    try:
        said = msgspec.json.decode(answer.body, type=dict)["err"] if answer.status == 400 else ""
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, RecursionError):
        said = ""
    known = (
        isinstance(said, str)
        and 0 < len(said) <= 64
        and said.replace("_", "").isascii()
        and said.replace("_", "").isalpha()
    )
    return str(said) if known else f"it answered {answer.status}"
