"""Consent without asking: the artefact, the lists, and the toolkit that verifies with no connection."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import time
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from agency.errors import InvalidToken
from agency.jose import Verifier
from agency.offline import MAX_BYTES, Consent, Offline
from base.web import frame
from consent import forgetting, publishing
from consent.interface import PersonalDataUse
from consent.ledger.inspect import inspect
from consent.offline import lists
from consent.offline.lists import FRESH_S, StatusLists
from consent.store import statuses
from tests.faults.test_restored_backup import Backups, backups, reconciled, round_
from tests.fixtures.registry import HOUSING_BENEFIT

if TYPE_CHECKING:
    from tests.fixtures.registry import World

__all__ = ["backups"]
LIST = "/status-lists/0"


async def artefact(world: World, consent: str, agency: str = "municipality") -> tuple[int, dict[str, Any]]:
    async with world.client(agency) as client:
        answer = await client.post("/consent/v1/artefacts", json={"record": consent})
    return answer.status_code, answer.json()


async def status_list(world: World, **headers: str) -> Any:
    async with world.client(None, **headers) as client:
        return await client.get(LIST)


def toolkit(world: World, **options: Any) -> Offline:
    keys = json.loads(world.ring.jwks())
    verifier = Verifier(world.settings.issuer, lambda: keys)
    return Offline(verifier, "municipality", now=lambda: world.clock.now().timestamp(), **options)


@pytest.fixture(autouse=True)
def today(world: World) -> None:
    """The toolkit's signatures are judged by the clock on the wall."""
    world.clock.advance(time.time() - world.clock.now().timestamp())


class TestAConsentThatIsVerifiedWithoutAsking:
    async def test_it_holds_until_it_is_withdrawn_and_the_list_is_fetched_again(self, world: World, anna: str) -> None:
        given = (await world.give(anna)).consents
        offline, one = toolkit(world), (await artefact(world, given[0]))[1]["artefact"]
        other = offline.read((await artefact(world, given[1]))[1]["artefact"])
        consent = offline.read(one)
        uri = world.settings.issuer + LIST
        without_list = offline.holds(consent)
        offline.take(uri, (await status_list(world)).text)
        before = offline.holds(consent)
        await world.registry.withdraw(consent.id, anna)
        await asyncio.sleep(FRESH_S)
        offline.take(uri, (await status_list(world)).text)

        assert (without_list, before, offline.holds(consent), offline.holds(other)) == (False, True, False, True)
        assert consent.sub == world.sub(anna)
        assert consent.uri == uri
        assert consent.idx != other.idx

    async def test_another_worker_tells_it_within_a_second(self, world: World, anna: str) -> None:
        consent = (await world.give(anna)).consents[0]
        offline = toolkit(world)
        read = offline.read((await artefact(world, consent))[1]["artefact"])
        there = world.another_worker()
        made = StatusLists(there.database, world.ring, world.consent.ledger.fence, world.settings.issuer, world.clock)
        first = await made.token(0)
        assert first is not None
        await world.registry.withdraw(consent, anna)
        await asyncio.sleep(FRESH_S)
        second = await made.token(0)
        assert second is not None
        offline.take(read.uri, second[0].decode())

        assert first[1] != second[1]
        assert not offline.holds(read)

    async def test_a_newer_answer_ends_the_one_before_it(self, world: World, anna: str) -> None:
        consent = (await world.give(anna)).consents[0]
        offline = toolkit(world)
        read = offline.read((await artefact(world, consent))[1]["artefact"])
        await status_list(world)
        again = await world.ask(anna, anew=True)
        assert again is not None
        refused = {one.category: False for one in again.items}
        await world.registry.answer(citizen=anna, question=again, answers=refused, language="nl")
        await asyncio.sleep(FRESH_S)
        offline.take(read.uri, (await status_list(world)).text)

        assert not offline.holds(read)

    async def test_its_end_comes_before_its_bit(self, world: World, anna: str) -> None:
        offline = toolkit(world, max_age_s=10**9)
        read = offline.read((await artefact(world, (await world.give(anna)).consents[0]))[1]["artefact"])
        world.clock.advance(read.exp - world.clock.now().timestamp() - 1)
        await asyncio.sleep(FRESH_S)
        offline._lists[read.uri] = type(
            "Bits", (), {"bits": bytes(statuses.SIZE), "made_at": read.exp, "until": 2**40}
        )()  # type: ignore[assignment]
        last = offline.holds(read)
        world.clock.advance(1)

        assert (last, offline.holds(read)) == (True, False)

    async def test_an_old_list_counts_no_more(self, world: World, anna: str) -> None:
        offline = toolkit(world, max_age_s=120)
        read = offline.read((await artefact(world, (await world.give(anna)).consents[0]))[1]["artefact"])
        offline.take(read.uri, (await status_list(world)).text)
        world.clock.advance(119)
        fresh = offline.holds(read)
        world.clock.advance(2)

        assert (fresh, offline.holds(read)) == (True, False)

    async def test_who_was_forgotten_is_not_found_to_allow_again(self, world: World, anna: str) -> None:
        """His rows are gone, his agencies hold signed consents: the bit is told by a list that stood and by a new one."""
        recorded = await world.give(anna)
        offline = toolkit(world)
        held = [offline.read((await artefact(world, one))[1]["artefact"]) for one in recorded.consents]
        await status_list(world)
        pseudonyms, now = world.ring.pseudonyms, world.clock.now()
        world.database.write_now(lambda c: forgetting.forget(c, anna, pseudonyms=pseudonyms, now=now))
        await asyncio.sleep(FRESH_S)
        offline.take(held[0].uri, (await status_list(world)).text)
        there = world.another_worker()
        made = StatusLists(there.database, world.ring, world.consent.ledger.fence, world.settings.issuer, world.clock)
        new = await made.token(0)
        assert new is not None
        another = toolkit(world)
        another.take(held[0].uri, new[0].decode())

        assert [offline.holds(one) for one in held] == [False, False]
        assert [another.holds(one) for one in held] == [False, False]


