"""RFC 9470 (step-up authentication), and what a login is worth: eIDAS levels, never above what was shown."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from base.assurance import HIGH, LOW, SUBSTANTIAL
from tests.fixtures.authenticator import SYNCED, Authenticator
from tests.fixtures.visitors import PASSWORD, Visitor, citizen, claims
from tests.flows.test_independent_client import address, answer_of, redeem

if TYPE_CHECKING:
    from agency.client import Client
    from tests.fixtures.server import Server

PURPOSE = {
    "id": "strong-purpose",
    "agency": "health-insurer",
    "title": {"nl": "Sterk", "en": "Strong"},
    "explanation": {"nl": "Alleen na sterk inloggen.", "en": "After a strong login only."},
    "refusal": {"nl": "Dan gebeurt er niets.", "en": "Then nothing happens."},
    "legalBasis": "legal_obligation",
    "statute": "Proefwet art. 1",
    "data": ["birth-date"],
    "maxDurationDays": 30,
    "acr": SUBSTANTIAL,
    "maxAge": 600,
}


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    server.tell("purpose add", file=PURPOSE)
    server.tell("purpose publish", id=PURPOSE["id"])
    return server.register(
        "stepping", "baseline", agency="health-insurer", purpose=PURPOSE["id"], scope="openid birthdate"
    )


def enrolled(server: Server, username: str, proofing: str, authenticator: Authenticator) -> Visitor:
    """A citizen with a password and this passkey, which was added with an enrolment code of this proof of identity."""
    person = citizen(server, f"old{username}")
    code = server.tell("citizen enrol", id=person, proofing=proofing)["enrolment_code"]
    one = Visitor(server, username)
    one.get(f"{server.issuer}/enrol")
    one.submit("/enrol", enrolment_code=code, username=username, password=PASSWORD)
    assert authenticator.register(one).status_code == 200
    return one


def tokens_of(server: Server, client: Client, visitor: Visitor) -> dict[str, Any]:
    """Of the answer that the visitor has come to."""
    done = redeem(server, client, answer_of(visitor)["code"])
    assert done.status_code == 200, done.text
    body: dict[str, Any] = done.json()
    return body


def ask_userinfo(server: Server, tokens: dict[str, Any]) -> httpx2.Response:
    return httpx2.get(f"{server.issuer}/oauth2/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})


class TestSection3:
    """The challenge of the resource, and what becomes of it (sections 3, 4 and 5)."""

    def test_a_weak_login_is_told_what_to_ask_and_comes_back_with_it(self, server: Server, client: Client) -> None:
        passkey = Authenticator(SYNCED)
        kees = enrolled(server, "kees", "substantial", passkey)
        kees.send("/my", "/logout")
        weak = kees.tokens(client, scope="openid birthdate")
        assert claims(weak["id_token"])["acr"] == LOW

        refused = ask_userinfo(server, weak)

        challenge = refused.headers["www-authenticate"]
        told = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        assert (refused.status_code, challenge.split()[0]) == (401, "Bearer")
        assert refused.json()["error"] == told["error"] == "insufficient_user_authentication"
        assert (told["acr_values"], told["max_age"]) == (SUBSTANTIAL, "600")

        time.sleep(1.1)
        cookie = kees.cookies()
        kees.get(
            address(server, client, scope="openid birthdate", acr_values=told["acr_values"], max_age=told["max_age"])
        )
        assert "/login" in kees.url
        assert passkey.log_in(kees).status_code == 200
        strong = tokens_of(server, client, kees)

        before, after = claims(weak["id_token"]), claims(strong["id_token"])
        assert after["acr"] == claims(strong["access_token"])["acr"] == SUBSTANTIAL
        assert after["auth_time"] > before["auth_time"]
        assert after["sid"] == before["sid"]
        # The session goes on, under another cookie (S-01); what it gave before keeps its level (S-04).
        assert httpx2.get(f"{server.issuer}/my", cookies=cookie).status_code == 303
        assert ask_userinfo(server, strong).json()["birthdate"] == "1950-01-01"
        assert ask_userinfo(server, weak).status_code == 401
        kees.close()

    def test_what_is_not_under_the_purpose_needs_no_more(self, server: Server, client: Client) -> None:
        citizen(server, "leo")
        leo = Visitor(server, "leo")

        told = ask_userinfo(server, leo.tokens(client))

        assert (told.status_code, set(told.json())) == (200, {"sub"})
        leo.close()

    def test_the_demand_is_in_the_catalogue(self, server: Server, client: Client) -> None:
        told = httpx2.get(f"{server.issuer}/consent/v1/purposes/{PURPOSE['id']}").json()

        assert (told["acr"], told["maxAge"]) == (SUBSTANTIAL, 600)


class TestSection5:
    """The authorization request: `acr_values`, `max_age`, and the error when they cannot be met (also OpenID Connect
    Core section 5.5.1.1)."""

    @pytest.mark.parametrize(
        ("proofing", "flags", "delivered"),
        [
            ("high", 0, HIGH),
            ("high", SYNCED, SUBSTANTIAL),
            ("substantial", 0, SUBSTANTIAL),
            ("substantial", SYNCED, SUBSTANTIAL),
            ("low", 0, LOW),
        ],
    )
    def test_high_is_a_device_bound_passkey_and_proof_in_person(
        self, server: Server, client: Client, proofing: str, flags: int, delivered: str
    ) -> None:
        passkey = Authenticator(flags)
        one = enrolled(server, f"m{proofing}{flags}", proofing, passkey)
        one.send("/my", "/logout")

        one.get(address(server, client, scope="openid"))
        passkey.log_in(one)
        assert claims(tokens_of(server, client, one)["id_token"])["acr"] == delivered

        one.get(address(server, client, scope="openid", acr_values=HIGH))
        if delivered == HIGH:
            assert "code" in answer_of(one)
        else:
            assert "/login" in one.url
            passkey.log_in(one)
            assert answer_of(one)["error"] == "unmet_authentication_requirements"
        one.close()

    def test_a_stolen_password_that_adds_a_passkey_has_added_a_weak_one(self, server: Server, client: Client) -> None:
        """S-04, A-10: what is added in a login is worth no more than that login."""
        citizen(server, "nel", proofing="high")
        thief, passkey = Visitor(server, "nel"), Authenticator()
        thief.log_in()
        assert passkey.register(thief).status_code == 200
        thief.get(f"{server.issuer}/my/logins")
        assert "wachtwoord" in thief.page.text

        thief.get(address(server, client, scope="openid", prompt="login"))
        passkey.log_in(thief)

        assert claims(tokens_of(server, client, thief)["id_token"])["acr"] == LOW
        thief.close()

    def test_the_first_asked_level_that_was_reached_is_what_is_told(self, server: Server, client: Client) -> None:
        """OpenID Connect Core section 5.5.1.1: one of the requested values, in order of preference."""
        passkey = Authenticator()
        olga = enrolled(server, "olga", "high", passkey)
        olga.get(address(server, client, scope="openid", prompt="login"))
        passkey.log_in(olga)
        tokens_of(server, client, olga)

        def told(**changes: str) -> str:
            return str(claims(olga.tokens(client, prompt="none", **changes)["id_token"])["acr"])

        essential = '{"id_token":{"acr":{"essential":true,"values":["%s","%s"]}}}'
        assert told() == HIGH
        assert told(acr_values=f"{SUBSTANTIAL} {HIGH}") == SUBSTANTIAL
        assert told(acr_values=f"urn:unknown {HIGH} {LOW}") == HIGH
        assert told(claims=essential % (SUBSTANTIAL, LOW)) == SUBSTANTIAL
        assert told(claims=essential % (LOW, HIGH), acr_values=HIGH) == LOW
        olga.close()

    def test_what_cannot_be_reached_is_an_error_and_no_loop(self, server: Server, client: Client) -> None:
        citizen(server, "piet")
        piet = Visitor(server, "piet")
        piet.log_in()
        for value in ("urn:unknown", HIGH.upper(), HIGH):
            piet.get(address(server, client, scope="openid", acr_values=value, prompt="none"))
            assert answer_of(piet)["error"] == "unmet_authentication_requirements"

        piet.get(address(server, client, scope="openid", acr_values=SUBSTANTIAL))
        assert "sterk inloggen" in piet.page.text
        piet.password()

        assert answer_of(piet)["error"] == "unmet_authentication_requirements"
        piet.close()

    def test_a_session_is_never_rated_above_its_last_login(self, server: Server, client: Client) -> None:
        """S-04: who logs in again with less has less, and its time."""
        passkey = Authenticator()
        rosa = enrolled(server, "rosa", "high", passkey)
        rosa.get(address(server, client, scope="openid", prompt="login"))
        passkey.log_in(rosa)
        high = claims(tokens_of(server, client, rosa)["id_token"])
        time.sleep(1.1)

        rosa.get(address(server, client, scope="openid", prompt="login"))
        rosa.password()
        low = claims(tokens_of(server, client, rosa)["id_token"])

        assert (high["acr"], low["acr"]) == (HIGH, LOW)
        assert low["auth_time"] > high["auth_time"]
        rosa.close()

    def test_a_client_may_register_what_it_asks_always(self, server: Server) -> None:
        """OpenID Connect Dynamic Client Registration section 2: default_acr_values, default_max_age."""
        strict = server.register(
            "strict", "baseline", agency="health-insurer", default_acr_values=[SUBSTANTIAL], default_max_age=1
        )
        citizen(server, "saar")
        saar = Visitor(server, "saar")
        saar.log_in()
        saar.get(address(server, strict, scope="openid"))
        saar.password()
        assert answer_of(saar)["error"] == "unmet_authentication_requirements"

        assert claims(saar.tokens(strict, acr_values=LOW)["id_token"])["acr"] == LOW
        time.sleep(1.1)
        saar.get(address(server, strict, scope="openid", acr_values=LOW))
        assert "/login" in saar.url
        saar.close()


class TestAuthenticator:
    """WebAuthn level 3 section 7: what an attacker's authenticator may set (A-01, A-02)."""

    def test_flags_that_lie_are_refused(self, server: Server, client: Client) -> None:
        passkey = Authenticator(SYNCED)
        one = enrolled(server, "theo", "high", passkey)
        one.send("/my", "/logout")

        def tries() -> int:
            one.get(f"{server.issuer}/login")
            return passkey.log_in(one).status_code

        # A passkey that says from now on that it never leaves its device.
        passkey.flags = 0
        assert tries() == 400
        passkey.flags = SYNCED
        # Presence without verification.
        passkey.always = 0x01
        assert tries() == 400
        passkey.always = 0x05
        assert tries() == 200
        one.close()

    def test_one_without_user_verification_is_not_even_added(self, server: Server) -> None:
        citizen(server, "ursula")
        one = Visitor(server, "ursula")
        one.log_in()

        assert Authenticator(always=0x01).register(one).status_code == 400
        one.close()
