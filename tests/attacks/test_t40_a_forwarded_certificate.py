"""T-40 (Keycloak CVE-2024-10039, CVE-2023-2422): a certificate in a header is believed from the proxy alone, and only
with the secret that it shares with us.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from base import certificates
from base.settings import Settings
from base.web import frame
from consent.app import Consent
from tests.fixtures.certificates import Authority, Identity, subject

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.registry import World

SECRET = "p" * 32
PROXY, STRANGER = "10.0.0.5", "10.0.0.6"


def binary(identity: Identity) -> str:
    """RFC 9440 section 2.1: a byte sequence of structured fields."""
    return f":{base64.b64encode(identity.der).decode()}:"


def nginx(identity: Identity) -> str:
    """As nginx has it in $ssl_client_escaped_cert."""
    return quote(ssl.DER_cert_to_PEM_cert(identity.der))


async def tell(request: Request) -> JSONResponse:
    """What is left of the request behind the frame."""
    shown = certificates.shown(request.scope)
    return JSONResponse(
        {
            "headers": sorted(request.headers),
            "x5t": shown.certificate.thumbprint if shown is not None else None,
            "trusted": shown is not None and shown.trusted,
        }
    )


@dataclass
class Behind:
    """An application behind the frame; `ask` as one who connects from an address."""

    app: Any

    @asynccontextmanager
    async def _client(self, peer: str) -> AsyncIterator[httpx2.AsyncClient]:
        transport = httpx2.ASGITransport(app=self.app, client=(peer, 4711))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
            yield client

    async def ask(self, peer: str, *headers: tuple[str, str]) -> httpx2.Response:
        async with self._client(peer) as client:
            return await client.get("/", headers=list(headers))


@pytest.fixture
def own(authority: Authority) -> Identity:
    return authority.issue(subject(common_name="api"))


@pytest.fixture
def settings(tmp_path: Path, authority: Authority) -> Settings:
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    made = Settings(
        development=True,
        trusted_proxies=[f"{PROXY}/32"],
        proxy_secret=SECRET,
        tls_client_ca=tmp_path / "ca.pem",
    )
    made.check()
    return made


@pytest.fixture
def behind(settings: Settings) -> Behind:
    return Behind(frame([Route("/", tell)], settings))


class TestT40:
    @pytest.mark.parametrize("form", [binary, nginx])
    async def test_the_proxy_with_the_secret_is_believed(self, behind: Behind, own: Identity, form: Any) -> None:
        told = (await behind.ask(PROXY, ("client-cert", form(own)), ("regie-proxy-secret", SECRET))).json()

        assert (told["x5t"], told["trusted"]) == (own.x5t, True)

    @pytest.mark.parametrize(
        ("peer", "secret"),
        [
            (STRANGER, [SECRET]),
            (PROXY, []),
            (PROXY, [""]),
            (PROXY, ["q" * 32]),
            (PROXY, [SECRET + "x"]),
            (PROXY, [SECRET, SECRET]),
            (PROXY, ["q" * 32, SECRET]),
        ],
    )
    async def test_nobody_else_is(self, behind: Behind, own: Identity, peer: str, secret: list[str]) -> None:
        answer = await behind.ask(peer, ("client-cert", binary(own)), *(("regie-proxy-secret", one) for one in secret))

        assert answer.status_code == 200
        assert answer.json()["x5t"] is None

    @pytest.mark.parametrize("peer", [PROXY, STRANGER])
    async def test_no_header_of_it_reaches_the_application(self, behind: Behind, own: Identity, peer: str) -> None:
        given = {
            "client-cert": binary(own),
            "Client-Cert-Chain": binary(own),
            "regie-proxy-secret": SECRET,
            "client-cert-x": "1",
            "x-forwarded-for": "1.2.3.4",
        }

        told = (await behind.ask(peer, *given.items())).json()

        assert not set(told["headers"]) & {name.lower() for name in given}

    async def test_the_callers_address_in_a_header_opens_nothing(self, behind: Behind, own: Identity) -> None:
        """A stranger who says to be the proxy; and a caller of the proxy who names it again."""
        stranger = await behind.ask(
            STRANGER, ("x-forwarded-for", PROXY), ("client-cert", binary(own)), ("regie-proxy-secret", SECRET)
        )

        assert stranger.json()["x5t"] is None

    async def test_a_second_certificate_is_refused(self, behind: Behind, own: Identity, authority: Authority) -> None:
        """A proxy that adds its header to the caller's own would let the caller choose."""
        other = authority.issue(subject(common_name="another"))
        answer = await behind.ask(
            PROXY, ("client-cert", binary(other)), ("client-cert", binary(own)), ("regie-proxy-secret", SECRET)
        )

        assert answer.status_code == 400

    @pytest.mark.parametrize(
        "value",
        [
            "x",
            ":x:",
            "::",
            ":" + "A" * 8 + ":",
            ":" + "A" * 12_000 + ":",
            "-----BEGIN",
            "-----BEGIN%20CERTIFICATE-----",
            "%00",
            "null",
        ],
    )
    async def test_nonsense_is_400_or_no_certificate_and_never_500(self, behind: Behind, value: str) -> None:
        answer = await behind.ask(PROXY, ("client-cert", value), ("regie-proxy-secret", SECRET))

        assert answer.status_code in (200, 400)
        if answer.status_code == 200:
            assert answer.json()["x5t"] is None

    async def test_an_empty_header_is_no_certificate(self, behind: Behind) -> None:
        answer = await behind.ask(PROXY, ("client-cert", ""), ("regie-proxy-secret", SECRET))

        assert (answer.status_code, answer.json()["x5t"]) == (200, None)

    async def test_who_vouches_for_it_is_looked_at_here(self, behind: Behind, authority: Authority) -> None:
        """Also when the proxy lets everybody's certificate through (ssl_verify_client optional_no_ca)."""
        name = subject(common_name="api")
        stranger, expired = Authority().issue(name), authority.issue(name, days=(-9, -1))
        between = Authority("Between", authority).issue(name)
        above = f":{base64.b64encode(ssl.PEM_cert_to_DER_cert(Authority('x').pem.decode())).decode()}:"
        rest = ", ".join(binary(Identity(None, one)) for one in between.above)

        async def trusted(one: Identity, *more: tuple[str, str]) -> bool:
            answer = await behind.ask(PROXY, ("client-cert", binary(one)), ("regie-proxy-secret", SECRET), *more)
            return bool(answer.json()["trusted"])

        assert not await trusted(stranger)
        assert not await trusted(expired)
        assert not await trusted(between)
        assert not await trusted(between, ("client-cert-chain", above))
        assert await trusted(between, ("client-cert-chain", rest))

    async def test_a_long_chain_is_refused(self, behind: Behind, own: Identity) -> None:
        chain = ", ".join([binary(own)] * 5)
        answer = await behind.ask(
            PROXY, ("client-cert", binary(own)), ("client-cert-chain", chain), ("regie-proxy-secret", SECRET)
        )

        assert answer.status_code == 400

    async def test_without_the_setting_nobody_is_believed(self, own: Identity) -> None:
        behind = Behind(frame([Route("/", tell)], Settings(development=True, trusted_proxies=[f"{PROXY}/32"])))

        told = await behind.ask(PROXY, ("client-cert", binary(own)), ("regie-proxy-secret", ""))

        assert told.json()["x5t"] is None


