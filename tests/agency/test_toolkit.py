"""The toolkit: what an agency's developer copies accepts nothing that Regie did not sign for him, now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx2
import msgspec
import pytest
from starlette.applications import Starlette

from agency import logout, source
from agency.client import Client
from agency.errors import InvalidToken, Unreachable
from agency.jose import Verifier
from keys import jose
from keys.digest import b64encode as base64url
from keys.ring import Ring
from tests.fixtures.house import KEK, START

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ISSUER = "https://regie.example"


def claims(**changes: Any) -> dict[str, Any]:
    at = int(time.time())
    made = {"iss": ISSUER, "aud": "municipality", "iat": at, "exp": at + 60, "sub": "s"} | changes
    return {name: value for name, value in made.items() if value is not None}


def signed(ring: Ring, *, typ: str = "permit+jwt", alg: str = "ES256", **changes: Any) -> str:
    return jose.sign(claims(**changes), ring.active(alg), typ=typ)


class Keys:
    """What the issuer publishes, and how often it was fetched."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self.fetched = 0

    def __call__(self) -> dict[str, Any]:
        self.fetched += 1
        found: dict[str, Any] = msgspec.json.decode(self.ring.jwks())
        return found


@pytest.fixture
def keys(ring: Ring) -> Keys:
    return Keys(ring)


@pytest.fixture
def verifier(keys: Keys) -> Verifier:
    return Verifier(ISSUER, keys)


class TestVerifier:
    @pytest.mark.parametrize("alg", ["ES256", "PS256", "RS256"])
    def test_what_regie_signed_is_accepted_and_the_keys_are_fetched_once(
        self, ring: Ring, keys: Keys, verifier: Verifier, alg: str
    ) -> None:
        for _ in range(3):
            assert verifier.verify(signed(ring, alg=alg), typ="permit+jwt", audience="municipality")["sub"] == "s"

        assert keys.fetched == 1

    @pytest.mark.parametrize(
        "changes",
        [
            {"iss": "https://evil.example"},
            {"aud": "tax-authority"},
            {"aud": ["municipality", "tax-authority"]},
            {"exp": 1},
            {"exp": None},
            {"exp": "9999999999"},
            {"iat": None},
            {"iat": 99_999_999_999},
            {"typ": "at+jwt"},
            {"typ": "JWT"},
        ],
        ids=str,
    )
    def test_what_is_not_for_us_now_is_refused(self, ring: Ring, verifier: Verifier, changes: dict[str, Any]) -> None:
        with pytest.raises(InvalidToken):
            verifier.verify(signed(ring, **changes), typ="permit+jwt", audience="municipality")

    def test_another_issuers_key_is_refused_and_makes_no_flood_of_fetches(
        self, keys: Keys, verifier: Verifier, tmp_path: Path
    ) -> None:
        stranger = Ring.open(tmp_path / "keys", KEK, now=START)

        for _ in range(20):
            with pytest.raises(InvalidToken):
                verifier.verify(signed(stranger), typ="permit+jwt", audience="municipality")

        assert keys.fetched == 1

    @pytest.mark.parametrize(
        "token",
        [
            "", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "x" * 100_000, "a.b.c.d.e",
            base64url(b'{"alg":"ES256","crit":[[]]}') + ".e30.AA",
        ],
    )  # fmt: skip
    def test_nonsense_is_refused(self, verifier: Verifier, token: str) -> None:
        with pytest.raises(InvalidToken):
            verifier.verify(token, typ="permit+jwt", audience=None)


