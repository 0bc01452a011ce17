"""The OpenAPI documents are true: requests generated from it find no answer that it does not promise."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import schemathesis
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from consent.api import estonia_openapi, openapi

if TYPE_CHECKING:
    from tests.fixtures.registry import World

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)  # the wire is the same on both
EXAMPLES = 60
RULED = {
    "/consent": {"The callback is no redirect address of this client."},
    "/consent/representation": {"The callback is no redirect address of this client.", "There is no such relation."},
    "/reporting/consent": {"The request is not as the protocol has it."},  # a time within the last day
}
"""At /estonia/api: what is refused with 400, as the protocol has it, and no schema can say."""


@pytest.mark.parametrize(
    ("made", "base", "examples"), [(openapi, "/consent/v1", EXAMPLES), (estonia_openapi, "/estonia/api", EXAMPLES // 3)]
)
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_schemathesis_finds_nothing(
    world: World, anna: str, mode: GenerationMode, made: Any, base: str, examples: int
) -> None:
    """As the document says (positive) and as it forbids (negative); status, type, schema and headers of each answer."""
    asyncio.run(world.give(anna))
    document = json.loads(made.document(world.settings.issuer))
    schema = schemathesis.openapi.from_dict(document)
    schema.app = world.frame
    # A key that generation uses twice for two bodies is refused, as the document says.
    schema.config.checks.positive_data_acceptance.expected_statuses.append("422")
    schema.config.checks.negative_data_rejection.expected_statuses.append("413")  # too many, and too large with it
    tried = 0

    for found in schema.get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and operation.method == "get" and "{" not in operation.path:
            continue  # it takes nothing that could be wrong

        @hypothesis.settings(
            max_examples=examples,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            database=None,
            derandomize=True,  # the same requests on every machine: a red run can be repeated
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def run(case: schemathesis.Case) -> None:
            nonlocal tried
            tried += 1
            ruled = RULED.get(case.operation.path, set())
            headers = {"authorization": f"Bearer {world.token()}"}
            excluded = [positive_data_acceptance] if ruled else []
            answer = case.call_and_validate(
                base_url=world.settings.issuer + base, headers=headers, excluded_checks=excluded
            )
            assert mode is GenerationMode.NEGATIVE or answer.status_code != 400 or answer.json()["detail"] in ruled

        run()

    assert tried > examples
