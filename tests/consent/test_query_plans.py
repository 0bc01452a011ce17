"""The statements on hot paths find their rows by an index: no table of the registry is ever walked for one citizen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import event, text

from consent.offline import places
from consent.permits import Asked
from consent.store import estonia, govstack, letters, statuses

if TYPE_CHECKING:
    from base.database import Connection
    from tests.fixtures.registry import World

BIG = (
    "consent", "consent_event", "data_use", "permit", "redemption", "use_report", "lookup", "act", "subject", "citizen_seed", "outbox",
    "pending_leaf", "stream_event", "ledger_tile", "ledger_batch", "govstack_revision", "estonia_validation",
    "named", "govstack_revision_1",
)  # fmt: skip
ASKED = Asked("municipality", "housing-benefit", ("income",), "tax-authority")


async def test_no_hot_statement_walks_a_big_table(
    world: World, anna: str, statements: list[tuple[str, object]]
) -> None:
    sub = world.sub(anna)
    recorded = await world.give(anna)
    await world.registry.check(agency="municipality", sub=sub, purpose="housing-benefit", data=["income"])
    permitted = await world.database.write(lambda c: world.registry.permit_unit(c, ASKED, sub))
    await world.registry.redeem(permitted.permit, source="tax-authority")
    await world.registry.history(anna)
    await world.registry.history_overview(anna)
    await world.registry.consents(anna)
    await world.registry.withdraw(recorded.consents[0], anna)
    await world.registry.withdraw_agency("municipality", anna)
    await world.registry.ledger.round()
    leaf = permitted.outcome.leaf
    assert world.database.read_now(lambda c: world.registry.ledger.publisher.inclusion(c, leaf.hash, leaf.seq))

    walked = []
    for sql, values in list(statements):
        if sql.startswith(("SELECT", "UPDATE", "DELETE")):
            walked += [(line, sql) for line in _plan(world, sql, values)]

    assert len(statements) > 20
    assert walked == []


async def test_who_is_written_to_is_found_by_an_index(
    world: World, anna: str, statements: list[tuple[str, object]]
) -> None:
    await world.give(anna)
    statements.clear()
    world.database.read_now(lambda c: letters.left_by_guardians(c, "", world.clock.now(), 10))
    world.database.read_now(lambda c: letters.standing(c, anna, world.clock.now(), 10))

    assert len(statements) == 2
    assert [(line, sql) for sql, values in list(statements) for line in _plan(world, sql, values)] == []


async def test_no_list_of_others_protocols_walks_a_big_table(world: World, anna: str) -> None:
    """GovStack's records, individuals and revisions; Estonia's references."""
    recorded, sub = await world.give(anna), world.sub(anna)
    seen: list[tuple[str, object]] = []

    def ask(connection: Connection) -> None:
        event.listen(connection, "before_cursor_execute", lambda _c, _k, sql, values, *_: seen.append((sql, values)))
        (row,) = govstack.answered(connection, "municipality", 0, 100)
        assert govstack.answered(connection, "municipality", 0, 100, sub=sub) == [row]
        assert govstack.individuals(connection, "municipality", 0, 100) == [sub]
        assert len(govstack.items(connection, anna, "municipality", "housing-benefit", 1)) == 2
        assert govstack.versions_answered(connection, anna, "municipality", "housing-benefit") == [1]
        govstack.listed(connection, "municipality", "Policy", 0, 100)
        govstack.revisions(connection, "municipality", "Policy", "1", 0, 100)
        govstack.newest(connection, "municipality", "Policy", "1")
        assert set(estonia.named(connection, [*recorded.consents, "nothing"])) == set(recorded.consents)
        assert set(estonia.of_citizen(connection, anna, "municipality", ["housing-benefit"])) == {"housing-benefit"}
        estonia.validations(connection, recorded.consents[0], "tax-authority")

    world.database.read_now(ask)

    assert len(seen) == 11
    assert [(line, sql) for sql, values in seen for line in _plan(world, sql, values)] == []


def _plan(world: World, sql: str, values: object) -> list[str]:
    """Lines of the plan that walk a big table."""

    def explain(connection: object) -> list[str]:
        if world.backend.name == "sqlite":
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all()
            return [row[3] for row in rows]
        # Small tables are walked because that is cheaper: we ask what would be done with large ones.
        connection.execute(text("SET enable_seqscan = off"))
        return [row[0] for row in connection.exec_driver_sql(f"EXPLAIN {sql}", values).all()]

    lines = world.database.read_now(explain)
    scan = "SCAN " if world.backend.name == "sqlite" else "Seq Scan on "
    return [
        line
        for line in lines
        if any(line.strip(" ->").startswith(f"{scan}{name}") and _whole(line, scan, name) for name in BIG)
    ]


def _whole(line: str, scan: str, name: str) -> bool:
    return line.strip(" ->")[len(scan) :].split()[0] == name


async def test_a_check_reads_the_answers_by_their_unique_index(
    world: World, anna: str, statements: list[tuple[str, object]]
) -> None:
    await world.give(anna)
    await world.registry.check(agency="municipality", sub=world.sub(anna), purpose="housing-benefit", data=["income"])
    statements.clear()
    await world.registry.check(agency="municipality", sub=world.sub(anna), purpose="housing-benefit", data=["income"])

    ((sql, values),) = statements  # one query

    def explain(connection: object) -> str:
        word = "EXPLAIN QUERY PLAN" if world.backend.name == "sqlite" else "EXPLAIN"
        if world.backend.name != "sqlite":
            connection.execute(text("SET enable_seqscan = off"))
        return "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(f"{word} {sql}", values))

    plan = world.database.read_now(explain)
    assert "uq_consent_current" in plan, plan


async def test_a_status_list_is_read_from_the_index_of_what_ended(world: World, anna: str) -> None:
    consents = (await world.give(anna)).consents
    placed = [
        world.database.write_now(
            lambda c, one=one: places.of(c, one, pseudonyms=world.ring.pseudonyms, now=world.clock.now())
        )
        for one in consents
    ]
    await world.registry.withdraw(consents[0], anna)
    seen: list[tuple[str, object]] = []
    event.listen(
        world.database._read, "before_cursor_execute", lambda _c, _k, sql, values, *_: seen.append((sql, values))
    )
    ended = world.database.read_now(lambda c: statuses.ended(c, 0, None))
    ((sql, values),) = seen

    def explain(connection: object) -> str:
        if world.backend.name == "sqlite":
            return str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all())
        for way in ("seqscan", "bitmapscan"):
            connection.execute(text(f"SET enable_{way} = off"))
        return str(connection.exec_driver_sql(f"EXPLAIN {sql}", values).all())

    assert ended == [placed[0].idx]
    assert "ix_consent_status" in world.database.read_now(explain)
