"""RFC 7592, OAuth 2.0 Dynamic Client Registration Management Protocol."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from joserfc.jwk import ECKey

from agency.client import Client
from agency.jose import Key
from tests.fixtures.listener import Listener, answer, in_thread
from tests.fixtures.server import CALLBACK
from tests.flows.test_independent_client import Stopping, address, answer_of, browser, logged_in, redeem
from tests.spec.test_rfc7591 import BASIC, credentials, invite, public, register

if TYPE_CHECKING:
    from tests.fixtures.server import Server

__all__ = ["browser", "logged_in"]

ISSUED = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    return invite(server)


@pytest.fixture
def told(server: Server, token: str) -> dict[str, Any]:
    """A registered client, as its software knows it."""
    found: dict[str, Any] = register(
        server, token, {**BASIC, "grant_types": ["authorization_code", "refresh_token"]}
    ).json()
    return found


def call(told: dict[str, Any], method: str = "GET", body: Any = None, **changes: str) -> httpx2.Response:
    token = changes.get("token", told["registration_access_token"])
    uri = changes.get("uri", told["registration_client_uri"])
    return httpx2.request(method, uri, json=body, headers={"authorization": f"Bearer {token}"}, timeout=20)


def asked(told: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An update that says what is there, and something else."""
    return {**{name: value for name, value in told.items() if name not in ISSUED}, **changes}


class TestSection2:
    """Whoever holds the registration access token of this client, and nobody else."""

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    def test_another_token_is_401(self, server: Server, token: str, told: dict[str, Any], method: str) -> None:
        other = register(server, token).json()

        for wrong in (token, other["registration_access_token"], "x", told["client_secret"]):
            done = call(told, method, asked(told) if method == "PUT" else None, token=wrong)
            assert (done.status_code, done.json()["error"]) == (401, "invalid_token")
        assert call(told).status_code == 200

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    def test_another_client_looks_as_one_that_is_not_there(
        self, server: Server, told: dict[str, Any], method: str
    ) -> None:
        answers = [
            call(told, method, asked(told) if method == "PUT" else None, uri=f"{server.issuer}/oauth2/register/{name}")
            for name in (server.clients["service"].client_id, "nobody", "x" * 500, "%00", "a'b")
        ]

        assert {(one.status_code, one.text) for one in answers[:3]} == {(401, answers[0].text)}
        assert {one.status_code for one in answers} <= {401, 404}

    @pytest.mark.parametrize(
        "authorization", ["", "Bearer", "Basic eDp5", "Bearer é", "Bearer a b", "Bearer " + "x" * 999]
    )
    def test_t29_a_malformed_token_is_401_and_never_500(self, told: dict[str, Any], authorization: str) -> None:
        headers = {"authorization": authorization.encode()} if authorization else {}
        done = httpx2.get(told["registration_client_uri"], headers=headers)

        assert (done.status_code, done.json()["error"]) == (401, "invalid_token")

    def test_a_client_of_an_operator_has_no_such_token(self, server: Server, told: dict[str, Any]) -> None:
        """Until the operator gives it one."""
        client_id = server.clients["baseline"].client_id
        assert "registration_client_uri" not in server.tell("client show", client_id=client_id)

        given = server.tell("client rotate-registration", client_id=client_id)
        read = call(given)

        assert read.status_code == 200
        assert read.json()["client_id"] == client_id
        assert "error" in server.run("client", "rotate-registration", "nobody", expect=1)

    def test_a_disabled_client_is_401(self, server: Server, told: dict[str, Any]) -> None:
        server.tell("client disable", client_id=told["client_id"])

        assert call(told).status_code == 401


class TestSection2_1:
    """Read."""

    def test_it_tells_what_is_registered_and_no_secret(self, told: dict[str, Any]) -> None:
        done = call(told)

        assert done.status_code == 200
        assert done.headers["cache-control"] == "no-store"
        once = ("client_secret", "client_secret_expires_at")
        assert done.json() == {name: value for name, value in told.items() if name not in once}


