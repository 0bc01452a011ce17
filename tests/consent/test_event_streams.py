"""Event streams: whoever holds data on a consent hears what becomes of it; nothing is lost and nothing out of order."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from consent import forgetting
from consent.events import polling, sets
from consent.permits import Asked

if TYPE_CHECKING:
    from tests.fixtures.registry import World

STREAMS = "/consent/v1/event-streams"
WITHDRAWN = "/events/consent-withdrawn"


async def call(world: World, method: str, path: str, agency: str = "municipality", **body: Any) -> Any:
    given = {"json": body} if method in ("POST", "PUT") else {}
    async with world.client(agency) as client:
        return await client.request(method, path, **given)


async def stream(world: World, agency: str = "municipality", **wanted: Any) -> str:
    made = await call(world, "POST", STREAMS, agency, **wanted)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def poll(world: World, stream: str, agency: str = "municipality", **asked: Any) -> dict[str, Any]:
    answer = await call(world, "POST", f"{STREAMS}/{stream}/poll", agency, **{"returnImmediately": True, **asked})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def said(token: str) -> dict[str, Any]:
    return dict(json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==")))


def told(world: World, polled: dict[str, Any]) -> list[tuple[str, str]]:
    """What happened to which consent, in order."""
    found = []
    for token in polled["sets"].values():
        ((kind, content),) = said(token)["events"].items()
        found.append((kind.removeprefix(f"{world.settings.issuer}/events/consent-"), content.get("consent")))
    return found


async def refuse(world: World, citizen: str) -> None:
    again = await world.ask(citizen, anew=True)
    assert again is not None
    no = {one.category: False for one in again.items}
    await world.registry.answer(citizen=citizen, question=again, answers=no, language="nl")


class TestWhatIsTold:
    async def test_recipient_and_source_hear_it_each_of_a_citizen_whom_they_know(self, world: World, anna: str) -> None:
        ours, theirs = await stream(world), await stream(world, "tax-authority")
        stranger = await stream(world, "health-insurer")
        address, income = (await world.give(anna)).consents
        await world.registry.withdraw(income, anna)
        at_recipient, at_source = await poll(world, ours), await poll(world, theirs, "tax-authority")
        subs = {said(one)["sub_id"]["sub"] for one in at_recipient["sets"].values()}
        source_subs = {said(one)["sub_id"]["sub"] for one in at_source["sets"].values()}

        assert told(world, at_recipient) == [("given", address), ("given", income), ("withdrawn", income)]
        assert told(world, at_source) == [("given", income), ("withdrawn", income)]
        assert (await poll(world, stranger, "health-insurer"))["sets"] == {}
        assert subs == {world.sub(anna)}
        assert source_subs == {world.sub(anna, "tax-authority")}
        assert world.sub(anna) not in json.dumps([said(one) for one in at_source["sets"].values()])
        assert not at_recipient["sets"].keys() & at_source["sets"].keys()

    async def test_a_token_is_what_rfc_8417_and_its_keys_say(self, world: World, anna: str) -> None:
        """RFC 8417 sections 2.1 to 2.3: one event, `toe`, no `exp`, no `sub` (section 4.5); signed, typed."""
        ours = await stream(world)
        consent = (await world.give(anna, income=False)).consents[0]
        ((jti, token),) = (await poll(world, ours))["sets"].items()
        read = jwt.decode(token, KeySet.import_key_set(json.loads(world.ring.jwks())), algorithms=["ES256"])
        issuer, at = world.settings.issuer, int(world.clock.now().timestamp())

        assert read.header["typ"] == "secevent+jwt"
        assert read.claims == {
            "iss": issuer,
            "aud": "municipality",
            "jti": jti,
            "iat": at,
            "toe": at,
            "sub_id": {"format": "iss_sub", "iss": issuer, "sub": world.sub(anna)},
            "events": {
                f"{issuer}/events/consent-given": {
                    "consent": consent,
                    "expires_at": at + 365 * 86_400,
                    "one_time": False,
                    "recipient": "municipality",
                    "purpose": "housing-benefit",
                    "purpose_version": 1,
                    "data": ["address"],
                }
            },
        }

    async def test_a_newer_answer_changes_or_ends_what_was_given(self, world: World, anna: str) -> None:
        ours = await stream(world, events=["consent-changed", "consent-withdrawn"])
        first = (await world.give(anna, income=False)).consents[0]
        again = await world.ask(anna, anew=True)
        assert again is not None
        answers = {one.category: one.category == "address" for one in again.items}
        second = (await world.registry.answer(citizen=anna, question=again, answers=answers, language="nl")).consents[0]
        await refuse(world, anna)
        polled = await poll(world, ours)
        changed = next(iter(said(next(iter(polled["sets"].values())))["events"].values()))

        assert told(world, polled) == [("changed", second), ("withdrawn", second)]
        assert changed["previous"] == first

    async def test_a_refusal_of_what_was_not_given_is_told_to_nobody(self, world: World, anna: str) -> None:
        ours, theirs = await stream(world), await stream(world, "tax-authority")
        await refuse(world, anna)

        assert (await poll(world, ours))["sets"] == (await poll(world, theirs, "tax-authority"))["sets"] == {}

    async def test_what_was_given_for_one_time_ends_with_its_use(self, world: World, anna: str) -> None:
        from consent.interface import PersonalDataUse

        ours = await stream(world, events=["consent-used"])
        question = await world.registry.question(
            citizen=anna,
            agency="municipality",
            requests=[PersonalDataUse("housing-benefit", ("income",), one_time=True)],
            answered=(),
            anew=False,
        )
        assert question is not None
        done = await world.registry.answer(citizen=anna, question=question, answers={"income": True}, language="nl")
        asked = Asked("municipality", "housing-benefit", ("income",), "tax-authority")
        await world.database.write(lambda c: world.registry.permit_unit(c, asked, world.sub(anna)))

        assert told(world, await poll(world, ours)) == [("used", done.consents[0])]


class TestTimeIsUp:
    async def test_it_is_told_once_whoever_looks(self, world: World, anna: str) -> None:
        ours = await stream(world, events=["consent-expired"])
        consent = (await world.give(anna, income=False)).consents[0]
        world.clock.advance(365 * 86_400 - 1)
        early = await world.consent.event_worker.expire()
        world.clock.advance(1)
        rounds = await asyncio.gather(*(world.consent.event_worker.expire() for _ in range(4)))
        await world.consent.event_worker.expire()

        assert early == 0
        assert sum(rounds) == 1
        assert told(world, await poll(world, ours)) == [("expired", consent)]

    async def test_whoever_answers_anew_before_the_worker_came_finds_it_told_first(
        self, world: World, anna: str
    ) -> None:
        ours = await stream(world)
        first = (await world.give(anna, income=False)).consents[0]
        world.clock.advance(365 * 86_400)
        second = (await world.give(anna, income=False)).consents[0]
        await world.consent.event_worker.expire()

        assert told(world, await poll(world, ours)) == [("given", first), ("expired", first), ("given", second)]


class TestPolling:
    """RFC 8936."""

    async def test_what_is_not_acknowledged_comes_again_in_its_order(self, world: World, anna: str) -> None:
        """RFC 8936 section 2.4: acknowledging, `maxEvents` 0 too, and polling in one."""
        ours = await stream(world)
        for name in ("anna", "bram", "kaya"):
            await world.give(world.citizen(name))
        first = await poll(world, ours, maxEvents=4)
        again = await poll(world, ours, maxEvents=4)
        some = list(first["sets"])[1:3]
        rest = await poll(world, ours, acks=[*some, "A" * 22])
        left = [one for one in [*first["sets"]] if one not in some]

        assert (list(first["sets"]), first["moreAvailable"]) == (list(again["sets"]), True)
        assert list(rest["sets"])[:2] == left
        assert (len(rest["sets"]), rest["moreAvailable"]) == (4, False)
        assert (await poll(world, ours, maxEvents=0)) == {"sets": {}, "moreAvailable": True}
        assert (await poll(world, ours, maxEvents=0, acks=list(rest["sets"]))) == {"sets": {}, "moreAvailable": False}
        assert (await poll(world, ours))["sets"] == {}

    async def test_an_error_holds_up_nothing_and_a_replay_brings_it_back(self, world: World, anna: str) -> None:
        """RFC 8936 section 2.6."""
        ours = await stream(world)
        await world.give(anna)
        bad, good = (await poll(world, ours))["sets"]
        errors = {bad: {"err": "invalid_key", "description": "which key?"}, "A" * 22: {"err": "jwtParse"}}
        after = await poll(world, ours, setErrs=errors, acks=[good])
        listed = (await call(world, "GET", f"{STREAMS}/{ours}/deliveries")).json()["deliveries"]
        replays = [
            await call(world, "POST", f"{STREAMS}/{ours}/replays", **body)
            for body in ({"since": good}, {"since": "A" * 22}, {})
        ]

        assert after["sets"] == {}
        assert [(one["jti"], one["status"], one["error"]) for one in listed] == [
            (good, "taken", ""),
            (bad, "refused", "invalid_key"),
        ]
        assert [one.status_code for one in replays] == [200, 404, 200]
        assert replays[0].json() == {"events": 2}
        assert list((await poll(world, ours))["sets"]) == [bad, good]

    async def test_a_replay_begins_a_minute_before_its_cursor(self, world: World) -> None:
        ours = await stream(world)
        for name in ("anna", "bram", "kaya"):
            await world.give(world.citizen(name), income=False)
            world.clock.advance(61)
        taken = list((await poll(world, ours))["sets"])
        await poll(world, ours, acks=taken)
        await call(world, "POST", f"{STREAMS}/{ours}/replays", since=taken[1])

        assert list((await poll(world, ours))["sets"]) == taken[1:]

    async def test_it_waits_for_what_comes(self, world: World, anna: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """RFC 8936 section 2.2: `returnImmediately` false is a long poll."""
        monkeypatch.setattr(polling, "LOOK_S", 0.02)
        ours = await stream(world)
        waiting = asyncio.create_task(poll(world, ours, returnImmediately=False))
        await asyncio.sleep(0.1)
        early = waiting.done()
        consent = (await world.give(anna, income=False)).consents[0]

        assert not early
        assert told(world, await waiting) == [("given", consent)]

    async def test_it_waits_no_longer_than_it_may_and_no_more_than_may_wait(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(polling, "LOOK_S", 0.02)
        monkeypatch.setattr(polling, "WAIT_S", 0.2)
        ours = await stream(world)
        ended = await poll(world, ours, returnImmediately=False)
        monkeypatch.setattr(polling, "WAIT_S", 600)
        monkeypatch.setattr(polling, "WAITERS", 0)
        refused = await poll(world, ours, returnImmediately=False)

        assert ended["sets"] == refused["sets"] == {}


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)  # the wire is the same on both
class TestManaging:
    async def test_what_is_another_agencys_is_not_there(self, world: World, anna: str) -> None:
        ours = await stream(world)
        await world.give(anna)
        jti = next(iter((await poll(world, ours))["sets"]))
        for method, path, body in (
            ("GET", "", {}),
            ("PUT", "", {"status": "paused"}),
            ("DELETE", "", {}),
            ("POST", "/poll", {"acks": [jti]}),
            ("POST", "/verifications", {}),
            ("POST", "/replays", {}),
        ):
            theirs = await call(world, method, f"{STREAMS}/{ours}{path}", "tax-authority", **body)
            nobodys = await call(world, method, f"{STREAMS}/{'A' * 22}{path}", "tax-authority", **body)
            assert (theirs.status_code, theirs.json()["detail"]) == (404, nobodys.json()["detail"]), path
        own = await stream(world, "tax-authority")
        await poll(world, own, "tax-authority", acks=[jti])

        assert (await call(world, "GET", STREAMS, "health-insurer")).json() == {"streams": []}
        assert jti in (await poll(world, ours))["sets"]

    async def test_while_it_is_paused_events_wait(self, world: World, anna: str) -> None:
        ours = await stream(world)
        paused = await call(world, "PUT", f"{STREAMS}/{ours}", status="paused")
        await world.give(anna)
        held = await poll(world, ours)
        seen = (await call(world, "GET", f"{STREAMS}/{ours}")).json()
        await call(world, "PUT", f"{STREAMS}/{ours}", status="enabled")

        assert (paused.json()["status"], held["sets"], seen["waiting"]) == ("paused", {}, 2)
        assert len((await poll(world, ours))["sets"]) == 2

    async def test_a_verification_comes_after_what_waits(self, world: World, anna: str) -> None:
        ours = await stream(world)
        await world.give(anna)
        asked = await call(world, "POST", f"{STREAMS}/{ours}/verifications", state="ping 1")
        *_, last = (await poll(world, ours))["sets"].values()

        assert asked.status_code == 202
        assert said(last)["jti"] == asked.json()["jti"]
        assert said(last)["sub_id"] == {"format": "opaque", "id": ours}
        assert said(last)["events"] == {
            "https://schemas.openid.net/secevent/ssf/event-type/verification": {"state": "ping 1"}
        }

    async def test_an_agency_has_five_and_what_it_ends_is_gone(self, world: World, anna: str) -> None:
        made = []
        for _ in range(5):
            made.append(await stream(world))
            world.clock.advance(1)
        sixth = await call(world, "POST", STREAMS)
        await world.give(anna)
        gone = await call(world, "DELETE", f"{STREAMS}/{made[0]}")
        listed = (await call(world, "GET", STREAMS)).json()["streams"]

        assert (sixth.status_code, gone.status_code) == (409, 204)
        assert [one["id"] for one in listed] == made[1:]
        assert {one["waiting"] for one in listed} == {2}
        assert (await call(world, "POST", f"{STREAMS}/{made[0]}/poll")).status_code == 404

    async def test_it_needs_its_own_scope(self, world: World) -> None:
        async with world.client(None, authorization=f"Bearer {world.token(scope='consent:check')}") as client:
            assert (await client.get(STREAMS)).status_code == 403


async def test_who_is_forgotten_ends_everywhere_and_leaves_nothing_that_was_taken(world: World, anna: str) -> None:
    ours = await stream(world)
    consent = (await world.give(anna, income=False)).consents[0]
    given = list((await poll(world, ours))["sets"])
    await poll(world, ours, acks=given)
    await world.database.write(
        lambda c: forgetting.forget(c, anna, pseudonyms=world.ring.pseudonyms, now=world.clock.now())
    )
    await call(world, "POST", f"{STREAMS}/{ours}/replays")

    assert told(world, await poll(world, ours)) == [("withdrawn", consent)]


async def test_what_a_stream_is_can_be_said_again_as_it_is_told(world: World) -> None:
    one = await stream(world)
    found = (await call(world, "GET", f"{STREAMS}/{one}")).json()

    changed = await call(world, "PUT", f"{STREAMS}/{one}", events=found["events"], status="paused")

    assert (changed.status_code, changed.json()["events"]) == (200, list(sets.KINDS))


@pytest.mark.parametrize("told_first", [True, False])
async def test_what_has_expired_is_not_taken_back_as_well(world: World, anna: str, told_first: bool) -> None:
    """Whether the end by time was told before or not: it ends once, then."""
    one = await stream(world)
    (consent,) = (await world.give(anna, income=False)).consents
    world.clock.advance(366 * 86_400)
    if told_first:
        await world.consent.event_worker.expire()

    done = await world.registry.withdraw(consent, anna)
    await world.registry.withdraw_all(anna)
    await world.consent.event_worker.expire()

    assert done is None
    assert [kind for kind, _ in told(world, await poll(world, one))] == ["given", "expired"]


async def test_who_is_forgotten_has_what_had_expired_told_as_that(world: World, anna: str) -> None:
    one = await stream(world)
    await world.give(anna, income=False)
    world.clock.advance(366 * 86_400)
    pseudonyms, now = world.ring.pseudonyms, world.clock.now()

    await world.database.write(lambda c: forgetting.forget(c, anna, pseudonyms=pseudonyms, now=now))

    assert [kind for kind, _ in told(world, await poll(world, one))] == ["given", "expired"]


async def test_a_replay_has_what_was_told_after_its_cursor_and_happened_before(world: World) -> None:
    """An end by time, told when the worker was there again."""
    one, bram = await stream(world), world.citizen("bram")
    await world.give(world.citizen("anna"), income=False)
    world.clock.advance(365 * 86_400 + 600)
    await world.give(bram, income=False)
    first = list((await poll(world, one))["sets"])
    await poll(world, one, acks=first)
    await world.consent.event_worker.expire()
    expired = list((await poll(world, one))["sets"])
    await poll(world, one, acks=expired)

    await call(world, "POST", f"{STREAMS}/{one}/replays", since=first[-1])

    assert len(expired) == 1
    assert set(expired) <= set((await poll(world, one))["sets"])
