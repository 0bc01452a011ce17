"""What became of a permit: said once by its recipient, in the ledger, and in sight of the citizen; so is silence."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from sqlalchemy import select, text, update

from base.render import Renderer
from base.web import frame
from consent import forgetting, reporting
from consent.interface import PersonalDataUse
from consent.ledger.inspect import inspect
from consent.permits import Asked
from consent.store import reports, tables
from keys import jose
from regie.house import TEMPLATES
from tests.consent.ledger.test_leaf import rows
from tests.consent.test_pages import Someone
from tests.consent.test_permits import permit_of, redeem

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.inside import Inside
    from tests.fixtures.registry import World

REPORTS = "/consent/v1/permits/reports"


@pytest.fixture
async def taken(world: World, anna: str) -> str:
    """The id of a permit that its source took."""
    await world.give(anna)
    permit = await permit_of(world, anna)
    assert (await redeem(world, permit)).status_code == 200
    return str(jose.unverified_claims(permit)["jti"])


async def report(
    world: World, permit_id: str, outcome: str = "used", agency: str = "municipality", **headers: str
) -> Any:
    async with world.client(agency) as client:
        return await client.post(REPORTS, json={"permitId": permit_id, "outcome": outcome}, headers=headers)


def silent(world: World, days: int = 7) -> list[str]:
    before = reporting.due(world.clock.now(), days)
    found = world.database.read_now(lambda c: reports.silent(c, before, limit=10))
    assert world.database.read_now(lambda c: reports.count_silent(c, before)) == len(found)
    return [one.permit for one in found]


class TestRecipientReports:
    async def test_once_and_the_same_again_has_the_same_answer(self, world: World, anna: str, taken: str) -> None:
        first = await report(world, taken)
        world.clock.advance(60)
        second = await report(world, taken)

        said = {"permitId": taken, "outcome": "used", "reportedAt": "2026-11-24T12:00:00Z"}
        assert (first.status_code, first.json()) == (200, said)
        assert (second.status_code, second.json()) == (200, said)
        assert len(rows(world, "use_report")) == 1
        (use,) = (await world.registry.history(anna)).uses
        assert use.outcome == "used"

    async def test_another_outcome_afterwards_is_409(self, world: World, taken: str) -> None:
        await report(world, taken, "not_used")

        response = await report(world, taken)

        assert (response.status_code, response.json()["reason"]) == (409, "reported")
        assert [row["outcome"] for row in rows(world, "use_report")] == ["not_used"]

    async def test_twenty_at_once_leave_one_report(self, world: World, taken: str) -> None:
        answers = await asyncio.gather(*(report(world, taken) for _ in range(20)))

        assert {one.status_code for one in answers} == {200}
        assert len({one.content for one in answers}) == len(rows(world, "use_report")) == 1

    async def test_not_while_the_permit_can_still_be_taken(self, world: World, anna: str) -> None:
        await world.give(anna)
        permit_id = jose.unverified_claims(await permit_of(world, anna))["jti"]

        key = {"idempotency-key": "report-1"}
        early = await report(world, permit_id, "not_used", **key)
        world.clock.advance(30)
        late = await report(world, permit_id, "not_used", **key)

        assert (early.status_code, early.json()["reason"]) == (409, "open")
        assert late.status_code == 200

    async def test_what_is_not_its_own_looks_like_what_is_not_there(self, world: World, taken: str) -> None:
        """R-04: the source's, another agency's, nobody's."""
        answers = [await report(world, taken, agency=one) for one in ("tax-authority", "health-insurer")]
        answers.append(await report(world, "A" * 22))

        assert {one.status_code for one in answers} == {404}
        assert len({one.content for one in answers}) == 1
        assert rows(world, "use_report") == []

    async def test_nobody_reports_what_the_provider_released_itself(self, world: World, anna: str) -> None:
        await world.give(anna)
        await world.registry.release(
            citizen=anna, agency="municipality", purpose="housing-benefit", categories=frozenset({"address"})
        )
        (permit,) = rows(world, "permit")
        world.clock.advance(8 * 86_400)

        assert (await report(world, permit["id"])).status_code == 404
        assert silent(world) == []

    async def test_the_scope_of_permits_is_needed(self, world: World, taken: str) -> None:
        token = world.token(scope="consent:check consent:redeem")

        async with world.client(None, authorization=f"Bearer {token}") as client:
            response = await client.post(REPORTS, json={"permitId": taken, "outcome": "used"})

        assert response.status_code == 403

    async def test_it_is_in_the_ledger_and_an_audit_agrees(self, world: World, taken: str) -> None:
        await report(world, taken)
        await world.registry.ledger.round()

        def audit() -> list[Any]:
            return world.database.snapshot_now(lambda c: inspect(c, world.registry.ledger, world.ring.pseudonyms))

        assert audit() == []
        world.database.write_now(lambda c: c.execute(update(tables.permit).values(outcome="not_used")))
        assert [one.place for one in audit()] == [f"permit {taken}"]

    async def test_whoever_is_forgotten_is_in_no_report_any_more(self, world: World, anna: str, taken: str) -> None:
        await report(world, taken)
        await world.registry.ledger.round()
        pseudonyms, now = world.ring.pseudonyms, world.clock.now()

        world.database.write_now(lambda c: forgetting.forget(c, anna, pseudonyms=pseudonyms, now=now))

        assert [row["citizen"] for row in rows(world, "use_report")] == [""]
        assert (await report(world, taken)).status_code == 404
        assert world.database.snapshot_now(lambda c: inspect(c, world.registry.ledger, pseudonyms)) == []


