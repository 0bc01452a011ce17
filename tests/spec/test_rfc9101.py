"""RFC 9101, JWT-Secured Authorization Request: request objects signed, and encrypted to us, by value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from keys.digest import b64encode
from tests.fixtures.counterparty import (
    ALGORITHMS,
    arrive,
    citizen,
    header_of,
    keys_of,
    push,
    registered,
    request_claims,
    sealed,
    signed_request,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agency.client import Client
    from tests.fixtures.server import Server
    from tests.flows.test_independent_client import Stopping


@pytest.fixture(scope="module")
def dora(server: Server) -> Iterator[Stopping]:
    one = citizen(server)
    yield one
    one.close()


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    """With a key, without the duty to push."""
    return registered(server, "baseline", with_key=True, token_endpoint_auth_method="private_key_jwt")


@pytest.fixture(scope="module")
def pushing(server: Server) -> Client:
    return registered(server, "fapi2", request_object_encryption_alg="ECDH-ES", request_object_encryption_enc="A256GCM")


@pytest.fixture(scope="module")
def stranger(server: Server) -> Client:
    return registered(server, "fapi2")


def ask(server: Server, browser: Stopping, client: Client, request: str, **beside: str) -> dict[str, str]:
    """Unpushed, as a front channel request; what the client is told, or the status of the page."""
    params = {"client_id": client.client_id, "request": request, **beside}
    browser.arrived, browser.status = "", 0
    browser._follow(httpx2.get(f"{server.issuer}/oauth2/authorize", params=params, cookies=browser._http.cookies))
    if not browser.arrived:
        return {"page": str(browser.status)}
    return dict(parse_qsl(urlsplit(browser.arrived).query))


class TestSection5:
    """The request: `request` with `client_id`; parameters beside the object do not count."""

    def test_only_the_objects_own_parameters_count(self, server: Server, dora: Stopping, client: Client) -> None:
        given = signed_request(server, client, state="inside")

        told = ask(server, dora, client, given, state="outside", redirect_uri="https://evil.example/", scope="x")

        assert told["state"] == "inside"
        assert "code" in told

    def test_client_id_stands_beside_it_too(self, server: Server, dora: Stopping, client: Client) -> None:
        told = httpx2.get(f"{server.issuer}/oauth2/authorize", params={"request": signed_request(server, client)})

        assert told.status_code == 400

    def test_request_and_request_uri_exclude_each_other(self, server: Server, pushing: Client) -> None:
        told = push(server, pushing, signed_request(server, pushing), request_uri="urn:ietf:params:oauth:request_uri:x")

        assert (told.status_code, told.json()["error"]) == (400, "invalid_request")

    def test_a_reference_to_the_clients_own_address_is_not_fetched(self, server: Server, client: Client) -> None:
        query = {"client_id": client.client_id, "request_uri": "http://localhost:9/request.jwt"}

        assert httpx2.get(f"{server.issuer}/oauth2/authorize", params=query).status_code == 400


@pytest.mark.parametrize("alg", ALGORITHMS)
class TestSection6_1:
    """An encrypted request object."""

    def test_it_is_decrypted_and_then_verified(
        self, server: Server, dora: Stopping, client: Client, pushing: Client, alg: str
    ) -> None:
        front = ask(server, dora, client, sealed(server, signed_request(server, client, state="sealed"), alg))
        back = arrive(
            server, dora, pushing, push(server, pushing, sealed(server, signed_request(server, pushing), alg))
        )

        assert front["state"] == "sealed"
        assert {"code", "state", "iss"} <= front.keys() & back.keys()

    @pytest.mark.parametrize("cty", ["JWT", "oauth-authz-req+jwt"])
    def test_it_says_that_a_jwt_is_inside(self, server: Server, pushing: Client, alg: str, cty: str) -> None:
        """RFC 7519 section 5.2; what deployed clients write is understood."""
        given = sealed(server, signed_request(server, pushing), alg, cty=cty, typ="oauth-authz-req+jwt")

        assert push(server, pushing, given).status_code == 201

    def test_without_a_kid_the_algorithm_says_which_key(self, server: Server, pushing: Client, alg: str) -> None:
        given = sealed(server, signed_request(server, pushing), alg, kid=None)

        assert push(server, pushing, given).status_code == 201

    @pytest.mark.parametrize("cty", [None, "json", "at+jwt"])
    def test_anything_else_inside_is_refused(self, server: Server, pushing: Client, alg: str, cty: Any) -> None:
        told = push(server, pushing, sealed(server, signed_request(server, pushing), alg, cty=cty))

        assert (told.status_code, told.json()["error"]) == (400, "invalid_request_object")

    def test_what_is_inside_must_be_signed_by_the_client(
        self, server: Server, pushing: Client, stranger: Client, alg: str
    ) -> None:
        """Section 6.2: both layers, always."""
        claims = request_claims(server, pushing)
        unsigned = ".".join(b64encode(json.dumps(part).encode()) for part in ({"alg": "none"}, claims)) + "."
        of_another = signed_request(server, stranger, iss=pushing.client_id, client_id=pushing.client_id)
        twice = sealed(server, signed_request(server, pushing), alg)

        for inside in (unsigned, json.dumps(claims), of_another, twice, ""):
            told = push(server, pushing, sealed(server, inside, alg))
            assert (told.status_code, told.json()["error"]) == (400, "invalid_request_object")

    def test_every_failure_is_told_alike(self, server: Server, pushing: Client, alg: str) -> None:
        """T-08: neither the status nor the words say what went wrong."""
        good = sealed(server, signed_request(server, pushing), alg)
        head, key, iv, content, tag = good.split(".")
        other = "A" if tag[0] != "A" else "B"
        broken = [
            f"{head}.{key}.{iv}.{content}.{other}{tag[1:]}",
            f"{head}.{'A' * max(len(key), 4)}.{iv}.{content}.{tag}",
            f"{head}.{key}.{iv[:-1]}.{content}.{tag}",
            f"{head}.{key}.{iv}.{'A' * 9000}.{tag}",
            sealed(server, signed_request(server, pushing, aud="https://other.example"), alg),
            sealed(server, "nonsense", alg),
            "a.b.c.d.e",
            "....",
        ]

        told = {(one.status_code, one.text) for one in (push(server, pushing, given) for given in broken)}

        assert len(told) == 1
        assert push(server, pushing, good).status_code == 201


class TestSection6_2:
    """The signature, by the client's own key and an algorithm that its profile allows."""

    def test_the_key_to_encrypt_with_signs_nothing(self, server: Server, pushing: Client) -> None:
        (ours,) = (key for key in keys_of(server, "enc") if key["alg"] == "ECDH-ES")
        told = push(server, pushing, signed_request(server, pushing, {"kid": ours["kid"]}))

        assert told.json()["error"] == "invalid_request_object"

    @pytest.mark.parametrize(
        "changes",
        [
            {"aud": "https://other.example"},
            {"aud": None},
            {"iss": None},
            {"iss": "another"},
            {"client_id": "another"},
            {"client_id": None},
            {"sub": "x"},
            {"exp": 1},
            {"exp": -(10**300)},
            {"nbf": -(10**300)},
            {"nbf": 99_999_999_999},
            {"exp": "tomorrow"},
            {"state": True},
            {"scope": None},
            {"response_type": "token"},
        ],
        ids=str,
    )
    def test_claims_that_do_not_hold_are_refused(
        self, server: Server, pushing: Client, changes: dict[str, Any]
    ) -> None:
        told = push(server, pushing, signed_request(server, pushing, **changes))

        assert told.status_code == 400
        expected = {"scope": "invalid_scope", "response_type": "unsupported_response_type"}
        assert told.json()["error"] == expected.get(next(iter(changes)), "invalid_request_object")

    def test_an_assertion_of_the_client_is_no_request(self, server: Server, pushing: Client) -> None:
        assert pushing.key is not None
        assertion = pushing.key.assertion(pushing.client_id, server.issuer)

        assert push(server, pushing, assertion).json()["error"] == "invalid_request_object"