class TestSection2_2:
    """Update: a replacement of all that is registered."""

    def test_what_is_sent_is_all_there_is(self, told: dict[str, Any]) -> None:
        done = call(told, "PUT", {"client_id": told["client_id"], "redirect_uris": [CALLBACK, CALLBACK + "/2"]})

        assert done.status_code == 200
        assert done.json()["redirect_uris"] == [CALLBACK, CALLBACK + "/2"]
        assert done.json()["grant_types"] == ["authorization_code"]
        assert done.json()["client_id_issued_at"] == told["client_id_issued_at"]

    def test_null_means_gone(self, told: dict[str, Any]) -> None:
        first = call(told, "PUT", asked(told, tos_uri="https://a.example/t")).json()
        done = call(first, "PUT", {**asked(first), "tos_uri": None})

        assert first["tos_uri"]
        assert "tos_uri" not in done.json()

    def test_the_token_is_replaced_and_the_old_one_dead(self, told: dict[str, Any]) -> None:
        """RFC 7592 section 3 and section 5."""
        done = call(told, "PUT", asked(told)).json()

        assert done["registration_access_token"] != told["registration_access_token"]
        assert call(told).status_code == 401
        assert call(done).status_code == 200

    def test_of_ten_updates_at_once_one_is_done(self, told: dict[str, Any]) -> None:
        with ThreadPoolExecutor(10) as pool:
            done = list(pool.map(lambda n: call(told, "PUT", asked(told, client_name=f"n{n}")), range(10)))

        assert sorted(one.status_code for one in done) == [200, *[401] * 9]
        (winner,) = [one.json() for one in done if one.status_code == 200]
        assert call(winner).json()["client_name"] == winner["client_name"]

    @pytest.mark.parametrize("member", ISSUED)
    def test_what_we_issued_must_not_be_sent(self, told: dict[str, Any], member: str) -> None:
        done = call(told, "PUT", {**asked(told), member: told[member]})

        assert (done.status_code, done.json()["error"]) == (400, "invalid_client_metadata")

    @pytest.mark.parametrize("client_id", [None, "another", 5])
    def test_client_id_must_be_its_own(self, told: dict[str, Any], client_id: Any) -> None:
        done = call(told, "PUT", {**asked(told), "client_id": client_id})

        assert (done.status_code, done.json()["error"]) == (400, "invalid_client_metadata")

    @pytest.mark.parametrize("value", ["another", 5, ""])
    def test_a_client_chooses_no_secret(self, told: dict[str, Any], value: Any) -> None:
        done = call(told, "PUT", asked(told, client_secret=value))

        assert (done.status_code, done.json()["error"]) == (400, "invalid_client_metadata")

    def test_a_refused_update_changes_nothing(self, told: dict[str, Any]) -> None:
        assert call(told, "PUT", asked(told, redirect_uris=["http://evil.example/"])).status_code == 400
        assert call(told, "PUT", asked(told, agency="tax-authority", profile="x")).status_code == 200

    def test_neither_agency_nor_profile_can_be_changed(self, server: Server, told: dict[str, Any]) -> None:
        call(told, "PUT", asked(told, agency="tax-authority", profile="certification"))
        shown = server.tell("client show", client_id=told["client_id"])

        assert (shown["agency"], shown["profile"]) == ("health-insurer", "baseline")

    def test_from_a_secret_to_keys_and_back(self, server: Server, told: dict[str, Any]) -> None:
        key = ECKey.generate_key("P-256")
        machine = {"grant_types": ["client_credentials"], "response_types": [], "scope": "consent:check"}
        keyed = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [public(key, "k")]}}
        members = {name: value for name, value in asked(told).items() if name != "client_secret"}
        first = call(told, "PUT", {**members, **machine, **keyed}).json()

        assert "client_secret" not in first
        assert credentials(server, told["client_id"], key, "k") == 200
        form = {"grant_type": "client_credentials"}
        auth = (told["client_id"], told["client_secret"])
        assert httpx2.post(f"{server.issuer}/oauth2/token", data=form, auth=auth).status_code == 401

        basic = {"token_endpoint_auth_method": "client_secret_basic", "jwks": None}
        second = call(first, "PUT", asked(first, **basic)).json()
        auth = (told["client_id"], second["client_secret"])
        assert second["client_secret"] != told["client_secret"]
        assert httpx2.post(f"{server.issuer}/oauth2/token", data=form, auth=auth).status_code == 200
        assert credentials(server, told["client_id"], key, "k") == 401

    def test_keys_of_an_address_that_was_left_no_longer_count(self, server: Server, told: dict[str, Any]) -> None:
        old, new = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
        members = {name: value for name, value in asked(told).items() if name != "client_secret"}
        members |= {"grant_types": ["client_credentials"], "response_types": [], "scope": "consent:check"}
        members |= {"token_endpoint_auth_method": "private_key_jwt"}
        with (
            in_thread(Listener(lambda _: answer({"keys": [public(old, "a")]}))) as first,
            in_thread(Listener(lambda _: answer({"keys": [public(new, "b")]}))) as second,
        ):
            one = call(told, "PUT", {**members, "jwks_uri": first.url}).json()
            assert credentials(server, told["client_id"], old, "a") == 200
            two = call(one, "PUT", {**members, "jwks_uri": second.url}).json()

            assert two["jwks_uri"] == second.url
            assert credentials(server, told["client_id"], new, "b") == 200
            assert credentials(server, told["client_id"], old, "a") == 401


