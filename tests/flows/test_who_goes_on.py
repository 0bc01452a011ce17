"""prompt=select_account, max_age=0 and a client's own defaults, against `regie serve`."""

from __future__ import annotations

import base64
import json
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from agency.client import Client
from tests.fixtures.server import CALLBACK
from tests.fixtures.visitors import Visitor, citizen
from tests.flows.test_independent_client import (
    Stopping,
    address,
    answer_of,
    browser,
    logged_in,
    redeem,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.server import Server

__all__ = ["browser", "logged_in"]


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def registered(server: Server, **more: Any) -> Client:
    file = {"client_name": "chooser", "agency": "health-insurer", "redirect_uris": [CALLBACK], **more}
    done = server.tell("client add", profile="baseline", file=file)
    return Client(server.issuer, done["client_id"], None, done["client_secret"])


@pytest.fixture(scope="module")
def passwords(server: Server) -> None:
    """Citizens whose logins wait for no new code of the app."""
    for username in ("first", "second"):
        citizen(server, username)


@pytest.fixture
def two(server: Server, passwords: None) -> Iterator[Visitor]:
    """A browser of the first of them."""
    with closing(Visitor(server, "first")) as one:
        yield one


class TestSelectAccount:
    """OpenID Connect Core section 3.1.2.1."""

    def test_the_citizen_goes_on_as_who_is_logged_in(self, server: Server, logged_in: Stopping) -> None:
        where = address(server, server.clients["baseline"], scope="openid", prompt="select_account")
        logged_in.get(where)
        assert "/select" in logged_in.url
        assert "Ja, als Anna Voorbeeld" in logged_in.page.text

        logged_in.submit("/select")

        assert "code" in answer_of(logged_in)

    def test_it_is_asked_at_every_request(self, server: Server, logged_in: Stopping) -> None:
        where = address(server, server.clients["baseline"], scope="openid", prompt="select_account")
        logged_in.get(where)
        logged_in.submit("/select")
        logged_in.get(where)

        assert logged_in.arrived == ""
        assert "/select" in logged_in.url

    def test_or_logs_in_as_someone_else_and_is_asked_no_more(self, server: Server, two: Visitor) -> None:
        client = server.clients["baseline"]
        first = claims_of(two.tokens(client)["id_token"])
        two.get(address(server, client, scope="openid", prompt="select_account"))
        handle = two.url.partition("request=")[2]

        two.username = "second"
        two.get(f"{server.issuer}/login?request={handle}")
        two.password()

        second = claims_of(redeem(server, client, answer_of(two)["code"]).json()["id_token"])
        assert first["sub"] != second["sub"]

    def test_without_a_session_it_is_the_login_page(self, server: Server, browser: Stopping) -> None:
        browser.get(address(server, server.clients["baseline"], scope="openid", prompt="select_account"))

        assert "/login" in browser.url

    def test_another_browser_cannot_answer_for_this_one(
        self, server: Server, logged_in: Stopping, browser: Stopping
    ) -> None:
        logged_in.get(address(server, server.clients["baseline"], scope="openid", prompt="select_account"))

        answer = browser._http.get(logged_in.url)
        posted = browser._http.post(
            f"{server.issuer}/select", data={"request": logged_in.url.partition("request=")[2], "csrf_token": "x"}
        )

        assert (answer.status_code, posted.status_code) == (400, 400)

    def test_a_form_without_its_token_is_refused(self, server: Server, logged_in: Stopping) -> None:
        logged_in.get(address(server, server.clients["baseline"], scope="openid", prompt="select_account"))

        posted = logged_in._http.post(
            f"{server.issuer}/select", data={"request": logged_in.url.partition("request=")[2]}
        )

        assert posted.status_code == 403


class TestMaxAge:
    """OpenID Connect Core section 3.1.2.1."""

    def test_zero_asks_for_a_login_now_and_auth_time_moves(self, server: Server, two: Visitor) -> None:
        client = server.clients["baseline"]
        before = claims_of(two.tokens(client)["id_token"])["auth_time"]
        time.sleep(1.1)

        two.get(address(server, client, scope="openid", max_age="0", prompt="none"))
        assert answer_of(two)["error"] == "login_required"
        after = claims_of(two.tokens(client, max_age="0")["id_token"])["auth_time"]

        assert after > before

    def test_a_clients_own_default_counts_where_the_request_says_nothing(
        self, server: Server, logged_in: Stopping
    ) -> None:
        """OpenID Connect Dynamic Client Registration section 2: default_max_age."""
        client = registered(server, default_max_age=0)

        logged_in.get(address(server, client, scope="openid", prompt="none"))
        assert answer_of(logged_in)["error"] == "login_required"
        logged_in.get(address(server, client, scope="openid", prompt="none", max_age="36000"))
        assert "code" in answer_of(logged_in)


class TestLevels:
    """OpenID Connect Core section 5.5.1.1, and default_acr_values of OpenID Connect Dynamic Client Registration section 2."""

    LOW, SUBSTANTIAL, HIGH = (f"http://eidas.europa.eu/LoA/{one}" for one in ("low", "substantial", "high"))

    @pytest.mark.parametrize(
        ("wish", "reached"),
        [
            ({"values": [HIGH, SUBSTANTIAL]}, True),
            ({"value": SUBSTANTIAL}, True),
            ({"essential": True, "values": [LOW]}, True),
            ({"essential": True, "values": [HIGH]}, False),
            ({"value": HIGH}, False),
            ({"essential": True}, True),
            (None, True),
        ],
        ids=str,
    )
    def test_acr_is_asked_in_both_forms(
        self, server: Server, logged_in: Stopping, wish: dict[str, Any] | None, reached: bool
    ) -> None:
        claims = json.dumps({"id_token": {"acr": wish}})

        logged_in.get(address(server, server.clients["baseline"], scope="openid", prompt="none", claims=claims))

        answer = answer_of(logged_in)
        assert answer.get("error") == (None if reached else "unmet_authentication_requirements")

    def test_default_acr_values_count_where_the_request_says_nothing(self, server: Server, logged_in: Stopping) -> None:
        client = registered(server, default_acr_values=[self.HIGH])

        logged_in.get(address(server, client, scope="openid", prompt="none"))
        assert answer_of(logged_in)["error"] == "unmet_authentication_requirements"
        logged_in.get(address(server, client, scope="openid", prompt="none", acr_values=self.LOW))
        assert "code" in answer_of(logged_in)


def test_unknown_parameters_are_ignored_and_not_kept(server: Server, logged_in: Stopping) -> None:
    """RFC 6749 section 3.1."""
    where = address(
        server, server.clients["baseline"], scope="openid", display="wap", claims_locales="nl", unheard="x" * 3000
    )

    logged_in.get(where)

    assert "code" in answer_of(logged_in)
