"""Which agency is calling: RFC 9068 access tokens, RFC 6750 and RFC 9449 challenges."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from consent import callers

if TYPE_CHECKING:
    from tests.fixtures.registry import ProofKey, World

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)  # the wire is the same on both

CHECKS = "/consent/v1/checks"


@pytest.fixture
def body(world: World, anna: str) -> dict[str, Any]:
    return {"sub": world.sub(anna), "purpose": "housing-benefit", "data": ["address"]}


async def post(world: World, body: dict[str, Any], **headers: str) -> Any:
    async with world.client(None, **headers) as client:
        return await client.post(CHECKS, json=body)


class TestBearer:
    async def test_a_valid_token_is_served(self, world: World, body: dict[str, Any]) -> None:
        response = await post(world, body, authorization=f"Bearer {world.token()}")

        assert response.status_code == 200

    async def test_without_a_token_the_challenge_names_no_error(self, world: World, body: dict[str, Any]) -> None:
        """RFC 6750 section 3.1: no error code when no authentication was attempted."""
        response = await post(world, body)

        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"

    @pytest.mark.parametrize(
        "claims",
        [
            {"aud": "https://another.example"},
            {"iss": "https://another.example"},
            {"agency": None},
            {"agency": 5},
            {"exp": 0},
            {"typ": "JWT"},
            {"typ": "permit+jwt"},
            {"nbf": 4_000_000_000},
            {"cnf": {"x5t#S256": "A" * 43}},
            {"cnf": {"jkt": "A" * 43, "x5t#S256": "A" * 43}},
        ],
    )
    async def test_a_token_for_something_else_is_refused(
        self, world: World, body: dict[str, Any], claims: dict[str, Any]
    ) -> None:
        response = await post(world, body, authorization=f"Bearer {world.token(**claims)}")

        assert response.status_code == 401
        assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'

    @pytest.mark.parametrize(
        "header", ["Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Basic eDp5", "é", "Bearer " + "a" * 9_000]
    )
    async def test_a_malformed_header_is_401_and_never_500(
        self, world: World, body: dict[str, Any], header: str
    ) -> None:
        """T-29."""
        async with world.client(None) as client:
            response = await client.post(CHECKS, json=body, headers={"authorization": header.encode()})

        assert response.status_code == 401

    async def test_two_headers_are_401(self, world: World, body: dict[str, Any]) -> None:
        """Whoever stands before us may have judged the other one."""
        async with world.client(None) as client:
            given = [("authorization", f"Bearer {world.token()}"), ("authorization", f"Bearer {world.token()}")]
            response = await client.post(CHECKS, json=body, headers=given)

        assert response.status_code == 401

    async def test_without_the_scope_it_is_403(self, world: World, body: dict[str, Any]) -> None:
        token = world.token(scope="consent:permit")

        response = await post(world, body, authorization=f"Bearer {token}")

        assert response.status_code == 403
        assert 'error="insufficient_scope"' in response.headers["www-authenticate"]


class TestRememberedSignature:
    async def test_a_token_ends_when_it_says_so(self, world: World, body: dict[str, Any]) -> None:
        token = world.token()
        assert (await post(world, body, authorization=f"Bearer {token}")).status_code == 200

        world.clock.advance(300)

        assert (await post(world, body, authorization=f"Bearer {token}")).status_code == 401

    async def test_the_verdict_is_never_remembered(self, world: World, anna: str, body: dict[str, Any]) -> None:
        """ente#12071, kya-os-mcp#165: signature validity may be cached, the answer may not."""
        token = world.token()
        recorded = await world.give(anna)
        assert (await post(world, body, authorization=f"Bearer {token}")).json()["decision"] == "allowed"

        await world.registry.withdraw(recorded.consents[0], anna)

        assert (await post(world, body, authorization=f"Bearer {token}")).json()["decision"] == "denied"

    async def test_the_memory_is_bounded(
        self, world: World, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(callers, "REMEMBERED", 3)

        for _ in range(5):
            assert (await post(world, body, authorization=f"Bearer {world.token()}")).status_code == 200

        assert len(world.consent.callers._known) == 3

    async def test_a_token_leaves_no_trace_of_itself_in_memory(self, world: World, body: dict[str, Any]) -> None:
        token = world.token()
        await post(world, body, authorization=f"Bearer {token}")

        assert token not in str(world.consent.callers._known)


class TestDPoP:
    """RFC 9449 section 7: a bound token needs its proof, once."""

    @pytest.fixture
    def url(self, world: World) -> str:
        return world.settings.issuer + CHECKS

    async def test_with_its_proof_it_is_served(
        self, world: World, body: dict[str, Any], proof_key: ProofKey, url: str
    ) -> None:
        token = world.token(cnf={"jkt": proof_key.jkt})
        proof = proof_key.proof("POST", url, token, iat=world.clock.now().timestamp())

        response = await post(world, body, authorization=f"DPoP {token}", dpop=proof)

        assert response.status_code == 200

    async def test_as_bearer_it_is_refused(self, world: World, body: dict[str, Any], proof_key: ProofKey) -> None:
        token = world.token(cnf={"jkt": proof_key.jkt})

        response = await post(world, body, authorization=f"Bearer {token}")

        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("DPoP")

    async def test_a_bearer_token_as_dpop_is_refused(
        self, world: World, body: dict[str, Any], proof_key: ProofKey, url: str
    ) -> None:
        token = world.token()
        proof = proof_key.proof("POST", url, token, iat=world.clock.now().timestamp())

        assert (await post(world, body, authorization=f"DPoP {token}", dpop=proof)).status_code == 401

    @pytest.mark.parametrize(
        "change",
        [
            {"htm": "GET"},
            {"htu": "http://localhost:8000/consent/v1/permits"},
            {"ath": "A" * 43},
            {"iat_s": -71},
            {"iat_s": 11},
            {"jti": ""},
        ],
    )
    async def test_a_proof_of_something_else_is_refused(
        self, world: World, body: dict[str, Any], proof_key: ProofKey, url: str, change: dict[str, Any]
    ) -> None:
        token = world.token(cnf={"jkt": proof_key.jkt})
        at = world.clock.now() + timedelta(seconds=change.get("iat_s", 0))
        claims = {name: value for name, value in change.items() if name != "iat_s"}
        proof = proof_key.proof("POST", url, token, iat=at.timestamp(), **claims)

        response = await post(world, body, authorization=f"DPoP {token}", dpop=proof)

        assert response.status_code == 401
        assert response.headers["www-authenticate"] == 'DPoP error="invalid_dpop_proof"'

    async def test_a_proof_by_another_key_is_refused(
        self, world: World, body: dict[str, Any], proof_key: ProofKey, url: str
    ) -> None:
        token = world.token(cnf={"jkt": "A" * 43})
        proof = proof_key.proof("POST", url, token, iat=world.clock.now().timestamp())

        assert (await post(world, body, authorization=f"DPoP {token}", dpop=proof)).status_code == 401
