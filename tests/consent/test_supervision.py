"""The supervisor's figures: of whole months, about ten people or more, counted once; and what is unusual in them."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, select

from base.database.tables import AUDIT
from consent import forgetting, reporting
from consent.permits import Asked
from consent.supervision import anomalies, disclosure, months
from consent.supervision.anomalies import Anomaly, Period
from consent.supervision.disclosure import FEW, WITHHELD, Cell
from consent.supervision.report import Report, report
from tests.consent.test_query_plans import _plan

if TYPE_CHECKING:
    from tests.fixtures.registry import World

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = 86_400
TAX = Asked("tax-authority", "tax-return", ("name",), "population-register")
HOUSING = Asked("municipality", "housing-benefit", ("income",), "tax-authority")
INSURANCE = Asked("health-insurer", "health-insurance", ("birth-date",), "population-register")


def looked(world: World, name: str = "2026-11", actor: str = "operator") -> Report:
    now = world.clock.now()
    month = months.read(name, now)
    assert month is not None
    return report(world.database, month, report_days=world.registry.report_days, actor=actor, now=now)


async def use(world: World, asked: Asked, citizen: str) -> Any:
    await world.registry.meet(citizen=citizen, agency=asked.agency)
    return await world.database.write(lambda c: world.registry.permit_unit(c, asked, world.sub(citizen, asked.agency)))


async def a_month_of_uses(world: World) -> list[str]:
    """Twelve citizens of whom the tax authority uses data; three of them consented to the municipality; denials."""
    people = [world.citizen(f"person {number}") for number in range(12)]
    for number, one in enumerate(people):
        permitted = await use(world, TAX, one)
        if number == 0:
            await world.registry.redeem(permitted.permit, source="population-register")
        await use(world, INSURANCE, one)
    for one in people[:3]:
        await world.give(one)
        await use(world, HOUSING, one)
    for number in range(11):
        await world.database.write(lambda c, n=number: world.registry.permit_unit(c, HOUSING, f"{n:043d}"))
    return people


def row(rows: Any, agency: str, purpose: str = "") -> dict[str, Any]:
    (found,) = (one.told for one in rows if (one.agency, one.purpose) == (agency, purpose))
    return found


class TestReport:
    async def test_tells_what_is_about_ten_people_and_nothing_about_fewer(self, world: World) -> None:
        await a_month_of_uses(world)
        world.clock.advance(DAY)

        found = looked(world)

        assert (found.month.name, found.month.until) == ("2026-11", datetime(2026, 11, 24, 23, tzinfo=UTC))
        assert row(found.agencies, "tax-authority")["allowed"] == 10
        assert row(found.purposes, "health-insurer", "health-insurance")["denied"] == 10
        assert row(found.agencies, "municipality")["allowed"] == FEW  # three
        assert row(found.agencies, "municipality")["given"] == FEW  # six answers of three people
        assert row(found.agencies, "municipality")["unknown"] == 10
        assert row(found.agencies, "population-register")["allowed"] == FEW  # none: told as few are
        # 20 in all less the tax authority's 10 would leave somebody.
        assert found.total["allowed"] == WITHHELD
        assert found.months[-1][1] == found.total
        assert Anomaly("permits_not_taken", "tax-authority", "tax-return", share=20) in found.anomalies
        assert Anomaly("mostly_denied", "health-insurer", share=50) in found.anomalies
        assert Anomaly("unknown_pseudonyms", "municipality", share=5) in found.anomalies

    async def test_no_citizen_is_in_what_is_kept_and_a_forgotten_one_still_counts(self, world: World) -> None:
        people = await a_month_of_uses(world)
        world.clock.advance(DAY)
        before = looked(world)
        for one in people:
            await world.database.write(
                lambda c, one=one: forgetting.forget(c, one, pseudonyms=world.ring.pseudonyms, now=world.clock.now())
            )

        assert looked(world).agencies == before.agencies
        world.clock.advance(DAY)
        counted_again = row(looked(world).agencies, "tax-authority")
        # Nobody can say any more of how many people the twelve uses are.
        assert (counted_again["allowed"], counted_again["unknown"]) == (FEW, FEW)

    async def test_what_an_agency_says_in_a_purpose_of_its_own_is_not_told(self, world: World) -> None:
        for number in range(12):
            made_up = Asked("municipality", f"citizen-9999{number:05d}", ("income",), "tax-authority")
            await use(world, made_up, world.citizen(f"person {number}"))
        world.clock.advance(DAY)

        found = looked(world)

        assert row(found.purposes, "municipality", "")["denied"] == 10
        assert not [one for one in found.purposes if one.purpose.startswith("citizen-")]

    async def test_is_recorded_before_anything_is_told(self, world: World) -> None:
        looked(world, actor="officer-7")

        lines = world.database.read_now(lambda c: c.execute(select(AUDIT)).all())

        assert [(one.event, one.actor, one.object) for one in lines if one.event.startswith("supervisor.")] == [
            ("supervisor.looked", "officer-7", "2026-11")
        ]

    async def test_counts_a_month_once_and_the_one_that_runs_once_a_day(self, world: World) -> None:
        await use(world, TAX, world.citizen())
        world.clock.advance(DAY)
        walked: list[str] = []
        event.listen(world.database._read, "before_cursor_execute", lambda _c, _k, sql, *_: walked.append(sql))
        looked(world)
        assert [sql for sql in walked if "data_use" in sql]
        walked.clear()
        world.clock.advance(60)

        looked(world)
        assert not [sql for sql in walked if "data_use" in sql]

        world.clock.advance(DAY)
        looked(world)
        assert [sql for sql in walked if "data_use" in sql]

    async def test_walks_no_big_table_and_only_the_lines_of_its_month(self, world: World) -> None:
        world.publish({**OFTEN, "frequency": {"uses": 5, "periodDays": 7}})
        await a_month_of_uses(world)
        world.clock.advance(DAY)
        seen: list[tuple[str, object]] = []
        for engine in (world.database._read, world.database._write):
            event.listen(engine, "before_cursor_execute", lambda _c, _k, sql, values, *_: seen.append((sql, values)))

        looked(world)

        asked = [(sql, values) for sql, values in seen if sql.startswith(("SELECT", "UPDATE", "DELETE"))]
        assert len([sql for sql, _ in asked if "GROUP BY" in sql]) > 24
        assert [(line, sql) for sql, values in asked for line in _plan(world, sql, values)] == []

    async def test_a_day_before_and_a_month_after_are_not_in_it(self, world: World) -> None:
        people = [world.citizen(f"person {number}") for number in range(12)]
        for one in people:
            await use(world, TAX, one)
        world.clock.advance(10 * DAY)
        for one in people:
            await use(world, TAX, one)
            await use(world, TAX, one)
        world.clock.advance(30 * DAY)

        assert row(looked(world, "2026-11").agencies, "tax-authority")["allowed"] == 10
        found = looked(world, "2026-12")
        assert row(found.agencies, "tax-authority")["allowed"] == 20
        assert [told["allowed"] for _, told in found.months][-3:] == [FEW, 10, 20]


OFTEN = {
    "id": "parking-permit",
    "agency": "municipality",
    "title": {"nl": "Parkeren", "en": "Parking"},
    "explanation": {"nl": "Wij kijken waar u woont.", "en": "We look where you live."},
    "refusal": {"nl": "U kunt bellen.", "en": "You can call."},
    "legalBasis": "public_task",
    "statute": "Gemeentewet art. 225",
    "data": ["address"],
    "maxDurationDays": 365,
}


async def test_permits_that_were_taken_and_never_closed_are_told_when_their_time_is_over(world: World) -> None:
    for number in range(14):
        permitted = await use(world, TAX, world.citizen(f"person {number}"))
        await world.registry.redeem(permitted.permit, source="population-register")
        if number < 2:
            await world.database.write(
                lambda c, permit=permitted.outcome.permit_id: reporting.report(
                    c,
                    permit,
                    reporting.USED,
                    recipient="tax-authority",
                    pseudonyms=world.ring.pseudonyms,
                    now=world.clock.now(),
                )
            )
    world.clock.advance((world.registry.report_days - 1) * DAY)
    assert not [one for one in looked(world, months.recent(world.clock.now()).name).anomalies if "closed" in one.kind]

    world.clock.advance(2 * DAY)
    found = looked(world, months.recent(world.clock.now()).name).anomalies

    assert Anomaly("permits_not_closed", "tax-authority", "tax-return", share=20) in found


async def test_a_purpose_near_its_frequency_and_one_above_it_are_told(world: World) -> None:
    world.publish({**OFTEN, "frequency": {"uses": 5, "periodDays": 7}})
    asked = Asked("municipality", "parking-permit", ("address",), "population-register")
    for number in range(10):
        for _ in range(6):
            await use(world, asked, world.citizen(f"person {number}"))
    world.clock.advance(DAY)

    found = looked(world).anomalies

    assert Anomaly("near_frequency", "municipality", "parking-permit", share=25) in found
    assert Anomaly("above_frequency", "municipality", "parking-permit", share=5) in found


class TestDisclosure:
    def test_a_number_that_others_would_tell_takes_one_of_them_with_it(self) -> None:
        told = disclosure.told({("a", "x"): Cell(160, 160), ("a", "y"): Cell(62, 62), ("b", "x"): Cell(8, 8)})
        assert told[()] == 230
        assert (told["a", "x"], told["a", "y"], told["b", "x"]) == (160, 60, FEW)
        # 230 less 220 would leave 1 to 19: certainly somebody.
        assert told["a",] == WITHHELD

        alone = disclosure.told({("a", "x"): Cell(160, 160), ("b", "x"): Cell(8, 8)})
        # With a's total the only part of it would have to go too; without the total of all, both stay.
        assert alone == {(): WITHHELD, ("a",): 160, ("a", "x"): 160, ("b",): FEW, ("b", "x"): FEW}

    def test_many_uses_of_few_people_are_few(self) -> None:
        assert disclosure.told({("a", "x"): Cell(5000, 9)})["a", "x"] == FEW

    def test_whoever_knows_all_that_is_told_knows_no_small_number_better_than_that_it_is_small(self) -> None:
        drawn = random.Random(2026)
        few = 0
        for _ in range(500):
            leaves = {}
            for agency in range(drawn.randint(1, 4)):
                for purpose in range(drawn.randint(1, 4)):
                    number = drawn.choice([0, 1, 5, 9, 10, 12, 14, 15, drawn.randint(0, 60), drawn.randint(0, 900)])
                    leaves[f"a{agency}", f"p{purpose}"] = Cell(number, number)
            told = disclosure.told(leaves)
            bounds = disclosure.bounds(told)
            for path, cell in leaves.items():
                low, high = bounds[path]
                assert low <= cell.number <= high
                if cell.number < disclosure.LEAST:
                    assert (told[path], low) == (FEW, 0)
                    assert high >= disclosure.LEAST - 1
                    few += 1
        assert few > 500

    def test_the_reader_is_a_good_one(self) -> None:
        """What it would find if nothing were withheld: without it the test before this one proves nothing."""
        bounds = disclosure.bounds({(): 170, ("a",): 160, ("b",): FEW, ("a", "x"): 160, ("b", "x"): FEW})

        assert bounds["b", "x"] == (1, 9)


class TestAnomalies:
    @staticmethod
    def period(days: int = 30, **cells: Cell) -> Period:
        empty = {
            what: {}
            for what in (
                "allowed",
                "denied",
                "unknown",
                "not_taken",
                "not_closed",
                "taken",
                "too_often",
                "near",
                "rail",
                "unheard",
            )
        }
        return Period(days, {**empty, **{what: {("a", "x"): cell} for what, cell in cells.items()}})

    def test_an_agency_that_grows_tenfold_is_told_from_its_own_past(self) -> None:
        past = [self.period(), self.period(allowed=Cell(300, 50)), self.period(allowed=Cell(300, 50))]

        assert anomalies.find(self.period(10, allowed=Cell(1000, 80)), past) == [Anomaly("more_uses", "a", times=10)]
        assert anomalies.find(self.period(10, allowed=Cell(299, 80)), past) == []

    def test_without_a_past_or_about_few_people_nothing_is_told(self) -> None:
        past = [self.period(allowed=Cell(3, 3))]

        assert anomalies.find(self.period(allowed=Cell(9000, 80)), [self.period()]) == []
        assert anomalies.find(self.period(allowed=Cell(9000, 9)), past) == []

    def test_a_past_of_few_uses_is_taken_as_one_of_ten(self) -> None:
        for number in (1, 9):
            past = [self.period(allowed=Cell(number, 1))]
            assert anomalies.find(self.period(allowed=Cell(99, 80)), past) == [Anomaly("more_uses", "a", times=3)]

    def test_what_is_told_of_many_says_nothing_of_the_few_beside_them(self) -> None:
        """Denials of ten people and uses of fewer: however few these are, and were before, the same is told."""
        told = {
            tuple(
                anomalies.find(self.period(denied=Cell(10, 10), allowed=Cell(few, few), not_taken=Cell(few, few)), [])
            )
            for few in range(10)
        }
        told_before = {
            tuple(anomalies.find(self.period(allowed=Cell(80, 80)), [self.period(allowed=Cell(few, few))] * 3))
            for few in range(1, 10)
        }

        assert told == {(Anomaly("mostly_denied", "a", share=50),)}
        assert len(told_before) == 1

    def test_denials_of_few_people_are_no_peak_and_of_many_are(self) -> None:
        assert anomalies.find(self.period(denied=Cell(50, 9)), []) == []
        assert anomalies.find(self.period(denied=Cell(50, 40)), [self.period(denied=Cell(10, 10))]) == [
            Anomaly("more_denials", "a", times=3),
            Anomaly("mostly_denied", "a", share=50),
        ]


class TestMonths:
    def test_the_one_that_runs_ends_at_midnight_where_people_live(self) -> None:
        month = months.recent(NOW)

        assert (month.name, month.since, month.until) == (
            "2026-11", datetime(2026, 10, 31, 23, tzinfo=UTC), datetime(2026, 11, 23, 23, tzinfo=UTC),
        )  # fmt: skip
        assert not month.is_complete

    def test_on_its_first_day_the_one_before_is_the_newest(self) -> None:
        at = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)

        assert (months.recent(at).name, months.recent(at).is_complete) == ("2026-11", True)
        assert months.read("2026-12", at) is None

    def test_just_after_midnight_the_day_before_is_not_over(self) -> None:
        midnight = datetime(2026, 11, 24, 23, 0, tzinfo=UTC)

        assert months.recent(midnight + timedelta(minutes=14)).last.day == 24
        assert months.recent(midnight + timedelta(minutes=15)).last.day == 25

    @pytest.mark.parametrize("name", ["2026-13", "2026-12", "2026-11 ", "2026-11\n", "1999-01", "", "nov"])
    def test_no_other_period_can_be_asked_for(self, name: str) -> None:
        assert months.read(name, NOW) is None


def test_the_command_tells_it_as_one_document(world: World) -> None:
    from regie.commands.supervisor import _document

    told = _document(looked(world))

    assert json.loads(json.dumps(told)) == told
    assert told["purposes"][0] == {
        "agency": "health-insurer", "purpose": "health-insurance", "legalBasis": "consent", **dict.fromkeys(told["total"], FEW)
    }  # fmt: skip
    assert (len(told["months"]), told["complete"], told["anomalies"]) == (12, False, [])
