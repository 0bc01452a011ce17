"""No table grows for ever, and nothing that still counts is forgotten."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, insert, select

from base.database.cleaning import BITE, Cleaner
from base.database.tables import COUNTER
from base.ids import digest, identifier
from idp.authenticators import guesses
from idp.clients import software
from idp.clients.registration import register
from idp.store import cleaning, clients, grants, people
from idp.store.grants import Code, Family
from idp.store.tables import (
    access_token,
    account,
    authorization_request,
    client,
    code,
    family,
    initial_access_token,
    metadata,
    once,
)

if TYPE_CHECKING:
    from base.clock import FrozenClock
    from base.database import Connection, Database
    from tests.fixtures.house import Backend

COUNTERS = metadata.tables[COUNTER.name]


def count(database: Database, table: Any) -> int:
    return database.read_now(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one())


@pytest.fixture
def database(backend: Backend) -> Database:
    return backend.open("idp")


@pytest.fixture
def cleaner(backend: Backend, database: Database, clock: FrozenClock) -> Cleaner:
    return Cleaner(database, cleaning.rules(backend.settings()), clock)


async def test_what_has_expired_goes_in_bites_and_what_has_not_stays(
    database: Database, cleaner: Cleaner, clock: FrozenClock
) -> None:
    now = clock.now()

    def fill(connection: Connection) -> None:
        for number in range(2 * BITE + 7):
            grants.add_access(connection, f"old{number}", "client", None, now + timedelta(seconds=300))
        grants.add_access(connection, "new", "client", None, now + timedelta(seconds=400))
        for name, life in (("gone", 10), ("open", 900)):
            row = {"client_id": "c", "parameters": {}, "pushed": True, "browser": None, "jkt": None, "created_at": now}
            grants.add_request(connection, {"digest": digest(name), "expires_at": now + timedelta(seconds=life), **row})
            people.put_once(
                connection,
                digest(name),
                "second",
                browser="b",
                citizen_id=None,
                payload={},
                expires_at=now + timedelta(seconds=life),
            )

    database.write_now(fill)
    assert await cleaner.clean() == 0
    clock.advance(301)

    assert await cleaner.clean() == 2 * BITE + 7 + 2
    assert [count(database, table) for table in (access_token, authorization_request, once)] == [1, 1, 1]
    assert database.read_now(lambda c: grants.is_live(c, "new"))[0]


async def test_a_login_is_forgotten_after_the_last_token_that_could_grow_from_it(
    backend: Backend, database: Database, cleaner: Cleaner, clock: FrozenClock
) -> None:
    now, settings = clock.now(), backend.settings()
    one = Family("f" * 22, "client", "c" * 22, "s" * 22, "openid", [], {}, "low", [], now, now, None)

    def fill(connection: Connection) -> None:
        grants.add_family(connection, one)
        taken = Code(one.id, "client", "https://a.example/cb", True, None, "x" * 43, None)
        grants.add_code(connection, digest("code"), taken, now + timedelta(seconds=60))

    database.write_now(fill)
    clock.advance(3_600)
    await cleaner.clean()
    # A code that comes back an hour late still ends what it gave: it is known.
    assert count(database, code) == 1
    clock.advance(settings.refresh_total_s)
    await cleaner.clean()
    assert (count(database, family), count(database, code)) == (1, 0)
    clock.advance(3 * 86_400)
    await cleaner.clean()
    assert count(database, family) == 0


async def test_guesses_at_names_that_nobody_has_are_forgotten_and_those_at_an_account_are_not(
    database: Database, cleaner: Cleaner, clock: FrozenClock
) -> None:
    """T-25, T-26: a hundred wrong tries in a row count however long they take (NIST SP 800-63B section 3.2.2)."""
    now = clock.now()
    citizen = identifier()
    anna = digest("anna")

    def fill(connection: Connection) -> None:
        row = {"citizen": citizen, "username_index": anna, "password_hash": "x", "changed_at": now}
        connection.execute(insert(account), row)
        guesses.may_try(connection, anna, now)
        guesses.may_try(connection, f"totp {citizen}", now)
        for number in range(50):
            guesses.may_try(connection, digest(f"nobody{number}"), now)

    database.write_now(fill)
    assert count(database, COUNTERS) == 52
    clock.advance(86_401)
    await cleaner.clean()

    subjects = database.read_now(lambda c: set(c.execute(select(COUNTERS.c.subject)).scalars()))
    assert subjects == {anna, f"totp {citizen}"}


async def test_deleted_clients_and_old_invitations_go_and_no_others(
    backend: Backend, database: Database, cleaner: Cleaner, clock: FrozenClock
) -> None:
    now = clock.now()

    def fill(connection: Connection) -> None:
        for name in ("gone", "disabled", "active"):
            raw = f'{{"agency": "agency", "client_id": "{name}", "redirect_uris": ["https://a.example/"]}}'
            one, _ = register(raw.encode(), "baseline", development=False)
            clients.add(connection, one, now, fetched=None)
        clients.change(connection, "gone", {"state": clients.DELETED, "deleted_at": now}, now)
        clients.change(connection, "disabled", {"state": clients.DISABLED}, now)
        for days in (1, 30):
            software.invite(connection, "agency", "fapi2", uses=1, life=timedelta(days=days), now=now)

    database.write_now(fill)
    clock.advance(5 * 86_400)
    await cleaner.clean()

    assert count(database, initial_access_token) == 1
    assert database.read_now(lambda c: set(c.execute(select(client.c.client_id)).scalars())) == {"disabled", "active"}
