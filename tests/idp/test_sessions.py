"""Sessions, with the clock in hand: how long they last, how many there are, and what they survive."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from base.assurance import HIGH, LOW, SUBSTANTIAL
from base.database.cleaning import Cleaner
from base.database.tables import outbox
from base.ids import digest, identifier
from base.outbox import ATTEMPTS, Worker
from idp import decoupled, ending, login, logouts, managing, notices, requests, sessions
from idp.authenticators.levels import (
    DEVICE_BOUND_PASSKEY,
    PASSKEY,
    PASSWORD,
    PASSWORD_AND_CODE,
    delivered,
)
from idp.authenticators.totp import code_at
from idp.citizens import account, importing
from idp.citizens.register import Person
from idp.clients import Client
from idp.profiles import DEVICE, PROFILES
from idp.sessions import MOST, Place
from idp.store import cleaning, clients, grants
from idp.store.grants import Family, Pending

if TYPE_CHECKING:
    from base.clock import FrozenClock
    from base.database import Connection, Database
    from base.settings import Settings
    from keys.ring import Ring
    from tests.fixtures.house import Backend

ANNA = Person("999900006", "Anna", "Voorbeeld", "1954-03-02", proofing="high")
BRAM = Person("999900018", "Bram", "Voorbeeld", "1954-03-02")
HOME = Place(device="Firefox, Linux", browser="b")


@pytest.fixture
def database(backend: Backend) -> Database:
    return backend.open("idp", writers=6) if backend.name == "postgresql" else backend.open("idp")


@pytest.fixture
def settings(backend: Backend) -> Settings:
    return backend.settings()


@pytest.fixture
def anna(database: Database, ring: Ring, clock: FrozenClock) -> str:
    def unit(connection: Connection) -> str:
        found = importing.add_person(connection, ring, ANNA, clock.now())
        account.set_password(connection, ring, found, username="anna", password_hash="x", now=clock.now())
        return found

    return database.write_now(unit)


class House:
    """The units of work that the tests are about."""

    def __init__(self, database: Database, ring: Ring, settings: Settings, clock: FrozenClock) -> None:
        self.database, self.ring, self.settings, self.clock = database, ring, settings, clock

    def start(self, citizen: str, way: str = PASSWORD, place: Place = HOME, added_at: str = HIGH) -> str | None:
        now = self.clock.now()
        return self.database.write_now(
            lambda c: sessions.start(c, self.ring, citizen, way=way, added_at=added_at, place=place, now=now)
        )

    def current(self, cookie: str | None) -> sessions.Session | None:
        now = self.clock.now()
        return self.database.read_now(lambda c: sessions.current(c, self.ring, self.settings, cookie, now))

    def end_all(self, citizen: str) -> int:
        now = self.clock.now()
        return self.database.write_now(lambda c: ending.end_all(c, self.ring, citizen, now, actor="operator"))

    def open(self, citizen: str) -> int:
        now = self.clock.now()
        return len(self.database.read_now(lambda c: sessions.of(c, self.settings, citizen, now)))

    def join(self, session: sessions.Session, client_id: str) -> str:
        """A login at a client in this session; answers the family."""
        now = self.clock.now()
        family = Family(
            identifier(), client_id, session.citizen_id, session.id, "openid", [], {}, LOW, ["pwd"], now, now, None
        )
        self.database.write_now(lambda c: grants.add_family(c, family))
        return family.id

    def family(self, family_id: str) -> Family:
        found = self.database.read_now(lambda c: grants.find_family(c, family_id))
        assert found is not None
        return found

    def client(self, client_id: str, **metadata: Any) -> Client:
        members = {"client_name": client_id, "grant_types": ["authorization_code"], **metadata}
        one = Client(client_id, "municipality", PROFILES["baseline"], members, None, active=True)
        now = self.clock.now()
        self.database.write_now(lambda c: clients.add(c, one, now, fetched=None))
        return one

    def waiting(self) -> list[dict[str, Any]]:
        """The logouts that are in the outbox, the oldest of each client."""
        now = self.clock.now()
        due = self.database.read_now(lambda c: outbox.due(c, now, 100))
        return [payload for _, _, kind, payload, _ in due if kind == logouts.KIND]

    def told(self, citizen: str) -> list[str]:
        return [one.kind for one in self.database.read_now(lambda c: notices.of(c, citizen))]


@pytest.fixture
def house(database: Database, ring: Ring, settings: Settings, clock: FrozenClock) -> House:
    return House(database, ring, settings, clock)


class TestLifetimes:
    """S-03: NIST SP 800-63B sections 2.2.3 and 2.3.3, judged when a session is read."""

    @pytest.mark.parametrize(
        ("way", "idle_s", "total_s"),
        [(PASSWORD, 3600, 43_200), (PASSWORD_AND_CODE, 3600, 43_200), (DEVICE_BOUND_PASSKEY, 900, 43_200)],
    )
    def test_idle_and_total_time_are_the_levels(
        self, house: House, anna: str, way: str, idle_s: int, total_s: int
    ) -> None:
        cookie = house.start(anna, way)
        house.clock.advance(idle_s - 1)
        session = house.current(cookie)
        assert session is not None
        house.clock.advance(1)
        assert house.current(cookie) is None
        assert house.open(anna) == 0

        # Seen all the time, it ends all the same.
        cookie = house.start(anna, way)
        ended_at = house.clock.now() + timedelta(seconds=total_s)
        while (session := house.current(cookie)) is not None:
            sight = house.clock.now()
            house.database.write_now(lambda c, s=session, at=sight: sessions.see(c, s.id, at))
            house.clock.advance(600)
        assert house.clock.now() == ended_at

    def test_the_levels_lifetime_is_never_longer_than_the_others(self, backend: Backend) -> None:
        short = backend.settings(session_idle_s=60, session_total_s=120)

        assert sessions.lifetimes(short)[HIGH] == (60, 120)


class TestLevels:
    @pytest.mark.parametrize(
        ("way", "proofing", "added_at", "expected"),
        [
            (DEVICE_BOUND_PASSKEY, "high", HIGH, HIGH),
            (DEVICE_BOUND_PASSKEY, "high", SUBSTANTIAL, SUBSTANTIAL),
            (DEVICE_BOUND_PASSKEY, "substantial", HIGH, SUBSTANTIAL),
            (DEVICE_BOUND_PASSKEY, "low", HIGH, LOW),
            (PASSKEY, "high", HIGH, SUBSTANTIAL),
            (PASSWORD_AND_CODE, "high", HIGH, SUBSTANTIAL),
            (PASSWORD_AND_CODE, "high", LOW, LOW),
            (PASSWORD, "high", HIGH, LOW),
        ],
    )
    def test_what_is_delivered_is_the_lowest_of_three(
        self, way: str, proofing: str, added_at: str, expected: str
    ) -> None:
        assert delivered(way, proofing, added_at) == expected

    def test_a_proof_that_is_taken_back_counts_at_once(self, house: House, anna: str) -> None:
        cookie = house.start(anna, DEVICE_BOUND_PASSKEY)
        session = house.current(cookie)
        assert session is not None
        assert session.acr == HIGH

        lower = Person("999900006", "Anna", "Voorbeeld", "1954-03-02", proofing="low")
        house.database.write_now(lambda c: importing.add_person(c, house.ring, lower, house.clock.now()))

        session = house.current(cookie)
        assert session is not None
        assert (session.acr, session.binds) == (LOW, LOW)

    def test_an_extract_that_says_nothing_of_proof_changes_none(self, house: House, anna: str) -> None:
        moved = Person("999900006", "Anna", "Ander", "1954-03-02")
        house.database.write_now(lambda c: importing.add_person(c, house.ring, moved, house.clock.now()))

        session = house.current(house.start(anna, DEVICE_BOUND_PASSKEY))

        assert session is not None
        assert (session.acr, session.person.family_name) == (HIGH, "Ander")


class TestOneBrowser:
    def test_who_logs_in_again_goes_on_under_another_cookie(self, house: House, anna: str) -> None:
        first = house.start(anna)
        before = house.current(first)
        assert first is not None
        assert before is not None
        family = house.join(before, "client")
        house.clock.advance(60)

        second = house.start(anna, DEVICE_BOUND_PASSKEY, Place("Firefox, Linux", "b", digest(first)))
        after = house.current(second)

        assert after is not None
        assert house.current(first) is None
        assert (after.id, after.acr, after.auth_time) == (before.id, HIGH, house.clock.now())
        assert house.family(family).ended_at is None
        assert house.open(anna) == 1
        house.end_all(anna)
        assert house.family(family).ended_at is not None

    def test_another_citizen_ends_the_session_that_was_open_there(self, house: House, anna: str) -> None:
        bram = house.database.write_now(lambda c: importing.add_person(c, house.ring, BRAM, house.clock.now()))
        first = house.start(anna)
        before = house.current(first)
        assert first is not None
        assert before is not None
        family = house.join(before, "client")

        second = house.current(house.start(bram, place=Place("", "b", digest(first))))

        assert second is not None
        assert second.citizen_id == bram
        assert second.id != before.id
        assert house.current(first) is None
        assert house.family(family).ended_at is not None

    def test_a_cookie_of_nobody_is_no_session(self, house: House, anna: str) -> None:
        """S-01: what a browser brings along is never what it is given."""
        planted = "x" * 43
        cookie = house.start(anna, place=Place("", "b", digest(planted)))

        assert cookie != planted
        assert house.current(planted) is None
        assert house.current(cookie) is not None

    def test_a_session_that_ended_is_not_gone_on_with(self, house: House, anna: str) -> None:
        first = house.start(anna)
        before = house.current(first)
        assert first is not None
        house.end_all(anna)

        after = house.current(house.start(anna, place=Place("", "b", digest(first))))

        assert before is not None
        assert after is not None
        assert after.id != before.id


class TestHowMany:
    def test_of_two_hundred_parallel_logins_twenty_stay(self, house: House, anna: str) -> None:
        """S-11."""
        house.client("told", backchannel_logout_uri="https://a.example/out")

        with ThreadPoolExecutor(40) as pool:
            cookies = list(pool.map(lambda n: house.start(anna, place=Place("", f"b{n}")), range(200)))

        assert house.open(anna) == MOST
        assert sum(house.current(cookie) is not None for cookie in cookies) == MOST

    def test_the_one_that_was_seen_longest_ago_makes_room(self, house: House, anna: str) -> None:
        cookies = []
        for number in range(MOST + 1):
            cookies.append(house.start(anna, place=Place("", f"b{number}")))
            house.clock.advance(1)

        assert house.current(cookies[0]) is None
        assert all(house.current(cookie) is not None for cookie in cookies[1:])

    def test_a_session_ends_once(self, house: House, anna: str) -> None:
        house.client("told", backchannel_logout_uri="https://a.example/out")
        session = house.current(house.start(anna))
        assert session is not None
        house.join(session, "told")
        now = house.clock.now()

        def end() -> bool:
            return house.database.write_now(lambda c: ending.end(c, house.ring, session.id, anna, now, actor=anna))

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(lambda _: end(), range(8))) == 1
        assert len(house.waiting()) == 1

    def test_nobody_ends_anothers(self, house: House, anna: str) -> None:
        session = house.current(house.start(anna))
        assert session is not None
        now = house.clock.now()

        assert not house.database.write_now(
            lambda c: ending.end(c, house.ring, session.id, "another", now, actor="another")
        )
        assert house.open(anna) == 1


class TestWhatEndsThem:
    """S-05, A-12: in the same commit, with codes and tokens."""

    @pytest.mark.parametrize("way", ["suspend", "erase", "register", "enrol"])
    def test_every_session_code_and_token_goes(self, house: House, anna: str, way: str) -> None:
        house.client("told", backchannel_logout_uri="https://a.example/out")
        cookies = [house.start(anna, place=Place("", f"b{n}")) for n in range(3)]
        mine = [house.current(cookie) for cookie in cookies]
        families = [house.join(session, "told") for session in mine if session is not None]
        now, ring = house.clock.now(), house.ring

        def unit(connection: Connection) -> object:
            if way == "suspend":
                return account.set_state(connection, ring, anna, "suspended", now)
            if way == "erase":
                return account.erase(connection, ring, anna, now)
            if way == "register":
                dead = Person("999900006", "Anna", "Voorbeeld", "1954-03-02", state="deceased")
                return importing.add_person(connection, ring, dead, now)
            code = account.enrolment_code(connection, anna, now)
            return managing.enrol(connection, ring, code, "anna", "y", place=Place("", "new"), now=now)

        house.database.write_now(unit)

        assert [house.current(cookie) for cookie in cookies] == [None] * 3
        assert all(house.family(one).ended_at is not None for one in families)
        first = house.waiting()[0]
        assert set(first) == {"client_id", "sub", "sid"}

    def test_what_was_suspended_does_not_come_back_with_the_state(self, house: House, anna: str) -> None:
        cookie = house.start(anna)
        now, ring = house.clock.now(), house.ring
        house.database.write_now(lambda c: account.set_state(c, ring, anna, "suspended", now))
        assert house.start(anna) is None
        house.database.write_now(lambda c: account.set_state(c, ring, anna, "active", now))

        assert house.current(cookie) is None
        assert house.current(house.start(anna)) is not None

    def test_a_password_that_was_changed_meanwhile_opens_nothing(self, house: House, anna: str) -> None:
        """A-12: between comparing the password and opening the session somebody changed it."""
        now, ring = house.clock.now(), house.ring
        found, _ = house.database.write_now(lambda c: login.begin_password(c, ring, "anna", now))
        assert found is not None
        house.database.write_now(
            lambda c: account.set_password(c, ring, anna, username="anna", password_hash="new", now=now)
        )

        answer = house.database.write_now(lambda c: login.password_right(c, ring, "anna", found, place=HOME, now=now))

        assert answer == ("expired", "")
        assert house.open(anna) == 0

    def test_a_login_half_done_with_the_old_password_ends_with_it(self, house: House, anna: str) -> None:
        now, ring, secret = house.clock.now(), house.ring, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
        house.database.write_now(lambda c: account.set_totp(c, ring, anna, secret, now, acr=SUBSTANTIAL))
        found, _ = house.database.write_now(lambda c: login.begin_password(c, ring, "anna", now))
        assert found is not None
        kind, handle = house.database.write_now(
            lambda c: login.password_right(c, ring, "anna", found, place=HOME, now=now)
        )
        assert kind == "second"
        house.database.write_now(
            lambda c: account.set_password(c, ring, anna, username="anna", password_hash="new", now=now)
        )

        code = code_at(secret, now)
        answer = house.database.write_now(lambda c: login.second_step(c, ring, handle, code, place=HOME, now=now))
        assert answer == ("expired", "")

    def test_a_new_enrolment_code_ends_the_one_before(self, house: House, anna: str) -> None:
        now = house.clock.now()
        first, second = (house.database.write_now(lambda c: account.enrolment_code(c, anna, now)) for _ in "12")

        def use(code: str) -> str | None:
            return house.database.write_now(lambda c: account.use_enrolment_code(c, code, now))

        assert (use(first), use(second)) == (None, anna)

    def test_a_session_that_ends_while_a_code_is_made_gives_none(
        self, house: House, anna: str, settings: Settings
    ) -> None:
        client = house.client("asking", redirect_uris=["https://a.example/cb"])
        session = house.current(house.start(anna))
        assert session is not None
        now = house.clock.now()
        row = {"client_id": "asking", "parameters": {"scope": "openid"}, "pushed": False, "browser": "b", "jkt": None}
        life = {"created_at": now, "expires_at": now + timedelta(seconds=900)}
        house.database.write_now(lambda c: grants.add_request(c, {"digest": "d", **row, **life}))
        pending = house.database.read_now(lambda c: grants.pending(c, "d", now))
        assert isinstance(pending, Pending)
        house.end_all(anna)

        code = house.database.write_now(
            lambda c: requests.grant(c, pending, client, "https://a.example/cb", session, settings, now)
        )

        assert code is None
        # The request is not used up: after a login it goes on.
        assert house.database.read_now(lambda c: grants.pending(c, "d", now)) is not None

    def test_a_session_that_ends_while_a_device_is_allowed_allows_nothing(
        self, house: House, anna: str, settings: Settings
    ) -> None:
        """S-05: a family of a session that is over would live on, since its end has passed."""
        client = house.client("device", grant_types=[DEVICE])
        session = house.current(house.start(anna))
        assert session is not None
        ring, now = house.ring, house.clock.now()

        def began(connection: Connection) -> str:
            form = {"scope": "openid"}
            _, user_code = decoupled.begin_device(connection, ring, client, form, jkt=None, settings=settings, now=now)
            one = decoupled.by_user_code(connection, ring, user_code, now)
            assert one is not None
            return requests.open_decoupled(connection, one, user_code, "b")

        handle = house.database.write_now(began)
        found = house.database.read_now(lambda c: requests.resume(c, handle, "b", now))
        assert found is not None
        house.end_all(anna)

        assert not house.database.write_now(lambda c: requests.allow(c, found[0], client, session, now))
        assert house.database.read_now(lambda c: grants.live_families(c, anna, before=now)) == []
        # Nothing is used up: after a login it can be answered.
        assert house.database.read_now(lambda c: requests.resume(c, handle, "b", now)) is not None

    async def test_who_is_told_is_remembered_as_long_as_the_session(self, house: House, anna: str) -> None:
        """A session that is renewed every day lives longer than the row of its first client may be old."""
        house.client("told", backchannel_logout_uri="https://a.example/out")
        cookie = house.start(anna)
        session = house.current(cookie)
        assert session is not None
        house.join(session, "told")
        cleaner = Cleaner(house.database, cleaning.rules(house.settings), house.clock)
        for _ in range(8):
            house.clock.advance(3600 * 11)
            assert cookie is not None
            cookie = house.start(anna, place=Place("", "b", digest(cookie)))
            await cleaner.clean()

        house.end_all(anna)

        assert len(house.waiting()) == 1


class TestTelling:
    async def test_an_agency_that_never_answers_is_parked_and_those_behind_it_are_tried(
        self, house: House, anna: str
    ) -> None:
        house.client("told", backchannel_logout_uri="https://a.example/out")
        for number in range(2):
            session = house.current(house.start(anna, place=Place("", f"b{number}")))
            assert session is not None
            house.join(session, "told")
        house.end_all(anna)
        tried: list[str] = []

        async def never(payload: dict[str, Any]) -> None:
            tried.append(payload["sid"])
            raise ConnectionError

        async def told(_payload: dict[str, Any]) -> None:
            """Citizens' notices are not what this is about."""

        worker = Worker(house.database, {logouts.KIND: never, notices.KIND: told}, house.clock)
        for _ in range(2 * ATTEMPTS):
            await worker.deliver()
            house.clock.advance(3_601)

        assert [tried.count(sid) for sid in dict.fromkeys(tried)] == [ATTEMPTS, ATTEMPTS]
        assert house.database.read_now(outbox.waiting) == (0, 2)

    def test_who_does_not_ask_is_not_told(self, house: House, anna: str) -> None:
        house.client("deaf")
        session = house.current(house.start(anna))
        assert session is not None
        house.join(session, "deaf")
        house.end_all(anna)

        assert house.waiting() == []