class TestSilence:
    async def test_it_begins_after_the_days_and_ends_with_a_report(self, world: World, taken: str) -> None:
        world.clock.advance(7 * 86_400 - 1)
        assert silent(world) == []

        world.clock.advance(1)
        assert silent(world) == [taken]

        await report(world, taken)
        assert silent(world) == []

    async def test_what_was_never_taken_needs_no_report(self, world: World, anna: str) -> None:
        await world.give(anna)
        await permit_of(world, anna)
        world.clock.advance(8 * 86_400)

        assert silent(world) == []

    async def test_it_is_found_by_an_index_of_the_silent_alone(self, world: World, taken: str) -> None:
        statement = select(tables.permit.c.id).where(
            tables.permit.c.redeemed_at.is_not(None), tables.permit.c.closed_at.is_(None)
        )
        found = statement.order_by(tables.permit.c.redeemed_at).limit(5)

        def plan(connection: Any) -> str:
            if world.backend.name == "postgresql":
                connection.execute(text("SET enable_seqscan = off"))
            explain = "EXPLAIN QUERY PLAN" if world.backend.name == "sqlite" else "EXPLAIN"
            sql = str(found.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
            return str(connection.exec_driver_sql(f"{explain} {sql}").all())

        assert "ix_permit_unreported" in world.database.read_now(plan)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        (
            "nl",
            (
                "De organisatie zegt dat zij de gegevens heeft gebruikt.",
                "De organisatie zegt dat zij de gegevens niet heeft gebruikt.",
                "De organisatie heeft niet gezegd wat zij met de gegevens deed.",
            ),
        ),
        (
            "en",
            (
                "The organisation says that it used the data.",
                "The organisation says that it did not use the data.",
                "The organisation did not say what it did with the data.",
            ),
        ),
    ],
)
async def test_the_citizen_reads_what_was_said_and_what_was_not(
    world: World, anna: str, taken: str, language: str, sentences: tuple[str, ...]
) -> None:
    renderer = Renderer(TEMPLATES, world.settings, mac=world.ring.pseudonyms.mac)
    app = frame(world.consent.routes(renderer, Someone(world, anna)), world.settings, renderer=renderer)
    transport = httpx2.ASGITransport(app=app)  # type: ignore[arg-type]
    used, not_used, silence = sentences

    async def history() -> str:
        headers = {"accept-language": language}
        async with httpx2.AsyncClient(transport=transport, base_url=world.settings.issuer, headers=headers) as browser:
            return (await browser.get("/my/history")).text

    before = await history()
    world.clock.advance(7 * 86_400)
    after = await history()
    await report(world, taken)
    other = str(jose.unverified_claims(permit := await permit_of(world, anna))["jti"])
    await redeem(world, permit)
    await report(world, other, "not_used")
    last = await history()

    assert silence not in before
    assert silence in after
    assert silence not in last
    assert used in last
    assert not_used in last


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_operators_see_who_is_silent_and_not_about_whom(make_inside: Callable[..., Inside]) -> None:
    inside = make_inside(report_days=2)
    registry, handle = inside.house.consent.registry, inside.house.ring.pseudonyms.handle(inside.citizens["anna"])
    sub, use = await inside.known("anna"), [PersonalDataUse("housing-benefit")]
    question = await registry.question(citizen=handle, agency="municipality", requests=use, answered=(), anew=False)
    answers = {item.category: True for item in question.items}
    await registry.answer(citizen=handle, question=question, answers=answers, language="nl")
    asked = Asked("municipality", "housing-benefit", ("address",), "population-register")
    permitted = await registry.database.write(lambda c: registry.permit_unit(c, asked, sub))
    await registry.redeem(permitted.permit, source="population-register")
    inside.clock.advance(2 * 86_400)

    (found,) = inside.run("permit unreported")
    (uses,) = [one for one in inside.run("doctor") if one["check"] == "uses"]

    assert (found["permit"], found["recipient"]) == (permitted.outcome.permit_id, "municipality")
    assert handle not in str(found)
    assert inside.run("permit unreported", agency="tax-authority") == []
    assert uses["ok"]
    assert uses["detail"].startswith("1 not reported in 2 days")
