"""GovStack's own scenarios for its Consent Building Block, over real HTTPS with nothing but Python's standard library.

Named after its features (bb-consent, test/gherkin/features: smoke.feature, data_agreement.feature). Its own steps send no
token; neither do these, to a server that is set up for demonstration.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.mutual import mutual_of
from tests.fixtures.server import Server, copied
from tests.spec.test_govstack_consent import AGREEMENT, POLICY

if TYPE_CHECKING:
    from tests.fixtures.certificates import Authority

API = "/govstack/v1"


@dataclass
class Instance:
    """A Consent Building Block, by its URL; and what it answered last."""

    connection: http.client.HTTPSConnection
    status: int = 0
    body: Any = None

    def ask(self, method: str, path: str, body: Any = None) -> None:
        content = json.dumps(body) if body is not None else None
        headers = {"content-type": "application/json"} if content is not None else {}
        self.connection.request(method, API + path, content, headers)
        answer = self.connection.getresponse()
        self.status, self.body = answer.status, json.loads(answer.read())


@pytest.fixture(scope="module", params=["sqlite"])
def instance(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    authority: Authority,
    mutual_environment: Callable[[], tuple[dict[str, str], Path]],
) -> Iterator[Instance]:
    """Given A URL of a Consent Building Block instance."""
    filled: Callable[[pytest.FixtureRequest], Server] = request.getfixturevalue("filled_server")
    server, (environment, trusted) = copied(filled(request), request, tmp_path_factory), mutual_environment()
    shown = {"REGIE_GOVSTACK": "true", "REGIE_GOVSTACK_DEMONSTRATION": "municipality"}
    made = mutual_of(server, authority, (environment, trusted), tmp_path_factory.mktemp("govstack"), **shown)
    context = ssl.create_default_context(cafile=str(trusted))
    port = int(environment["REGIE_MTLS_PORT"])
    one = Instance(http.client.HTTPSConnection("localhost", port, timeout=20, context=context))
    try:
        for path, body in (
            ("/config/policy/", {"policy": {**POLICY, "id": "1"}}),
            ("/config/data-agreement/", {"dataAgreement": AGREEMENT}),
        ):
            one.ask("POST", path, body)
            assert one.status == 200, one.body
        yield one
    finally:
        one.connection.close()
        made.close()


class TestTheConsentBuildingBlockExists:
    def test_the_platform_and_its_api_exists(self, instance: Instance) -> None:
        # When I call a basic public API endpoint
        instance.ask("GET", "/service/policy/1/")

        # Then I get some valid JSON data back
        assert instance.status == 200
        assert instance.body["policy"]["id"] == "1"
        assert instance.body["revision"]["objectId"] == "1"


class TestRetrieveDataAgreementConfiguration:
    def test_retrieve_data_agreement_configuration_by_valid_id(self, instance: Instance) -> None:
        # Given a data agreement ID "1", when I make a GET request
        instance.ask("GET", "/config/data-agreement/1/")

        # Then the response has a status code of 200 and contains the data agreement details for "1"
        assert instance.status == 200
        assert instance.body["dataAgreement"]["id"] == "1"
        assert instance.body["dataAgreement"]["purpose"] == AGREEMENT["purpose"]

    @pytest.mark.parametrize("name", ["invalid_id", "123!%40%23"])
    def test_attempt_to_retrieve_data_agreement_configuration_with_invalid_id(
        self, instance: Instance, name: str
    ) -> None:
        instance.ask("GET", f"/config/data-agreement/{name}/")

        # Then the response should have a status code of 400
        assert instance.status == 400


def test_without_the_authoritys_word_the_instance_is_not_believed(instance: Instance) -> None:
    stranger = http.client.HTTPSConnection("localhost", instance.connection.port, timeout=20)
    with pytest.raises(ssl.SSLCertVerificationError):
        stranger.request("GET", f"{API}/service/policy/1/")
    stranger.close()
