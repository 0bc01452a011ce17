"""Device, CIBA and exchange under load of the same moment, and bound to keys: `regie serve`, one process and several."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from joserfc import jwt

from agency.client import ASSERTION_TYPE, Client
from agency.jose import Key
from base.ids import identifier
from tests.fixtures.server import CALLBACK
from tests.flows.test_independent_client import (
    VERIFIER,
    Stopping,
    address,
    answer_of,
    browser,
    logged_in,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.server import Server

__all__ = ["browser", "logged_in"]

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
CIBA = "urn:openid:params:grant-type:ciba"
GRANTS = ["authorization_code", "refresh_token", DEVICE, CIBA]


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    file = {"client_name": "Balie", "agency": "municipality", "redirect_uris": [CALLBACK], "grant_types": GRANTS}
    done = server.tell("client add", profile="baseline", file=file)
    return Client(server.issuer, done["client_id"], None, done["client_secret"])


@pytest.fixture(scope="module")
def strict(server: Server) -> Client:
    key = Key.generate()
    file = {"client_name": "Balie", "agency": "municipality", "redirect_uris": [CALLBACK], "grant_types": GRANTS}
    done = server.tell("client add", profile="fapi2", file={**file, "jwks": {"keys": [key.public()]}})
    return Client(server.issuer, done["client_id"], key)


def post(server: Server, client: Client, path: str, *, key: Key | None = None, **form: Any) -> httpx2.Response:
    """`key`: the proof is made with another one than the client's."""
    url = server.issuer + path
    if client.key is None:
        return httpx2.post(url, data=form, auth=(client.client_id, client.secret), timeout=30)
    form |= {"client_id": client.client_id, "client_assertion_type": ASSERTION_TYPE}
    form["client_assertion"] = client.key.assertion(client.client_id, server.issuer)
    return httpx2.post(url, data=form, headers={"dpop": (key or client.key).proof("POST", url)}, timeout=30)


def begin(server: Server, client: Client, **form: str) -> dict[str, Any]:
    done = post(server, client, "/oauth2/device_authorization", scope="openid", **form)
    assert done.status_code == 200, done.text
    body: dict[str, Any] = done.json()
    return body


def type_code(server: Server, browser: Stopping, told: dict[str, Any]) -> None:
    browser.get(f"{server.issuer}/device")
    browser.submit("/device", user_code=told["user_code"])
    assert "/confirm" in browser.url


def at_once(count: int, work: Callable[[int], httpx2.Response]) -> list[httpx2.Response]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


class TestDevice:
    def test_sixty_four_polls_at_once_give_tokens_once(
        self, server: Server, logged_in: Stopping, client: Client
    ) -> None:
        told = begin(server, client)
        type_code(server, logged_in, told)
        logged_in.submit("/confirm", answer="yes")

        answers = at_once(
            64,
            lambda _: post(server, client, "/oauth2/token", grant_type=DEVICE, device_code=told["device_code"]),
        )

        given = [one.json() for one in answers if one.status_code == 200]
        assert len(given) == 1
        assert {one.json()["error"] for one in answers if one.status_code != 200} == {"invalid_grant"}
        # Unlike a code that was in a browser, a device code never was where it can leak: its tokens live.
        told = post(server, client, "/oauth2/introspect", token=given[0]["access_token"]).json()
        assert told["active"] is True

    def test_polls_at_once_while_the_citizen_is_busy_are_slowed_down(self, server: Server, client: Client) -> None:
        told = begin(server, client)

        answers = at_once(
            16,
            lambda _: post(server, client, "/oauth2/token", grant_type=DEVICE, device_code=told["device_code"]),
        )

        errors = sorted(one.json()["error"] for one in answers)
        assert errors == ["authorization_pending", *["slow_down"] * 15]

    def test_of_yes_and_no_at_once_one_counts(self, server: Server, logged_in: Stopping, client: Client) -> None:
        told = begin(server, client)
        forms = []
        for _ in range(4):
            type_code(server, logged_in, told)
            forms.append(next(hidden for where, hidden in logged_in.page.forms if where == "/confirm"))
        cookies = dict(logged_in._http.cookies)

        def answer(number: int) -> httpx2.Response:
            with httpx2.Client(cookies=cookies, timeout=30, follow_redirects=True) as one:
                data = {**forms[number], "answer": "yes" if number % 2 else "no"}
                return one.post(f"{server.issuer}/confirm", data=data)

        pages = at_once(4, answer)

        ended = [str(one.url).rpartition("?")[2] for one in pages if one.status_code == 200]
        assert len(ended) == 1
        done = post(server, client, "/oauth2/token", grant_type=DEVICE, device_code=told["device_code"])
        assert (done.status_code == 200) == (ended == ["allowed=1"])

    def test_begun_with_a_key_it_is_fetched_with_that_key(
        self, server: Server, logged_in: Stopping, strict: Client
    ) -> None:
        told = begin(server, strict)
        type_code(server, logged_in, told)
        logged_in.submit("/confirm", answer="yes")
        form = {"grant_type": DEVICE, "device_code": told["device_code"]}

        stolen = post(server, strict, "/oauth2/token", key=Key.generate(), **form)
        done = post(server, strict, "/oauth2/token", **form)

        assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
        assert (done.status_code, done.json()["token_type"]) == (200, "DPoP")

    def test_wrong_codes_at_once_are_counted_one_by_one(self, server: Server, client: Client) -> None:
        """RFC 8628 section 5.1."""
        one = Stopping()
        one.get(f"{server.issuer}/device")
        hidden = next(hidden for where, hidden in one.page.forms if where == "/device")
        cookies = dict(one._http.cookies)
        one.close()

        def guess(number: int) -> httpx2.Response:
            data = {**hidden, "user_code": f"BBBB-BB{'BCDF'[number // 8]}{'BCDFGHJK'[number % 8]}"}
            return httpx2.post(f"{server.issuer}/device", data=data, cookies=cookies, timeout=30)

        pages = at_once(32, guess)

        assert {page.status_code for page in pages} == {400}
        looked_up = sum("niet bekend" in page.text for page in pages)
        assert looked_up <= 10
        assert sum("te veel foute codes" in page.text for page in pages) == 32 - looked_up