class TestNotices:
    """A-16: a new way in, a new device, a login after wrong guesses."""

    def test_a_new_browser_is_news_and_the_first_one_is_not(self, house: House, anna: str) -> None:
        house.start(anna, place=Place("Firefox, Linux", "home"))
        house.start(anna, place=Place("Firefox, Linux", "home"))
        assert house.told(anna) == []

        house.start(anna, place=Place("Chrome, Android", "phone"))

        found = house.database.read_now(lambda c: notices.of(c, anna))
        assert [(one.kind, one.about) for one in found] == [("device.new", "Chrome, Android")]
        session = house.current(house.start(anna, place=Place("Chrome, Android", "phone")))
        assert session is not None
        assert session.notices == 1
        house.database.write_now(lambda c: notices.seen(c, anna, house.clock.now()))
        again = house.current(house.start(anna, place=Place("Chrome, Android", "phone")))
        assert again is not None
        assert again.notices == 0

    def test_a_login_after_several_wrong_guesses_is_told(self, house: House, anna: str) -> None:
        ring = house.ring

        def guess() -> account.Account:
            found, allowed = house.database.write_now(
                lambda c: login.begin_password(c, ring, "anna", house.clock.now())
            )
            assert found is not None
            assert allowed
            return found

        def right() -> None:
            found = guess()
            house.database.write_now(
                lambda c: login.password_right(c, ring, "anna", found, place=HOME, now=house.clock.now())
            )

        for _ in range(notices.SEVERAL - 1):
            guess()
        right()
        assert house.told(anna) == []
        for _ in range(notices.SEVERAL):
            guess()
        right()
        assert house.told(anna) == ["login.after_guesses"]

    def test_who_knows_the_password_and_guesses_codes_is_told_of(self, house: House, anna: str) -> None:
        now, ring, secret = house.clock.now(), house.ring, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
        house.database.write_now(lambda c: account.set_totp(c, ring, anna, secret, now, acr=SUBSTANTIAL))
        found, _ = house.database.write_now(lambda c: login.begin_password(c, ring, "anna", now))
        assert found is not None
        _, handle = house.database.write_now(
            lambda c: login.password_right(c, ring, "anna", found, place=HOME, now=now)
        )

        answers = [
            house.database.write_now(lambda c: login.second_step(c, ring, handle, "x", place=HOME, now=now))[0]
            for _ in range(notices.SEVERAL + 1)
        ]

        assert set(answers) == {"wrong"}
        assert house.told(anna) == ["code.guessed"]

    def test_a_changed_way_in_is_told_and_a_message_leaves(self, house: House, anna: str) -> None:
        session = house.current(house.start(anna))
        assert session is not None
        now, ring = house.clock.now(), house.ring
        house.database.write_now(
            lambda c: managing.set_password(c, ring, session, username="anna", password_hash="new", now=now)
        )
        house.database.write_now(lambda c: managing.set_totp(c, ring, session, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", now))

        assert sorted(house.told(anna)) == ["password.set", "totp.set"]
        due = house.database.read_now(lambda c: outbox.due(c, now, 10))
        assert [(key, kind, payload["kind"]) for _, key, kind, payload, _ in due] == [
            (anna, notices.KIND, "password.set")
        ]
        assert house.open(anna) == 1

    def test_an_unknown_kind_is_a_slip_of_ours(self, house: House, anna: str) -> None:
        with pytest.raises(ValueError, match="not a notice"):
            house.database.write_now(lambda c: notices.tell(c, anna, "nonsense", house.clock.now()))
