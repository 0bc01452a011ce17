"""After an acknowledged withdrawal nothing begins that says yes, on any worker (C-07).

Real concurrency: several workers on PostgreSQL, one process with many tasks on SQLite. What is recorded is checked: a
permit that was asked after an acknowledgement returned must have been denied; one issued before it and still open must
be named in it.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from sqlalchemy import select

from consent.permits import Asked
from consent.store import tables

if TYPE_CHECKING:
    from consent.registry import Registry
    from tests.fixtures.registry import World

ROUNDS = 12
ASKED = Asked("municipality", "housing-benefit", ("income",), "tax-authority")


async def test_no_permit_begins_after_an_acknowledged_withdrawal(world: World, anna: str) -> None:
    workers = [world.registry, world.another_worker(), world.another_worker()]
    sub = world.sub(anna)

    for _ in range(ROUNDS):
        await world.give(anna)
        consent_id = next(
            one.id for one in await world.registry.consents(anna) if one.current and one.category == "income"
        )
        begun, ended = asyncio.Event(), asyncio.Event()
        seen: list[tuple[float, str | None]] = []

        async def use(
            worker: Registry, begun: asyncio.Event, ended: asyncio.Event, seen: list[tuple[float, str | None]]
        ) -> None:
            for _ in range(500):
                began = time.monotonic()
                done = await worker.database.write(lambda c: worker.permit_unit(c, ASKED, sub))
                seen.append((began, done.outcome.permit_id))
                begun.set()
                if ended.is_set() and done.permit is None:
                    return

        async def check(worker: Registry, ended: asyncio.Event) -> None:
            while not ended.is_set():
                await worker.check(agency="municipality", sub=sub, purpose="housing-benefit", data=["income"])
                await asyncio.sleep(0)
            found = await worker.check(agency="municipality", sub=sub, purpose="housing-benefit", data=["income"])
            assert found.decision.reason == "withdrawn"

        users = [asyncio.create_task(use(one, begun, ended, seen)) for one in workers for _ in range(2)]
        checkers = [asyncio.create_task(check(one, ended)) for one in workers]
        await begun.wait()
        done = await workers[-1].withdraw(consent_id, anna)
        acknowledged_at = time.monotonic()
        ended.set()
        await asyncio.gather(*users, *checkers)

        assert done is not None
        assert [permit for began, permit in seen if began > acknowledged_at and permit is not None] == []
        # The clock stands still, so every permit of this consent is still open: all of them are named.
        assert {permit for _, permit in seen if permit is not None} == set(done.under_way)


async def test_each_permit_has_its_line_in_the_history_and_its_leaf(world: World, anna: str) -> None:
    await world.give(anna)
    workers = [world.registry, world.another_worker()]
    sub = world.sub(anna)

    done = await asyncio.gather(
        *(one.database.write(lambda c, one=one: one.permit_unit(c, ASKED, sub)) for one in workers for _ in range(30))
    )

    leaves = world.database.read_now(lambda c: set(c.execute(select(tables.pending_leaf.c.seq)).scalars()))
    uses = world.database.read_now(lambda c: c.execute(select(tables.data_use)).all())
    assert {one.outcome.permit_id for one in done} == {row.permit for row in uses}
    assert {row.leaf_seq for row in uses} <= leaves
    assert len(uses) == 60


async def test_a_permit_is_taken_once_however_many_try(world: World, anna: str) -> None:
    await world.give(anna)
    sub = world.sub(anna)
    permitted = await world.database.write(lambda c: world.registry.permit_unit(c, ASKED, sub))
    workers = [world.registry, world.another_worker()]

    done = await asyncio.gather(
        *(one.redeem(permitted.permit, source="tax-authority") for one in workers for _ in range(15)),
        return_exceptions=True,
    )

    assert sum(not isinstance(one, Exception) for one in done) == 1
    assert {str(one) for one in done if isinstance(one, Exception)} == {"redeemed"}


async def test_two_forms_at_the_same_time_leave_one_answer_that_counts(world: World, anna: str) -> None:
    question = await world.ask(anna)
    workers = [world.registry, world.another_worker(), world.another_worker()]

    await asyncio.gather(
        *(
            one.answer(citizen=anna, question=question, answers={"address": yes, "income": not yes}, language="nl")
            for one in workers
            for yes in (True, False, True)
        )
    )

    current = [one for one in await world.registry.consents(anna) if one.current]
    assert sorted(one.category for one in current) == ["address", "income"]
    seqs = select(tables.consent_event.c.seq).order_by(tables.consent_event.c.seq.desc()).limit(2)
    last = world.database.read_now(lambda c: set(c.execute(seqs).scalars()))
    assert {one.seq for one in current} == last, "the last form, whole, is what counts"


async def test_two_withdrawals_at_the_same_time_are_one(world: World, anna: str) -> None:
    recorded = await world.give(anna)
    workers = [world.registry, world.another_worker()]

    done = await asyncio.gather(*(one.withdraw(recorded.consents[0], anna) for one in workers for _ in range(5)))

    assert sum(one is not None for one in done) == 1


async def test_a_permit_while_the_same_answer_is_given_anew_is_not_denied(world: World, anna: str) -> None:
    """Renewing replaces a row by another; a permit in between sees one of them, never none."""
    question = await world.ask(anna)
    answers = {"address": True, "income": True}
    await world.registry.answer(citizen=anna, question=question, answers=answers, language="nl")
    other, sub = world.another_worker(), world.sub(anna)

    async def renew() -> None:
        for _ in range(30):
            await world.registry.answer(citizen=anna, question=question, answers=answers, language="nl")

    async def use() -> list[str]:
        return [
            (await other.database.write(lambda c: other.permit_unit(c, ASKED, sub))).outcome.decision.reason
            for _ in range(60)
        ]

    _, reasons = await asyncio.gather(renew(), use())

    assert set(reasons) == {"consent"}
