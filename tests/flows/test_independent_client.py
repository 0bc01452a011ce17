"""A client that knows nothing but the standards, registered by the command line, against `regie serve`."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest

from agency import login
from agency.client import Client
from regie.demo.smoke import Browser
from tests.fixtures.server import CALLBACK, CITIZENS, Server, log_in

VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
_steps: dict[str, int] = {}


class Stopped(Exception):
    pass


class Stopping(Browser):
    """A browser that stops where it would leave for the client."""

    arrived = ""
    status = 0

    def _follow(self, answer: httpx2.Response) -> None:
        from urllib.parse import urljoin

        for _ in range(12):
            target = urljoin(str(answer.url), answer.headers.get("location", ""))
            if answer.status_code not in (302, 303):
                break
            if target.startswith(CALLBACK):
                self.arrived = target
                return
            answer = self._http.get(target)
        self.arrived = ""
        self.status = answer.status_code
        if answer.status_code < 400:
            super()._follow(answer)


def address(server: Server, client: Client, **changes: str) -> str:
    parameters = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": CALLBACK,
        "scope": "openid birthdate",
        "state": "s" * 22,
        "nonce": "n" * 22,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    query = urlencode({name: value for name, value in (parameters | changes).items() if value})
    return f"{server.issuer}/oauth2/authorize?{query}"


def answer_of(browser: Stopping) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(browser.arrived).query))


def wait_for_new_code(username: str) -> None:
    """A code of the app serves once."""
    while _steps.get(username) == int(time.time()) // 30:
        time.sleep(0.5)
    _steps[username] = int(time.time()) // 30


@pytest.fixture
def browser() -> Any:
    one = Stopping()
    yield one
    one.close()


@pytest.fixture(scope="module")
def logged_in(server: Server) -> Any:
    """A browser of anna, who has answered the insurer."""
    one = Stopping()
    wait_for_new_code("anna" + server.issuer)
    log_in(one, address(server, server.clients["baseline"]))
    if not one.arrived:
        one.submit("/ask", **{"birth-date": "allow"})
    yield one
    one.close()


def redeem(server: Server, client: Client, code: str, **changes: str) -> httpx2.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    form = {name: value for name, value in (form | changes).items() if value}
    return httpx2.post(f"{server.issuer}/oauth2/token", data=form, auth=(client.client_id, client.secret))


def code_for(server: Server, browser: Stopping, **changes: str) -> str:
    browser.get(address(server, server.clients["baseline"], **changes))
    return answer_of(browser)["code"]


class TestBaselineClient:
    def test_the_answer_carries_code_state_and_iss(self, server: Server, logged_in: Stopping) -> None:
        logged_in.get(address(server, server.clients["baseline"]))

        answer = answer_of(logged_in)

        assert set(answer) == {"code", "state", "iss"}
        assert answer["iss"] == server.issuer

    def test_tokens_and_the_consented_claim(self, server: Server, logged_in: Stopping) -> None:
        client = server.clients["baseline"]

        tokens = redeem(server, client, code_for(server, logged_in)).json()
        told = httpx2.get(
            f"{server.issuer}/oauth2/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"}
        )

        assert {"access_token", "id_token", "expires_in", "scope", "token_type"} <= set(tokens)
        assert told.json()["birthdate"] == "1954-03-02"
        assert set(told.json()) == {"sub", "birthdate"}

    def test_introspection_and_revocation(self, server: Server, logged_in: Stopping) -> None:
        client = server.clients["baseline"]
        token = redeem(server, client, code_for(server, logged_in)).json()["access_token"]
        auth = (client.client_id, client.secret)

        def active(auth: tuple[str, str]) -> bool:
            body = httpx2.post(f"{server.issuer}/oauth2/introspect", data={"token": token}, auth=auth).json()
            return bool(body["active"])

        other = server.clients["service"]

        assert active(auth)
        assert not active((other.client_id, other.secret))
        assert httpx2.post(f"{server.issuer}/oauth2/revoke", data={"token": token}, auth=auth).status_code == 200
        assert not active(auth)
        headers = {"authorization": f"Bearer {token}"}
        assert httpx2.get(f"{server.issuer}/oauth2/userinfo", headers=headers).status_code == 401

    def test_prompt_consent_asks_again_what_was_allowed(self, server: Server, logged_in: Stopping) -> None:
        where = address(server, server.clients["baseline"], prompt="consent")
        logged_in.get(where)
        assert "/ask" in logged_in.url

        logged_in.submit("/ask", **{"birth-date": "allow"})
        assert "code" in answer_of(logged_in)

        logged_in.get(address(server, server.clients["baseline"], prompt="none"))
        assert "code" in answer_of(logged_in)

    def test_withdrawing_ends_the_tokens_that_rest_on_it_and_no_others(
        self, server: Server, logged_in: Stopping
    ) -> None:
        client = server.clients["baseline"]
        auth = (client.client_id, client.secret)
        born = redeem(server, client, code_for(server, logged_in)).json()["access_token"]
        plain = redeem(server, client, code_for(server, logged_in, scope="openid")).json()["access_token"]

        def active(token: str) -> bool:
            body = httpx2.post(f"{server.issuer}/oauth2/introspect", data={"token": token}, auth=auth).json()
            return bool(body["active"])

        assert active(born)
        logged_in.get(f"{server.issuer}/my/agencies/health-insurer/withdraw")
        logged_in.submit("/my/agencies/health-insurer/withdraw")
        deadline = time.monotonic() + 10
        while active(born) and time.monotonic() < deadline:
            time.sleep(0.1)

        assert not active(born)
        assert active(plain)
        # Given anew: what comes after the withdrawal lives.
        logged_in.get(address(server, client))
        logged_in.submit("/ask", **{"birth-date": "allow"})
        again = redeem(server, client, answer_of(logged_in)["code"]).json()["access_token"]
        time.sleep(1.2)
        assert active(again)

    @pytest.mark.parametrize("verifier", ["", "w" * 64, "v" * 42, CHALLENGE])
    def test_t14_a_code_without_its_verifier_is_worth_nothing(
        self, server: Server, logged_in: Stopping, verifier: str
    ) -> None:
        client = server.clients["baseline"]
        code = code_for(server, logged_in)

        refused = redeem(server, client, code, code_verifier=verifier)
        afterwards = redeem(server, client, code)

        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
        assert afterwards.json()["error"] == "invalid_grant"

    def test_prompt_none_answers_login_required_without_a_session(self, server: Server, browser: Stopping) -> None:
        browser.get(address(server, server.clients["baseline"], prompt="none"))

        answer = answer_of(browser)

        assert (answer["error"], answer["iss"], answer["state"]) == ("login_required", server.issuer, "s" * 22)

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"code_challenge": ""}, "invalid_request"),
            ({"code_challenge_method": "plain"}, "invalid_request"),
            ({"scope": "openid address"}, "invalid_scope"),
            ({"scope": "x " * 5000}, "invalid_scope"),
            ({"prompt": "none login"}, "invalid_request"),
            ({"max_age": "-1"}, "invalid_request"),
            ({"request": "eyJhbGciOiJub25lIn0.e30."}, "invalid_request_object"),
            ({"response_mode": "fragment"}, "invalid_request"),
            ({"authorization_details": "[]"}, "invalid_authorization_details"),
            ({"claims": "{"}, "invalid_request"),
            ({"claims": '{"id_token":{"acr":{"values":5}}}'}, "invalid_request"),
            ({"dpop_jkt": "x" * 50}, "invalid_request"),
            ({"scope": "offline_access"}, "invalid_scope"),
            ({"acr_values": "http://eidas.europa.eu/LoA/high", "prompt": "none"}, "login_required"),
        ],
    )
    def test_a_bad_request_goes_back_to_the_client(
        self, server: Server, browser: Stopping, changes: dict[str, str], error: str
    ) -> None:
        if len(str(changes)) > 8000:
            browser._follow(
                httpx2.post(
                    f"{server.issuer}/oauth2/authorize",
                    data=dict(parse_qsl(urlsplit(address(server, server.clients["baseline"], **changes)).query)),
                )
            )
        else:
            browser.get(address(server, server.clients["baseline"], **changes))

        assert answer_of(browser)["error"] == error


class TestFapi2Client:
    def test_the_whole_flow_with_pushed_request_and_bound_tokens(self, server: Server, browser: Stopping) -> None:
        client = server.clients["fapi2"]
        session: dict[str, Any] = {}
        uses = [{"type": "personal_data_use", "purpose": "housing-benefit", "data": ["address"]}]

        async def begin() -> str:
            return await login.begin(client, session, redirect_uri=CALLBACK, uses=uses)

        async def flow() -> Any:
            return await login.finish(client, session, answer_of(browser))

        with asyncio.Runner() as runner:
            where = runner.run(begin())
            wait_for_new_code("bram" + server.issuer)
            log_in(browser, where, "bram")
            if not browser.arrived:
                browser.submit("/ask", address="allow")
            citizen = runner.run(flow())
            told = runner.run(login.userinfo(client, citizen))
            runner.run(client.http.aclose())
        client.http = httpx2.AsyncClient(timeout=10)

        assert citizen.acr == "http://eidas.europa.eu/LoA/substantial"
        assert told == {"sub": citizen.sub}
        bearer = {"authorization": f"Bearer {citizen.access_token}"}
        assert httpx2.get(f"{server.issuer}/oauth2/userinfo", headers=bearer).status_code == 401

    def test_without_pushing_it_is_refused(self, server: Server, browser: Stopping) -> None:
        browser.get(address(server, server.clients["fapi2"], scope="openid"))

        assert answer_of(browser)["error"] == "invalid_request"


class TestCitizen:
    def test_a_wrong_password_and_an_unknown_name_look_alike(self, server: Server) -> None:
        pages = []
        for username in ("anna", "nobody"):
            one = Browser()
            one.get(f"{server.issuer}/login")
            hidden = dict(one.page.forms[1][1] if one.page.forms[1][0] == "/login/password" else one.page.forms[-1][1])
            answer = one._http.post(
                f"{server.issuer}/login/password", data={**hidden, "username": username, "password": "wrong"}
            )
            text = answer.text.replace(username, "")
            pages.append((answer.status_code, [line for line in text.splitlines() if "csrf" not in line]))
            one.close()

        assert pages[0] == pages[1]
        assert pages[0][0] == 400

    def test_every_page_refuses_a_form_without_its_token(self, server: Server, logged_in: Stopping) -> None:
        for path in ("/logout", "/my/sessions/end", "/my/logins/password", "/ask", "/my/consents/x/withdraw"):
            answer = logged_in._http.post(f"{server.issuer}{path}", data={"request": "x"})
            assert answer.status_code in (400, 403), path

    def test_all_the_citizens_pages_answer(self, server: Server, logged_in: Stopping) -> None:
        for path in ("/", "/my", "/my/consents", "/my/history", "/my/logins", "/my/sessions", "/enrol", "/login"):
            assert logged_in._http.get(f"{server.issuer}{path}").status_code == 200, path


assert CITIZENS
