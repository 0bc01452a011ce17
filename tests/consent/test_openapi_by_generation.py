"""The OpenAPI document is true: requests generated from it find no answer that it does not promise."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import hypothesis
import pytest
import schemathesis
from schemathesis.generation import GenerationMode

from consent.api import openapi

if TYPE_CHECKING:
    from tests.fixtures.registry import World

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)  # the wire is the same on both
EXAMPLES = 60


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_schemathesis_finds_nothing(world: World, anna: str, mode: GenerationMode) -> None:
    """As the document says (positive) and as it forbids (negative); status, type, schema and headers of each answer."""
    asyncio.run(world.give(anna))
    document = json.loads(openapi.document(world.settings.issuer))
    schema = schemathesis.openapi.from_dict(document)
    schema.app = world.frame
    # A key that generation uses twice for two bodies is refused, as the document says.
    schema.config.checks.positive_data_acceptance.expected_statuses.append("422")
    base, tried = f"{world.settings.issuer}/consent/v1", 0

    for found in schema.get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and operation.method == "get" and "{" not in operation.path:
            continue  # it takes nothing that could be wrong

        @hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            database=None,
            derandomize=True,  # the same requests on every machine: a red run can be repeated
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def run(case: schemathesis.Case) -> None:
            nonlocal tried
            tried += 1
            case.call_and_validate(base_url=base, headers={"authorization": f"Bearer {world.token()}"})

        run()

    assert tried > EXAMPLES
