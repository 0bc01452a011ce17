"""T-15: the same code redeemed 50 times at once gives tokens once, and then those tokens die."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from base.clock import FrozenClock
from base.database import Connection
from base.ids import digest
from idp.store import grants
from idp.store.grants import Code, Family, Reused
from tests.fixtures.house import Backend


def test_t15_fifty_redemptions_one_success(backend: Backend, clock: FrozenClock) -> None:
    database, now = backend.open("idp"), clock.now()
    family = Family("f" * 22, "client", "c" * 22, "s" * 22, "openid", [], {}, "low", [], now, now, None)
    code = Code(family.id, "client", "https://a.example/cb", True, None, "x" * 43, None)

    def prepare(connection: Connection) -> None:
        grants.add_family(connection, family)
        grants.add_code(connection, digest("code"), code, now + timedelta(seconds=60))

    def redeem(connection: Connection) -> Code | Reused | None:
        taken = grants.consume_code(connection, digest("code"), "client", now)
        if isinstance(taken, Reused):
            grants.end_family(connection, taken.family, now)
        return taken

    work: Callable[[int], Code | Reused | None] = lambda _: database.write_now(redeem)  # noqa: E731 - one line of work
    database.write_now(prepare)

    with ThreadPoolExecutor(50) as pool:
        outcomes = list(pool.map(work, range(50)))

    assert sum(isinstance(one, Code) for one in outcomes) == 1
    assert sum(isinstance(one, Reused) for one in outcomes) == 49
    found = database.read_now(lambda c: grants.find_family(c, family.id))
    assert found is not None
    assert found.ended_at == now


@pytest.mark.parametrize(("client_id", "seconds"), [("other", 0), ("client", 60)])
def test_a_code_of_another_client_or_too_old_is_unknown(
    backend: Backend, clock: FrozenClock, client_id: str, seconds: int
) -> None:
    database, now = backend.open("idp"), clock.now()
    code = Code("f" * 22, "client", "https://a.example/cb", True, None, "x" * 43, None)
    database.write_now(lambda c: grants.add_code(c, digest("code"), code, now + timedelta(seconds=60)))
    clock.advance(seconds)

    assert database.write_now(lambda c: grants.consume_code(c, digest("code"), client_id, clock.now())) is None
