"""RFC 9396, rich authorization requests of the type personal_data_use, against `regie serve`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from agency.client import Client
from tests.fixtures.server import CALLBACK, log_in
from tests.flows.test_independent_client import Stopping, address, answer_of, redeem, wait_for_new_code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.server import Server

WHOLE = {
    "type": "personal_data_use",
    "purpose": "housing-benefit",
    "data": ["income"],
    "source": "tax-authority",
    "duration_days": 30,
}


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    file = {
        "client_name": "benefits",
        "agency": "municipality",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
    }
    done = server.tell("client add", profile="baseline", file=file)
    return Client(server.issuer, done["client_id"], None, done["client_secret"])


@pytest.fixture(scope="module")
def bram(server: Server) -> Iterator[Stopping]:
    one = Stopping()
    wait_for_new_code("bram" + server.issuer)
    log_in(one, f"{server.issuer}/login", "bram")
    yield one
    one.close()


def asking(server: Server, browser: Stopping, client: Client, *details: Any, **changes: str) -> dict[str, str]:
    text = json.dumps(list(details))
    browser.get(address(server, client, **{"scope": "openid", "authorization_details": text, **changes}))
    return answer_of(browser)


class TestSection2:
    """What a detail holds: purpose, data, source, duration."""

    def test_the_citizen_is_asked_just_what_it_says(self, server: Server, bram: Stopping, client: Client) -> None:
        asking(server, bram, client, WHOLE, prompt="consent")
        assert "/ask" in bram.url
        page = bram.page.text

        assert "Inkomen" in page
        assert "Adres" not in page
        assert "Belastingdienst Oostland" in page
        assert "30 dagen" in page

    def test_a_source_without_data_means_all_that_comes_from_it(
        self, server: Server, bram: Stopping, client: Client
    ) -> None:
        detail = {"type": "personal_data_use", "purpose": "housing-benefit", "source": "population-register"}
        asking(server, bram, client, detail, prompt="consent")

        assert "Adres" in bram.page.text
        assert "Inkomen" not in bram.page.text


class TestSection5:
    """What is not as documented, or not in the catalogue, is invalid_authorization_details."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"type": "payment_initiation"},
            {"type": None},
            {"purpose": None},
            {"purpose": "nothing"},
            {"purpose": "health-insurance"},
            {"purpose": "Housing Benefit"},
            {"data": []},
            {"data": ["birth-date"]},
            {"data": ["nothing"]},
            {"data": "income"},
            {"data": ["income"] * 31},
            {"source": "population-register"},
            {"source": "nobody"},
            {"source": ""},
            {"source": "municipality", "data": None},
            {"duration_days": 0},
            {"duration_days": 366},
            {"duration_days": "30"},
            {"locations": ["https://a.example"]},
            {"anything": 1},
        ],
        ids=str,
    )
    def test_it_is_refused(self, server: Server, bram: Stopping, client: Client, changes: dict[str, Any]) -> None:
        detail = {name: value for name, value in {**WHOLE, **changes}.items() if value is not None}

        answer = asking(server, bram, client, detail)

        assert answer["error"] == "invalid_authorization_details"
        assert "code" not in answer

    def test_one_bad_detail_spoils_the_request(self, server: Server, bram: Stopping, client: Client) -> None:
        bad = {**WHOLE, "source": "population-register"}

        assert asking(server, bram, client, WHOLE, bad)["error"] == "invalid_authorization_details"

    def test_what_is_wrong_is_named_and_not_repeated(self, server: Server, bram: Stopping, client: Client) -> None:
        said = asking(server, bram, client, WHOLE, {**WHOLE, "data": "everything"})["error_description"]

        assert "authorization_details[1].data are not as documented" in said
        assert "type, purpose, data, source, duration_days, one_time" in said
        assert "everything" not in said

    @pytest.mark.parametrize("text", ["", "{}", "null", "[[]]", "[" * 2000, '[{"type":1}]', "x"])
    def test_nonsense_is_refused(self, server: Server, bram: Stopping, client: Client, text: str) -> None:
        bram.get(address(server, client, scope="openid") + "&authorization_details=" + text)

        assert answer_of(bram)["error"] == "invalid_authorization_details"


class TestSection6_1:
    """In the token request: some of what was granted, never more."""

    def grant(self, server: Server, bram: Stopping, client: Client) -> str:
        answer = asking(server, bram, client, WHOLE)
        if "code" not in answer:
            bram.submit("/ask", income="allow")
            answer = answer_of(bram)
        return answer["code"]

    def test_the_answer_names_what_was_granted(self, server: Server, bram: Stopping, client: Client) -> None:
        """RFC 9396 section 7."""
        tokens = redeem(server, client, self.grant(server, bram, client)).json()

        assert tokens["authorization_details"] == [WHOLE]

    def test_it_names_no_data_that_the_citizen_refused_or_took_back(
        self, server: Server, bram: Stopping, client: Client
    ) -> None:
        """RFC 9396 section 7: as granted by the resource owner; all of a purpose is told kind by kind (section 7.1)."""
        asked = {"type": "personal_data_use", "purpose": "housing-benefit"}
        asking(server, bram, client, asked, prompt="consent")
        bram.submit("/ask", address="allow", income="deny")
        tokens = redeem(server, client, answer_of(bram)["code"]).json()
        asking(server, bram, client, asked, prompt="consent")
        bram.submit("/ask", address="deny", income="deny")
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        later = httpx2.post(f"{server.issuer}/oauth2/token", data=form, auth=(client.client_id, client.secret)).json()
        asking(server, bram, client, WHOLE, prompt="consent")
        bram.submit("/ask", income="allow")

        assert tokens["authorization_details"] == [{**asked, "data": ["address"]}]
        assert later["authorization_details"] == []

    def test_more_than_was_granted_is_refused(self, server: Server, bram: Stopping, client: Client) -> None:
        more = json.dumps([{**WHOLE, "data": ["address", "income"]}])

        refused = redeem(server, client, self.grant(server, bram, client), authorization_details=more)

        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_authorization_details")

    def test_a_refresh_names_it_again_and_gives_no_more(self, server: Server, bram: Stopping, client: Client) -> None:
        value = redeem(server, client, self.grant(server, bram, client)).json()["refresh_token"]
        form = {"grant_type": "refresh_token", "refresh_token": value}
        auth = (client.client_id, client.secret)

        def refresh(**more: str) -> httpx2.Response:
            return httpx2.post(f"{server.issuer}/oauth2/token", data={**form, **more}, auth=auth)

        refused = refresh(authorization_details=json.dumps([{**WHOLE, "duration_days": 365}]))
        done = refresh(authorization_details=json.dumps([WHOLE]))

        assert refused.json()["error"] == "invalid_authorization_details"
        assert done.json()["authorization_details"] == [WHOLE]


def test_the_type_is_advertised(server: Server) -> None:
    """RFC 9396 section 10."""
    metadata = httpx2.get(f"{server.issuer}/.well-known/oauth-authorization-server").json()

    assert metadata["authorization_details_types_supported"] == ["personal_data_use"]
