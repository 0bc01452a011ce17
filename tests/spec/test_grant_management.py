"""Grant Management for OAuth 2.0 (FAPI working group, draft 3), against `regie serve`."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from agency.client import Client
from tests.fixtures.server import CALLBACK, log_in
from tests.flows.test_independent_client import (
    CHALLENGE,
    Stopping,
    answer_of,
    browser,
    logged_in,
    redeem,
    wait_for_new_code,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.server import Server

__all__ = ["browser", "logged_in"]

SCOPE = "openid birthdate grant_management_query grant_management_revoke"
GRANTS = ["authorization_code", "refresh_token", "client_credentials"]


def registered(server: Server, **changes: Any) -> Client:
    file = {
        "client_name": "benefits",
        "agency": "municipality",
        "redirect_uris": [CALLBACK],
        "grant_types": GRANTS,
        "scope": SCOPE,
        **changes,
    }
    done = server.tell("client add", profile="baseline", file=file)
    return Client(server.issuer, done["client_id"], None, done["client_secret"])


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    return registered(server)


@pytest.fixture(scope="module")
def other(server: Server) -> Client:
    return registered(server, client_name="other")


@pytest.fixture(scope="module")
def bram(server: Server) -> Iterator[Stopping]:
    one = Stopping()
    wait_for_new_code("bram" + server.issuer)
    log_in(one, f"{server.issuer}/login", "bram")
    yield one
    one.close()


def use(*data: str, purpose: str = "housing-benefit") -> str:
    return json.dumps([{"type": "personal_data_use", "purpose": purpose, "data": list(data)}])


def pushed(server: Server, client: Client, **changes: str) -> httpx2.Response:
    form = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return httpx2.post(f"{server.issuer}/oauth2/par", data=form, auth=(client.client_id, client.secret))


def walk(server: Server, browser: Stopping, client: Client, answers: dict[str, str], **changes: str) -> dict[str, str]:
    """Through the pages to what the client is answered."""
    request_uri = pushed(server, client, **changes).json()["request_uri"]
    query = httpx2.QueryParams({"client_id": client.client_id, "request_uri": request_uri})
    browser.get(f"{server.issuer}/oauth2/authorize?{query}")
    if not browser.arrived:
        browser.submit("/ask", **answers)
    return answer_of(browser)


def tokens(server: Server, browser: Stopping, client: Client, answers: dict[str, str], **changes: str) -> Any:
    done = redeem(server, client, walk(server, browser, client, answers, **changes)["code"])
    assert done.status_code == 200, done.text
    return done.json()


def access(server: Server, client: Client, scope: str) -> str:
    form = {"grant_type": "client_credentials", "scope": scope}
    done = httpx2.post(f"{server.issuer}/oauth2/token", data=form, auth=(client.client_id, client.secret))
    return str(done.json()["access_token"])


def query(server: Server, client: Client, grant_id: str, scope: str = "grant_management_query") -> httpx2.Response:
    headers = {"authorization": f"Bearer {access(server, client, scope)}"}
    return httpx2.get(f"{server.issuer}/oauth2/grants/{grant_id}", headers=headers)


def revoke(server: Server, client: Client, grant_id: str, scope: str = "grant_management_revoke") -> httpx2.Response:
    headers = {"authorization": f"Bearer {access(server, client, scope)}"}
    return httpx2.delete(f"{server.issuer}/oauth2/grants/{grant_id}", headers=headers)


def refreshed(server: Server, client: Client, token: str) -> httpx2.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return httpx2.post(f"{server.issuer}/oauth2/token", data=form, auth=(client.client_id, client.secret))


def is_active(server: Server, client: Client, token: str) -> bool:
    auth = (client.client_id, client.secret)
    told = httpx2.post(f"{server.issuer}/oauth2/introspect", data={"token": token}, auth=auth)
    return bool(told.json()["active"])


@pytest.fixture
def granted(server: Server, logged_in: Stopping, client: Client) -> Any:
    """A grant of anna on her address, just made; its token response."""
    created = {"grant_management_action": "create", "authorization_details": use("address")}
    return tokens(server, logged_in, client, {"address": "allow"}, **created)


class TestSection5_1:
    """Authorization requests."""

    def test_create_answers_an_id_that_cannot_be_guessed(self, granted: Any) -> None:
        """fapi-grant-management: happy flow. Section 5.1, create."""
        assert len(granted["grant_id"]) == 22

    def test_without_an_action_there_is_no_grant_id(self, server: Server, logged_in: Stopping, client: Client) -> None:
        assert "grant_id" not in tokens(server, logged_in, client, {})

    def test_each_create_makes_a_grant_of_its_own(
        self, server: Server, logged_in: Stopping, client: Client, granted: Any
    ) -> None:
        again = tokens(server, logged_in, client, {}, grant_management_action="create")

        assert again["grant_id"] != granted["grant_id"]
        assert is_active(server, client, granted["access_token"])

    def test_merge_adds_and_ends_what_was_issued_before(
        self, server: Server, logged_in: Stopping, client: Client, granted: Any
    ) -> None:
        """fapi-grant-management: merge; amendment revokes old tokens. Section 5.1, merge."""
        more = {"grant_management_action": "merge", "grant_id": granted["grant_id"]}
        merged = tokens(
            server, logged_in, client, {"income": "allow"}, **more, scope="openid", authorization_details=use("income")
        )

        assert merged["grant_id"] == granted["grant_id"]
        assert not is_active(server, client, granted["access_token"])
        assert refreshed(server, client, granted["refresh_token"]).json()["error"] == "invalid_grant"
        assert refreshed(server, client, merged["refresh_token"]).status_code == 200
        (detail,) = query(server, client, granted["grant_id"]).json()["authorization_details"]
        assert detail["data"] == ["address", "income"]

    def test_replace_leaves_only_what_was_asked_now(
        self, server: Server, logged_in: Stopping, client: Client, granted: Any
    ) -> None:
        """fapi-grant-management: replace; amendment revokes old tokens. Section 5.1, replace."""
        instead = {"grant_management_action": "replace", "grant_id": granted["grant_id"]}
        replaced = tokens(server, logged_in, client, {}, **instead, scope="openid")

        assert replaced["grant_id"] == granted["grant_id"]
        assert not is_active(server, client, granted["access_token"])
        assert refreshed(server, client, granted["refresh_token"]).json()["error"] == "invalid_grant"
        told = query(server, client, granted["grant_id"]).json()
        assert (told["scopes"], told["authorization_details"]) == ([{"scope": "openid"}], [])

    @pytest.mark.parametrize(
        "changes",
        [
            {"grant_management_action": "update"},
            {"grant_management_action": "merge"},
            {"grant_management_action": "replace"},
            {"grant_management_action": "create", "grant_id": "g" * 22},
            {"grant_id": "g" * 22},
            {"grant_management_action": "merge", "grant_id": "g" * 65},
        ],
    )
    def test_parameters_that_do_not_go_together_are_refused(
        self, server: Server, client: Client, changes: dict[str, str]
    ) -> None:
        done = pushed(server, client, **changes)

        assert (done.status_code, done.json()["error"]) == (400, "invalid_request")

    def test_a_grant_id_is_never_put_in_an_address(self, server: Server, logged_in: Stopping, client: Client) -> None:
        """The security considerations: it would stand in histories and logs."""
        query = {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": CALLBACK,
            "scope": "openid",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "grant_management_action": "create",
        }
        logged_in.get(f"{server.issuer}/oauth2/authorize?{httpx2.QueryParams(query)}")

        assert answer_of(logged_in)["error"] == "invalid_request"


class TestSection5_3:
    """Errors of the authorization request."""

    @pytest.mark.parametrize("action", ["merge", "replace"])
    def test_an_unknown_grant_id_is_refused(self, server: Server, client: Client, action: str) -> None:
        """fapi-grant-management: invalid id. Section 5.3, invalid_grant_id."""
        done = pushed(server, client, grant_management_action=action, grant_id="g" * 22)

        assert (done.status_code, done.json()["error"]) == (400, "invalid_grant_id")

    def test_another_clients_grant_is_unknown(self, server: Server, other: Client, granted: Any) -> None:
        done = pushed(server, other, grant_management_action="merge", grant_id=granted["grant_id"])

        assert done.json()["error"] == "invalid_grant_id"

    def test_another_citizen_cannot_amend_it(
        self, server: Server, bram: Stopping, client: Client, granted: Any
    ) -> None:
        """Who is logged in is not who gave it: someone else must log in, and nothing is amended."""
        merge = {"grant_management_action": "merge", "grant_id": granted["grant_id"], "prompt": "none"}

        assert walk(server, bram, client, {}, **merge)["error"] == "login_required"
        assert is_active(server, client, granted["access_token"])


class TestSection6:
    """The grant management API."""

    def test_it_tells_what_stands(self, server: Server, client: Client, granted: Any) -> None:
        """fapi-grant-management: query. Section 6.3."""
        answer = query(server, client, granted["grant_id"])

        told = answer.json()
        assert answer.headers["cache-control"] == "no-store"
        assert told["scopes"] == [{"scope": "openid"}]
        assert told["authorization_details"] == json.loads(use("address"))
        assert told["created_at"] <= told["last_updated_at"] <= time.time() + 1

    def test_what_the_citizen_refused_is_not_in_it(self, server: Server, logged_in: Stopping, client: Client) -> None:
        ask = {"grant_management_action": "create", "authorization_details": use("income"), "prompt": "consent"}
        made = tokens(server, logged_in, client, {"income": "deny"}, **ask)

        assert query(server, client, made["grant_id"]).json()["authorization_details"] == []

    @pytest.mark.parametrize("grant_id", ["g" * 22, "x", "%00", "g" * 500])
    def test_an_unknown_one_is_not_found(self, server: Server, client: Client, grant_id: str) -> None:
        """fapi-grant-management: query unknown. Section 6.5."""
        assert query(server, client, grant_id).status_code in (400, 404)
        assert revoke(server, client, grant_id).status_code in (400, 404)

    def test_another_client_can_neither_read_nor_end_it(
        self, server: Server, client: Client, other: Client, granted: Any
    ) -> None:
        """fapi-grant-management: other client cannot query or revoke. Section 6.5."""
        assert query(server, other, granted["grant_id"]).status_code == 404
        assert revoke(server, other, granted["grant_id"]).status_code == 404
        assert query(server, client, granted["grant_id"]).status_code == 200

    def test_each_right_needs_its_own_scope(self, server: Server, client: Client, granted: Any) -> None:
        grant_id = granted["grant_id"]

        assert query(server, client, grant_id, "grant_management_revoke").status_code == 403
        assert revoke(server, client, grant_id, "grant_management_query").status_code == 403

    def test_without_a_token_for_this_api_nobody_is_answered(self, server: Server, granted: Any) -> None:
        address = f"{server.issuer}/oauth2/grants/{granted['grant_id']}"

        assert httpx2.get(address).status_code == 401
        assert httpx2.get(address, headers={"authorization": "Bearer x"}).status_code == 401
        # A citizen's token is for userinfo.
        bearer = {"authorization": f"Bearer {granted['access_token']}"}
        assert httpx2.get(address, headers=bearer).status_code == 401

    def test_revoking_ends_its_tokens_and_its_consents(self, server: Server, bram: Stopping, client: Client) -> None:
        """fapi-grant-management: revoke; query after revoke. Section 6.4."""
        created = {"grant_management_action": "create", "authorization_details": use("address")}
        granted = tokens(server, bram, client, {"address": "allow"}, **created)

        done = revoke(server, client, granted["grant_id"])

        assert (done.status_code, done.content) == (204, b"")
        assert query(server, client, granted["grant_id"]).status_code == 404
        assert revoke(server, client, granted["grant_id"]).status_code == 404
        assert not is_active(server, client, granted["access_token"])
        assert refreshed(server, client, granted["refresh_token"]).json()["error"] == "invalid_grant"
        # The citizen sees that the agency gave it up, and is asked anew.
        cookies = bram._http.cookies
        listed = httpx2.get(f"{server.issuer}/my/consents", cookies=cookies).text
        (link,) = re.findall(r'href="(/my/consents/[A-Za-z0-9_-]{22})"', listed)
        shown = httpx2.get(server.issuer + link, cookies=cookies, headers={"accept-language": "en"}).text
        assert "gave this up itself" in shown
        asked = {"prompt": "none", "authorization_details": use("address")}
        assert walk(server, bram, client, {}, **asked)["error"] == "consent_required"

    def test_a_consent_that_another_grant_rests_on_stays(
        self, server: Server, logged_in: Stopping, client: Client, other: Client, granted: Any
    ) -> None:
        created = {"grant_management_action": "create", "authorization_details": use("address")}
        second = tokens(server, logged_in, other, {"address": "allow"}, **created)

        assert revoke(server, client, granted["grant_id"]).status_code == 204

        (detail,) = query(server, other, second["grant_id"]).json()["authorization_details"]
        assert detail["data"] == ["address"]


class TestTiedToConsent:
    def test_what_the_citizen_withdraws_stands_no_more(
        self, server: Server, logged_in: Stopping, client: Client, granted: Any
    ) -> None:
        logged_in.get(f"{server.issuer}/my/agencies/municipality/withdraw")
        logged_in.submit("/my/agencies/municipality/withdraw")

        assert query(server, client, granted["grant_id"]).json()["authorization_details"] == []
        deadline = time.monotonic() + 5
        while is_active(server, client, granted["access_token"]) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not is_active(server, client, granted["access_token"])