class TestSource:
    """A source gives nothing without a permit that it took, and nothing when it cannot ask."""

    @pytest.fixture
    async def http(self) -> Any:
        given: list[str] = []
        client = Client("http://localhost:1", "tax", None, "s")

        def release(sub: str, _data: list[str]) -> dict[str, Any]:
            given.append(sub)
            return {"income": 1}

        app = Starlette(routes=[source.route(client, "tax-authority", release)])
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://localhost") as http:
            yield http
        await client.http.aclose()
        assert given == []

    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b"{}", b'{"permit": 1}', b"\xff", b'{"permit":"' + b"x" * 40_000 + b'"}', b"[" * 30_000],
    )
    async def test_without_a_permit_it_is_400(self, http: httpx2.AsyncClient, body: bytes) -> None:
        answer = await http.post("/releases", content=body)

        assert (answer.status_code, answer.json()["reason"]) == (400, "no_permit")

    async def test_what_is_too_long_is_not_read_to_its_end(self, http: httpx2.AsyncClient) -> None:
        read = []

        async def endless() -> AsyncIterator[bytes]:
            for one in range(1000):
                read.append(one)
                yield b"x" * 16_384

        answer = await http.post("/releases", content=endless())

        assert (answer.status_code, len(read)) == (400, 3)

    async def test_when_the_registry_is_away_nothing_is_given(self, http: httpx2.AsyncClient, ring: Ring) -> None:
        answer = await http.post("/releases", json={"permit": signed(ring, aud="tax-authority")})

        assert (answer.status_code, answer.json()["reason"]) == (503, "unreachable")


async def test_an_issuer_that_names_another_is_not_believed() -> None:
    def other(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json={"issuer": "https://evil.example", "token_endpoint": "https://evil.example/t"})

    client = Client(ISSUER, "c", None, "s", http=httpx2.AsyncClient(transport=httpx2.MockTransport(other)))

    with pytest.raises(Unreachable, match="another issuer"):
        await client.metadata()
    await client.http.aclose()


async def test_a_token_that_counts_no_more_is_asked_anew() -> None:
    """As when the key that signed it is withdrawn."""
    issued: list[str] = []

    def regie(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/token":
            issued.append(f"t{len(issued)}")
            return httpx2.Response(200, json={"access_token": issued[-1], "expires_in": 300})
        counts = request.headers["authorization"] == "Bearer t1"
        return httpx2.Response(200 if counts else 401, json={"issuer": ISSUER, "token_endpoint": f"{ISSUER}/token"})

    client = Client(ISSUER, "c", None, "s", http=httpx2.AsyncClient(transport=httpx2.MockTransport(regie)))
    client._metadata = {"token_endpoint": f"{ISSUER}/token"}

    answers = [(await client.call("GET", f"{ISSUER}/x", await client.token("s")))[0] for _ in range(3)]

    assert (answers, issued) == ([401, 200, 200], ["t0", "t1"])
    await client.http.aclose()


class TestLogout:
    """OpenID Connect Back-Channel Logout section 2.6."""

    @pytest.fixture
    def client(self, verifier: Verifier) -> Client:
        return Client(ISSUER, "municipality", None, "secret", _verifier=verifier)

    def token(self, ring: Ring, typ: str = "logout+jwt", **changes: Any) -> str:
        members = {"sid": "session", "jti": "j", "events": {logout.EVENT: {}}}
        return signed(ring, typ=typ, **{**members, **changes})

    async def test_it_names_the_session_that_ended(self, ring: Ring, client: Client) -> None:
        assert await logout.ended(client, self.token(ring)) == logout.Ended("s", "session")

    @pytest.mark.parametrize(
        "changes",
        [
            {"typ": "JWT"},
            {"typ": "at+jwt"},
            {"aud": "tax-authority"},
            {"iss": "https://evil.example"},
            {"exp": 1},
            {"events": None},
            {"events": {}},
            {"events": {"other": {}}},
            {"events": {logout.EVENT: True}},
            {"events": [logout.EVENT]},
            {"nonce": "n"},
            {"sid": None},
            {"sid": 5},
            {"sub": None},
        ],
        ids=str,
    )
    async def test_nothing_else_passes_for_one(self, ring: Ring, client: Client, changes: dict[str, Any]) -> None:
        with pytest.raises(InvalidToken):
            await logout.ended(client, self.token(ring, **changes))