class TestCiba:
    @pytest.fixture
    def hint(self, server: Server, logged_in: Stopping, client: Client) -> str:
        """The `sub` by which the municipality knows anna."""
        logged_in.get(address(server, client, scope="openid"))
        form = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        tokens = post(server, client, "/oauth2/token", code=answer_of(logged_in)["code"], **form).json()
        headers = {"authorization": f"Bearer {tokens['access_token']}"}
        told: str = httpx2.get(f"{server.issuer}/oauth2/userinfo", headers=headers).json()["sub"]
        return told

    def test_a_signed_request_at_once_begins_one(self, server: Server, strict: Client, hint: str) -> None:
        assert strict.key is not None
        at = int(time.time())
        claims = {"iss": strict.client_id, "aud": server.issuer, "iat": at, "nbf": at, "exp": at + 60}
        claims |= {"jti": identifier(), "scope": "openid", "login_hint": hint, "binding_message": "1"}
        signed = jwt.encode({"alg": "ES256", "kid": strict.key.thumbprint}, claims, strict.key._key)

        answers = at_once(16, lambda _: post(server, strict, "/oauth2/bc-authorize", request=signed))

        assert sorted(one.status_code for one in answers) == [200, *[400] * 15]

    def test_the_whole_way_and_sixty_four_polls(
        self, server: Server, logged_in: Stopping, client: Client, hint: str
    ) -> None:
        told = post(server, client, "/oauth2/bc-authorize", scope="openid", login_hint=hint).json()
        logged_in.get(f"{server.issuer}/my/requests")
        logged_in.submit("/my/requests")
        logged_in.submit("/confirm", answer="yes")
        assert logged_in.url == f"{server.issuer}/my/requests?allowed=1"

        answers = at_once(
            64, lambda _: post(server, client, "/oauth2/token", grant_type=CIBA, auth_req_id=told["auth_req_id"])
        )

        assert sum(one.status_code == 200 for one in answers) == 1
        assert {one.json()["error"] for one in answers if one.status_code != 200} == {"invalid_grant"}

    def test_no_more_than_five_wait_however_many_are_asked_at_once(self, server: Server, hint: str) -> None:
        file = {"client_name": "Drammer", "agency": "municipality", "grant_types": [CIBA]}
        done = server.tell("client add", profile="baseline", file=file)
        nagging = Client(server.issuer, done["client_id"], None, done["client_secret"])

        answers = at_once(16, lambda _: post(server, nagging, "/oauth2/bc-authorize", scope="openid", login_hint=hint))

        assert sorted(one.status_code for one in answers) == [*[200] * 5, *[403] * 11]


class TestEdges:
    """Whatever arrives has the standard's own error, and never a 500."""

    @pytest.mark.parametrize("path", ["/oauth2/device_authorization", "/oauth2/bc-authorize"])
    @pytest.mark.parametrize(
        ("body", "kind", "status"),
        [
            ("scope=openid&scope=openid", "application/x-www-form-urlencoded", 400),
            ("scope=%zz", "application/x-www-form-urlencoded", 400),
            ("scope=%00", "application/x-www-form-urlencoded", 400),
            ('{"scope":"openid"}', "application/json", 415),
            ("scope=openid", "text/plain", 415),
            ("scope=" + "x" * 200_000, "application/x-www-form-urlencoded", 413),
            ("&".join(f"a{number}=1" for number in range(500)), "application/x-www-form-urlencoded", 400),
            ("", "application/x-www-form-urlencoded", 401),
        ],
        ids=lambda given: str(given)[:30],
    )
    def test_a_body_that_is_no_form_of_ours(self, server: Server, path: str, body: str, kind: str, status: int) -> None:
        done = httpx2.post(server.issuer + path, content=body, headers={"content-type": kind})

        assert done.status_code == status
        assert set(done.json()) >= {"error"}

    @pytest.mark.parametrize("path", ["/oauth2/device_authorization", "/oauth2/bc-authorize"])
    def test_another_method(self, server: Server, path: str) -> None:
        done = httpx2.get(server.issuer + path)

        assert (done.status_code, done.headers["allow"]) == (405, "POST")

    @pytest.mark.parametrize("path", ["/device", "/confirm", "/select", "/my/requests"])
    def test_another_site_cannot_send_our_forms(self, server: Server, logged_in: Stopping, path: str) -> None:
        headers = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}

        done = logged_in._http.post(server.issuer + path, data={"answer": "yes"}, headers=headers)

        assert done.status_code in (400, 403)
        assert "content-security-policy" in done.headers
        assert "frame-ancestors 'none'" in done.headers["content-security-policy"]

    @pytest.mark.parametrize("path", ["/confirm", "/select"])
    @pytest.mark.parametrize("handle", ["", "x", "a" * 43, "x" * 3000, "%00", "../.."])
    def test_a_handle_of_nobody(self, server: Server, logged_in: Stopping, path: str, handle: str) -> None:
        assert logged_in._http.get(f"{server.issuer}{path}?request={handle}").status_code == 400
