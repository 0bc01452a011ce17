"""Attacks on logging in: guesses, floods, sessions that ended, tokens that were edited."""

from __future__ import annotations

import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx2
import pytest

from base.ids import identifier
from idp import login
from idp.authenticators import guesses, totp
from idp.authenticators.levels import SUBSTANTIAL
from idp.citizens import account, importing
from idp.citizens.register import Person
from idp.sessions import Place
from regie.demo.smoke import Browser
from tests.fixtures.server import Server, log_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from base.clock import FrozenClock
    from base.database import Connection, Database
    from keys.ring import Ring
    from tests.fixtures.house import Backend

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PLACE = Place(device="", browser="b")
ANNA = Person("999900006", "Anna", "Voorbeeld", "1954-03-02")


@pytest.fixture
def database(backend: Backend) -> Database:
    return backend.open("idp", writers=6) if backend.name == "postgresql" else backend.open("idp")


@pytest.fixture
def citizen(database: Database, ring: Ring, clock: FrozenClock) -> str:
    """With a code app."""

    def unit(connection: Connection) -> str:
        found = importing.add_person(connection, ring, ANNA, clock.now())
        account.set_password(connection, ring, found, username="anna", password_hash="x", now=clock.now())
        account.set_totp(connection, ring, found, SECRET, clock.now(), acr=SUBSTANTIAL)
        return found

    return database.write_now(unit)


class TestGuesses:
    def test_t25_of_sixty_parallel_tries_five_are_heard(self, database: Database, clock: FrozenClock) -> None:
        now = clock.now()
        with ThreadPoolExecutor(60) as pool:
            heard = list(pool.map(lambda _: database.write_now(lambda c: guesses.may_try(c, "anna", now)), range(60)))

        assert sum(heard) == guesses.FREE

    def test_t25_a_hundred_in_a_row_and_no_more(self, database: Database, clock: FrozenClock) -> None:
        heard = 0
        for _ in range(guesses.MOST + 50):
            clock.advance(guesses.LONGEST_S)
            heard += database.write_now(lambda c: guesses.may_try(c, "anna", clock.now()))

        assert heard == guesses.MOST

    def test_t26_codes_are_counted_over_all_attempts_to_log_in(
        self, database: Database, ring: Ring, citizen: str, clock: FrozenClock
    ) -> None:
        """A new login does not give new guesses, and the right code does not help who has used them up."""

        def begin(connection: Connection) -> str:
            found, _ = login.begin_password(connection, ring, "anna", clock.now())
            assert found is not None
            kind, handle = login.password_right(connection, ring, "anna", found, place=PLACE, now=clock.now())
            assert kind == "second"
            return handle

        def guess(handle: str, code: str) -> str:
            return database.write_now(lambda c: login.second_step(c, ring, handle, code, place=PLACE, now=clock.now()))[
                0
            ]

        right = totp.code_at(SECRET, clock.now())
        wrong = [f"{number:06}" for number in range(100) if f"{number:06}" != right]
        answers = [guess(database.write_now(begin), wrong.pop()) for _ in range(20)]

        assert answers == ["wrong"] * guesses.FREE + ["wait"] * (20 - guesses.FREE)
        assert guess(database.write_now(begin), right) == "wait"
        clock.advance(guesses.LONGEST_S)
        assert guess(database.write_now(begin), totp.code_at(SECRET, clock.now())) == "session"

    def test_t26_a_code_serves_once_and_in_its_own_browser(
        self, database: Database, ring: Ring, citizen: str, clock: FrozenClock
    ) -> None:
        found = database.read_now(lambda c: account.by_username(c, ring, "anna"))
        assert found is not None
        code = totp.code_at(SECRET, clock.now())

        taken = [database.write_now(lambda c: account.totp_is_right(c, ring, found, code, clock.now())) for _ in "12"]

        assert taken == [True, False]
        assert not database.write_now(
            lambda c: account.totp_is_right(c, ring, found, "٠١٢٣٤٥", clock.now() + timedelta(minutes=5))
        )


class TestEnrolment:
    def test_t22_no_edited_code_is_accepted_and_the_real_one_once(
        self, database: Database, ring: Ring, citizen: str, clock: FrozenClock
    ) -> None:
        code = database.write_now(lambda c: account.enrolment_code(c, citizen, clock.now()))
        edited = [code[:n] + ("A" if code[n] != "A" else "B") + code[n + 1 :] for n in range(len(code))]
        edited += [code[:-1], code + "A", code.swapcase(), code + "\x00", "", citizen]

        def use(given: str) -> str | None:
            return database.write_now(lambda c: account.use_enrolment_code(c, given, clock.now()))

        assert [use(one) for one in edited] == [None] * len(edited)
        assert use(code) == citizen
        assert use(code) is None

    def test_t21_an_enrolment_code_ends_by_itself(self, database: Database, citizen: str, clock: FrozenClock) -> None:
        code = database.write_now(lambda c: account.enrolment_code(c, citizen, clock.now()))
        clock.advance(account.ENROLMENT_S)

        assert database.write_now(lambda c: account.use_enrolment_code(c, code, clock.now())) is None