class TestSection10_5:
    """A client that registered require_signed_request_object is held to it."""

    def test_a_plain_request_is_refused(self, server: Server, dora: Stopping) -> None:
        strict = registered(server, "fapi2", require_signed_request_object=True)
        claims = request_claims(server, strict)
        plain = {name: str(claims[name]) for name in claims if name not in ("iss", "aud", "exp", "nbf", "client_id")}

        told = push(server, strict, None, **plain)

        assert (told.status_code, told.json()["error"]) == (400, "invalid_request")
        assert "code" in arrive(server, dora, strict, push(server, strict, signed_request(server, strict)))


class TestMetadata:
    def test_what_is_accepted_is_advertised(self, server: Server) -> None:
        """RFC 9101 section 10.5; OpenID Connect Discovery section 3."""
        told = httpx2.get(f"{server.issuer}/.well-known/openid-configuration").json()

        assert told["request_parameter_supported"] is True
        assert told["request_uri_parameter_supported"] is False
        assert set(told["request_object_encryption_alg_values_supported"]) == set(ALGORITHMS)
        assert {key["alg"] for key in keys_of(server, "enc")} == set(ALGORITHMS)
        assert told["request_object_encryption_enc_values_supported"] == ["A256GCM"]
        assert "none" not in told["request_object_signing_alg_values_supported"]

    def test_every_key_to_encrypt_to_says_what_it_is_for(self, server: Server) -> None:
        """RFC 7517 sections 4.2 to 4.5."""
        for key in keys_of(server, "enc"):
            assert {"kid", "kty", "alg", "use"} <= key.keys()
            assert not {"d", "p", "q", "k"} & key.keys()
        assert header_of(sealed(server, "x", "ECDH-ES"))["cty"] == "JWT"
