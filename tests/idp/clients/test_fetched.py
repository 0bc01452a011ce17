"""Keys at a client's own address: how long they count, who fetches, and what happens when the address is away."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from agency.jose import Key
from base.fetch import Fetch
from idp.clients import fetched
from idp.clients.fetched import Fetched, MissingKey, require_key
from idp.clients.registration import register
from idp.errors import invalid_client
from idp.store import clients
from tests.fixtures.listener import Listener, answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from base.clock import FrozenClock
    from base.database import Database
    from idp.clients import Client
    from tests.fixtures.house import Backend

HOUR, DAY = 3_600, 86_400


class World:
    """One client whose key stands at a listener, and as many workers as are opened."""

    def __init__(self, backend: Backend, clock: FrozenClock, listener: Listener) -> None:
        self.backend, self.clock, self.listener = backend, clock, listener
        self.key = Key.generate()
        self.put(self.key)

    def put(self, *keys: Key) -> None:
        self.listener.respond = lambda _: answer({"keys": [one.public() for one in keys]})

    def worker(self) -> Fetched:
        database = self.backend.opened[0] if self.backend.opened else self.backend.open("idp")
        return Fetched(database, Fetch(self.backend.settings()), self.clock)

    async def registered(self) -> Fetched:
        """A worker that knows the client `c`."""
        members = {"agency": "agency", "client_id": "client", "token_endpoint_auth_method": "private_key_jwt"}
        members |= {"jwks_uri": self.listener.url, "redirect_uris": ["https://a.example/cb"]}
        client, _ = register(json.dumps(members).encode(), "baseline", development=True)
        worker, now = self.worker(), self.clock.now()
        columns = await fetched.get(worker.fetch, fetched.members_of(client.metadata), client.profile, now)
        await worker.database.write(lambda c: clients.add(c, client, now, fetched=columns))
        return worker

    async def use(self, worker: Fetched, key: Key) -> Client:
        """What every endpoint does: a unit that needs the key. MissingKey."""
        token = key.assertion("client", "https://regie.example")

        async def work() -> Client:
            client = await worker.database.read(lambda c: clients.find(c, "client"))
            assert client is not None
            require_key(client, token, self.clock.now(), invalid_client())
            return client

        return await worker.attempt(work)


@pytest.fixture
async def world(backend: Backend, clock: FrozenClock) -> AsyncIterator[World]:
    async with Listener(lambda _: answer({})).running() as listener:
        yield World(backend, clock, listener)


async def test_they_count_for_an_hour_and_are_then_fetched_again(world: World) -> None:
    worker = await world.registered()
    for _ in range(3):
        await world.use(worker, world.key)
    assert world.listener.connections == 1

    world.clock.advance(HOUR)
    await world.use(worker, world.key)
    await world.use(worker, world.key)

    assert world.listener.connections == 2


async def test_a_key_that_was_taken_away_counts_an_hour_at_most(world: World) -> None:
    worker = await world.registered()
    world.put(Key.generate())
    world.clock.advance(HOUR)

    with pytest.raises(MissingKey):
        await world.use(worker, world.key)


async def test_while_the_address_is_away_they_count_on_for_a_day_at_most(world: World) -> None:
    worker = await world.registered()
    world.listener.respond = lambda _: answer({}, status="404 Not Found")
    world.clock.advance(HOUR)

    for _ in range(10):
        await world.use(worker, world.key)
        world.clock.advance(HOUR)
    world.clock.advance(DAY)

    with pytest.raises(MissingKey):
        await world.use(worker, world.key)
    world.put(world.key)
    world.clock.advance(61)
    await world.use(worker, world.key)


async def test_unknown_keys_make_us_fetch_once_a_minute(world: World) -> None:
    worker = await world.registered()

    for _ in range(5):
        for _ in range(4):
            with pytest.raises(MissingKey):
                await world.use(worker, Key.generate())
        world.clock.advance(60)

    assert world.listener.connections == 1 + 5


async def test_many_at_once_wait_for_one(world: World) -> None:
    worker = await world.registered()
    other = Key.generate()
    world.put(other)
    world.listener.delay_s = 0.2

    done = await asyncio.gather(*(world.use(worker, other) for _ in range(30)))

    assert len(done) == 30
    assert world.listener.connections == 2


async def test_two_workers_share_what_one_fetches(world: World) -> None:
    """Each with connections of its own, as two processes have."""
    worker = await world.registered()
    second: Database = world.backend.open("idp") if world.backend.name == "postgresql" else worker.database
    other = Key.generate()
    world.put(other)
    world.listener.delay_s = 0.3
    workers = (worker, Fetched(second, Fetch(world.backend.settings()), world.clock))

    await asyncio.gather(*(world.use(workers[n % 2], other) for n in range(8)))

    assert world.listener.connections == 2


async def test_a_client_that_is_disabled_makes_nobody_fetch(world: World) -> None:
    worker = await world.registered()
    now = world.clock.now()
    await worker.database.write(lambda c: clients.change(c, "client", {"state": "disabled"}, now))

    with pytest.raises(MissingKey):
        await world.use(worker, Key.generate())

    assert world.listener.connections == 1


async def test_a_set_that_arrives_after_the_address_has_changed_does_not_count(world: World) -> None:
    worker = await world.registered()
    now = world.clock.now()
    world.listener.delay_s = 0.3
    late: Any = asyncio.create_task(world.use(worker, Key.generate()))
    await asyncio.sleep(0.1)
    gone = {"keys_tried_at": None, "keys_until": None, "fetched_jwks": None}
    await worker.database.write(lambda c: clients.change(c, "client", gone, now))

    with pytest.raises(MissingKey):
        await late

    client = await worker.database.read(lambda c: clients.find(c, "client"))
    assert client is not None
    assert (client.keys_until, client.metadata.get("jwks")) == (None, None)


async def test_a_set_without_end_is_not_kept(world: World) -> None:
    worker = await world.registered()
    world.listener.respond = lambda _: answer({"keys": [{**world.key.public(), "padding": "x" * fetched.MAX_SET}]})
    members = fetched.members_of({"jwks_uri": world.listener.url, "token_endpoint_auth_method": "private_key_jwt"})
    client = await worker.database.read(lambda c: clients.find(c, "client"))
    assert client is not None

    with pytest.raises(fetched.Unfit, match="too large"):
        await fetched.get(worker.fetch, members, client.profile, world.clock.now())
