"""OpenID Connect Core 1.0 sections 2, 5.3.2 and 10: ID tokens and userinfo, signed and encrypted as was registered."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from jose import jwt as python_jose

from keys.digest import b64encode
from tests.fixtures.counterparty import (
    ALGORITHMS,
    Receiver,
    citizen,
    header_of,
    keys_of,
    logged_in_tokens,
    registered,
    verified,
)
from tests.flows.test_independent_client import address, answer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agency.client import Client
    from tests.fixtures.server import Server
    from tests.flows.test_independent_client import Stopping

OURS = ("ES256", "PS256", "RS256")


@pytest.fixture(scope="module")
def dora(server: Server) -> Iterator[Stopping]:
    one = citizen(server)
    yield one
    one.close()


@pytest.fixture(scope="module", params=ALGORITHMS)
def receiver(request: pytest.FixtureRequest) -> Receiver:
    return Receiver.of(request.param)


@pytest.fixture(scope="module")
def sealing(server: Server, receiver: Receiver) -> Client:
    """A client that has all that it is told encrypted."""
    names = ("id_token", "userinfo")
    members = {f"{name}_encrypted_response_alg": receiver.alg for name in names}
    return registered(server, **members, id_token_encrypted_response_enc="A256GCM", keys=[receiver.public()])


def userinfo(server: Server, tokens: dict[str, Any]) -> httpx2.Response:
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    return httpx2.get(f"{server.issuer}/oauth2/userinfo", headers=headers)


class TestSection2:
    """ID tokens."""

    @pytest.mark.parametrize("alg", OURS)
    def test_they_are_signed_with_what_the_client_registered(self, server: Server, dora: Stopping, alg: str) -> None:
        client = registered(server, id_token_signed_response_alg=alg)

        given = logged_in_tokens(server, dora, client)
        claims = verified(server, given["id_token"], typ="JWT", audience=client.client_id, alg=alg)

        half = hashlib.sha256(given["access_token"].encode()).digest()[:16]
        assert claims["at_hash"] == b64encode(half)
        assert {"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "auth_time", "acr", "nonce"} <= set(claims)

    def test_a_code_brings_no_c_hash(self, server: Server, dora: Stopping) -> None:
        """T-09: that one belongs to the hybrid flow (section 3.3.2.11), which is not here."""
        client = server.clients["baseline"]

        given = logged_in_tokens(server, dora, client)

        assert "c_hash" not in verified(server, given["id_token"], typ="JWT", audience=client.client_id)

    @pytest.mark.parametrize("alg", ["ES256", "RS256"])
    def test_python_jose_verifies_every_token_of_an_answer(self, server: Server, dora: Stopping, alg: str) -> None:
        client = registered(server, id_token_signed_response_alg=alg, userinfo_signed_response_alg=alg)
        given = logged_in_tokens(server, dora, client)
        options = {"require_aud": True, "require_exp": True, "require_iss": True, "verify_at_hash": False}

        for token, audience in (
            (given["id_token"], client.client_id),
            (given["access_token"], f"{server.issuer}/oauth2/userinfo"),
            (userinfo(server, given).text, client.client_id),
        ):
            header = header_of(token)
            key = next(one for one in keys_of(server, "sig") if one["kid"] == header["kid"])
            assert header["alg"] == (alg if audience == client.client_id else "ES256")
            seen = python_jose.decode(
                token, key, algorithms=[header["alg"]], audience=audience, issuer=server.issuer, options=options
            )
            assert seen["sub"] == verified(server, given["access_token"], typ="at+jwt", audience=None)["sub"]


class TestSection10_2:
    """Encryption: signed first, then encrypted, to the client's own key."""

    def test_an_id_token_inside_both_is_whole(
        self, server: Server, dora: Stopping, receiver: Receiver, sealing: Client
    ) -> None:
        given = logged_in_tokens(server, dora, sealing)

        claims = verified(server, receiver.opened(given["id_token"]), typ="JWT", audience=sealing.client_id)

        assert claims["nonce"] == "n" * 22
        assert claims["at_hash"] == b64encode(hashlib.sha256(given["access_token"].encode()).digest()[:16])

    def test_a_refreshed_one_too(self, server: Server, dora: Stopping) -> None:
        receiver = Receiver.of("ECDH-ES")
        client = registered(
            server,
            id_token_encrypted_response_alg="ECDH-ES",
            keys=[receiver.public()],
            grant_types=["authorization_code", "refresh_token"],
        )
        first = logged_in_tokens(server, dora, client)
        form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}

        done = httpx2.post(f"{server.issuer}/oauth2/token", data=form, auth=(client.client_id, client.secret)).json()

        assert verified(server, receiver.opened(done["id_token"]), typ="JWT", audience=client.client_id)["sub"]

    def test_access_tokens_stay_as_they_are(
        self, server: Server, dora: Stopping, receiver: Receiver, sealing: Client
    ) -> None:
        given = logged_in_tokens(server, dora, sealing)

        assert receiver
        assert verified(server, given["access_token"], typ="at+jwt", audience=f"{server.issuer}/oauth2/userinfo")

    def test_to_hint_a_client_decrypts_it(
        self, server: Server, dora: Stopping, receiver: Receiver, sealing: Client
    ) -> None:
        """Section 3.1.2.1: the client MUST decrypt it; that it MAY encrypt it to us again is not offered."""
        token = logged_in_tokens(server, dora, sealing)["id_token"]

        told = []
        for hint in (receiver.opened(token), token):
            dora.get(address(server, sealing, scope="openid", prompt="none", id_token_hint=hint))
            told.append(answer_of(dora))

        assert "code" in told[0]
        assert told[1]["error"] == "login_required"

    def test_several_keys_and_the_one_for_the_algorithm_is_taken(self, server: Server, dora: Stopping) -> None:
        receivers = [Receiver.of(alg) for alg in ALGORITHMS]
        client = registered(
            server, id_token_encrypted_response_alg="RSA-OAEP-256", keys=[one.public() for one in receivers]
        )

        given = logged_in_tokens(server, dora, client)

        wanted = next(one for one in receivers if one.alg == "RSA-OAEP-256")
        assert verified(server, wanted.opened(given["id_token"]), typ="JWT", audience=client.client_id)