class TestTheArtefact:
    async def test_it_is_for_one_agency_and_its_place_stays(self, world: World, anna: str) -> None:
        consent = (await world.give(anna)).consents[0]
        first, second = [(await artefact(world, consent))[1]["artefact"] for _ in range(2)]
        keys = json.loads(world.ring.jwks())
        another = Offline(Verifier(world.settings.issuer, lambda: keys), "health-insurer")

        assert toolkit(world).read(first).idx == toolkit(world).read(second).idx
        with pytest.raises(InvalidToken):
            another.read(first)

    async def test_what_is_not_yours_or_ended_or_for_one_time_has_none(self, world: World, anna: str) -> None:
        consent = (await world.give(anna)).consents[0]
        uses = [PersonalDataUse("housing-benefit", data=("income",), one_time=True)]
        once = await world.registry.question(citizen=anna, agency="municipality", requests=uses, answered=(), anew=True)
        assert once is not None
        done = await world.registry.answer(
            citizen=anna, question=once, answers={one.category: True for one in once.items}, language="nl"
        )
        others, unknown = (await artefact(world, consent, "health-insurer")), (await artefact(world, "A" * 22))
        one_time = await artefact(world, done.consents[0])
        await world.registry.withdraw(consent, anna)
        ended = await artefact(world, consent)

        assert (others[0], unknown[0], one_time[0], ended[0]) == (404, 404, 409, 409)
        assert others[1]["detail"] == unknown[1]["detail"]

    async def test_of_a_version_that_is_asked_no_more_there_is_none(self, world: World, anna: str) -> None:
        """As a check says `changed` and `unknown_purpose`."""
        consent = (await world.give(anna)).consents[0]
        world.publish({**HOUSING_BENEFIT, "maxDurationDays": 100})
        changed = await artefact(world, consent)
        given = (await world.give(anna)).consents[0]
        asked = await artefact(world, given)
        world.database.write_now(
            lambda c: publishing.retire(
                c, "housing-benefit", actor="test", pseudonyms=world.ring.pseudonyms, now=world.clock.now()
            )
        )
        retired = await artefact(world, given)

        assert (changed[0], asked[0], retired[0]) == (409, 201, 409)


