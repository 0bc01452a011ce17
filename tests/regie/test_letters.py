"""Letters to citizens: a receipt of each act and a reminder every 90 days, in a message box that may fail."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from base.outbox import Worker
from base.settings import Settings, UnsafeSettings
from consent.interface import PersonalDataUse
from consent.letters import Letters
from tests.fixtures.server import CITIZENS
from tests.fixtures.visitors import PASSWORD

if TYPE_CHECKING:
    from tests.fixtures.inside import Inside

DAY_S = 86_400
HOUSING, INSURANCE = PersonalDataUse("housing-benefit"), PersonalDataUse("health-insurance")


@dataclass
class Box:
    """A message box on loopback. `status`: what it answers now."""

    url: str = ""
    status: int = 202
    letters: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def box() -> Iterator[Box]:
    made = Box()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.letters.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(made.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    made.url = f"http://localhost:{listener.server_address[1]}/letters"
    yield made
    listener.shutdown()
    listener.server_close()


@pytest.fixture
def house(make_inside: Callable[..., Inside], box: Box) -> Inside:
    return make_inside(message_box_url=box.url, message_box_secret="s" * 32)


async def answered(house: Inside, username: str, use: PersonalDataUse, *, allow: bool = True) -> None:
    registry, agency = house.house.consent.registry, "municipality" if use is HOUSING else "health-insurer"
    citizen = house.house.ring.pseudonyms.handle(house.citizens[username])
    question = await registry.question(citizen=citizen, agency=agency, requests=[use], answered=(), anew=True)
    assert question is not None
    answers = {item.category: allow for item in question.items}
    await registry.answer(citizen=citizen, question=question, answers=answers, language="nl")


def letters_of(house: Inside) -> Letters:
    return house.house.consent.letters(house.house.renderer, house.house.provider)


def worker_of(house: Inside) -> Worker:
    async def done(_event: dict[str, Any]) -> None:
        """What the house does besides is not what this is about."""

    kinds = ("consent.given", "consent.refused", "consent.withdrawn")
    return house.house.consent.worker(house.house.post.handlers(dict.fromkeys(kinds, done)))


async def delivered(worker: Worker) -> None:
    while await worker.deliver():
        pass


def told(box: Box) -> list[tuple[str, str]]:
    """Who was written about what; and the box is emptied."""
    names = {number: name for name, (number, *_) in CITIZENS.items()}
    found = [(names[one["recipient"]], one["kind"]) for one in box.letters]
    box.letters.clear()
    return found


async def test_rule_14_a_reminder_every_90_days_of_what_stands_and_of_nothing_else(house: Inside, box: Box) -> None:
    letters, worker = letters_of(house), worker_of(house)
    await answered(house, "anna", HOUSING)
    await answered(house, "bram", INSURANCE)
    await delivered(worker)
    assert sorted(told(box)) == [("anna", "consent.answered"), ("bram", "consent.answered")]

    house.clock.advance(90 * DAY_S - 1)
    assert await letters.remind() == 0
    house.clock.advance(1)

    # What bram allowed was for 90 days.
    assert await letters.remind() == 1
    assert await letters.remind() == 0
    await delivered(worker)
    [one] = box.letters
    assert one["subject"] == "Wat organisaties van u mogen gebruiken"
    assert "Gemeente Lindermeer mag van u gebruiken, tot" in one["text"]
    assert "Inkomen. Dit komt van Belastingdienst Oostland. Het is voor: Huurtoeslag." in one["text"]
    assert f"“Mijn toestemmingen”, op {house.issuer}/my/consents" in one["text"]
    assert told(box) == [("anna", "consent.reminder")]
    house.clock.advance(90 * DAY_S)
    assert await letters.remind() == 1


async def test_rule_14_the_guardians_of_a_child_are_reminded_with_it_as_long_as_they_act_for_it(
    house: Inside, box: Box
) -> None:
    noor = {"national_number": "999900031", "given_names": "Noor", "family_name": "Voorbeeld"}
    noor |= {"birth_date": f"{house.clock.now().year - 10}-06-01"}
    login = {"username": "noor", "password": PASSWORD, "guardians": [CITIZENS["anna"][0], CITIZENS["bram"][0]]}
    house.citizens["noor"] = house.run("citizen add", {**noor, **login})["id"]
    letters, worker = letters_of(house), worker_of(house)
    await answered(house, "noor", HOUSING)
    await delivered(worker)
    box.letters.clear()

    house.clock.advance(90 * DAY_S)
    assert await letters.remind() == 1
    await delivered(worker)
    its, hers, his = sorted(box.letters, key=lambda one: one["recipient"] != noor["national_number"])
    assert its["text"].startswith("U staat dit toe.")
    assert {hers["recipient"], his["recipient"]} == {CITIZENS["anna"][0], CITIZENS["bram"][0]}
    assert hers["text"].startswith("Dit is toegestaan van Noor Voorbeeld, voor wie u handelt.")
    assert "Gemeente Lindermeer mag gebruiken, tot" in hers["text"]
    assert f"“Kinderen voor wie u handelt”, op {house.issuer}/my." in hers["text"]

    box.letters.clear()
    house.clock.advance(90 * DAY_S)
    assert await letters.remind() == 1
    # Custody ends while the letters wait.
    extract = house.house.settings.data_dir / "extract"
    extract.write_text(json.dumps({**noor, "guardians": [CITIZENS["bram"][0]]}))
    house.run("citizen import", path=str(extract))
    await delivered(worker)
    assert {one["recipient"] for one in box.letters} == {noor["national_number"], CITIZENS["bram"][0]}


async def test_who_comes_of_age_is_told_once_what_a_guardian_allowed_for_him(house: Inside, box: Box) -> None:
    born = house.clock.now() - timedelta(days=16 * 365 + 4 - 40)
    teun = {"national_number": "999900043", "given_names": "Teun", "family_name": "Voorbeeld"}
    file = {**teun, "birth_date": f"{born:%Y-%m-%d}", "username": "teun", "password": PASSWORD}
    house.citizens["teun"] = house.run("citizen add", {**file, "guardians": [CITIZENS["anna"][0]]})["id"]
    letters, worker, registry = letters_of(house), worker_of(house), house.house.consent.registry
    guardian, child = (house.house.ring.pseudonyms.handle(house.citizens[one]) for one in ("anna", "teun"))

    async def allow(use: PersonalDataUse, agency: str, by: str) -> None:
        question = await registry.question(citizen=child, agency=agency, requests=[use], answered=(), anew=True)
        assert question is not None
        answers = {item.category: True for item in question.items}
        await registry.database.write(lambda c: registry.answer_unit(c, child, question, answers, "nl", by))

    await allow(HOUSING, "municipality", guardian)
    await allow(INSURANCE, "health-insurer", "")
    await delivered(worker)
    box.letters.clear()
    assert await letters.grown() == 0

    house.clock.advance(45 * DAY_S)
    assert await letters.grown() == 1
    assert await letters.grown() == 0
    await delivered(worker)
    (one,) = box.letters
    assert (one["recipient"], one["kind"]) == ("999900043", "consent.yours")
    assert one["subject"] == "Vanaf nu beslist u zelf"
    assert one["text"].startswith("U bent nu oud genoeg om zelf te beslissen. Een ouder of voogd stond dit voor u toe.")
    assert "Gemeente Lindermeer mag gebruiken, tot" in one["text"]
    assert "Zorgverzekeraar" not in one["text"]
    assert f"“Mijn toestemmingen”, op {house.issuer}/my/consents" in one["text"]

    box.letters.clear()
    house.clock.advance(90 * DAY_S)
    assert (await letters.grown(), await letters.remind()) == (0, 1)
    await delivered(worker)
    assert [(one["recipient"], one["text"].split(".")[0]) for one in box.letters] == [
        ("999900043", "Dit is van u toegestaan, een deel door een ouder of voogd")
    ]


async def test_rule_13_of_what_a_guardian_did_both_are_told_and_each_in_words_that_are_true(
    house: Inside, box: Box
) -> None:
    worker, registry = worker_of(house), house.house.consent.registry
    guardian, child = (house.house.ring.pseudonyms.handle(house.citizens[one]) for one in ("anna", "bram"))
    ask = {"citizen": child, "agency": "municipality", "requests": [HOUSING], "answered": (), "anew": True}
    question = await registry.question(**ask)
    assert question is not None
    answers = {item.category: True for item in question.items}
    await registry.database.write(lambda c: registry.answer_unit(c, child, question, answers, "nl", guardian))
    await delivered(worker)

    texts = {CITIZENS["anna"][0]: "", CITIZENS["bram"][0]: ""} | {one["recipient"]: one["text"] for one in box.letters}
    assert sorted(told(box)) == [("anna", "consent.answered"), ("bram", "consent.answered")]
    mine, its = texts[CITIZENS["anna"][0]], texts[CITIZENS["bram"][0]]
    assert mine.startswith("U antwoordde voor een kind, als ouder of voogd:")
    assert f"“Kinderen voor wie u handelt”, op {house.issuer}/my." in mine
    assert its.startswith("Een ouder of voogd antwoordde voor u")
    assert "Gemeente Lindermeer mag gebruiken, tot" in its
    assert f"“Mijn toestemmingen”, op {house.issuer}/my/consents" in its

    house.clock.advance(60)
    await registry.withdraw_all(child, guardian=guardian)
    await delivered(worker)
    assert {one["text"].split("\n")[0] for one in box.letters} == {
        "U stopte dit voor een kind, als ouder of voogd:",
        "Een ouder of voogd stopte dit voor u:",
    }


async def test_a_letter_that_was_not_taken_is_sent_again_as_the_same_and_holds_no_event_up(
    house: Inside, box: Box
) -> None:
    worker, box.status = worker_of(house), 503
    await answered(house, "anna", HOUSING)
    await delivered(worker)
    await answered(house, "anna", HOUSING, allow=False)
    await delivered(worker)
    box.status = 202

    house.clock.advance(3_600)
    await delivered(worker)

    ids = [one["id"] for one in box.letters]
    assert len(ids) == len(set(ids)) + 1
    assert "mag van u niet gebruiken" in box.letters[-1]["text"]


async def test_who_was_forgotten_gets_no_letter(house: Inside, box: Box) -> None:
    worker = worker_of(house)
    await answered(house, "anna", HOUSING)
    house.run("citizen erase", id=house.citizens["anna"])

    await delivered(worker)
    house.clock.advance(90 * DAY_S)

    assert await letters_of(house).remind() == 0
    assert box.letters == []


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_a_house_without_a_message_box_writes_none(make_inside: Callable[..., Inside], box: Box) -> None:
    house = make_inside()
    worker = worker_of(house)
    await answered(house, "anna", HOUSING)

    await delivered(worker)

    assert box.letters == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"message_box_url": "https://box.example/letters"}, "go together"),
        ({"message_box_secret": "s" * 32}, "go together"),
        ({"message_box_url": "https://box.example/letters", "message_box_secret": PASSWORD}, "at least 32"),
        ({"message_box_url": "http://box.example/letters", "message_box_secret": "s" * 32}, "https"),
    ],
)
def test_settings_that_would_lose_letters_or_show_them_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UnsafeSettings, match=sentence):
        Settings(issuer="https://regie.example", **changes).check()