class TestSection2_3:
    """Delete."""

    def test_the_client_is_gone(self, server: Server, told: dict[str, Any]) -> None:
        done = call(told, "DELETE")

        assert (done.status_code, done.content) == (204, b"")
        for method in ("GET", "DELETE"):
            assert call(told, method).status_code == 401
        assert told["client_id"] not in [one["client_id"] for one in server.tell("client list")]
        assert "error" in server.run("client", "disable", told["client_id"], expect=1)
        assert "error" in server.run("client", "rotate-secret", told["client_id"], expect=1)

    def test_its_codes_and_tokens_end(self, server: Server, told: dict[str, Any], logged_in: Stopping) -> None:
        client = Client(server.issuer, told["client_id"], None, told["client_secret"])
        logged_in.get(address(server, client, scope="openid"))
        tokens = redeem(server, client, answer_of(logged_in)["code"]).json()
        logged_in.get(address(server, client, scope="openid"))
        code = answer_of(logged_in)["code"]
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}
        assert httpx2.get(f"{server.issuer}/oauth2/userinfo", headers=bearer).status_code == 200

        assert call(told, "DELETE").status_code == 204

        assert httpx2.get(f"{server.issuer}/oauth2/userinfo", headers=bearer).status_code == 401
        refused = redeem(server, client, code)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        auth = (client.client_id, client.secret)
        assert httpx2.post(f"{server.issuer}/oauth2/token", data=form, auth=auth).status_code == 401
        logged_in.get(address(server, client, scope="openid"))
        assert (logged_in.arrived, logged_in.status) == ("", 400)

    def test_of_ten_at_once_one_deletes(self, told: dict[str, Any]) -> None:
        with ThreadPoolExecutor(10) as pool:
            done = list(pool.map(lambda _: call(told, "DELETE").status_code, range(10)))

        assert sorted(done) == [204, *[401] * 9]


def test_a_fapi2_client_looks_after_itself_too(server: Server) -> None:
    key = Key.generate()
    members = {**BASIC, "jwks": {"keys": [key.public()]}}
    told = register(server, invite(server, "fapi2", 1, "municipality"), members).json()
    other = Key.generate()
    done = call(told, "PUT", asked(told, jwks={"keys": [other.public()]}))

    assert done.status_code == 200
    assert done.json()["jwks"] == {"keys": [other.public()]}
