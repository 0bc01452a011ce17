"""TLS by the server itself: what uvicorn's protocol class, OpenSSL and the event loop do together, without a browser or client of ours."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from base.settings import Settings, UnsafeSettings
from regie import listening, renewing, tls
from regie.commands import doctor
from regie.house import House
from tests.fixtures.certificates import Authority, Identity, self_signed, subject
from tests.fixtures.mutual import free_port

NAME = subject(common_name="api")


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Tells what it was told of the caller, and gives back what it was sent."""
    tls_part = scope.get("extensions", {}).get("tls")
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    told = "none"
    if tls_part is not None:
        der = ssl.PEM_cert_to_DER_cert(tls_part["client_cert_chain"][0])
        told = f"{hashlib.sha256(der).hexdigest()} {tls_part['client_cert_error']} {len(tls_part['client_cert_chain'])}"
    headers = [(b"x-told", told.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def directory(tmp_path: Path, authority: Authority) -> Path:
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    authority.server().write(tmp_path, "server")
    return tmp_path


def settings_of(directory: Path, **changes: Any) -> Settings:
    given = {
        "development": True,
        "host": "127.0.0.1",
        "tls_certificate": directory / "server.crt",
        "tls_key": directory / "server.key",
        "tls_client_ca": directory / "ca.pem",
        "mtls_port": free_port(),
    }
    return Settings(**{**given, **changes})


@pytest.fixture
async def port(directory: Path) -> AsyncIterator[int]:
    settings = settings_of(directory)
    settings.check()
    async with listening.mutual(app, settings):
        yield settings.mtls_port


async def ask(port: int, context: ssl.SSLContext, body: bytes = b"", *, pieces: int = 1) -> tuple[str, bytes]:
    """One request; what the application was told, and what came back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    head = f"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    raw = head + body
    size = max(1, len(raw) // pieces)
    for at in range(0, len(raw), size):
        writer.write(raw[at : at + size])
        await writer.drain()
    answer = await reader.readuntil(b"\r\n\r\n")
    told = next(line for line in answer.decode().split("\r\n") if line.startswith("x-told"))
    received = await reader.readexactly(len(body))
    writer.close()
    return told.removeprefix("x-told: "), received


def context_of(directory: Path, identity: Identity | None) -> ssl.SSLContext:
    if identity is None:
        return ssl.create_default_context(cafile=str(directory / "ca.pem"))
    return identity.context(directory, directory / "ca.pem")


class TestWhatTheApplicationIsTold:
    """The ASGI TLS extension: the chain as it was shown, and whether an authority of ours vouches for it."""

    async def test_a_certificate_of_our_authority(self, port: int, directory: Path, authority: Authority) -> None:
        own = authority.issue(NAME)

        told, _ = await ask(port, context_of(directory, own))

        assert told.split()[:2] == [hashlib.sha256(own.der).hexdigest(), "None"]

    async def test_a_chain(self, port: int, directory: Path, authority: Authority) -> None:
        own = Authority("Between", authority).issue(NAME)

        told, _ = await ask(port, context_of(directory, own))

        assert told.split()[:2] == [hashlib.sha256(own.der).hexdigest(), "None"]
        assert int(told.split()[2]) >= 2

    async def test_one_that_nobody_vouches_for_is_shown_as_such(self, port: int, directory: Path) -> None:
        own = self_signed(NAME)

        told, _ = await ask(port, context_of(directory, own))

        assert told == f"{hashlib.sha256(own.der).hexdigest()} unknown ca 1"

    async def test_none(self, port: int, directory: Path) -> None:
        assert (await ask(port, context_of(directory, None)))[0] == "none"

    async def test_without_authorities_nobody_is_vouched_for(self, directory: Path, authority: Authority) -> None:
        settings = settings_of(directory, tls_client_ca=None)
        own = authority.issue(NAME)
        async with listening.mutual(app, settings):
            told, _ = await ask(settings.mtls_port, context_of(directory, own))

        assert "unknown ca" in told

    async def test_what_one_connection_showed_is_not_the_next_ones(
        self, port: int, directory: Path, authority: Authority
    ) -> None:
        with_one, without = context_of(directory, authority.issue(NAME)), context_of(directory, None)

        told = [(await ask(port, one))[0] for one in (with_one, without, with_one, without)]

        assert [one == "none" for one in told] == [False, True, False, True]


class TestTransport:
    @pytest.mark.parametrize("pieces", [1, 7, 200])
    @pytest.mark.parametrize("size", [0, 1, 16_384, 300_000])
    async def test_bytes_come_through_whole(self, port: int, directory: Path, size: int, pieces: int) -> None:
        body = bytes(number % 251 for number in range(size))

        _, received = await ask(port, context_of(directory, None), body, pieces=pieces)

        assert received == body

    async def test_many_at_once(self, port: int, directory: Path, authority: Authority) -> None:
        context = context_of(directory, authority.issue(NAME))

        answers = await asyncio.gather(*(ask(port, context, b"x" * 5_000) for _ in range(40)))

        assert {told.split()[1] for told, _ in answers} == {"None"}

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    async def test_both_versions_show_it(
        self, port: int, directory: Path, authority: Authority, version: ssl.TLSVersion
    ) -> None:
        context = context_of(directory, authority.issue(NAME))
        context.minimum_version = context.maximum_version = version

        assert "None" in (await ask(port, context))[0]

    @pytest.mark.parametrize(
        "raw", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" + b"\xff" * 600, b"\x16\x03\x01\x02\x00"]
    )
    async def test_what_is_no_handshake_harms_nobody(self, port: int, directory: Path, raw: bytes) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(raw)
        await writer.drain()
        writer.close()

        assert (await ask(port, context_of(directory, None)))[0] == "none"

    async def test_a_caller_who_leaves_in_the_middle_harms_nobody(self, port: int, directory: Path) -> None:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context_of(directory, None), server_hostname="localhost"
        )
        writer.write(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nhalf")
        await writer.drain()
        writer.transport.abort()

        assert (await ask(port, context_of(directory, None)))[0] == "none"

    async def test_idle_callers_do_not_hold_up_the_end(self, directory: Path) -> None:
        settings = settings_of(directory)
        async with listening.mutual(app, settings):
            connection = await asyncio.open_connection(
                "127.0.0.1", settings.mtls_port, ssl=context_of(directory, None), server_hostname="localhost"
            )
            began = time.monotonic()

        assert time.monotonic() - began < 4
        connection[1].close()


class TestRenewal:
    """A certificate that is renewed while the server runs."""

    async def certificate(self, port: int, directory: Path) -> bytes:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context_of(directory, None), server_hostname="localhost"
        )
        shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return shown

    async def test_it_is_taken_up_without_a_restart_once_it_is_whole(
        self, directory: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(renewing, "LOOK_EVERY_S", 0.0)
        settings, new = settings_of(directory), authority.server()
        async with listening.mutual(app, settings):
            before = await self.certificate(settings.mtls_port, directory)
            crt, key = new.write(directory, "new")
            key.replace(directory / "server.key")
            halfway = await self.certificate(settings.mtls_port, directory)
            crt.replace(directory / "server.crt")
            after = await self.certificate(settings.mtls_port, directory)

        assert halfway == before != after == new.der

    async def test_so_are_the_authorities_of_callers(
        self, directory: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(renewing, "LOOK_EVERY_S", 0.0)
        settings, other = settings_of(directory), Authority("Another")
        caller = context_of(directory, other.issue(NAME))
        async with listening.mutual(app, settings):
            before = (await ask(settings.mtls_port, caller))[0]
            (directory / "ca.pem").write_bytes(authority.pem + other.pem)
            after = (await ask(settings.mtls_port, caller))[0]

        assert ("unknown ca" in before, "unknown ca" in after) == (True, False)

    def test_the_public_port_renews_too(
        self, directory: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(renewing, "LOOK_EVERY_S", 0.0)
        crt, key = directory / "server.crt", directory / "server.key"
        context = renewing.RenewingContext([crt, key], lambda: tls.server_context(crt, key))

        def shown() -> bytes:
            ends = [(ssl.MemoryBIO(), ssl.MemoryBIO()) for _ in range(2)]
            server = context.wrap_bio(*ends[0], server_side=True)
            client = context_of(directory, None).wrap_bio(*ends[1], server_hostname="localhost")
            for _ in range(4):
                for one in (client, server):
                    with contextlib.suppress(ssl.SSLWantReadError):
                        one.do_handshake()
                ends[0][0].write(ends[1][1].read())
                ends[1][0].write(ends[0][1].read())
            found = client.getpeercert(binary_form=True)
            assert found is not None
            return bytes(found)

        before, new = shown(), authority.server()
        for old, one in zip((crt, key), new.write(directory, "new"), strict=True):
            one.replace(old)

        assert before != shown() == new.der


class TestWhatIsOffered:
    """FAPI 2.0 Security Profile section 5.2.2: TLS 1.2 or later, with ciphers that are recommended."""

    @pytest.mark.parametrize("kind", ["mutual", "plain"])
    def test_older_versions_and_weak_ciphers_are_not(self, directory: Path, kind: str) -> None:
        settings = settings_of(directory)
        assert settings.tls_certificate is not None
        assert settings.tls_key is not None
        server = (
            tls.MutualContext(settings.tls_certificate, settings.tls_key, None)
            if kind == "mutual"
            else tls.server_context(settings.tls_certificate, settings.tls_key)
        )
        old, weak, good = (context_of(directory, None) for _ in range(3))
        with pytest.warns(DeprecationWarning, match="TLSv1"):
            old.minimum_version = ssl.TLSVersion.TLSv1
        with pytest.warns(DeprecationWarning, match="TLSv1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        weak.maximum_version = ssl.TLSVersion.TLSv1_2
        weak.set_ciphers("AES128-SHA:ECDHE-ECDSA-AES128-SHA:AES256-GCM-SHA384")

        assert shakes_hands(server, good)
        assert not shakes_hands(server, old)
        assert not shakes_hands(server, weak)


def shakes_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
    """Both ends in memory, until both are done or one refuses."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
    ]
    done: set[int] = set()
    for _ in range(10):
        for end in ends:
            try:
                end.do_handshake()
                done.add(id(end))
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
    return len(done) == 2


class TestFilesThatDoNotFit:
    def test_are_refused_before_anything_listens(self, directory: Path, authority: Authority) -> None:
        authority.server().write(directory, "other")
        (directory / "empty.pem").write_text("nothing")

        for changes in (
            {"tls_key": directory / "other.key"},
            {"tls_certificate": directory / "empty.pem"},
            {"tls_key": directory / "empty.pem"},
            {"tls_client_ca": directory / "empty.pem"},
        ):
            with pytest.raises(UnsafeSettings, match="REGIE_TLS"):
                listening.check(settings_of(directory, **changes))

    def test_a_port_that_is_taken_is_told(self, directory: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            settings = settings_of(directory, mtls_port=taken.getsockname()[1])

            with pytest.raises(OSError, match="in use"):
                listening.MutualListener(app, settings)


@pytest.mark.parametrize(("days", "ok"), [(30, True), (13, False), (-1, False)])
def test_doctor_tells_how_long_the_certificate_lasts(
    directory: Path, authority: Authority, days: float, ok: bool
) -> None:
    name = x509.DNSName("localhost")
    authority.issue(subject(common_name="localhost"), name, days=(-40, days + 0.5)).write(directory, "server")
    house = House.open(settings_of(directory, data_dir=directory / "data"))
    try:
        found = next(one for one in doctor.examine(house, {}, lambda _: None) if one["check"] == "TLS certificate")
    finally:
        house.close()

    assert found["ok"] is ok
    assert f"{days} days" in found["detail"]
