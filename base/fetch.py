"""Outbound HTTP: the one place that opens a connection, and its policy. Nothing a stranger names is fetched otherwise.

 1. the address is judged before anything is resolved (base.outbound)
 2. its name is resolved once; every address it leads to must be public; one of those is connected to, by number
 3. TLS and Host are of the name that was given; no redirect is followed, no proxy used, no cookie kept
 4. 3 seconds for all of it; 256 KB of body, unpacked by nobody; the content type must be one that was expected
 5. so many connections at a time, in all and to one host, whose others wait for their turn; an address that fails is
    left alone for a while, and others of its host are not

RFC 8725 section 3.10; OpenID Connect Core section 6.2 (server-side request forgery).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlencode

import httpx2
import msgspec

from base import outbound, trace
from base.forms import media_type, parse_json
from base.log import log
from base.problems import Problem
from base.settings import Settings

TOTAL_S = 3.0
MAX_BODY = 256 * 1024
SLOTS, WAITING, PER_HOST, WAITING_PER_HOST = 16, 64, 4, 12
"""Exchanges at a time and how many may wait; the same of one host. A turn is waited for as long as an exchange may take."""
FAILURES, OPEN_S, OPEN_MOST_S = 3, 30.0, 600.0
"""After so many failures in a row an address is left alone this long, doubling up to the most."""
TRIED = 3
"""Addresses of one name that are tried, when connecting fails."""
JSON = frozenset({"application/json"})
JWK_SET = frozenset({"application/json", "application/jwk-set+json"})

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""From a host name and a port to numeric addresses. OSError when there are none."""


class Unreachable(Exception):
    """Nothing that counts came back. The message is for the log: it holds no address."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`media_type`: without parameters, lower case."""

    status: int
    media_type: str
    body: bytes


