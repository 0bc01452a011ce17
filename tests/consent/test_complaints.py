"""A citizen complains about a use, or asks to delete, from its line; the agency reads and answers; he reads the answer."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from consent.complaining import MOST_OPEN, MOST_TEXT, due, readable
from consent.interface import PersonalDataUse
from consent.store import tables
from tests.fixtures.visitors import claims

if TYPE_CHECKING:
    import httpx2

    from tests.fixtures.inside import Browser, Inside

PATH = "/consent/v1/complaints"
SECRET = "Mijn buurman werkt daar & keek."


class Desk:
    """An agency with a token."""

    def __init__(self, inside: Inside, token: str) -> None:
        self.inside = inside
        self.headers = {"authorization": f"Bearer {token}"}

    async def get(self, path: str = "") -> httpx2.Response:
        async with self.inside.http() as http:
            return await http.get(f"{PATH}{path}", headers=self.headers)

    async def waiting(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.get()).json()["complaints"]
        return found

    async def answer(self, complaint: str, outcome: str = "done", text: str = "Gewist.", **headers: str) -> int:
        body = {"outcome": outcome, "text": text}
        async with self.inside.http() as http:
            done = await http.post(f"{PATH}/{complaint}/answers", json=body, headers={**self.headers, **headers})
        return done.status_code


async def desk_of(inside: Inside, agency: str, scope: str = "consent:complaint") -> Desk:
    client = inside.register(agency, grant_types=["authorization_code", "client_credentials"], scope=f"openid {scope}")
    done = await inside.post("/oauth2/token", client, grant_type="client_credentials", scope=scope)
    return Desk(inside, done.json()["access_token"])


async def used(inside: Inside, username: str = "anna", *, times: int = 1) -> list[str]:
    """A permission, and uses of the address by the municipality: their leaves, the newest first."""
    registry = inside.house.consent.registry
    citizen = inside.house.ring.pseudonyms.handle(inside.citizens[username])
    asked = [PersonalDataUse("housing-benefit")]
    question = await registry.question(citizen=citizen, agency="municipality", requests=asked, answered=(), anew=False)
    assert question is not None
    given = {item.category: True for item in question.items}
    await registry.answer(citizen=citizen, question=question, answers=given, language="nl")
    for _ in range(times):
        await registry.release(
            citizen=citizen, agency="municipality", purpose="housing-benefit", categories=frozenset({"address"})
        )
    return [one.leaf for one in (await registry.history(citizen, limit=times)).uses]


async def browser_of(inside: Inside, to: str, username: str = "anna") -> Browser:
    browser = inside.browser()
    browser.http.headers["accept-language"] = "nl"
    await browser.get(f"{inside.issuer}/login?to={to}")
    await browser.log_in(username)
    return browser


async def sent(inside: Inside, leaf: str, kind: str = "complaint", text: str = SECRET) -> tuple[Browser, str]:
    form = f"/my/history/{leaf}/complaint"
    browser = await browser_of(inside, form)
    await browser.submit(form, kind=kind, text=text)
    assert browser.status == 200
    return browser, browser.url.rpartition("/")[2].partition("?")[0]


class TestTheWholeWay:
    async def test_sent_seen_and_answered_and_the_citizen_reads_each(self, inside: Inside) -> None:
        """GDPR art. 12(3), 17."""
        (leaf,) = await used(inside)
        desk = await desk_of(inside, "municipality")

        browser, complaint = await sent(inside, leaf, "erasure", "Eerste regel.\r\nTweede <b>regel</b>.")

        assert "Het is verstuurd" in browser.html
        assert "Tweede &lt;b&gt;regel" in browser.html
        (item,) = await desk.waiting()
        assert item["id"] == complaint
        assert (item["kind"], item["state"]) == ("erasure", "sent")
        assert item["dueOn"] == due(inside.clock.now()).isoformat()
        async with inside.http() as http:
            assert (await http.head(f"{PATH}/{complaint}", headers=desk.headers)).status_code == 405
        assert (await desk.waiting())[0]["state"] == "sent"
        found = (await desk.get(f"/{complaint}")).json()
        assert found["sub"] == inside.sub("anna", "municipality")
        assert found["text"] == "Eerste regel.\nTweede <b>regel</b>."
        assert (found["use"]["purpose"], found["use"]["data"]) == ("housing-benefit", ["address"])
        assert (found["state"], found["outcome"], found["answer"]) == ("seen", None, "")
        await browser.get(f"{inside.issuer}/my/complaints/{complaint}")
        assert "Gezien door de organisatie" in browser.html

        assert await desk.answer(complaint, "partly", "Uw adres is gewist. Uw <naam> niet.") == 201

        await browser.get(f"{inside.issuer}/my")
        assert "Een organisatie antwoordde u" in browser.html
        await browser.get(f"{inside.issuer}/my/complaints")
        assert "Nog niet gelezen" in browser.html
        await browser.get(f"{inside.issuer}/my/complaints/{complaint}")
        assert "wij hebben een deel gedaan" in browser.html
        assert "Uw &lt;naam&gt; niet." in browser.html
        assert await desk.waiting() == []
        assert (await desk.get(f"/{complaint}")).json()["outcome"] == "partly"
        await browser.get(f"{inside.issuer}/my/complaints")
        assert "De organisatie antwoordde" in browser.html
        assert "Nog niet gelezen" not in browser.html
        await browser.get(f"{inside.issuer}/my")
        assert "Een organisatie antwoordde u" not in browser.html
        told = (await browser.http.get("/my/data.json")).json()["complaints"]
        assert [(one["kind"], one["outcome"], one["useLeaf"]) for one in told] == [("erasure", "partly", leaf)]

    async def test_its_agencys_streams_tell_of_it_with_an_id_and_no_word_of_it(self, inside: Inside) -> None:
        (leaf,) = await used(inside)
        desk = await desk_of(inside, "municipality", "consent:complaint consent:events")
        other = await desk_of(inside, "population-register", "consent:events")
        streams = "/consent/v1/event-streams"
        async with inside.http() as http:
            mine, theirs = [
                (await http.post(streams, json={}, headers=one.headers)).json()["id"] for one in (desk, other)
            ]
            _, complaint = await sent(inside, leaf)

            polled = [
                (
                    await http.post(f"{streams}/{stream}/poll", json={"returnImmediately": True}, headers=one.headers)
                ).json()
                for one, stream in ((desk, mine), (other, theirs))
            ]

        (told,) = [claims(one) for one in polled[0]["sets"].values()]
        assert told["events"] == {
            f"{inside.issuer}/events/complaint-sent": {"complaint": complaint, "kind": "complaint"}
        }
        assert told["sub_id"]["sub"] == inside.sub("anna", "municipality")
        assert polled[1]["sets"] == {}

    async def test_answered_once_and_an_answer_under_a_key_is_one(self, inside: Inside) -> None:
        (leaf,) = await used(inside)
        desk = await desk_of(inside, "municipality")
        _, complaint = await sent(inside, leaf)

        assert [await desk.answer(complaint, **{"idempotency-key": "k"}) for _ in range(2)] == [201, 201]
        assert await desk.answer(complaint, "declined", "Toch niet.") == 409
        found = (await desk.get(f"/{complaint}")).json()
        assert (found["outcome"], found["answer"]) == ("done", "Gewist.")

    async def test_a_late_answer_is_told_with_whom_to_turn_to(self, inside: Inside) -> None:
        (leaf,) = await used(inside)
        _, complaint = await sent(inside, leaf)
        inside.clock.advance(32 * 86_400)

        browser = await browser_of(inside, f"/my/complaints/{complaint}")

        assert "Het antwoord is te laat" in browser.html
        assert "privacy@lindermeer.example" in browser.html


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
class TestForm:
    async def test_what_is_missing_is_said_beside_its_field_and_what_was_typed_stays(self, inside: Inside) -> None:
        (leaf,) = await used(inside)
        form = f"/my/history/{leaf}/complaint"
        browser = await browser_of(inside, form)

        await browser.submit(form, text="bewaar dit")
        assert browser.status == 400
        assert 'id="error-kind"' in browser.html
        assert ">bewaar dit</textarea>" in browser.html
        await browser.submit(form, kind="complaint", text=" \u200b ")
        assert 'id="error-text"' in browser.html
        await browser.submit(form, kind="erasure", text="x" * (MOST_TEXT + 1))
        assert 'id="error-text"' in browser.html
        await browser.submit(form, kind="erasure", text="")
        assert "/my/complaints/" in browser.url

    async def test_a_form_that_is_sent_twice_is_one_and_twenty_are_enough(self, inside: Inside) -> None:
        leaves = await used(inside, times=MOST_OPEN + 1)
        complaints = inside.house.consent.complaints
        anna = inside.house.ring.pseudonyms.handle(inside.citizens["anna"])

        first = [await complaints.send(anna, leaves[0], "erasure", "") for _ in range(2)]
        for leaf in leaves[1:MOST_OPEN]:
            await complaints.send(anna, leaf, "erasure", "")

        assert first[0] == first[1]
        form = f"/my/history/{leaves[-1]}/complaint"
        browser = await browser_of(inside, form)
        await browser.submit(form, kind="erasure", text="")
        assert browser.status == 400
        assert "twintig" in browser.html

    async def test_without_the_forms_token_nothing_is_sent(self, inside: Inside) -> None:
        (leaf,) = await used(inside)
        browser = await browser_of(inside, "/my")

        done = await browser.http.post(f"/my/history/{leaf}/complaint", data={"kind": "erasure"})

        assert done.status_code == 403
        assert await (await desk_of(inside, "municipality")).waiting() == []


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
class TestNobodyElse:
    async def test_another_citizen_another_agency_and_another_scope(self, inside: Inside) -> None:
        """T-43: as if it were not there."""
        (leaf,) = await used(inside)
        _, complaint = await sent(inside, leaf)

        bram = await browser_of(inside, "/my", "bram")
        paths = (f"/my/complaints/{complaint}", f"/my/history/{leaf}/complaint", f"/my/complaints/{'A' * 22}")
        assert [(await bram.http.get(path)).status_code for path in paths] == [404] * 3
        insurer = await desk_of(inside, "health-insurer")
        assert await insurer.waiting() == []
        assert (await insurer.get(f"/{complaint}")).status_code == 404
        assert await insurer.answer(complaint) == 404
        other = await desk_of(inside, "municipality", "consent:check")
        assert ((await other.get()).status_code, await other.answer(complaint)) == (403, 403)
        mine = await (await desk_of(inside, "municipality")).waiting()
        assert [one["state"] for one in mine] == ["sent"]

    async def test_what_was_written_is_sealed_and_goes_with_the_citizen(self, inside: Inside) -> None:
        (leaf,) = await used(inside)
        _, complaint = await sent(inside, leaf)
        desk = await desk_of(inside, "municipality")
        await desk.answer(complaint, "declined", "Dat deed hij niet.")
        database = inside.house.databases["consent"]

        row = database.read_now(lambda c: c.execute(select(tables.complaint)).one())
        for canary in (b"buurman", b"deed hij"):
            assert canary not in row.text + row.answer
        inside.run("citizen erase", id=inside.citizens["anna"])

        assert (await desk.get(f"/{complaint}")).status_code == 404
        assert database.read_now(lambda c: c.execute(select(tables.complaint)).all()) == []


@pytest.mark.parametrize(
    ("sent_at", "day"),
    [
        (datetime(2026, 1, 31, 12, tzinfo=UTC), date(2026, 2, 28)),
        (datetime(2026, 12, 5, 12, tzinfo=UTC), date(2027, 1, 5)),
        (datetime(2026, 11, 24, 23, 30, tzinfo=UTC), date(2026, 12, 25)),  # the 25th on people's clocks
    ],
)
def test_an_answer_is_due_a_month_later_on_peoples_calendars(sent_at: datetime, day: date) -> None:
    assert due(sent_at) == day
    assert due(sent_at + timedelta(0)) == day


def test_what_nobody_sees_or_what_turns_a_text_around_is_not_kept() -> None:
    assert readable(" a\u202eb\u200b\x07\r\nc\rd ") == "ab\nc\nd"


async def test_other_words_about_the_same_use_are_another_complaint(inside: Inside) -> None:
    (leaf,) = await used(inside)
    form = f"/my/history/{leaf}/complaint"
    browser = await browser_of(inside, form)
    for text in ("First.", "Second, which matters more.", "Second, which matters more."):
        await browser.get(form)
        await browser.submit(form, kind="complaint", text=text)
    anna = inside.house.ring.pseudonyms.handle(inside.citizens["anna"])

    written = await inside.house.consent.complaints.of_citizen(anna)

    assert sorted(one.text for one in written) == ["First.", "Second, which matters more."]
