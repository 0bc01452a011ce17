"""The operations that are measured, in order."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from base.settings import Settings
from bench.load import Process, answer, measure, request, row, start
from bench.world import CITIZENS, Agency, Citizen, fill

PAR, TOKEN, INTROSPECT = "/oauth2/par", "/oauth2/token", "/oauth2/introspect"
CHECKS, PERMITS = "/consent/v1/checks", "/consent/v1/permits"


def measured(directory: Path, port: int) -> tuple[list[dict[str, Any]], float]:
    """Rows, and seconds from the start of the server to its first answer."""
    members = {"development": True, "port": port, "data_dir": directory / "data"}
    agencies = fill(Settings(**members))
    environment = {**os.environ, **{f"REGIE_{name.upper()}": str(value) for name, value in members.items()}}
    process = start([sys.executable, "-m", "regie.cli", "serve"], environment, port, "/health/live")
    try:
        return list(_provider(process, agencies)), process.first_s
    finally:
        process.stop()


def _provider(process: Process, agencies: dict[str, Agency]) -> Any:
    port, strict, service = process.port, agencies["fapi2"], agencies["baseline"]

    def post(path: str, headers: dict[str, str], body: bytes) -> bytes:
        return request("POST", path, port, headers, body)

    yield measure("discovery", process, [request("GET", "/.well-known/openid-configuration", port)], count=20_000)
    yield measure("jwks", process, [request("GET", "/oauth2/jwks", port)], count=20_000)
    credentials = post(TOKEN, *service.form(TOKEN, grant_type="client_credentials"))
    yield measure("client credentials", process, [credentials], count=3000)
    token = json.loads(answer(port, credentials)[1])["access_token"]
    yield measure("introspection", process, [post(INTROSPECT, *service.form(INTROSPECT, token=token))], count=3000)

    forms = [post(PAR, *strict.form(PAR, **strict.pushed("v" * 64))) for _ in range(500)]
    yield measure("pushed request", process, forms, wanted=201)
    yield _whole_flow(process, strict)
    citizen = Citizen(strict, 0)
    codes = [citizen.token_form(citizen.code()) for _ in range(150)]
    yield measure("code to token", process, [post(TOKEN, *one) for one in codes])
    sub = citizen.whole_flow()["sub"]

    asked = json.dumps({"sub": sub, "purpose": "housing-benefit", "data": ["address"]}).encode()
    bearer = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    yield measure("check", process, [post(CHECKS, bearer, asked)], count=5000)
    bound = json.loads(
        answer(port, post(TOKEN, *strict.form(TOKEN, grant_type="client_credentials", scope="consent:check")))[1]
    )["access_token"]
    yield measure("check with DPoP", process, [post(CHECKS, _proven(strict, bound), asked) for _ in range(1000)])
    wanted = json.dumps({**json.loads(asked), "source": "population-register"}).encode()
    yield measure("permit", process, [post(PERMITS, bearer, wanted)], count=2000, wanted=201)


def _proven(agency: Agency, token: str) -> dict[str, str]:
    assert agency.key is not None
    proof = agency.key.proof("POST", agency.issuer + CHECKS, token)
    return {"content-type": "application/json", "authorization": f"DPoP {token}", "dpop": proof}


def _whole_flow(process: Process, agency: Agency) -> dict[str, Any]:
    """Push, login form, consent, code, token, userinfo: a new citizen each, one after the other."""
    times, begun, before = [], time.perf_counter(), process.cpu_us()
    for number in range(CITIZENS):
        walked = time.perf_counter()
        Citizen(agency, number).whole_flow()
        times.append(time.perf_counter() - walked)
    return row("whole flow", process, process.cpu_us() - before, time.perf_counter() - begun, times)