class Fetch:
    """One a process. `resolve`: the system's resolver, or a test's."""

    def __init__(self, settings: Settings, *, resolve: Resolve | None = None) -> None:
        self._development = settings.development
        self._resolve = resolve or _System()
        self._authorities = settings.outbound_ca
        self._tls: ssl.SSLContext | None = None
        self._slots = asyncio.Semaphore(SLOTS)
        self._under_way: Counter[str] = Counter()
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._breakers: OrderedDict[str, _Breaker] = OrderedDict()

    async def get_json(self, url: str, *, media_types: frozenset[str] = JSON) -> Any:
        """A document, strictly parsed. Unreachable for anything but 200 with one of `media_types`."""
        answer = await self._exchange("GET", url, {"accept": ", ".join(sorted(media_types))}, b"")
        if answer.status != 200 or answer.media_type not in media_types:
            raise Unreachable("it answered something else than the document")
        try:
            return parse_json(answer.body, dict[str, Any] if answer.body.lstrip()[:1] == b"{" else list[Any])
        except Problem as problem:
            raise Unreachable("it answered something else than strict JSON") from problem

    async def post_form(self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str] | None = None) -> Answer:
        """What was answered, whatever the status."""
        return await self._post(url, "application/x-www-form-urlencoded", urlencode(form).encode(), headers)

    async def post_json(self, url: str, body: Any, *, headers: Mapping[str, str] | None = None) -> Answer:
        """As `post_form`."""
        return await self._post(url, "application/json", msgspec.json.encode(body), headers)

    async def post_text(
        self, url: str, body: str, *, kind: str = "text/plain; charset=utf-8", accept: str = "*/*"
    ) -> Answer:
        """As `post_form`."""
        return await self._post(url, kind, body.encode(), {"accept": accept})

    async def _post(self, url: str, kind: str, content: bytes, headers: Mapping[str, str] | None) -> Answer:
        return await self._exchange("POST", url, {"content-type": kind, **(headers or {})}, content)

    async def _exchange(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Answer:
        try:
            parts = outbound.parsed(url, development=self._development)
        except outbound.Refused as refused:
            raise Unreachable(str(refused)) from refused
        host = parts.netloc.lower()
        breaker = self._breaker(host + parts.path)
        now = asyncio.get_running_loop().time()
        if now < breaker.open_until:
            raise Unreachable("it failed a moment ago")
        if self._under_way.total() >= SLOTS + WAITING or self._under_way[host] >= PER_HOST + WAITING_PER_HOST:
            raise Unreachable("enough is under way")
        async with self._turn(host):
            try:
                async with self._slots, asyncio.timeout(TOTAL_S):
                    answer = await self._connect(method, parts, headers, content)
            except (OSError, TimeoutError, httpx2.HTTPError, outbound.Refused, Unreachable) as error:
                breaker.failed(asyncio.get_running_loop().time())
                log.warning("fetch.failed", address=host, error=type(error).__name__)
                raise error if isinstance(error, Unreachable) else Unreachable(type(error).__name__) from error
        if answer.status >= 500:
            breaker.failed(asyncio.get_running_loop().time())
        else:
            breaker.succeeded()
        return answer

    @asynccontextmanager
    async def _turn(self, host: str) -> AsyncIterator[None]:
        """One of `PER_HOST` exchanges with a host. Unreachable when none ended in the meantime."""
        self._under_way[host] += 1
        turn = self._turns.setdefault(host, asyncio.Semaphore(PER_HOST))
        try:
            try:
                async with asyncio.timeout(TOTAL_S):
                    await turn.acquire()
            except TimeoutError as error:
                raise Unreachable("enough is under way") from error
            try:
                yield
            finally:
                turn.release()
        finally:
            self._under_way[host] -= 1
            if not self._under_way[host]:
                del self._under_way[host], self._turns[host]

    async def _connect(self, method: str, parts: SplitResult, headers: Mapping[str, str], content: bytes) -> Answer:
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        addresses = await self._resolve(host, port)
        for address in addresses:
            # All of them: a name with one public and one private address is somebody's trick.
            outbound.check_address(address, development=self._development)
        failure: Exception = OSError("no address")
        for address in addresses[:TRIED]:
            target = httpx2.URL(parts.geturl()).copy_with(host=address)
            sent = {
                "host": parts.netloc,
                "user-agent": "Regie",
                "accept-encoding": "identity",
                **trace.sent(),
                **headers,
            }
            request = httpx2.Request(method, target, headers=sent, content=content, extensions={"sni_hostname": host})
            async with httpx2.AsyncClient(verify=self._context(), trust_env=False, timeout=TOTAL_S) as client:
                try:
                    response = await client.send(request, stream=True, follow_redirects=False)
                except httpx2.ConnectError as error:
                    # Nothing was sent yet: the next address may be tried.
                    failure = error
                    continue
                return await _read(response)
        raise failure

    def _context(self) -> ssl.SSLContext:
        """Made at the first use: reading the system's authorities takes longer than most commands."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
            if self._authorities is not None:
                self._tls.load_verify_locations(self._authorities)
        return self._tls

    def _breaker(self, address: str) -> _Breaker:
        breaker = self._breakers.setdefault(address, _Breaker())
        self._breakers.move_to_end(address)
        while len(self._breakers) > 1_000:
            self._breakers.popitem(last=False)
        return breaker


@dataclass(slots=True)
class _Breaker:
    """`open_until`: on the loop's clock."""

    failures: int = 0
    open_until: float = 0.0

    def failed(self, now: float) -> None:
        self.failures += 1
        if self.failures >= FAILURES:
            self.open_until = now + min(OPEN_S * 2 ** min(self.failures - FAILURES, 10), OPEN_MOST_S)

    def succeeded(self) -> None:
        self.failures = 0


class _System:
    """The system's resolver, in threads of its own: one that hangs holds nothing else up."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="resolver")

    async def __call__(self, host: str, port: int) -> list[str]:
        find = lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)  # noqa: E731 - for the thread
        found = await asyncio.get_running_loop().run_in_executor(self._threads, find)
        return list(dict.fromkeys(str(one[4][0]) for one in found))


async def _read(response: httpx2.Response) -> Answer:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Unreachable("it answered packed")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_BODY:
            raise Unreachable("it answered too much")
    return Answer(response.status_code, media_type(response.headers.get("content-type")), bytes(body))