class TestSection5_3_2:
    """Userinfo."""

    def test_json_unless_registered_otherwise(self, server: Server, dora: Stopping) -> None:
        told = userinfo(server, logged_in_tokens(server, dora, server.clients["baseline"]))

        assert told.headers["content-type"] == "application/json"
        assert set(told.json()) == {"sub"}

    @pytest.mark.parametrize("alg", OURS)
    def test_signed_it_has_iss_and_aud(self, server: Server, dora: Stopping, alg: str) -> None:
        client = registered(server, userinfo_signed_response_alg=alg)
        given = logged_in_tokens(server, dora, client)

        told = userinfo(server, given)
        claims = verified(server, told.text, typ="userinfo+jwt", audience=client.client_id, alg=alg)

        assert told.headers["content-type"] == "application/jwt"
        assert claims["sub"] == verified(server, given["access_token"], typ="at+jwt", audience=None)["sub"]

    def test_encrypted_it_is_signed_inside(
        self, server: Server, dora: Stopping, receiver: Receiver, sealing: Client
    ) -> None:
        told = userinfo(server, logged_in_tokens(server, dora, sealing))

        claims = verified(server, receiver.opened(told.text), typ="userinfo+jwt", audience=sealing.client_id)

        assert told.headers["content-type"] == "application/jwt"
        assert claims["sub"]

    def test_an_error_is_json_for_everyone(self, server: Server, dora: Stopping, sealing: Client) -> None:
        told = httpx2.get(f"{server.issuer}/oauth2/userinfo", headers={"authorization": "Bearer nonsense"})

        assert sealing
        assert (told.status_code, told.json()["error"]) == (401, "invalid_token")

    def test_it_passes_for_no_id_token(self, server: Server, dora: Stopping) -> None:
        """RFC 8725 section 3.11."""
        client = registered(server, userinfo_signed_response_alg="ES256")
        told = userinfo(server, logged_in_tokens(server, dora, client)).text

        dora.get(address(server, client, scope="openid", prompt="none", id_token_hint=told))

        assert answer_of(dora)["error"] == "login_required"


def test_discovery_says_what_can_be_registered(server: Server) -> None:
    """OpenID Connect Discovery section 3."""
    told = httpx2.get(f"{server.issuer}/.well-known/openid-configuration").json()

    for name in ("id_token", "userinfo"):
        assert set(told[f"{name}_signing_alg_values_supported"]) == set(OURS)
        assert set(told[f"{name}_encryption_alg_values_supported"]) == set(ALGORITHMS)
        assert told[f"{name}_encryption_enc_values_supported"] == ["A256GCM"]
