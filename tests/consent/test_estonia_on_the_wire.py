"""Estonia's Data Tracker at a running server, over HTTP: Schemathesis with all its checks, by Estonia's own file.

The tax authority's software asks, with a token of its own; whom the file's examples ask about is a citizen of ours, of
whom it used a name. Each way that Schemathesis has is gone: the file's examples, its bounds one by one, and what it
makes up itself, as the file allows and as it forbids.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import schemathesis
import yaml
from schemathesis.checks import CHECKS
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from schemathesis.generation import GenerationMode

from tests.fixtures import visitors
from tests.fixtures.registry import TAX_RETURN

if TYPE_CHECKING:
    from schemathesis.schemas import BaseSchema

    from tests.fixtures.server import Server

pytestmark = pytest.mark.parametrize("server", ["sqlite"], indirect=True)
FILE = Path(__file__).parent / "files" / "estonia-data-tracker-2.1.0.yaml"  # MIT, e-gov/AJ
EXAMPLES = 40
ASKS = "/v2/findUsage"
PATHS = {ASKS, "/v2/usagePeriod", "/v2/heartbeat"}
SOMEBODY = "EE12345678901"
"""Whom the examples of the file ask about."""


@pytest.fixture(scope="module")
def asking(server: Server) -> tuple[str, str]:
    """A token of the tax authority's software, and the `sub` of a citizen of whom it used a name."""
    server.tell("purpose add", file=TAX_RETURN)
    server.tell("purpose publish", id="tax-return")
    both = ["authorization_code", "client_credentials"]
    scope = "openid consent:permit consent:usage"
    client = server.register("tracker", "baseline", agency="tax-authority", scope=scope, grant_types=both)
    visitors.citizen(server, "traced")
    visitor = visitors.Visitor(server, "traced")
    sub = str(visitors.claims(visitor.tokens(client)["id_token"])["sub"])
    visitor._http.close()
    asked = {"sub": sub, "purpose": "tax-return", "data": ["name"], "source": "population-register"}

    async def use() -> str:
        address = f"{server.issuer}/consent/v1/permits"
        status, told = await client.call("POST", address, await client.token("consent:permit"), asked)
        assert status == 201, told
        token = await client.token("consent:usage")
        await client.http.aclose()
        return token

    return asyncio.run(use()), sub


def schema(server: Server, sub: str) -> BaseSchema:
    """The file, with our citizen in its examples and what it leaves to X-Road: a token, and 401 (docs/estonia.md)."""
    document = yaml.safe_load(FILE.read_text().replace(SOMEBODY, sub))
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path in PATHS - {"/v2/heartbeat"}:
        document["paths"][path]["get"]["security"] = [{"token": []}]
        document["paths"][path]["get"]["responses"]["401"] = {"description": "No token, or another"}
    made = schemathesis.openapi.from_dict(document, config=SchemathesisConfig(seed=1))
    made.config.update(base_url=f"{server.issuer}/estonia")
    # The file gives numbers no bounds; one below 0, or a leap second, is 400, which it knows.
    made.config.checks.positive_data_acceptance.expected_statuses.append("400")
    return made


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_schemathesis_finds_nothing(server: Server, asking: tuple[str, str], mode: GenerationMode) -> None:
    token, sub = asking
    made = schema(server, sub)
    made.config.update(headers={"Authorization": f"Bearer {token}"})  # by this name it takes it away again
    made.config.generation.update(modes=[mode], max_examples=EXAMPLES, deterministic=True, database="none")

    tried, told, passed, wrong = Counter[tuple[str, str, int]](), set[int](), set[str](), list[str]()
    for event in from_schema(made).execute():
        assert not isinstance(event, events.FatalError | events.NonFatalError | events.Interrupted), vars(event)
        if not isinstance(event, events.ScenarioFinished):
            continue
        for name, one in event.recorder.cases.items():
            exchange, case = event.recorder.interactions[name], one.value
            assert exchange.response is not None, exchange.request.uri
            status, body = exchange.response.status_code, exchange.response.json()
            tried[case.operation.path, case.method, status] += 1
            if status == 401:
                assert exchange.request.headers.get("Authorization") != [f"Bearer {token}"]
            elif status == 400 and mode is GenerationMode.POSITIVE:
                assert body["errors"][0]["location"] in ("offset", "limit", "periodStart", "periodEnd"), case.query
            elif status == 200 and case.operation.path == ASKS:
                told.add(body["totalUsages"])
        for check in (one for checks in event.recorder.checks.values() for one in checks):
            passed.add(check.name)
            if check.status is not Status.SUCCESS:
                wrong.append(f"{check.name}: {check.failure_info}")

    assert wrong == []
    assert passed == {one.__name__ for one in CHECKS.get_all()}
    got = {(path, status) for path, method, status in tried if method == "GET"}
    assert {path for path, status in got if status == 200} == PATHS
    if mode is GenerationMode.POSITIVE:
        assert told == {0, 1}  # the line of a use was judged too
        assert sum(count for (path, _, status), count in tried.items() if (path, status) == (ASKS, 200)) > EXAMPLES / 2
    else:
        assert {(path, status) for path, method, status in tried if method != "GET"} == {(path, 405) for path in PATHS}
        assert tried[ASKS, "GET", 400] > EXAMPLES
