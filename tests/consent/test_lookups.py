"""Who runs the service and looks at a citizen's file is seen by that citizen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from consent import lookups
from consent.interface import PersonalDataUse
from consent.store import tables
from regie.commands import COMMANDS
from regie.commands.base import Refused
from tests.fixtures.server import CITIZENS

if TYPE_CHECKING:
    from tests.fixtures.inside import Browser, Inside


def tell(inside: Inside, command: str, **params: Any) -> Any:
    return COMMANDS[command](inside.house, params, lambda _: None)


def written(inside: Inside) -> list[tuple[str, str]]:
    columns = (tables.lookup.c.citizen, tables.lookup.c.what)
    database = inside.house.databases["consent"]
    return [tuple(row) for row in database.read_now(lambda c: c.execute(select(*columns)).all())]


async def consent_of(inside: Inside, citizen: str) -> str:
    registry = inside.house.consent.registry
    question = await registry.question(
        citizen=citizen,
        agency="municipality",
        requests=[PersonalDataUse("housing-benefit")],
        answered=(),
        anew=False,
    )
    assert question is not None
    answers = {item.category: True for item in question.items}
    done = await registry.answer(citizen=citizen, question=question, answers=answers, language="nl")
    return done.consents[0]


async def logged_in(inside: Inside) -> Browser:
    browser = inside.browser()
    await browser.get(f"{inside.issuer}/login?to=/my/history")
    await browser.log_in("anna")
    return browser


async def test_each_command_about_one_citizen_is_a_line_of_his(inside: Inside) -> None:
    """N5, L-13: watch the watchers."""
    anna, bram = (inside.citizens[name] for name in ("anna", "bram"))
    handle = inside.house.ring.pseudonyms.handle(anna)
    consent = await consent_of(inside, handle)
    browser = await logged_in(inside)

    tell(inside, "citizen find", number=CITIZENS["anna"][0])
    tell(inside, "consent show", id=consent)
    tell(inside, "consent withdraw", id=consent)
    session = tell(inside, "session list", citizen=anna)[0]["id"]
    inside.clock.advance(60)
    tell(inside, "processing-log page", citizen=anna, place="0.0.0.0.0")
    page = await browser.http.get("/my/history")
    tell(inside, "session end", id=session, citizen="")
    inside.clock.advance(60)
    await logged_in(inside)
    tell(inside, "session end", id="", citizen=anna)
    tell(inside, "citizen suspend", id=anna)
    tell(inside, "citizen resume", id=anna)
    tell(inside, "citizen enrol", id=anna, proofing="substantial")

    done = ["found", "consent", "withdrawn", "sessions", "processing_log", "session_ended", "sessions_ended"]
    done += ["suspended", "resumed", "enrolled"]
    assert written(inside) == [(handle, one) for one in done]
    assert set(lookups.WHAT) == set(done)
    assert page.text.count("burgerservicenummer opgezocht") + page.text.count("citizen service number") == 1
    assert inside.house.ring.pseudonyms.handle(bram) not in dict(written(inside))


async def test_it_is_in_the_ledger_and_agrees_with_it(inside: Inside) -> None:
    tell(inside, "citizen find", number=CITIZENS["anna"][0])
    await inside.house.consent.ledger.round()

    found = tell(inside, "ledger verify", checkpoints=[])

    assert found["ok"], found


@pytest.mark.parametrize(
    ("command", "params"),
    [
        ("citizen find", {"number": "999900055"}),
        ("consent show", {"id": "A" * 22}),
        ("citizen suspend", {"id": "nobody"}),
        ("citizen enrol", {"id": "nobody", "proofing": "substantial"}),
    ],
    ids=["find", "show", "suspend", "enrol"],
)
async def test_what_found_nobody_is_nobodys_line(inside: Inside, command: str, params: dict[str, str]) -> None:
    with pytest.raises(Refused):
        tell(inside, command, **params)

    assert written(inside) == []