async def test_t40_a_bound_token_opens_the_registry_only_with_its_certificate_from_the_proxy(
    world: World, settings: Settings, anna: str, own: Identity, authority: Authority
) -> None:
    """RFC 8705 section 3, RFC 9440: at a resource of ours, on both databases."""
    given = settings.model_copy(update={"database_url": world.settings.database_url})
    app = frame(Consent(given, world.database, world.ring, world.clock).api(), given, clock=world.clock)
    token = world.token(cnf={"x5t#S256": own.x5t})
    body = {"sub": world.sub(anna), "purpose": "housing-benefit", "data": ["address"]}
    other = authority.issue(subject(common_name="another"))

    async def status(peer: str, **headers: str) -> int:
        given = {"authorization": f"Bearer {token}", **{name.replace("_", "-"): one for name, one in headers.items()}}
        transport = httpx2.ASGITransport(app=app, client=(peer, 1))
        async with httpx2.AsyncClient(transport=transport, base_url=world.settings.issuer) as client:
            return (await client.post("/consent/v1/checks", json=body, headers=given)).status_code

    assert await status(PROXY, client_cert=binary(own), regie_proxy_secret=SECRET) == 200
    assert await status(PROXY, client_cert=binary(other), regie_proxy_secret=SECRET) == 401
    assert await status(PROXY, client_cert=binary(own)) == 401
    assert await status(STRANGER, client_cert=binary(own), regie_proxy_secret=SECRET) == 401
    assert await status(PROXY) == 401
