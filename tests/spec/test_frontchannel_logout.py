"""OpenID Connect Front-Channel Logout 1.0, and the modules of the OpenID Foundation's plan that stand for it."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from tests.fixtures.server import CALLBACK
from tests.fixtures.visitors import Visitor, citizen, claims

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agency.client import Client
    from tests.fixtures.server import Server

AFTER = "http://localhost:9/post_logout_redirect"
FRAME = "http://localhost:9/frontchannel_logout"


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    return server.register(
        "framed",
        "baseline",
        agency="health-insurer",
        post_logout_redirect_uris=[AFTER],
        frontchannel_logout_uri=FRAME,
        frontchannel_logout_session_required=True,
    )


@pytest.fixture(scope="module")
def other(server: Server) -> Client:
    """Of another agency; its address has a query of its own."""
    uri = "http://127.0.0.1:9/out?kind=a"
    uris = [CALLBACK, "http://127.0.0.1:9/callback"]
    return server.register("other", "baseline", agency="municipality", redirect_uris=uris, frontchannel_logout_uri=uri)


@pytest.fixture(scope="module")
def fred(server: Server) -> str:
    citizen(server, "fred")
    return "fred"


@pytest.fixture
def visitor(server: Server, fred: str) -> Iterator[Visitor]:
    one = Visitor(server, fred)
    yield one
    one.close()


def frames(page: httpx2.Response) -> list[tuple[str, str]]:
    """Address and whole tag of each frame."""
    tags = re.findall(r"<iframe[^>]*>", page.text)
    return [(html.unescape(re.findall(r'src="([^"]*)"', tag)[0]), tag) for tag in tags]


class TestSection2:
    def test_the_goodbye_page_loads_the_agencys_address_and_leads_back(self, visitor: Visitor, client: Client) -> None:
        """oidcc-frontchannel-rp-initiated-logout: iss and the ID token's sid; state back; prompt=none is refused after."""
        token = visitor.tokens(client)["id_token"]

        page = visitor.visit("/oauth2/logout", id_token_hint=token, post_logout_redirect_uri=AFTER, state="s" * 128)

        ((address, tag),) = frames(page)
        assert page.status_code == 200
        assert address.split("?")[0] == FRAME
        assert dict(parse_qsl(urlsplit(address).query)) == {
            "iss": visitor.server.issuer,
            "sid": claims(token)["sid"],
        }
        # Its own storage, no window above it.
        assert 'sandbox="allow-scripts allow-same-origin"' in tag
        assert f'href="{AFTER}?state={"s" * 128}" data-onward' in page.text
        assert not visitor.is_logged_in(client)

    def test_only_the_agencies_origins_may_be_framed(self, visitor: Visitor, client: Client, other: Client) -> None:
        token = visitor.tokens(client)["id_token"]
        visitor.tokens(other)

        page = visitor.visit("/oauth2/logout", id_token_hint=token)

        policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
        assert policy["frame-src"].split() == ["http://localhost:9", "http://127.0.0.1:9"]
        assert policy["default-src"] == "'none'"
        assert "frame-src" not in visitor.visit("/").headers["content-security-policy"]

    def test_each_agency_hears_a_name_of_its_own(self, visitor: Visitor, client: Client, other: Client) -> None:
        """Section 3: the sid of each client's ID token; no two agencies can compare them (C-15)."""
        tokens = [visitor.tokens(one)["id_token"] for one in (client, other)]

        page = visitor.visit("/oauth2/logout", id_token_hint=tokens[0])

        heard = [dict(parse_qsl(urlsplit(address).query)) for address, _ in frames(page)]
        assert [one["sid"] for one in heard] == [claims(token)["sid"] for token in tokens]
        assert heard[0]["sid"] != heard[1]["sid"]
        assert heard[1]["kind"] == "a"
        assert claims(tokens[0])["sub"] != claims(tokens[1])["sub"]

    def test_who_was_not_used_in_this_session_is_not_loaded(
        self, visitor: Visitor, client: Client, other: Client
    ) -> None:
        token = visitor.tokens(client)["id_token"]

        page = visitor.visit("/oauth2/logout", id_token_hint=token)

        assert [address.split("?")[0] for address, _ in frames(page)] == [FRAME]

    def test_the_citizens_own_logout_tells_them_too(self, visitor: Visitor, client: Client) -> None:
        visitor.tokens(client)

        page = visitor.send("/my", "/logout")

        assert len(frames(page)) == 1
        assert "data-onward" not in page.text
        assert "/static/logged_out" not in page.text

    def test_it_works_without_script_and_goes_on_by_itself_with_one(self, visitor: Visitor, client: Client) -> None:
        token = visitor.tokens(client)["id_token"]

        page = visitor.visit("/oauth2/logout", id_token_hint=token, post_logout_redirect_uri=AFTER)

        script = re.search(r'<script src="(/static/logged_out[^"]+)"', page.text)
        assert script is not None
        assert "data-onward" in httpx2.get(visitor.server.issuer + script[1]).text
        assert f'href="{AFTER}"' in page.text
        assert "http-equiv" not in page.text

    def test_a_disabled_client_is_not_loaded(self, server: Server, visitor: Visitor, client: Client) -> None:
        gone = server.register("gone", "baseline", agency="municipality", frontchannel_logout_uri=FRAME + "/gone")
        token = visitor.tokens(client)["id_token"]
        visitor.tokens(gone)
        server.tell("client disable", client_id=gone.client_id)

        page = visitor.visit("/oauth2/logout", id_token_hint=token)

        assert [address.split("?")[0] for address, _ in frames(page)] == [FRAME]

    def test_a_page_of_ours_is_never_in_a_frame_of_ours(self, server: Server, visitor: Visitor) -> None:
        ours = server.register(
            "inside",
            "baseline",
            agency="municipality",
            redirect_uris=[CALLBACK, f"{server.issuer}/callback"],
            frontchannel_logout_uri=f"{server.issuer}/my",
        )
        token = visitor.tokens(ours)["id_token"]

        assert frames(visitor.visit("/oauth2/logout", id_token_hint=token)) == []


class TestSection3:
    def test_discovery(self, server: Server) -> None:
        """oidcc-frontchannel-logout-discovery-endpoint-verification: both are told."""
        told = httpx2.get(f"{server.issuer}/.well-known/openid-configuration").json()

        assert told["frontchannel_logout_supported"] is True
        assert told["frontchannel_logout_session_supported"] is True
        assert "sid" in told["claims_supported"]