class TestTheList:
    async def test_it_is_as_the_draft_has_it_and_unchanged_is_304(self, world: World, anna: str) -> None:
        consent = (await world.give(anna)).consents[0]
        idx = toolkit(world).read((await artefact(world, consent))[1]["artefact"]).idx
        await world.registry.withdraw(consent, anna)
        answer = await status_list(world)
        header, claims, _ = answer.text.split(".")
        told = json.loads(base64.urlsafe_b64decode(claims + "=="))
        lst = told["status_list"]["lst"]
        bits = zlib.decompress(base64.urlsafe_b64decode(lst + "=" * (-len(lst) % 4)))
        again = await status_list(world, **{"if-none-match": answer.headers["etag"]})

        assert answer.headers["content-type"] == "application/statuslist+jwt"
        assert json.loads(base64.urlsafe_b64decode(header + "=="))["typ"] == "statuslist+jwt"
        assert told["sub"] == world.settings.issuer + LIST
        assert told["exp"] > told["iat"]
        assert told["ttl"] > 0
        assert told["status_list"]["bits"] == 1
        assert [place for place in range(len(bits) * 8) if bits[place >> 3] >> (place & 7) & 1] == [idx]
        assert (again.status_code, again.content) == (304, b"")

    @pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
    async def test_it_is_negotiated_and_of_now_alone(self, world: World, anna: str) -> None:
        """Sections 8.1 and 8.4: a client says what it reads; a moment in the past is not answered with now."""
        await artefact(world, (await world.give(anna)).consents[0])
        kinds = {
            "application/statuslist+jwt": 200,
            "application/statuslist+cwt, application/statuslist+jwt;q=0.5": 200,
            "*/*": 200,
            "application/statuslist+cwt": 406,
            "application/statuslist+jwt;q=0": 406,
            "text/html": 406,
        }
        answered = {kind: (await status_list(world, accept=kind)).status_code for kind in kinds}
        async with world.client(None) as client:
            past = await client.get(LIST, params={"time": "1686925000"})
            head = await client.head(LIST)
            bodiless = await client.get(LIST, headers={"if-none-match": f'W/{head.headers["etag"]}, "x"'})

        assert answered == kinds
        assert (past.status_code, past.headers["content-type"]) == (501, "application/problem+json")
        assert (head.status_code, head.content, head.headers["vary"]) == (200, b"", "accept")
        assert (bodiless.status_code, bodiless.content, bodiless.headers["etag"]) == (304, b"", head.headers["etag"])

    @pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
    async def test_who_goes_offline_finds_all_lists_at_one_address(self, world: World, anna: str) -> None:
        """Section 9: the address stands in each list, and answers with all of them."""
        async with world.client(None) as client:
            before = (await client.get("/status-lists")).json()
            await artefact(world, (await world.give(anna)).consents[0])
            claims = (await status_list(world)).text.split(".")[1]
            uri = json.loads(base64.urlsafe_b64decode(claims + "=="))["status_list"]["aggregation_uri"]
            answer = await client.get(uri)
            odd = await client.get(uri, headers={"accept": "text/html"})

        assert before == {"status_lists": []}
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == {"status_lists": [world.settings.issuer + LIST]}
        assert odd.status_code == 406

    @pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
    async def test_what_a_clock_far_behind_ended_is_told_too(
        self, world: World, anna: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another machine's, by an hour: found when all is read again, every ten minutes."""
        consent = (await world.give(anna)).consents[0]
        read = toolkit(world).read((await artefact(world, consent))[1]["artefact"])
        await status_list(world)
        world.clock.advance(-3600)
        await world.registry.withdraw(consent, anna)
        world.clock.advance(3600)
        monkeypatch.setattr(lists, "WHOLE_S", 0.0)
        offline = toolkit(world)
        await asyncio.sleep(FRESH_S)
        offline.take(read.uri, (await status_list(world)).text)

        assert not offline.holds(read)

    async def test_there_is_no_other(self, world: World) -> None:
        async with world.client(None) as client:
            for number in ("0", "1", "-1", "01", "x", "9999999"):
                none = await client.get(f"/status-lists/{number}")
                assert (none.status_code, none.headers["content-type"]) == (404, "application/problem+json")

    async def test_a_registry_that_allows_nothing_shows_none(self, world: World, anna: str) -> None:
        await artefact(world, (await world.give(anna)).consents[0])
        await status_list(world)
        world.consent.ledger.fence.reason = "file_replaced"

        assert (await status_list(world)).status_code == 404


class TestTheToolkitRefuses:
    @pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
    async def test_a_clock_that_was_set_back_extends_nothing(self, world: World, anna: str) -> None:
        """The consent's end, and the list's, would come a day later for whoever verifies."""
        offline = toolkit(world)
        read = offline.read((await artefact(world, (await world.give(anna)).consents[0]))[1]["artefact"])
        offline.take(read.uri, (await status_list(world)).text)
        before = offline.holds(read)
        world.clock.advance(-86_400)

        assert (before, offline.holds(read)) == (True, False)

    @pytest.fixture
    def key(self) -> ECKey:
        return ECKey.generate_key("P-256", {"kid": "k"})

    def offline(self, key: ECKey) -> Offline:
        return Offline(Verifier("https://regie.example", lambda: {"keys": [key.as_dict(private=False)]}), "a")

    def token(self, key: ECKey, raw: bytes, *, typ: str = "statuslist+jwt", **changes: Any) -> str:
        at = int(time.time())
        lst = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        claims = {
            "iss": "https://regie.example",
            "sub": "u",
            "iat": at,
            "exp": at + 60,
            "status_list": {"bits": 1, "lst": lst},
        }
        return jwt.encode({"alg": "ES256", "kid": "k", "typ": typ}, {**claims, **changes}, key)

    def test_a_list_that_is_no_list(self, key: ECKey) -> None:
        whole = zlib.compress(bytes(1000))
        bad = [
            self.token(key, zlib.compress(bytes(MAX_BYTES + 1))),
            self.token(key, whole[:-6]),
            self.token(key, b"no zlib"),
            self.token(key, whole, typ="consent+jwt"),
            self.token(key, whole, sub="another"),
            self.token(key, whole, status_list={"bits": 2, "lst": ""}),
            self.token(key, whole, status_list=None),
            self.token(key, whole, exp=1),
            self.token(ECKey.generate_key("P-256", {"kid": "k"}), whole),
        ]
        for one in bad:
            with pytest.raises(InvalidToken):
                self.offline(key).take("u", one)

    def test_a_place_outside_of_its_list(self, key: ECKey) -> None:
        offline = self.offline(key)
        offline.take("u", self.token(key, zlib.compress(bytes(10))))
        one = Consent("c", "s", "p", 1, ("d",), 2**40, "u", 79)

        assert offline.holds(one)
        assert not offline.holds(Consent("c", "s", "p", 1, ("d",), 2**40, "u", 80))

    def test_an_older_list_does_not_replace_a_newer_one(self, key: ECKey) -> None:
        offline = self.offline(key)
        offline.take("u", self.token(key, zlib.compress(b"\x01" + bytes(9))))
        offline.take("u", self.token(key, zlib.compress(bytes(10)), iat=int(time.time()) - 5))

        assert not offline.holds(Consent("c", "s", "p", 1, ("d",), 2**40, "u", 0))


async def placed(world: World, offline: Offline, consent: str) -> Consent:
    return offline.read((await artefact(world, consent))[1]["artefact"])


def put_back(world: World, backups: Backups, copy: str) -> None:
    backups.put_back(copy)
    routes = [*world.consent.api(), *world.consent.log()]
    world.frame = frame(routes, world.settings, cached=world.consent.documents(), body_limits=world.consent.body_limits)


async def told(world: World, *held: Consent) -> list[bool]:
    """Whether each holds, by the lists of now."""
    await asyncio.sleep(FRESH_S)
    offline = toolkit(world)
    for uri in {one.uri for one in held}:
        async with world.client(None) as client:
            offline.take(uri, (await client.get(uri)).text)
    return [offline.holds(one) for one in held]


def found(world: World) -> list[Any]:
    ledger, pseudonyms = world.registry.ledger, world.ring.pseudonyms
    return world.database.snapshot_now(lambda c: list(inspect(c, ledger, pseudonyms)))


class TestABackupThatIsPutBack:
    async def test_signed_consents_of_after_it_are_told_of_again(
        self, world: World, anna: str, backups: Backups
    ) -> None:
        """One whose bit the backup does not have, and one that it does not have at all; each gets a word in the list."""
        world.clock.advance(-60)  # each start of the house takes five seconds of its own
        mine = (await world.give(anna)).consents
        await round_(world)
        copy = backups.make()
        put_back(world, backups, copy)
        offline, bert = toolkit(world), (await world.give(world.citizen("bert"))).consents
        held = [await placed(world, offline, one) for one in (*mine, *bert)]
        await round_(world)
        put_back(world, backups, copy)
        closed = await artefact(world, mine[0])
        reconciled(world)
        await round_(world)
        again = await placed(world, offline, mine[0])
        before = await told(world, *held)
        await world.registry.withdraw(mine[0], anna)

        assert closed[0] == 409
        assert again.idx == held[0].idx
        assert before == [True, True, False, False]
        assert await told(world, *held) == [False, True, False, False]
        await round_(world)
        assert found(world) == []

    @pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
    async def test_without_its_journal_none_of_them_holds_and_new_lists_begin(
        self, world: World, anna: str, backups: Backups
    ) -> None:
        world.clock.advance(-60)  # each start of the house takes five seconds of its own
        mine = (await world.give(anna)).consents
        await round_(world)
        copy = backups.make()
        put_back(world, backups, copy)
        held = [await placed(world, toolkit(world), one) for one in mine]
        await round_(world)
        put_back(world, backups, copy)
        shutil.rmtree(world.settings.data_dir / "ledger")
        reconciled(world, as_new_log=True)
        new = await placed(world, toolkit(world), (await world.give(anna)).consents[0])

        assert await told(world, *held, new) == [False, False, True]
        await round_(world)
        assert found(world) == []
