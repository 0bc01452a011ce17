"""OpenID Connect Back-Channel Logout 1.0, and the modules of the OpenID Foundation's plan that stand for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.fixtures.counterparty import Receiver, registered
from tests.fixtures.visitors import Ear, Visitor, citizen, claims, header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agency.client import Client
    from tests.fixtures.server import Server

AFTER = "http://localhost:9/post_logout_redirect"
EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture(scope="module")
def ear() -> Iterator[Ear]:
    one = Ear().start()
    yield one
    one.stop()


@pytest.fixture
def clean(ear: Ear) -> Iterator[Ear]:
    ear.status, ear.delay_s = 200, 0.0
    ear.heard.clear()
    yield ear
    ear.status, ear.delay_s = 200, 0.0


@pytest.fixture(scope="module")
def client(server: Server, ear: Ear) -> Client:
    return server.register(
        "told",
        "baseline",
        agency="health-insurer",
        post_logout_redirect_uris=[AFTER],
        backchannel_logout_uri=ear.url,
        backchannel_logout_session_required=True,
    )


@pytest.fixture(scope="module")
def gerda(server: Server) -> str:
    return citizen(server, "gerda")


@pytest.fixture
def visitor(server: Server, gerda: str) -> Iterator[Visitor]:
    one = Visitor(server, "gerda")
    yield one
    one.close()


def verified(server: Server, token: str) -> dict[str, Any]:
    keys = KeySet.import_key_set(httpx2.get(f"{server.issuer}/oauth2/jwks").json())
    return dict(jwt.decode(token, keys, algorithms=["ES256"]).claims)


class TestSection2_1:
    def test_discovery(self, server: Server) -> None:
        """oidcc-backchannel-logout-discovery-endpoint-verification: both are told."""
        told = httpx2.get(f"{server.issuer}/.well-known/openid-configuration").json()

        assert told["backchannel_logout_supported"] is True
        assert told["backchannel_logout_session_supported"] is True


class TestSection2_4:
    """The logout token."""

    def test_it_names_the_session_and_the_citizen_of_the_id_token(
        self, server: Server, visitor: Visitor, client: Client, clean: Ear
    ) -> None:
        """oidcc-backchannel-rp-initiated-logout: sid and sub of the ID token; state back; prompt=none is refused after."""
        id_token = claims(visitor.tokens(client)["id_token"])
        hint = visitor.tokens(client)["id_token"]

        back = visitor.visit("/oauth2/logout", id_token_hint=hint, post_logout_redirect_uri=AFTER, state="s" * 128)

        assert back.headers["location"] == f"{AFTER}?state={'s' * 128}"
        (token,) = clean.wait(1)
        told = verified(server, token)
        assert header(token)["typ"] == "logout+jwt"
        assert set(told) == {"iss", "sub", "aud", "iat", "exp", "jti", "sid", "events"}
        assert (told["iss"], told["aud"]) == (server.issuer, client.client_id)
        assert (told["sub"], told["sid"]) == (id_token["sub"], id_token["sid"])
        assert told["events"] == {EVENT: {}}
        assert told["exp"] - told["iat"] <= 120
        assert abs(time.time() - told["iat"]) < 30
        assert not visitor.is_logged_in(client)

    def test_it_passes_for_nothing_else(self, server: Server, visitor: Visitor, client: Client, clean: Ear) -> None:
        """Section 4.1: no logout token is an ID token or an access token (K-05)."""
        visitor.tokens(client)
        visitor.send("/my", "/logout")
        (token,) = clean.wait(1)
        visitor.tokens(client)

        bearer = {"authorization": f"Bearer {token}"}
        assert httpx2.get(f"{server.issuer}/oauth2/userinfo", headers=bearer).status_code == 401
        page = visitor.visit("/oauth2/logout", id_token_hint=token, post_logout_redirect_uri=AFTER)
        assert page.status_code == 200
        assert visitor.is_logged_in(client)


class TestSection2_6:
    """An agency that receives ID tokens encrypted receives these so too: it would reject any other."""

    @pytest.mark.parametrize("alg", ["RSA-OAEP", "ECDH-ES+A256KW"])
    def test_it_is_encrypted_as_id_tokens_are(self, server: Server, visitor: Visitor, clean: Ear, alg: str) -> None:
        """And says in its header whose it is (section 2.4)."""
        receiver = Receiver.of(alg)
        members = {"id_token_encrypted_response_alg": alg, "backchannel_logout_uri": clean.url}
        client = registered(server, keys=[receiver.public()], **members)
        visitor.tokens(client)
        visitor.send("/my", "/logout")

        (token,) = clean.wait(1)

        assert header(token)["iss"] == server.issuer
        told = verified(server, receiver.opened(token))
        assert (told["aud"], told["events"]) == (client.client_id, {EVENT: {}})


class TestSection2_5:
    """The request, and what comes of it."""

    def test_it_is_a_form_with_one_member(self, visitor: Visitor, client: Client, clean: Ear) -> None:
        visitor.tokens(client)
        visitor.send("/my", "/logout")
        clean.wait(1)

        status, form, kind = clean.heard[0]

        assert set(form) == {"logout_token"}
        assert kind == "application/x-www-form-urlencoded"
        assert status == 200

    @pytest.mark.parametrize("way", ["own page", "elsewhere", "others", "operator", "operator all", "suspend", "erase"])
    def test_every_end_of_a_session_is_told(self, server: Server, client: Client, clean: Ear, way: str) -> None:
        username = f"h{way.replace(' ', '')}"
        person = citizen(server, username)
        one, two = Visitor(server, username), Visitor(server, username)
        sid = claims(one.tokens(client)["id_token"])["sid"]
        two.log_in("/my/sessions")
        session_id = next(found["id"] for found in server.tell("session list", citizen=person) if found["clients"])

        if way == "own page":
            one.send("/my", "/logout")
        elif way == "elsewhere":
            two._http.post(f"{server.issuer}/my/sessions/end", data={**two.page.forms[-1][1], "session": session_id})
        elif way == "others":
            two._http.post(f"{server.issuer}/my/sessions/end", data={**two.page.forms[-1][1], "session": "others"})
        elif way == "operator":
            server.tell("session end", id=session_id, citizen="")
        elif way == "operator all":
            server.tell("session end", id="", citizen=person)
        else:
            server.tell(f"citizen {way}", id=person)

        (token,) = clean.wait(1)
        assert claims(token)["sid"] == sid
        assert not one.is_logged_in(client)
        one.close()
        two.close()

    def test_a_changed_password_ends_the_other_sessions_and_this_one_goes_on(
        self, server: Server, client: Client, clean: Ear
    ) -> None:
        citizen(server, "ilse")
        one, two = Visitor(server, "ilse"), Visitor(server, "ilse")
        sid = claims(one.tokens(client)["id_token"])["sid"]
        two.tokens(client)
        fields = {"username": "ilse", "password": "vijf witte zwanen op het water"}

        assert two.send("/my/logins/password", "/my/logins/password", **fields).status_code == 303

        (token,) = clean.wait(1)
        assert claims(token)["sid"] == sid
        assert (one.is_logged_in(client), two.is_logged_in(client)) == (False, True)
        one.close()
        two.close()


class TestSection2_8:
    """The answer. An agency that is away is told later, in order, and holds nobody up."""

    def test_an_agency_that_was_down_hears_everything_in_order(
        self, server: Server, gerda: str, client: Client, clean: Ear
    ) -> None:
        clean.status = 503
        sids = []
        for _ in range(3):
            one = Visitor(server, "gerda")
            sids.append(claims(one.tokens(client)["id_token"])["sid"])
            one.send("/my", "/logout")
            one.close()
        deadline = time.monotonic() + 10
        while not clean.heard and time.monotonic() < deadline:
            time.sleep(0.05)
        came_back = int(time.time())
        clean.status = 200

        tokens = clean.wait(3, seconds=60)

        assert [claims(token)["sid"] for token in tokens] == sids
        refused = [form["logout_token"][0] for status, form, _ in clean.heard if status == 503]
        # Minted when it is sent: what waited is valid, and a second try is no repetition of the first.
        assert all(claims(token)["iat"] >= came_back for token in tokens)
        assert claims(refused[0])["sid"] == sids[0]
        jtis = [claims(token)["jti"] for token in [*tokens, *refused]]
        assert len(set(jtis)) == len(jtis)

    def test_an_agency_that_does_not_answer_delays_no_logout(
        self, visitor: Visitor, client: Client, clean: Ear
    ) -> None:
        visitor.tokens(client)
        clean.delay_s = 2.5
        began = time.monotonic()

        answer = visitor.send("/my", "/logout")

        assert answer.status_code == 200
        assert time.monotonic() - began < 2
        clean.wait(1)

    @pytest.mark.parametrize(("status", "told"), [(204, True), (400, False), (302, False), (307, False)])
    def test_no_content_is_an_answer_and_a_redirect_is_not_followed(
        self, server: Server, gerda: str, client: Client, clean: Ear, status: int, told: bool
    ) -> None:
        clean.status = status
        one = Visitor(server, "gerda")
        one.tokens(client)
        one.send("/my", "/logout")
        one.close()
        deadline = time.monotonic() + 10
        while not clean.heard and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)

        assert [heard for heard, _, _ in clean.heard] == [status]
        clean.status = 200
        if not told:
            clean.wait(1)

    def test_a_disabled_client_is_not_told(self, server: Server, visitor: Visitor, client: Client, clean: Ear) -> None:
        gone = server.register("gone", "baseline", agency="municipality", backchannel_logout_uri=clean.url)
        visitor.tokens(gone)
        visitor.tokens(client)
        server.tell("client disable", client_id=gone.client_id)

        visitor.send("/my", "/logout")

        (token,) = clean.wait(1)
        time.sleep(1)
        assert [claims(one)["aud"] for one in clean.tokens] == [client.client_id]
        assert claims(token)["aud"] == client.client_id
