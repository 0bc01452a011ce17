"""The protocol's operations, walked at any provider alike: ours, and the peer's."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bench.load import Process, answer, measure, request, row, warm_up
from bench.world import Agency, Citizen, World

PAR, TOKEN, INTROSPECT = "/oauth2/par", "/oauth2/token", "/oauth2/introspect"
CODES, WARM_UP = 150, 150
"""Redemptions that are measured, and that go before: a compiler has to have seen them."""
AGAIN = 100


def post(port: int, path: str, headers: dict[str, str], body: bytes) -> bytes:
    return request("POST", path, port, headers, body)


def own_token(process: Process, service: Agency) -> str:
    token: str = json.loads(answer(process.port, _own(process, service))[1])["access_token"]
    return token


def walk(process: Process, world: World) -> Iterator[dict[str, Any]]:
    port, web = process.port, world.web
    discovery = request("GET", "/.well-known/openid-configuration", port)
    yield measure("discovery", process, [discovery], count=10_000)
    yield measure("client credentials", process, [_own(process, world.service)], count=3000)
    citizen = Citizen(web, 0)
    redeemed = json.loads(answer(port, post(port, TOKEN, *citizen.token_form(citizen.code())))[1])
    asked = post(port, INTROSPECT, *web.form(INTROSPECT, token=redeemed["access_token"]))
    yield measure("introspection", process, [asked], count=3000)
    yield _pushed(process, world.strict)
    yield _redeemed("code to token, secret", process, replace(web, asked=world.api))
    yield _redeemed("code to token, key", process, replace(world.strict, asked=world.api))
    yield _again(process, world.strict)


def _own(process: Process, service: Agency) -> bytes:
    form = service.form(TOKEN, grant_type="client_credentials", scope="consent:check consent:permit")
    return post(process.port, TOKEN, *form)


def _pushed(process: Process, agency: Agency) -> dict[str, Any]:
    def forms() -> list[bytes]:
        made = [agency.form(PAR, **agency.pushed("v" * 64)) for _ in range(300)]
        return [post(process.port, PAR, *one) for one in made]

    warm_up(process, forms(), wanted=201)
    return measure("pushed request", process, forms(), wanted=201)


def _redeemed(name: str, process: Process, agency: Agency) -> dict[str, Any]:
    citizen = Citizen(agency, 0)

    def forms(count: int) -> list[bytes]:
        made = [citizen.token_form(citizen.code()) for _ in range(count)]
        return [post(process.port, TOKEN, *one) for one in made]

    warm_up(process, forms(WARM_UP))
    return measure(name, process, forms(CODES))


def _again(process: Process, agency: Agency) -> dict[str, Any]:
    """Push, authorize, code, token, userinfo, for a citizen who is logged in and has answered; one after the other."""
    citizen = Citizen(agency, 1)
    for _ in range(AGAIN // 4):
        citizen.whole_flow()
    times, begun, before = [], time.perf_counter(), process.cpu_us()
    for _ in range(AGAIN):
        walked = time.perf_counter()
        citizen.whole_flow()
        times.append(time.perf_counter() - walked)
    return row("whole flow, logged in", process, process.cpu_us() - before, time.perf_counter() - begun, times)
