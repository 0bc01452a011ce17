"""The outbound policy (R-11): what is fetched, what is not, and what that costs us."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from base import fetch as fetching
from base.fetch import Fetch, Unreachable
from base.settings import Settings
from tests.fixtures.house import START
from tests.fixtures.listener import Listener, answer

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENT = {"keys": []}


def at(*addresses: str) -> fetching.Resolve:
    """A resolver that says so, whatever is asked."""

    async def resolve(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return resolve


@pytest.fixture
def fetch() -> Fetch:
    return Fetch(Settings(development=True), resolve=at("127.0.0.1"))


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with Listener(lambda _: answer(DOCUMENT)).running() as one:
        yield one


class TestWhatIsFetched:
    async def test_a_document(self, fetch: Fetch, listener: Listener) -> None:
        assert await fetch.get_json(listener.url) == DOCUMENT

        head, _ = listener.requests[0]
        assert head.startswith("GET /document HTTP/1.1\r\n")
        assert f"host: localhost:{listener.port}\r\n" in head.lower()
        assert "accept-encoding: identity" in head.lower()
        assert "cookie" not in head.lower()

    async def test_a_list_and_a_named_media_type(self, fetch: Fetch, listener: Listener) -> None:
        listener.respond = lambda _: answer(["a"], kind="application/jwk-set+json; charset=utf-8")

        assert await fetch.get_json(listener.url, media_types=fetching.JWK_SET) == ["a"]

    async def test_a_form_and_json_are_posted_and_any_status_is_told(self, fetch: Fetch, listener: Listener) -> None:
        listener.respond = lambda _: answer({"error": "invalid_request"}, status="400 Bad Request")

        told = await fetch.post_form(listener.url, {"logout_token": "a b&c"})
        await fetch.post_json(listener.url, {"auth_req_id": "x"}, headers={"authorization": "Bearer t"})

        assert (told.status, told.media_type) == (400, "application/json")
        (first, form), (second, body) = listener.requests
        assert "content-type: application/x-www-form-urlencoded" in first.lower()
        assert form == b"logout_token=a+b%26c"
        assert "authorization: bearer t" in second.lower()
        assert body == b'{"auth_req_id":"x"}'

    async def test_the_second_address_when_nobody_listens_at_the_first(self, listener: Listener) -> None:
        fetch = Fetch(Settings(development=True), resolve=at("127.0.0.9", "127.0.0.1"))

        assert await fetch.get_json(listener.url) == DOCUMENT

    async def test_the_systems_own_resolver(self, listener: Listener) -> None:
        assert await Fetch(Settings(development=True)).get_json(listener.url) == DOCUMENT


class TestWhatIsNot:
    @pytest.mark.parametrize(
        "sent",
        [
            answer(DOCUMENT, status="302 Found", location="http://127.0.0.1:1/x"),
            answer(DOCUMENT, status="404 Not Found"),
            answer(DOCUMENT, status="204 No Content"),
            answer(DOCUMENT, kind="text/html"),
            answer(DOCUMENT, kind=""),
            answer(DOCUMENT, kind="application/json; charset=utf-16"),
            answer(b"{"),
            answer(b'{"a": 1, "a": 2}'),
            answer(b"[" * 100_000),
            answer(b"\xff\xfe"),
            answer(b"5"),
            answer(b"{}" + b" " * fetching.MAX_BODY),
            answer(gzip.compress(b"{}"), content_encoding="gzip"),
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1_000_000 + b"\r\n\r\n",
            b"nonsense\r\n\r\n",
            b"",
        ],
    )
    async def test_anything_else_than_the_document(self, fetch: Fetch, listener: Listener, sent: bytes) -> None:
        listener.respond = lambda _: sent

        with pytest.raises(Unreachable):
            await fetch.get_json(listener.url)

        assert listener.connections == 1

    async def test_an_endless_body_is_cut_off(self, fetch: Fetch) -> None:
        sent = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
            try:
                while True:
                    writer.write(b" " * 65_536)
                    await writer.drain()
                    sent += 65_536
            except OSError:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable, match="too much"):
            await fetch.get_json(f"http://localhost:{port}/")
        server.close()
        await asyncio.sleep(0.05)

        # What lies in the buffers of two sockets was sent, and no more.
        assert sent < 16 * 1024 * 1024

    async def test_what_takes_longer_than_three_seconds(
        self, fetch: Fetch, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert fetching.TOTAL_S == 3.0
        monkeypatch.setattr(fetching, "TOTAL_S", 0.2)
        listener.delay_s = 1.0

        with pytest.raises(Unreachable, match="Timeout"):
            await fetch.get_json(listener.url)

    async def test_a_name_that_is_slow_to_resolve(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fetching, "TOTAL_S", 0.1)

        async def never(_host: str, _port: int) -> list[str]:
            await asyncio.sleep(30)
            return []

        with pytest.raises(Unreachable, match="Timeout"):
            await Fetch(Settings(development=True), resolve=never).get_json("http://localhost:9/")


class TestT10NoConnectionIsMade:
    """A listener on loopback sees nothing of it."""

    @pytest.fixture
    def outside(self) -> Any:
        return lambda *addresses: Fetch(Settings(issuer="https://regie.example"), resolve=at(*addresses))

    @pytest.mark.parametrize(
        "form", ["https://127.0.0.1:{}/", "http://localhost:{}/", "https://[::ffff:127.0.0.1]:{}/"]
    )
    async def test_to_a_private_number(self, listener: Listener, outside: Any, form: str) -> None:
        with pytest.raises(Unreachable):
            await outside("127.0.0.1").get_json(form.format(listener.port))

        assert listener.connections == 0

    @pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::ffff:127.0.0.1"], []])
    async def test_to_a_name_that_leads_inside(self, listener: Listener, outside: Any, addresses: list[str]) -> None:
        """Also when it leads outside as well."""
        with pytest.raises(Unreachable):
            await outside(*addresses).get_json(f"https://agency.example:{listener.port}/jwks")

        assert listener.connections == 0

    async def test_by_a_name_that_changes_between_the_check_and_the_connection(self, listener: Listener) -> None:
        """Rebinding DNS: it is resolved once, and what was checked is what is connected to."""
        asked: list[str] = []
        async with Listener(lambda _: answer({"evil": True}), host="127.0.0.2", port=listener.port).running() as inner:

            async def rebinding(host: str, _port: int) -> list[str]:
                asked.append(host)
                return ["127.0.0.1" if len(asked) == 1 else "127.0.0.2"]

            fetch = Fetch(Settings(development=True), resolve=rebinding)
            assert await fetch.get_json(listener.url) == DOCUMENT

            assert asked == ["localhost"]
            assert (listener.connections, inner.connections) == (1, 0)

    async def test_where_a_redirect_points(self, fetch: Fetch, listener: Listener) -> None:
        async with Listener(lambda _: answer(DOCUMENT)).running() as inner:
            listener.respond = lambda _: answer({}, status="307 Temporary Redirect", location=inner.url)

            with pytest.raises(Unreachable):
                await fetch.get_json(listener.url)
            assert (await fetch.post_form(listener.url, {"a": "b"})).status == 307

            assert inner.connections == 0

    async def test_through_a_proxy_of_the_environment(
        self, fetch: Fetch, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with Listener(lambda _: answer({"evil": True})).running() as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")

            assert await fetch.get_json(listener.url) == DOCUMENT
            assert proxy.connections == 0


class TestBounds:
    async def test_a_host_that_fails_is_left_alone_for_a_while(self, fetch: Fetch, listener: Listener) -> None:
        listener.respond = lambda _: answer({}, status="503 Service Unavailable")
        for _ in range(fetching.FAILURES):
            with pytest.raises(Unreachable):
                await fetch.get_json(listener.url)

        with pytest.raises(Unreachable, match="a moment ago"):
            await fetch.get_json(listener.url)

        assert listener.connections == fetching.FAILURES

    async def test_and_is_asked_again_afterwards(
        self, fetch: Fetch, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fetching, "OPEN_S", 0.05)
        listener.respond = lambda _: answer({}, status="503 Service Unavailable")
        for _ in range(fetching.FAILURES):
            with pytest.raises(Unreachable):
                await fetch.get_json(listener.url)
        listener.respond = lambda _: answer(DOCUMENT)
        await asyncio.sleep(0.06)

        assert await fetch.get_json(listener.url) == DOCUMENT
        listener.respond = lambda _: answer({}, status="500 x")
        with pytest.raises(Unreachable, match="something else"):
            await fetch.get_json(listener.url)
        with pytest.raises(Unreachable, match="something else"):
            await fetch.get_json(listener.url)

    async def test_one_host_has_so_many_connections_at_a_time(self, fetch: Fetch, listener: Listener) -> None:
        """The next ones wait for their turn, a bounded number; the rest is refused."""
        listener.delay_s = 0.2
        most, now = 0, 0

        def respond(_: str) -> bytes:
            nonlocal now
            now -= 1
            return answer(DOCUMENT)

        async def watch() -> None:
            nonlocal most
            while True:
                most = max(most, listener.connections - answered())
                await asyncio.sleep(0.01)

        def answered() -> int:
            return -now

        listener.respond = respond
        watching = asyncio.create_task(watch())
        done = await asyncio.gather(*(fetch.get_json(listener.url) for _ in range(40)), return_exceptions=True)
        watching.cancel()

        served = fetching.PER_HOST + fetching.WAITING_PER_HOST
        assert 1 < most <= fetching.PER_HOST
        assert listener.connections == sum(one == DOCUMENT for one in done) == served
        assert [str(one) for one in done if one != DOCUMENT] == ["enough is under way"] * (40 - served)

    async def test_a_turn_is_not_waited_for_for_ever(
        self, fetch: Fetch, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of one host that hangs, each exchange ends in time, those that waited too; another host is not held up."""
        monkeypatch.setattr(fetching, "TOTAL_S", 0.2)
        listener.delay_s = 0.8
        async with Listener(lambda _: answer(DOCUMENT)).running() as other:
            hanging = [asyncio.create_task(fetch.get_json(listener.url)) for _ in range(16)]
            await asyncio.sleep(0.05)
            begun = asyncio.get_running_loop().time()
            elsewhere = await fetch.get_json(other.url)
            took = asyncio.get_running_loop().time() - begun
            done = await asyncio.gather(*hanging, return_exceptions=True)

        assert elsewhere == DOCUMENT
        assert took < 0.2
        assert all(isinstance(one, Unreachable) for one in done)
        assert fetch._turns == {}
        # The listener's own answers, to nobody by now.
        await asyncio.sleep(1)

    async def test_one_address_that_fails_does_not_close_its_host(self, fetch: Fetch, listener: Listener) -> None:
        """Many agencies' software runs at one host: the one that is broken is left alone, and nobody else."""
        listener.respond = lambda head: answer(DOCUMENT) if "/good" in head else answer({}, status="503 x")
        for _ in range(fetching.FAILURES):
            with pytest.raises(Unreachable):
                await fetch.get_json(listener.url)

        with pytest.raises(Unreachable, match="a moment ago"):
            await fetch.get_json(listener.url)
        assert await fetch.get_json(listener.url.replace("/document", "/good")) == DOCUMENT

    async def test_all_hosts_together_too(self, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fetching, "WAITING", 2)
        slow = [Listener(lambda _: answer(DOCUMENT), delay_s=0.3) for _ in range(30)]
        contexts = [one.running() for one in slow]
        for one in contexts:
            await one.__aenter__()

        done = await asyncio.gather(*(fetch.get_json(one.url) for one in slow), return_exceptions=True)
        for one in contexts:
            await one.__aexit__(None, None, None)

        assert sum(one == DOCUMENT for one in done) == fetching.SLOTS + 2
        assert sum(one.connections for one in slow) == fetching.SLOTS + 2

    async def test_hosts_that_were_once_asked_are_forgotten(self, fetch: Fetch) -> None:
        for n in range(1_200):
            fetch._breaker(f"host-{n}")

        assert len(fetch._breakers) == 1_000


class TestTls:
    @pytest.fixture
    def authority(self, tmp_path: Path) -> tuple[Path, Path]:
        """A certificate of `localhost`, which signs itself, and its key; made here and gone with the test."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(START - timedelta(days=3_650))
            .not_valid_after(START + timedelta(days=3_650))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        (tmp_path / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (tmp_path / "key.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return tmp_path / "certificate.pem", tmp_path / "key.pem"

    async def test_the_name_that_was_given_must_be_in_the_certificate(self, authority: tuple[Path, Path]) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority)
        believing = Settings(development=True, outbound_ca=authority[0])
        async with Listener(lambda _: answer(DOCUMENT)).running(context) as listener:
            fetch = Fetch(believing, resolve=at("127.0.0.1"))

            assert await fetch.get_json(f"https://localhost:{listener.port}/") == DOCUMENT
            with pytest.raises(Unreachable):
                await fetch.get_json(f"https://127.0.0.1:{listener.port}/")
            with pytest.raises(Unreachable):
                await Fetch(Settings(development=True), resolve=at("127.0.0.1")).get_json(
                    f"https://localhost:{listener.port}/"
                )
            assert len(listener.requests) == 1
