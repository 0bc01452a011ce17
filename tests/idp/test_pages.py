"""The provider's pages as a citizen meets them: on the wrong way, in the other language, too late."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from regie.demo.smoke import Browser
from tests.fixtures.server import CITIZENS, Server
from tests.flows.test_independent_client import address

pytestmark = pytest.mark.parametrize("server", ["sqlite"], indirect=True)


class Patient(Browser):
    """A browser that also reads the page of a refusal."""

    status = 0

    def _follow(self, answer: httpx2.Response) -> None:
        answer.headers.setdefault("location", "")
        while answer.status_code in (302, 303):
            answer = self._http.get(str(answer.url.join(answer.headers["location"])))
        self.status, answer.status_code = answer.status_code, 200
        super()._follow(answer)


@pytest.fixture
def browser(server: Server) -> Iterator[Patient]:
    one = Patient()
    yield one
    one.close()


class TestTheLanguageSwitch:
    """Comes back to where the citizen was, also from a page that answered a posted form."""

    @pytest.mark.parametrize("password", ["wrong words, all of them", CITIZENS["anna"][1]], ids=["wrong", "code"])
    def test_after_a_password_the_login_page_still_knows_the_agency(
        self, server: Server, browser: Patient, password: str
    ) -> None:
        browser.get(address(server, server.clients["baseline"]))
        browser.submit("/login/password", username="anna", password=password)

        browser.submit("/language", language="en")

        assert browser.status == 200
        assert "You come from baseline" in browser.page.text
        assert "With a user name and password" in browser.page.text

    def test_after_a_refused_post_it_is_the_start_page(self, server: Server, browser: Patient) -> None:
        browser.get(f"{server.issuer}/login")
        browser.submit("/login/password", username="anna", password="x", csrf_token="of another page")
        assert browser.status == 403

        browser.submit("/language", language="en")

        assert browser.status == 200
        assert "One identity, and you decide" in browser.page.text


def test_a_code_for_a_login_that_is_no_more_asks_for_both_again_and_blames_neither(
    server: Server, browser: Patient
) -> None:
    browser.get(f"{server.issuer}/login")
    browser.submit("/login/password", username="anna", password=CITIZENS["anna"][1])

    browser.submit("/login/totp", code="123456", handle="A" * 43)

    assert browser.status == 400
    assert "Dat duurde te lang" in browser.page.text
    assert any(action == "/login/password" for action, _ in browser.page.forms)