@pytest.fixture
def browser() -> Iterator[Browser]:
    one = Browser()
    yield one
    one.close()


def login_form(browser: Browser, server: Server) -> dict[str, str]:
    browser.get(f"{server.issuer}/login")
    return next(hidden for where, hidden in browser.page.forms if where == "/login/password")


class TestRunning:
    def test_t20_a_session_that_ended_is_gone_on_every_worker(self, server: Server, browser: Browser) -> None:
        log_in(browser, f"{server.issuer}/login?to=/my")
        cookies = dict(browser._http.cookies)
        assert httpx2.get(f"{server.issuer}/my", cookies=cookies).status_code == 200
        browser.get(f"{server.issuer}/oauth2/logout")
        browser.submit("/logout")

        # Each of these may reach another process; the cookie is the old one.
        answers = [httpx2.get(f"{server.issuer}/my", cookies=cookies) for _ in range(30)]

        assert {answer.status_code for answer in answers} == {303}
        assert {answer.headers["location"] for answer in answers} == {"/login?to=/my"}

    def test_t27_a_flood_of_passwords_is_bounded_and_the_rest_answers(self, server: Server, browser: Browser) -> None:
        hidden = login_form(browser, server)
        cookies = dict(browser._http.cookies)

        def post(number: int) -> int:
            form = {**hidden, "username": f"nobody{number}", "password": "x" * 200}
            return httpx2.post(f"{server.issuer}/login/password", data=form, cookies=cookies, timeout=60).status_code

        def send(number: int) -> socket.socket:
            """All of a request at once: a client that thinks between two of them is no flood."""
            body = urlencode({**hidden, "username": f"nobody{number}", "password": "x" * 200})
            jar = "; ".join(f"{name}={value}" for name, value in cookies.items())
            head = f"POST /login/password HTTP/1.1\r\nhost: localhost:{server.port}\r\ncookie: {jar}\r\n"
            head += f"content-type: application/x-www-form-urlencoded\r\ncontent-length: {len(body)}\r\n\r\n"
            one = socket.create_connection(("127.0.0.1", server.port), timeout=60)
            one.sendall((head + body).encode())
            return one

        flood = [send(number) for number in range(200)]
        meanwhile = [httpx2.get(f"{server.issuer}/oauth2/jwks", timeout=30).status_code for _ in range(5)]
        statuses = set()
        for one in flood:
            with one:
                statuses.add(int(one.recv(12).split()[1]))

        assert meanwhile == [200] * 5
        assert statuses == {400, 503}
        assert post(1000) == 400

    @pytest.mark.parametrize(("length", "status"), [(257, 400), (10_000, 400), (10_000_000, 413)])
    def test_t27_a_giant_password_is_not_hashed(
        self, server: Server, browser: Browser, length: int, status: int
    ) -> None:
        hidden = login_form(browser, server)
        form = {**hidden, "username": "anna", "password": "x" * length}

        answer = browser._http.post(f"{server.issuer}/login/password", data=form)

        assert answer.status_code == status

    def test_t27_who_hangs_up_does_not_free_the_slot(self, server: Server, browser: Browser) -> None:
        hidden = login_form(browser, server)
        cookies = dict(browser._http.cookies)

        def hang_up(number: int) -> None:
            form = {**hidden, "username": f"gone{number}", "password": "x"}
            with suppress(httpx2.TimeoutException):
                httpx2.post(f"{server.issuer}/login/password", data=form, cookies=cookies, timeout=0.05)

        def post() -> int:
            form = {**hidden, "username": identifier(), "password": "x"}
            return httpx2.post(f"{server.issuer}/login/password", data=form, cookies=cookies, timeout=30).status_code

        with ThreadPoolExecutor(40) as pool:
            list(pool.map(hang_up, range(120)))

        # What was given up is worked off, bounded; then the house answers as before.
        deadline = time.monotonic() + 30
        while (status := post()) == 503 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert status == 400

    @pytest.mark.parametrize(
        "value",
        ['" onfocus="alert(1)" autofocus="', "<script>alert(1)</script>", "{{7*7}}", "' onclick=x", "</title><b>"],
    )
    def test_t39_what_was_typed_comes_back_as_text(self, server: Server, browser: Browser, value: str) -> None:
        hidden = login_form(browser, server)
        answer = browser._http.post(
            f"{server.issuer}/login/password", data={**hidden, "username": value, "password": "x"}
        )

        assert answer.status_code == 400
        found = re.search(r'name="username"[^>]*', answer.text)
        assert found is not None
        assert escape(value) in unescape_numbers(answer.text)
        if value != "{{7*7}}":
            assert value not in answer.text


def unescape_numbers(page: str) -> str:
    """Jinja writes quotes as numbers, the standard library as names."""
    return page.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
