"""All that is kept of a citizen, as a file: whole, his own alone, and each line of it proven."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agency.receipt import verify
from base.people import FRESH
from consent.export.content import PAGE
from consent.interface import PersonalDataUse
from consent.store import tables as registry_tables
from idp.store import tables as provider_tables
from tests.fixtures.pdf import read
from tests.fixtures.server import CITIZENS

if TYPE_CHECKING:
    from tests.fixtures.inside import Inside

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "export.md"
PURPOSE, AGENCY = "housing-benefit", "municipality"


async def answered(inside: Inside, username: str = "anna", **answers: bool) -> str:
    """What the citizen answers the municipality: yes, but for what is named. His handle."""
    citizen = inside.house.ring.pseudonyms.handle(inside.citizens[username])
    registry = inside.house.consent.registry
    question = await registry.question(
        citizen=citizen, agency=AGENCY, requests=[PersonalDataUse(PURPOSE)], answered=(), anew=False
    )
    assert question is not None
    given = {item.category: answers.get(item.category, True) for item in question.items}
    await registry.answer(citizen=citizen, question=question, answers=given, language="nl")
    return citizen


async def used(inside: Inside, citizen: str, *categories: str) -> None:
    await inside.house.consent.registry.release(
        citizen=citizen, agency=AGENCY, purpose=PURPOSE, categories=frozenset(categories)
    )


async def number(inside: Inside) -> str:
    found, _ = await exported(inside)
    return str(found["account"]["person"]["nationalNumber"])


async def exported(inside: Inside, username: str = "anna") -> tuple[dict[str, Any], str]:
    await inside.house.consent.ledger.round()
    browser = inside.browser()
    await browser.get(f"{inside.issuer}/login?to=/my/data")
    await browser.log_in(username)
    assert browser.status == 200
    answer = await browser.http.get("/my/data.json")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.headers["content-disposition"].startswith('attachment; filename="regie-')
    return answer.json(), answer.text


async def test_the_export_has_everything_of_this_citizen_and_every_receipt_in_it_verifies(inside: Inside) -> None:
    """GDPR art. 15 and 20."""
    anna, bram = await answered(inside, income=False), await answered(inside, "bram")
    for _ in range(PAGE + 2):
        inside.clock.advance(1)
        await used(inside, anna, "address", "income")
        await used(inside, bram, "address")
    keys = [one.vkey for one in inside.house.ring.ledger.verifiers("localhost:8000/ledger")]

    found, text = await exported(inside)

    assert {one["data"]: one["state"] for one in found["consents"]} == {"address": "given", "income": "refused"}
    lines = [(one["decision"], *one["data"]) for one in found["uses"]]
    assert sorted(lines) == [("allowed", "address")] * (PAGE + 2) + [("denied", "income")] * (PAGE + 2)
    assert [one["at"] for one in found["uses"]] == sorted((one["at"] for one in found["uses"]), reverse=True)
    receipts = [one["receipt"] for one in found["uses"]]
    receipts += [event["receipt"] for one in found["consents"] for event in one["events"]]
    for one in receipts:
        assert verify(json.dumps(one).encode(), keys, jwks=inside.house.ring.jwks()).entry["sub"] in text
    assert len({one["entry"] for one in receipts}) == len(receipts)
    (shown,) = {one["notice"] for one in found["consents"]}
    assert shown == _named(found["notices"][shown])
    assert {one["id"] for one in found["agencies"]} >= {AGENCY, "population-register", "tax-authority"}
    assert [one["id"] for one in found["purposes"]] == [PURPOSE]
    assert found["account"]["person"]["nationalNumber"].startswith("9999")
    assert found["account"]["waysToLogIn"]["codeOfAnApp"] is True
    assert len(found["account"]["sessions"]) == 1
    assert found["pseudonyms"] == [{"agency": AGENCY, "sub": inside.sub("anna", AGENCY)}]
    # Neither another's, nor a name that agencies could compare, nor what opens a door.
    for secret in (inside.sub("bram", AGENCY), anna, CITIZENS["anna"][1], CITIZENS["anna"][2]):
        assert secret not in text


async def test_what_a_guardian_did_is_his_to_know_and_for_whom_is_not_in_it(inside: Inside) -> None:
    anna, bram = await answered(inside), await answered(inside, "bram")
    await inside.house.consent.registry.withdraw_all(bram, guardian=anna)

    found, text = await exported(inside)

    assert {(one["type"], one["agency"], one["data"]) for one in found["asGuardian"]} == {
        ("withdrawn", AGENCY, "address"),
        ("withdrawn", AGENCY, "income"),
    }
    assert {event["acting"] for one in found["consents"] for event in one["events"]} == {"self"}
    assert (found["account"]["children"], found["account"]["guardians"]) == ([], 0)
    assert bram not in text
    assert inside.sub("bram", AGENCY) not in text
    browser = inside.browser()
    await browser.get(f"{inside.issuer}/login?to=/my/data")
    await browser.log_in()
    told = read((await browser.http.get("/my/data.pdf", headers={"accept-language": "en"})).content)
    assert "What you did for a child" in [text for _, text in told.elements]


TOLD = {
    "consent": {
        "complaint", "consent", "consent_event", "data_use", "lodged_request", "lookup", "permit", "subject", "use_report",
        "redemption",  # takenAt
    },
    "idp": {"account", "citizen", "family", "managed_grant", "notice", "passkey", "session"},
}  # fmt: skip
NOTHING_TO_TELL = {
    "consent": {"citizen_seed", "reminder"},  # a secret; the day of the last reminder
    "idp": {"decoupled", "device", "handle", "once"},  # digests of what lives for minutes, or of a browser's cookie
}


@pytest.mark.parametrize(("service", "metadata"), [("consent", registry_tables), ("idp", provider_tables)])
def test_no_table_that_names_a_citizen_was_forgotten_in_it(service: str, metadata: Any) -> None:
    """A new one is exported, or it is said here why it tells nothing."""
    named = {one.name for one in metadata.metadata.tables.values() if "citizen" in one.c or one.name == "citizen"}

    assert named == TOLD[service] | NOTHING_TO_TELL[service]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_every_member_is_documented(inside: Inside) -> None:
    anna = await answered(inside)
    await used(inside, anna, "address")
    (line,) = (await inside.house.consent.registry.history(anna)).uses
    await inside.house.consent.complaints.send(anna, line.leaf, "erasure", "")
    found, _ = await exported(inside)
    documented = set(re.findall(r"`(\w+)`", DOCUMENT.read_text()))

    lists = [
        found[name][0] for name in ("consents", "uses", "complaints", "pseudonyms", "agencies", "purposes", "data")
    ]
    events = found["consents"][0]["events"][0]
    account = found["account"]
    names = {name for one in (found, *lists, events, events["receipt"], account, account["person"]) for name in one}

    assert names - documented == set()


async def test_the_pdf_says_the_same_in_the_readers_language(inside: Inside) -> None:
    anna = await answered(inside, income=False)
    await used(inside, anna, "address", "income")
    browser = inside.browser()
    await browser.get(f"{inside.issuer}/login?to=/my/data")
    await browser.log_in()

    found, english = [
        (await browser.http.get("/my/data.pdf", headers={"accept-language": one})).content for one in ("nl", "en")
    ]

    told = read(found)
    assert (told.title, told.language, told.pages) == ("Wat Regie van u bewaart", "nl", 2)
    address, income = "Adres – Gemeente Lindermeer", "Inkomen – Gemeente Lindermeer"
    assert {"Stand: Actief", "Stand: Geweigerd"} <= {*told.after(address), *told.after(income)}
    uses = [text for kind, text in told.elements if kind == "P" and text.startswith("Besluit: ")]
    assert sorted(uses) == ["Besluit: Geweigerd. Dit is geweigerd", "Besluit: Toegestaan. Er is toestemming gegeven"]
    leaves = [one.leaf for one in (await inside.house.consent.registry.history(anna)).uses]
    assert {f"Bewijs: {one}" for one in leaves} <= {text for _, text in told.elements}
    assert ("P", f"Burgerservicenummer: {(await number(inside))}") in told.elements
    assert read(english).title == "What Regie keeps of you"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_the_pdf_tells_of_a_complaint_what_it_is_and_how_it_stands(inside: Inside) -> None:
    anna = await answered(inside)
    await used(inside, anna, "address", "income")
    complaints = inside.house.consent.complaints
    (line,) = (await inside.house.consent.registry.history(anna)).uses
    await complaints.send(anna, line.leaf, "erasure", "")
    sent = await complaints.send(anna, line.leaf, "complaint", "Dit is fout.")
    answered_it = await inside.house.consent.registry.database.write(
        lambda c: complaints.answer(c, sent, "municipality", "partly", "Een deel is gewist.")
    )
    assert answered_it == "answered"
    browser = inside.browser()
    await browser.get(f"{inside.issuer}/login?to=/my/data")
    await browser.log_in()

    page = await browser.http.get("/my/data")
    told = read((await browser.http.get("/my/data.pdf", headers={"accept-language": "nl"})).content)

    assert "Stand: Verstuurd" in told.after("Verzoek om te wissen – Gemeente Lindermeer")
    answer = "Antwoord: De organisatie zegt: wij hebben een deel gedaan van wat u vraagt. Een deel is gewist."
    assert {"U schreef: Dit is fout.", answer} <= {*told.after("Klacht – Gemeente Lindermeer")}
    assert all(f'href="/my/{one}"' in page.text for one in ("consents", "history", "complaints"))


async def test_who_has_done_nothing_yet_gets_a_whole_document_too(inside: Inside) -> None:
    found, _ = await exported(inside)

    assert (found["consents"], found["uses"], found["requests"], found["pseudonyms"]) == ([], [], [], [])


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("path", ["/my/data", "/my/data.json", "/my/data.pdf"])
async def test_without_a_session_one_logs_in_first_and_for_the_files_in_the_last_minutes(
    inside: Inside, path: str
) -> None:
    browser = inside.browser()
    await browser.get(f"{inside.issuer}/login?to=/my")
    await browser.log_in()
    inside.clock.advance(FRESH.total_seconds())

    late = await browser.http.get(path)
    async with inside.http() as http:
        answer = await http.get(path)

    assert (answer.status_code, answer.headers["location"]) == (303, "/login?to=/my/data")
    assert late.status_code == (200 if path == "/my/data" else 303)


def _named(notice: str) -> str:
    import base64

    return base64.urlsafe_b64encode(hashlib.sha256(notice.encode()).digest()).rstrip(b"=").decode()
