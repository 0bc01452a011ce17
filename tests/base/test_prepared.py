"""A prepared statement says and answers what SQLAlchemy does with it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from base.database import open_file
from base.database.prepared import Prepared
from idp.store.tables import access_token, authorization_request

if TYPE_CHECKING:
    from pathlib import Path

    from base.database import Connection
    from tests.fixtures.house import Backend

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
TOKEN = {"jti": "t", "client_id": "c", "family": None, "expires_at": NOW}
REQUEST = {
    "digest": "d",
    "client_id": "c",
    "parameters": {"scope": "openid é"},
    "pushed": True,
    "browser": None,
    "jkt": None,
    "created_at": NOW,
    "expires_at": NOW,
}
FIND = select(authorization_request).where(
    authorization_request.c.digest == bindparam("p_digest"), authorization_request.c.pushed.is_(True)
)
USE = (
    update(authorization_request)
    .where(authorization_request.c.digest == bindparam("p_digest"), authorization_request.c.client_id == "c")
    .values(used_at=bindparam("p_now"), asked=bindparam("p_asked", type_=authorization_request.c.asked.type))
)


def test_rows_have_the_same_names_values_and_types(backend: Backend) -> None:
    database = backend.open("idp")
    given = {"p_digest": "d", "p_now": NOW, "p_asked": ["a"]}

    def changed(connection: Connection) -> tuple[int, int]:
        add, use = Prepared(insert(authorization_request), tuple(REQUEST)), Prepared(USE)
        add.run(connection, REQUEST)
        return use.run(connection, given), use.run(connection, {**given, "p_digest": "x"})

    assert database.write_now(changed) == (1, 0)
    find = Prepared(FIND)
    own = database.read_now(lambda c: find.first(c, given))
    theirs = database.read_now(lambda c: c.execute(FIND, given).first())

    assert theirs is not None
    assert tuple(own) == tuple(theirs)
    assert (own.parameters, own.pushed, own.used_at, own.asked) == (REQUEST["parameters"], True, NOW, ["a"])
    assert type(own.pushed) is bool
    assert database.read_now(lambda c: find.first(c, {"p_digest": "x"})) is None


def test_every_row_is_found_and_what_an_insert_returns(backend: Backend) -> None:
    database = backend.open("idp")
    rows = [{**TOKEN, "jti": f"t{number}"} for number in range(3)]
    add = Prepared(insert(access_token).returning(access_token.c.jti, access_token.c.expires_at), tuple(TOKEN))
    every = Prepared(select(access_token.c.jti, access_token.c.family).order_by(access_token.c.jti))

    added = [database.write_now(lambda c, row=row: add.first(c, row)) for row in rows]

    assert [(one.jti, one.expires_at) for one in added] == [(f"t{number}", NOW) for number in range(3)]
    assert [tuple(one) for one in database.read_now(every.all)] == [(f"t{number}", None) for number in range(3)]


def test_what_raises_is_rolled_back_and_an_error_is_one_that_callers_know(backend: Backend) -> None:
    database, add = backend.open("idp"), Prepared(insert(access_token), tuple(TOKEN))

    def changes_its_mind(connection: Connection) -> None:
        add.run(connection, TOKEN)
        raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        database.write_now(changes_its_mind)
    database.write_now(lambda c: add.run(c, TOKEN))
    with pytest.raises(IntegrityError):
        database.write_now(lambda c: add.run(c, TOKEN))


def test_a_value_that_is_missing_is_not_taken_for_null(backend: Backend) -> None:
    database, add = backend.open("idp"), Prepared(insert(access_token), tuple(TOKEN))

    with pytest.raises(Exception, match="expires_at"):
        database.write_now(lambda c: add.run(c, {name: TOKEN[name] for name in ("jti", "client_id", "family")}))


@pytest.mark.parametrize("others", [0, 1])
async def test_a_unit_for_which_there_is_no_room_is_undone_whole(tmp_path: Path, others: int) -> None:
    """SQLite then takes back the whole transaction: what the unit says next would be committed by itself."""
    database = open_file("full", tmp_path / "full.db", readers=1)
    tables, pages = MetaData(), 12
    rows = Table("rows", tables, Column("id", Integer, primary_key=True), Column("bytes", LargeBinary))
    add = Prepared(insert(rows), ("id", "bytes"))

    def narrow(connection: Connection) -> None:
        tables.create_all(connection)
        count = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {count + pages}")

    def unit(connection: Connection) -> None:
        for one in range(2 * pages):
            add.run(connection, {"id": one, "bytes": bytes(4000)})

    await database.write(narrow)
    units = [unit, *[lambda c: add.run(c, {"id": 99, "bytes": b""})] * others]

    done = await asyncio.gather(*map(database.write, units), return_exceptions=True)

    assert {type(one) for one in done} == {OperationalError}
    assert database.read_now(lambda c: c.execute(select(rows.c.id)).all()) == []
    await database.write(lambda c: add.run(c, {"id": 1, "bytes": b""}))
    database.close()
