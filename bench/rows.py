"""Our own server: the operations that are measured, in order."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from base.settings import Settings
from bench import steps
from bench.load import Process, answer, measure, request, row, start
from bench.steps import TOKEN, own_token, post
from bench.world import CITIZENS, USES, Agency, Citizen, World, fill

CHECKS, PERMITS = "/consent/v1/checks", "/consent/v1/permits"


def measured(directory: Path, port: int) -> tuple[list[dict[str, Any]], float]:
    """Rows, and seconds from the start of the server to its first answer."""
    members = {"development": True, "port": port, "data_dir": directory / "data"}
    world = fill(Settings(**members))
    environment = {**os.environ, **{f"REGIE_{name.upper()}": str(value) for name, value in members.items()}}
    process = start([sys.executable, "-m", "regie.cli", "serve"], environment, port, "/health/live")
    try:
        return [*steps.walk(process, world), *_ours(process, world)], process.first_s
    finally:
        process.stop()


def _ours(process: Process, world: World) -> Iterator[dict[str, Any]]:
    """What the peer has not: keys as cached bytes, logging in with a password, and the registry."""
    port = process.port
    strict = replace(world.strict, asked={"authorization_details": json.dumps(USES)})
    yield measure("jwks", process, [request("GET", "/oauth2/jwks", port)], count=10_000)
    yield _first_flow(process, strict)
    sub = Citizen(strict, 0).whole_flow()["sub"]

    asked = json.dumps({"sub": sub, "purpose": "housing-benefit", "data": ["address"]}).encode()
    bearer = {"content-type": "application/json", "authorization": f"Bearer {own_token(process, world.service)}"}
    yield measure("check", process, [post(port, CHECKS, bearer, asked)], count=5000)
    own = strict.form(TOKEN, grant_type="client_credentials", scope="consent:check")
    bound = json.loads(answer(port, post(port, TOKEN, *own))[1])["access_token"]
    proven = [post(port, CHECKS, _proven(strict, bound), asked) for _ in range(1000)]
    yield measure("check with DPoP", process, proven)
    wanted = json.dumps({**json.loads(asked), "source": "population-register"}).encode()
    yield measure("permit", process, [post(port, PERMITS, bearer, wanted)], count=2000, wanted=201)


def _proven(agency: Agency, token: str) -> dict[str, str]:
    assert agency.key is not None
    proof = agency.key.proof("POST", agency.issuer + CHECKS, token)
    return {"content-type": "application/json", "authorization": f"DPoP {token}", "dpop": proof}


def _first_flow(process: Process, agency: Agency) -> dict[str, Any]:
    """Push, login form, consent, code, token, userinfo: a new citizen each, one after the other."""
    times, begun, before = [], time.perf_counter(), process.cpu_us()
    for number in range(2, CITIZENS):
        walked = time.perf_counter()
        Citizen(agency, number).whole_flow()
        times.append(time.perf_counter() - walked)
    return row("first flow", process, process.cpu_us() - before, time.perf_counter() - begun, times)
