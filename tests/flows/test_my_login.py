"""What a citizen sees of his own login, and what he does about it, on the pages of `regie serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.authenticator import Authenticator
from tests.fixtures.visitors import PASSWORD, Visitor, citizen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.server import Server

_names = iter(range(10**6))


@pytest.fixture
def xander(server: Server) -> Iterator[tuple[str, Visitor, Visitor]]:
    """A citizen of this test's own, and two browsers."""
    username = f"xander{next(_names)}"
    person = citizen(server, username)
    one, two = Visitor(server, username), Visitor(server, username)
    yield person, one, two
    one.close()
    two.close()


def news(visitor: Visitor) -> str:
    visitor.get(f"{visitor.server.issuer}/my/notices")
    return " ".join(visitor.page.text.split())


def banner(visitor: Visitor) -> bool:
    return 'class="regie-news"' in visitor.visit("/my").text


class TestNews:
    """A-16."""

    def test_a_login_from_another_browser_is_told_until_it_was_seen(self, xander: tuple[str, Visitor, Visitor]) -> None:
        _, home, elsewhere = xander
        home.log_in()
        assert not banner(home)

        elsewhere.log_in()

        assert banner(home)
        assert "die u nog niet eerder gebruikte" in news(home)
        assert home.send("/my/notices", "/my/notices").status_code == 303
        assert not banner(home)
        assert "die u nog niet eerder gebruikte" in news(home)

    def test_it_is_not_seen_without_the_forms_token(self, xander: tuple[str, Visitor, Visitor]) -> None:
        _, home, elsewhere = xander
        home.log_in()
        elsewhere.log_in()

        assert home._http.post(f"{home.server.issuer}/my/notices", data={"seen": "1"}).status_code == 403
        assert banner(home)

    def test_a_passkey_that_is_added_or_removed_is_told_and_removing_ends_the_other_sessions(
        self, xander: tuple[str, Visitor, Visitor]
    ) -> None:
        _, home, elsewhere = xander
        home.log_in()
        passkey = Authenticator()
        assert passkey.register(home, label="Mijn sleutel").status_code == 200
        elsewhere.get(f"{elsewhere.server.issuer}/login")
        assert passkey.log_in(elsewhere).status_code == 200
        assert elsewhere.visit("/my").status_code == 200

        assert home.send("/my/logins", "/my/logins/passkey/remove").status_code == 303

        assert elsewhere.visit("/my").status_code == 303
        assert home.visit("/my").status_code == 200
        text = news(home)
        assert "Er is een passkey toegevoegd. (Mijn sleutel)" in text
        assert "Er is een passkey verwijderd. (Mijn sleutel)" in text

    def test_an_enrolment_code_in_other_hands_logs_everyone_out_and_is_told(
        self, server: Server, xander: tuple[str, Visitor, Visitor]
    ) -> None:
        person, home, thief = xander
        home.log_in()
        code = server.tell("citizen enrol", id=person, proofing="substantial")["enrolment_code"]
        thief.get(f"{server.issuer}/enrol")
        thief.submit("/enrol", enrolment_code=code, username=f"{thief.username}b", password=PASSWORD)

        assert home.visit("/my").status_code == 303
        assert "Er is een nieuwe aanmeldcode gebruikt" in news(thief)

    def test_who_is_not_logged_in_sees_nothing(self, server: Server) -> None:
        stranger = Visitor(server, "nobody")

        answer = stranger.visit("/my/notices")

        assert (answer.status_code, answer.headers["location"]) == (303, "/login?to=/my/notices")
        stranger.close()


class TestSessions:
    """S-06."""

    def test_where_it_was_used_is_shown_with_the_session(
        self, server: Server, xander: tuple[str, Visitor, Visitor]
    ) -> None:
        _, home, _ = xander
        client = server.register("Bibliotheek", "baseline", agency="municipality")
        home.tokens(client)

        assert "Bibliotheek" in home.visit("/my/sessions").text

    def test_a_session_of_another_citizen_is_not_ended(
        self, server: Server, xander: tuple[str, Visitor, Visitor]
    ) -> None:
        """T-43."""
        person, home, _ = xander
        home.log_in()
        session = server.tell("session list", citizen=person)[0]["id"]
        citizen(server, f"{home.username}z")
        stranger = Visitor(server, f"{home.username}z")
        stranger.log_in()

        stranger.send("/my/sessions", "/my/sessions/end", session=session)

        assert home.visit("/my").status_code == 200
        assert stranger.visit("/my").status_code == 200
        stranger.close()
