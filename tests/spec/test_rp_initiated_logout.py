"""OpenID Connect RP-Initiated Logout 1.0, and the modules of the OpenID Foundation's logout plan that stand for it."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from sqlalchemy import create_engine, select, update

from idp.store.tables import session
from keys import jose
from keys.ring import Ring
from tests.fixtures.house import START
from tests.fixtures.visitors import Visitor, citizen, claims, ring_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agency.client import Client
    from tests.fixtures.server import Server

AFTER = "http://localhost:9/post_logout_redirect"
STATE = "z" * 128


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    uris = [AFTER, AFTER + "?a=1"]
    return server.register("leaving", "baseline", agency="health-insurer", post_logout_redirect_uris=uris)


@pytest.fixture(scope="module")
def other(server: Server) -> Client:
    return server.register("other", "baseline", agency="municipality", post_logout_redirect_uris=[AFTER + "/other"])


@pytest.fixture(scope="module")
def people(server: Server) -> None:
    for name in ("dirk", "eva"):
        citizen(server, name)


@pytest.fixture
def dirk(server: Server, people: None) -> Iterator[Visitor]:
    one = Visitor(server, "dirk")
    yield one
    one.close()


def leave(visitor: Visitor, **params: str | None) -> httpx2.Response:
    return visitor.visit("/oauth2/logout", **{name: value for name, value in params.items() if value is not None})


def is_question(answer: httpx2.Response) -> bool:
    return answer.status_code == 200 and 'action="/logout"' in answer.text.split("<main")[1]


def signed(server: Server, **members: Any) -> str:
    """An ID token as only this house signs it."""
    ring = ring_of(server)
    now = int(time.time())
    return jose.sign({"iss": server.issuer, "iat": now, "exp": now + 300, **members}, ring.active(), typ="JWT")


class TestSection2:
    """RP-initiated logout: the request."""

    def test_discovery(self, server: Server) -> None:
        """oidcc-rp-initiated-logout-discovery-endpoint-verification: the endpoint is told (section 2.1)."""
        told = httpx2.get(f"{server.issuer}/.well-known/openid-configuration").json()

        assert told["end_session_endpoint"] == f"{server.issuer}/oauth2/logout"

    def test_a_hint_of_this_session_logs_out_and_leads_back(self, dirk: Visitor, client: Client) -> None:
        """oidcc-rp-initiated-logout: to the registered address with its state; prompt=none is refused afterwards."""
        hint = dirk.tokens(client)["id_token"]

        answer = leave(dirk, id_token_hint=hint, post_logout_redirect_uri=AFTER, state=STATE)

        target = urlsplit(answer.headers["location"])
        assert answer.status_code == 303
        assert f"{target.scheme}://{target.netloc}{target.path}" == AFTER
        assert parse_qsl(target.query) == [("state", STATE)]
        assert '"storage"' in answer.headers["clear-site-data"]
        assert not dirk.is_logged_in(client)

    def test_without_state_there_is_none(self, dirk: Visitor, client: Client) -> None:
        """oidcc-rp-initiated-logout-no-state: the address and nothing else."""
        hint = dirk.tokens(client)["id_token"]

        answer = leave(dirk, id_token_hint=hint, post_logout_redirect_uri=AFTER)

        assert answer.headers["location"] == AFTER
        assert not dirk.is_logged_in(client)

    def test_a_registered_query_is_kept(self, dirk: Visitor, client: Client) -> None:
        hint = dirk.tokens(client)["id_token"]

        answer = leave(dirk, id_token_hint=hint, post_logout_redirect_uri=AFTER + "?a=1", state="s&t")

        assert answer.headers["location"] == AFTER + "?a=1&state=s%26t"

    def test_without_an_address_the_citizen_stays_here(self, dirk: Visitor, client: Client) -> None:
        """oidcc-rp-initiated-logout-no-post-logout-redirect-uri: logged out, and told so."""
        hint = dirk.tokens(client)["id_token"]

        answer = leave(dirk, id_token_hint=hint, state=STATE)

        assert (answer.status_code, is_question(answer)) == (200, False)
        assert STATE not in answer.text.split("<main")[1]
        assert not dirk.is_logged_in(client)

    @pytest.mark.parametrize("params", [{}, {"state": STATE}], ids=["no-params", "only-state"])
    def test_without_a_hint_the_citizen_is_asked(
        self, server: Server, dirk: Visitor, client: Client, params: dict[str, str]
    ) -> None:
        """oidcc-rp-initiated-logout-no-params, oidcc-rp-initiated-logout-only-state: asked, and then logged out."""
        dirk.tokens(client)

        assert is_question(leave(dirk, **params))
        assert dirk.is_logged_in(client)
        dirk.get(f"{server.issuer}/oauth2/logout")
        dirk.submit("/logout")
        assert not dirk.is_logged_in(client)

    def test_an_expired_hint_will_do(self, server: Server, dirk: Visitor, client: Client) -> None:
        """Section 2: «even when the exp time has passed»."""
        own = claims(dirk.tokens(client)["id_token"])
        old = signed(
            server, aud=client.client_id, sub=own["sub"], sid=own["sid"], iat=own["iat"] - 10**7, exp=own["exp"] - 10**7
        )

        assert leave(dirk, id_token_hint=old, post_logout_redirect_uri=AFTER).headers["location"] == AFTER

    def test_a_hint_of_another_session_is_asked_about(self, server: Server, dirk: Visitor, client: Client) -> None:
        """Section 2: «does not belong to the current OP session»: the citizen is asked, and may go back afterwards."""
        elsewhere = Visitor(server, "dirk")
        hint = elsewhere.tokens(client)["id_token"]
        dirk.tokens(client)

        assert is_question(leave(dirk, id_token_hint=hint, post_logout_redirect_uri=AFTER, state="s"))
        assert dirk.is_logged_in(client)
        dirk.get(f"{server.issuer}/oauth2/logout?id_token_hint={hint}&post_logout_redirect_uri={AFTER}&state=s")
        answer = dirk._http.post(
            f"{server.issuer}/logout", data=next(h for a, h in dirk.page.forms if a == "/logout" and "state" in h)
        )
        assert answer.headers["location"] == AFTER + "?state=s"
        assert elsewhere.is_logged_in(client)
        elsewhere.close()

    def test_a_hint_of_another_citizen_is_asked_about(self, server: Server, dirk: Visitor, client: Client) -> None:
        eva = Visitor(server, "eva")
        hint = eva.tokens(client)["id_token"]
        dirk.tokens(client)

        assert is_question(leave(dirk, id_token_hint=hint))
        assert dirk.is_logged_in(client)
        eva.close()

    def test_a_client_id_that_is_not_the_hints_is_believed_nowhere(
        self, dirk: Visitor, client: Client, other: Client
    ) -> None:
        """Section 2: client_id «MUST» be the one that the ID token was issued to."""
        hint = dirk.tokens(client)["id_token"]

        for uri in (AFTER, AFTER + "/other"):
            answer = leave(dirk, id_token_hint=hint, client_id=other.client_id, post_logout_redirect_uri=uri)
            assert is_question(answer)
            assert uri not in answer.text.split("<main")[1]
        assert dirk.is_logged_in(client)

    def test_a_posted_request_of_another_site_finds_its_cookie(
        self, server: Server, dirk: Visitor, client: Client
    ) -> None:
        """Section 2: GET and POST. A browser sends no cookie along with a form of another site (SameSite)."""
        hint = dirk.tokens(client)["id_token"]
        form = {"id_token_hint": hint, "post_logout_redirect_uri": AFTER, "state": "s"}

        answer = httpx2.post(f"{server.issuer}/oauth2/logout", data=form)

        assert answer.status_code == 303
        again = dirk._http.get(f"{server.issuer}{answer.headers['location']}")
        assert again.headers["location"] == AFTER + "?state=s"
        assert not dirk.is_logged_in(client)

    def test_it_may_be_posted_with_the_cookie(self, server: Server, dirk: Visitor, client: Client) -> None:
        form = {"id_token_hint": dirk.tokens(client)["id_token"], "post_logout_redirect_uri": AFTER}

        answer = dirk._http.post(f"{server.issuer}/oauth2/logout", data=form)

        assert answer.headers["location"] == AFTER

    def test_the_page_speaks_the_language_that_the_client_names(self, dirk: Visitor, client: Client) -> None:
        dirk.tokens(client)

        assert '<html lang="nl"' in leave(dirk, ui_locales="fr nl-NL").text
        assert '<html lang="en"' in leave(dirk, ui_locales="en").text

    def test_a_hint_about_the_citizen_is_read_and_proves_nothing(self, dirk: Visitor, client: Client) -> None:
        own = claims(dirk.tokens(client)["id_token"])

        assert is_question(leave(dirk, logout_hint=own["sid"], client_id=client.client_id))
        assert dirk.is_logged_in(client)

    def test_after_step_up_the_first_hint_still_names_the_session(self, dirk: Visitor, client: Client) -> None:
        hint = dirk.tokens(client)["id_token"]
        again = dirk.tokens(client, prompt="login")["id_token"]

        assert claims(again)["sid"] == claims(hint)["sid"]
        assert leave(dirk, id_token_hint=hint, post_logout_redirect_uri=AFTER).headers["location"] == AFTER


class TestSection3:
    """Redirection to the client after logout."""

    @pytest.mark.parametrize(
        "uri",
        [
            pytest.param(AFTER + "/bad", id="bad-post-logout-redirect-uri"),
            pytest.param(AFTER + "?foo=bar", id="query-added-to-post-logout-redirect-uri"),
            AFTER + "/other",
            AFTER.upper(),
            AFTER + "#",
            AFTER + "%2e",
            "//localhost:9/post_logout_redirect",
            "https://evil.example/",
            "javascript:alert(1)",
        ],
    )
    def test_an_address_that_is_not_registered_is_never_gone_to(
        self, server: Server, dirk: Visitor, client: Client, other: Client, uri: str
    ) -> None:
        """oidcc-rp-initiated-logout-bad-post-logout-redirect-uri, oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri: asked."""
        hint = dirk.tokens(client)["id_token"]

        assert is_question(leave(dirk, id_token_hint=hint, post_logout_redirect_uri=uri, state=STATE))
        assert dirk.is_logged_in(client)
        dirk.get(f"{server.issuer}/my")
        hidden = next(hidden for where, hidden in dirk.page.forms if where == "/logout")
        form = {**hidden, "client_id": client.client_id, "post_logout_redirect_uri": uri}
        answer = dirk._http.post(f"{server.issuer}/logout", data=form)
        assert answer.status_code == 200
        assert "location" not in answer.headers

    def test_an_address_without_a_hint_is_gone_to_after_a_yes_alone(
        self, server: Server, dirk: Visitor, client: Client
    ) -> None:
        """oidcc-rp-initiated-logout-no-id-token-hint: no redirect without a question; without client_id none at all."""
        dirk.tokens(client)

        nobodys = leave(dirk, post_logout_redirect_uri=AFTER, state=STATE)
        assert is_question(nobodys)
        assert AFTER not in nobodys.text.split("<main")[1]
        assert is_question(leave(dirk, post_logout_redirect_uri=AFTER, client_id=client.client_id))
        dirk.get(f"{server.issuer}/oauth2/logout?post_logout_redirect_uri={AFTER}&client_id={client.client_id}")
        form = next(hidden for where, hidden in dirk.page.forms if hidden.get("client_id"))
        answer = dirk._http.post(f"{server.issuer}/logout", data=form)
        assert answer.headers["location"] == AFTER

    def test_who_is_not_logged_in_goes_back_by_a_hint_and_else_by_a_link(
        self, server: Server, dirk: Visitor, client: Client
    ) -> None:
        hint = dirk.tokens(client)["id_token"]
        stranger = Visitor(server, "eva")

        assert leave(stranger, id_token_hint=hint, post_logout_redirect_uri=AFTER).headers["location"] == AFTER
        page = leave(stranger, client_id=client.client_id, post_logout_redirect_uri=AFTER)
        assert (page.status_code, f'href="{AFTER}"' in page.text) == (200, True)
        page = leave(stranger, post_logout_redirect_uri="https://evil.example/")
        assert "evil" not in page.text.split("<main")[1]
        stranger.close()

    def test_a_disabled_client_is_led_back_to_no_more(self, server: Server, dirk: Visitor) -> None:
        gone = server.register("gone", "baseline", agency="health-insurer", post_logout_redirect_uris=[AFTER])
        hint = dirk.tokens(gone)["id_token"]
        server.tell("client disable", client_id=gone.client_id)

        answer = leave(dirk, id_token_hint=hint, post_logout_redirect_uri=AFTER)

        assert is_question(answer)


class TestSection6:
    """Nobody is logged out by a link (security considerations, CSRF)."""

    def test_a_forged_hint_is_no_hint(self, server: Server, dirk: Visitor, client: Client) -> None:
        """oidcc-rp-initiated-logout-modified-id-token-hint, oidcc-rp-initiated-logout-bad-id-token-hint: asked, no redirect."""
        tokens = dirk.tokens(client)
        head, body, signature = tokens["id_token"].split(".")
        own = claims(tokens["id_token"])
        stranger = ring_of_strangers(server)
        forged = [
            f"eyJhbGciOiJub25lIn0.{body}.",
            f"{head}.{body}.{signature[:-4]}AAAA",
            jose.sign({**own, "iss": server.issuer}, stranger.active(), typ="JWT"),
            tokens["access_token"],
            signed(server, aud=client.client_id, sub=own["sub"], sid=own["sid"], iss="https://other.example"),
            "nonsense",
            "",
        ]

        for hint in forged:
            answer = leave(dirk, id_token_hint=hint, client_id=client.client_id, post_logout_redirect_uri=AFTER)
            assert is_question(answer), hint
            assert AFTER not in answer.text.split("<main")[1], hint
        assert dirk.is_logged_in(client)

    def test_our_own_form_needs_its_token(self, server: Server, dirk: Visitor, client: Client) -> None:
        dirk.tokens(client)

        answer = dirk._http.post(f"{server.issuer}/logout", data={"client_id": client.client_id})

        assert answer.status_code == 403
        assert dirk.is_logged_in(client)

    @pytest.mark.parametrize(
        "query",
        [
            "state=a&state=b",
            "client_id=" + "x" * 65,
            "state=" + "x" * 2001,
            "id_token_hint=" + "x" * 5001,
            "post_logout_redirect_uri=" + "x" * 2001,
        ],
        ids=lambda query: query[:20],
    )
    def test_what_is_doubled_or_too_long_is_refused(self, server: Server, dirk: Visitor, query: str) -> None:
        assert dirk._http.get(f"{server.issuer}/oauth2/logout?{query}").status_code == 400


def ring_of_strangers(server: Server) -> Any:

    return Ring.open(server.directory / "strangers", bytes(32), now=START)


class TestTooOld:
    """Section 2: a session that is too old to be used is still left by who proves that it is his."""

    def age(self, server: Server) -> None:
        """Nobody was seen for a day: what the clock would do."""
        engine = create_engine(
            server.environment.get("REGIE_DATABASE_URL") or f"sqlite:///{server.directory / 'idp.db'}",
            connect_args={"options": "-csearch_path=idp"} if "REGIE_DATABASE_URL" in server.environment else {},
        )
        with engine.begin() as connection:
            day = timedelta(days=1)
            old = [(row.digest, row.seen_at - day) for row in connection.execute(select(session))]
            for digest, seen_at in old:
                connection.execute(update(session).where(session.c.digest == digest).values(seen_at=seen_at))
        engine.dispose()

    def test_its_tokens_end_by_a_hint_and_not_by_a_link(self, server: Server, dirk: Visitor, client: Client) -> None:
        tokens = dirk.tokens(client)
        self.age(server)
        assert dirk.visit("/my").status_code == 303

        def is_live() -> bool:
            headers = {"authorization": f"Bearer {tokens['access_token']}"}
            return httpx2.get(f"{server.issuer}/oauth2/userinfo", headers=headers).status_code == 200

        cookies = dirk.cookies()
        page = httpx2.get(f"{server.issuer}/oauth2/logout", cookies=cookies)
        assert (page.status_code, is_question(page)) == (200, False)
        assert is_live()

        answer = httpx2.get(
            f"{server.issuer}/oauth2/logout",
            params={"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": AFTER},
            cookies=cookies,
        )
        assert answer.headers["location"] == AFTER
        assert not is_live()
