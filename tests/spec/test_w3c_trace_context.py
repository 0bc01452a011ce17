"""W3C Trace Context: what a request says of the processing it belongs to is kept and passed on, or ignored when wrong."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING

import pytest

from base import trace
from base.fetch import Fetch
from base.settings import Settings

if TYPE_CHECKING:
    from tests.fixtures.registry import World

ID, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{ID}-{PARENT}-01"


def headers(*values: str, **more: str) -> list[tuple[bytes, bytes]]:
    found = [(b"traceparent", one.encode()) for one in values]
    return found + [(name.encode(), value.encode()) for name, value in more.items()]


class TestSection3_2Traceparent:
    @pytest.mark.parametrize(
        "said", [GOOD, f"00-{ID}-{PARENT}-00", f"cc-{ID}-{PARENT}-01", f"cc-{ID}-{PARENT}-01-what"]
    )
    def test_it_is_read(self, said: str) -> None:
        """A version that we do not know is read as far as we know it."""
        found = trace.read(headers(said))

        assert found == trace.Trace(bytes.fromhex(ID), bytes.fromhex(PARENT))

    @pytest.mark.parametrize(
        "said",
        [
            "",
            "00",
            f"ff-{ID}-{PARENT}-01",
            f"00-{ID}-{PARENT}-01-what",
            f"00-{ID}-{PARENT}-1",
            f"00-{ID}-{PARENT}",
            f"00-{ID.upper()}-{PARENT}-01",
            f"00-{'0' * 32}-{PARENT}-01",
            f"00-{ID}-{'0' * 16}-01",
            f"00-{ID[1:]}-{PARENT}-01",
            f"00-{ID}-{PARENT}-0g",
            f"cc-{ID}-{PARENT}-01.what",
            GOOD + "\n",
            "00-" + "é" * 16 + f"-{PARENT}-01",
        ],
    )
    def test_what_is_malformed_is_as_if_it_were_not_there(self, said: str) -> None:
        assert trace.read(headers(said)) is None

    def test_of_two_none_is_believed(self) -> None:
        assert trace.read(headers(GOOD, GOOD)) is None


class TestSection3_3Tracestate:
    def test_it_is_kept_as_it_came(self) -> None:
        assert trace.read(headers(GOOD, tracestate="vendor=1,other=2")).state == "vendor=1,other=2"  # type: ignore[union-attr]

    @pytest.mark.parametrize("state", ["x" * 513, "a=\x00", "a=é", ""])
    def test_what_is_too_long_or_no_text_is_left_out(self, state: str) -> None:
        found = trace.read(headers(GOOD, tracestate=state))

        assert found is not None
        assert found.state == ""

    def test_without_a_traceparent_it_says_nothing(self) -> None:
        assert trace.read(headers(tracestate="vendor=1")) is None


class TestSection3_4WhatIsSentOn:
    def test_the_same_trace_with_a_span_of_ours(self) -> None:
        trace.enter(headers(GOOD, tracestate="vendor=1"))

        version, identifier, span, flags = trace.sent()["traceparent"].split("-")

        assert (version, identifier, flags) == ("00", ID, "01")
        assert span != PARENT
        assert trace.sent()["tracestate"] == "vendor=1"

    def test_a_trace_that_nobody_sent_begins_here_and_is_one(self) -> None:
        trace.enter([])

        first, again = trace.sent()["traceparent"].split("-"), trace.sent()["traceparent"].split("-")

        assert first[1] == again[1] != "0" * 32
        assert first[2] != again[2]
        assert "tracestate" not in trace.sent()

    async def test_what_a_worker_sends_to_two_agencies_has_no_number_in_common(self) -> None:
        """C-15: no handle by which two agencies could find out that they were told of the same thing."""

        async def worker() -> list[str]:
            return [trace.sent()["traceparent"] for _ in range(2)]

        first, second = await asyncio.create_task(worker(), context=contextvars.Context())

        assert set(first.split("-")[1:3]) & set(second.split("-")[1:3]) == set()

    async def test_whom_we_call_is_told(self) -> None:
        """OAuth metadata and push deliveries alike: whatever leaves through base.fetch."""
        seen = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.set_result(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        trace.enter(headers(GOOD))
        async with server:
            await Fetch(Settings(development=True)).get_json(f"http://localhost:{port}/")

        assert f"traceparent: 00-{ID}-".encode() in await seen


async def test_one_caller_trace_does_not_reach_the_next_request(world: World, anna: str) -> None:
    await world.give(anna)
    asked = {"sub": world.sub(anna), "purpose": "housing-benefit", "data": ["income"], "source": "tax-authority"}
    async with world.client() as http:
        await http.post("/consent/v1/permits", json=asked, headers={"traceparent": GOOD})
        await http.post("/consent/v1/permits", json=asked)

    rows = world.database.read_now(lambda c: c.exec_driver_sql("SELECT trace_id, parent_span_id FROM data_use").all())
    first, second = ((bytes(one), parent and bytes(parent)) for one, parent in rows)
    assert first == (bytes.fromhex(ID), bytes.fromhex(PARENT))
    assert second[0] != first[0]
    assert second[1] is None
