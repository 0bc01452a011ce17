"""GovStack Consent Building Block API 1.1.0-rc1: each of its 42 operations, and requests that are generated from its file.

govstack-consent-1.1.0-rc1.yaml is GovStack's own (Apache License 2.0), unchanged.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import httpx2
import hypothesis
import pytest
import schemathesis
import yaml
from schemathesis.generation import GenerationMode

from base.settings import UnsafeSettings
from base.web import Frame, frame
from base.web.frame import _ODD_PATH
from consent.app import Consent
from consent.govstack.routes import OPERATIONS

if TYPE_CHECKING:
    from tests.fixtures.registry import World

FILE = Path(__file__).parent / "govstack-consent-1.1.0-rc1.yaml"
ALL = "govstack:config govstack:service govstack:audit"
POLICY = {"id": "", "name": "Privacy", "version": "1", "url": "https://municipality.example/privacy"}
WEBHOOK = {
    "id": "",
    "payloadUrl": "https://municipality.example/hook",
    "contentType": "application/json",
    "disabled": False,
    "secretKey": "very secret",
}
AGREEMENT = {
    "id": "1",
    "version": "",
    "purpose": "Parking permit",
    "lawfulBasis": "consent",
    "dpia": "https://municipality.example/dpia",
    "dataAttributes": [{"id": "address", "name": "", "sensitivity": "", "category": ""}],
}
EXAMPLES = 12
MINE = "/service/individual/record"
ONE_DATABASE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@dataclass
class Building:
    """The API, as one agency's software calls it."""

    world: World
    app: Frame
    citizen: str
    called: set[tuple[str, str]] = field(default_factory=set)

    @property
    def sub(self) -> str:
        return self.world.sub(self.citizen)

    @asynccontextmanager
    async def http(
        self, agency: str = "municipality", scope: str = ALL, **headers: str
    ) -> AsyncIterator[httpx2.AsyncClient]:
        given = {"authorization": f"Bearer {self.world.token(agency, scope)}", **headers}
        base = f"{self.world.settings.issuer}/govstack/v1"
        transport = httpx2.ASGITransport(app=self.app)  # type: ignore[arg-type]
        async with httpx2.AsyncClient(transport=transport, base_url=base, headers=given) as client:
            yield client

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        agency: str = "municipality",
        expected: int = 200,
        **query: str,
    ) -> Any:
        headers = {"x-consentbb-individualid": self.sub} if path.startswith(MINE) else {}
        async with self.http(agency, **headers) as http:
            answer = await http.request(method, path, json=body, params=query)
        assert answer.status_code == expected, (method, path, answer.text)
        self.called |= {(one[0], one[1]) for one in OPERATIONS if one[0] == method and _like(one[1], path)}
        return answer.json()


def _like(pattern: str, path: str) -> bool:
    wanted, given = pattern.split("/"), path.split("/")
    return len(wanted) == len(given) and all(a == b or a.startswith("{") for a, b in zip(wanted, given, strict=True))


def _frame(world: World, **changes: Any) -> Frame:
    settings = world.settings.model_copy(update={"govstack": True, **changes})
    consent = Consent(settings, world.database, world.ring, world.clock)
    return frame([*consent.govstack()], settings)


@pytest.fixture
def building(world: World, anna: str) -> Building:
    return Building(world, _frame(world), anna)


def test_the_operations_are_those_of_the_file() -> None:
    paths = yaml.safe_load(FILE.read_text())["paths"]
    in_file = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert {(one[0], one[1]) for one in OPERATIONS} == in_file
    assert len(OPERATIONS) == 42


async def test_each_operation_does_what_the_file_says(building: Building) -> None:
    """The life of a policy, a webhook, an agreement, an individual and a record; every operation answers 200 in it."""
    call, world = building.call, building.world

    # A policy, its revisions chained by SHA-256.
    made = await call("POST", "/config/policy/", {"policy": {**POLICY, "id": "1"}})
    assert made["policy"]["id"] == "1"
    revision = made["revision"]
    assert sha256(revision["serializedSnapshot"].encode()).hexdigest() == revision["serializedHash"]
    assert json.loads(revision["serializedSnapshot"])["objectData"]["url"] == POLICY["url"]
    changed = await call("PUT", "/config/policy/1/", {"policy": {**POLICY, "version": "2"}})
    assert changed["revision"]["predecessorHash"] == revision["serializedHash"]
    assert (await call("GET", "/config/policy/1/"))["policy"]["version"] == "2"
    assert (await call("GET", "/config/policy/1/", revisionId=revision["id"]))["policy"]["version"] == "1"
    assert (await call("GET", "/service/policy/1/"))["policy"]["version"] == "2"
    assert len((await call("GET", "/config/policy/1/revisions/"))["revisions"]) == 2
    assert [one["id"] for one in (await call("GET", "/config/policies/", offset="0", limit="5"))["policies"]] == ["1"]

    # A webhook: no secret is kept, and it says that nothing is sent.
    hook = (await call("POST", "/config/webhook/", {"webhook": WEBHOOK}))["webhook"]
    assert (hook["secretKey"], hook["disabled"]) == ("", True)
    at = f"/config/webhook/{hook['id']}/"
    moved = {**WEBHOOK, "payloadUrl": "https://municipality.example/other"}
    await call("PUT", at, {"webhook": moved})
    assert (await call("GET", at))["webhook"]["payloadUrl"] == moved["payloadUrl"]
    assert len((await call("GET", "/config/webhooks/"))["webhooks"]) == 1
    await call("DELETE", at)
    await call("GET", at, expected=400)

    # An agreement is a draft of the catalogue, which people publish.
    agreement = {**AGREEMENT, "policy": {**POLICY, "id": "1"}}
    drafted = await call("POST", "/config/data-agreement/", {"dataAgreement": agreement})
    assert (drafted["dataAgreement"]["id"], drafted["dataAgreement"]["active"]) == ("1", False)
    purposes = (await world.registry.catalogue()).versions
    assert purposes["municipality-1", 1].author == "client-municipality"
    await call("DELETE", "/config/policy/1/", expected=400)
    read = await call("GET", "/config/data-agreement/1/")
    assert read["dataAgreement"]["policy"]["version"] == "2"
    again = await call("PUT", "/config/data-agreement/1/", {"dataAgreement": {**agreement, "purpose": "Parking"}})
    assert again["dataAgreement"]["version"] == "2"
    assert {one["id"] for one in (await call("GET", "/config/data-agreements/"))["dataAgreements"]} == {
        "housing-benefit",
        "1",
    }
    assert len((await call("GET", "/audit/data-agreements/"))["dataAgreements"]) == 2
    assert (await call("GET", "/audit/data-agreement/1/"))["dataAgreement"]["lifecycle"]["id"] == "draft"
    assert (await call("DELETE", "/config/data-agreement/1/"))["revision"]["objectId"] == "1"
    assert (await call("GET", "/config/data-agreement/1/"))["dataAgreement"]["lifecycle"]["id"] == "retired"
    published = await call("GET", "/service/verification/data-agreements/")
    assert [one["id"] for one in published["dataAgreements"]] == ["housing-benefit"]
    assert (await call("GET", "/service/data-agreement/housing-benefit/"))["dataAgreement"]["active"] is True

    # An individual is who logged in at this agency.
    await world.registry.meet(citizen=building.citizen, agency="municipality")
    person = {"individual": {"id": building.sub}}
    for group in ("config", "service"):
        assert (await call("POST", f"/{group}/individual/", person))["individual"]["id"] == building.sub
        assert (await call("GET", f"/{group}/individual/{building.sub}/"))["individual"]["externalIdType"] == "sub"
        assert len((await call("GET", f"/{group}/individuals/"))["individuals"]) == 1
    await call("PUT", f"/service/individual/{building.sub}/", person)

    # A record is unsigned until the citizen answers on our page.
    of_agreement = f"{MINE}/data-agreement/housing-benefit/"
    unsigned = (await call("POST", of_agreement, individualId=building.sub))["consentRecord"]
    assert unsigned["state"] == "unsigned"
    assert "optIn" not in unsigned
    asked = {"individualId": building.sub, "dataAgreementId": "housing-benefit"}
    drafts = await call("POST", f"{MINE}/consent-record/draft/", **asked)
    assert (drafts["consentRecord"]["id"], drafts["signature"]["signature"]) == ("", "")
    await world.give(building.citizen)
    record = (await call("GET", of_agreement))["consentRecord"]
    assert (record["id"], record["state"], record["optIn"]) == (unsigned["id"], "signed", True)
    assert record["dataAgreementRevisionHash"] == record["dataAgreementRevision"]["serializedHash"]
    at = f"{MINE}/consent-record/{record['id']}/"
    signature = (await call("POST", f"{at}signature/", {"signature": drafts["signature"]}))["signature"]
    assert sha256(signature["verificationPayload"].encode()).hexdigest() == signature["verificationPayloadHash"]
    await call("PUT", f"{at}signature/", {"signature": signature})
    paired = await call("POST", f"{MINE}/consent-record/", {"consentRecord": record, "signature": signature})
    assert paired["signature"]["payload"] == signature["payload"]
    for path in (
        f"{MINE}/consent-record/",
        f"{of_agreement}all/",
        "/service/verification/consent-records/",
        "/audit/consent-records/",
    ):
        assert [one["id"] for one in (await call("GET", path))["consentRecords"]] == [record["id"]]
    for path in ("/service/verification/consent-record", "/audit/consent-record"):
        assert (await call("GET", f"{path}/{record['id']}/"))["consentRecord"]["optIn"] is True

    # The agency gives up what it was given, and no check says yes from then on.
    ended = await call("PUT", at, {"consentRecord": {**record, "optIn": False}})
    assert ended["consentRecord"]["optIn"] is False
    found = await world.registry.check(
        agency="municipality", sub=building.sub, purpose="housing-benefit", data=["income"]
    )
    assert found.decision.reason == "withdrawn"
    await call("PUT", f"{at}signature/", {"signature": signature}, expected=400)
    await world.give(building.citizen)
    await call("DELETE", f"{MINE}/")
    assert (await call("GET", of_agreement))["consentRecord"]["optIn"] is False

    await call("DELETE", "/config/policy/1/")
    assert {(one[0], one[1]) for one in OPERATIONS} == building.called


@ONE_DATABASE
async def test_an_agency_cannot_say_yes_for_a_citizen(building: Building) -> None:
    await building.world.registry.meet(citizen=building.citizen, agency="municipality")
    query = {"individualId": building.sub}
    record = (await building.call("POST", f"{MINE}/data-agreement/housing-benefit/", **query))["consentRecord"]
    forged = dict.fromkeys(("id", "payload", "signature", "verificationMethod", "verificationPayload", "verificationPayloadHash", "verificationSignedBy", "timestamp"), "x")  # fmt: skip
    yes = {"consentRecord": {**record, "optIn": True, "state": "signed"}}
    at = f"{MINE}/consent-record/{record['id']}/"
    await building.call("PUT", at, yes, expected=400)
    await building.call("PUT", f"{at}signature/", {"signature": forged}, expected=400)
    await building.call("POST", f"{MINE}/consent-record/", {**yes, "signature": forged}, expected=400)
    await building.call(
        "POST", f"{MINE}/consent-record/", {**yes, "signature": {**forged, "signature": ""}}, expected=400
    )
    assert await building.world.registry.consents(building.citizen) == []


@ONE_DATABASE
async def test_a_mistake_is_named(building: Building) -> None:
    pages = [
        await building.call("GET", "/config/policies/", expected=400, **one)
        for one in ({"offset": "-1"}, {"limit": "x"})
    ]
    strange = await building.call("GET", "/config/policies/", expected=400, page="2")
    made = "/config/data-agreement/"
    basis = await building.call("POST", made, {"dataAgreement": {**AGREEMENT, "lawfulBasis": "a"}}, expected=400)
    other = {**AGREEMENT, "dataAttributes": [{"id": "nothing", "name": "", "sensitivity": "", "category": ""}]}
    data = [
        await building.call("POST", made, {"dataAgreement": one}, expected=400)
        for one in ({**AGREEMENT, "dataAttributes": []}, other)
    ]

    assert [one["errors"][0]["location"] for one in pages] == ["offset", "limit"]
    assert "It has: limit, offset, revisionId." in strange["detail"]
    assert "lawfulBasis must be one of consent" in basis["detail"]
    assert ["/consent/v1/categories" in one["detail"] for one in data] == [True, True]


@ONE_DATABASE
async def test_nothing_of_another_agency_is_seen_or_ended(building: Building) -> None:
    """Look-alikes: what is another's and what does not exist are answered with the same words."""
    await building.world.give(building.citizen)
    await building.call("POST", "/config/policy/", {"policy": {**POLICY, "id": "7"}})
    record = f"housing-benefit.1.{building.sub}"
    for path in (
        "/config/policy/{}/",
        "/service/policy/{}/",
        "/config/data-agreement/{}/",
        "/config/individual/{}/",
        "/audit/consent-record/{}/",
    ):
        name = {"policy": "7", "data-agreement": "housing-benefit", "individual": building.sub}.get(
            path.split("/")[2], record
        )
        await building.call("GET", path.format(name))
        others = await building.call("GET", path.format(name), agency="health-insurer", expected=400)
        none = await building.call("GET", path.format("none"), agency="health-insurer", expected=400)
        assert others["detail"] == none["detail"]
    for path, name in (
        ("/audit/consent-records/", "consentRecords"),
        ("/config/policies/", "policies"),
        ("/config/individuals/", "individuals"),
    ):
        assert (await building.call("GET", path, agency="health-insurer"))[name] == []
    await building.call("DELETE", f"{MINE}/", agency="health-insurer", expected=400)
    await building.call("DELETE", "/config/data-agreement/housing-benefit/", agency="health-insurer", expected=400)
    await building.call("DELETE", "/config/policy/7/", agency="health-insurer", expected=400)
    found = await building.world.registry.check(
        agency="municipality", sub=building.sub, purpose="housing-benefit", data=["income"]
    )
    assert found.decision.allowed


@ONE_DATABASE
async def test_each_group_of_operations_has_a_scope_of_its_own(building: Building) -> None:
    for scope, path in (
        ("config", "/config/policies/"),
        ("service", "/service/individuals/"),
        ("audit", "/audit/data-agreements/"),
    ):
        async with building.http(scope=f"govstack:{scope}") as http:
            assert (await http.get(path)).status_code == 200
        async with building.http(scope=ALL.replace(f"govstack:{scope}", "consent:check")) as http:
            assert (await http.get(path)).status_code == 403
            assert (await http.get(path, headers={"authorization": ""})).status_code == 401


@ONE_DATABASE
async def test_a_suspended_agency_and_a_closed_ledger_allow_nothing(
    building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    await building.world.give(building.citizen)
    from consent.ledger.fence import Fence

    path = f"/audit/consent-record/housing-benefit.1.{building.sub}/"
    with monkeypatch.context() as closed:
        closed.setattr(Fence, "is_open", lambda _self, _connection: False)
        assert (await building.call("GET", path))["consentRecord"]["optIn"] is False
    building.world.suspend("municipality")
    await building.call("GET", path, expected=403)


@ONE_DATABASE
async def test_the_demonstration_needs_no_token_and_development(building: Building) -> None:
    """GovStack's own scenarios, which send no token: policy 1, agreement 1, bad ids."""
    await building.call("POST", "/config/policy/", {"policy": {**POLICY, "id": "1"}})
    await building.call("POST", "/config/data-agreement/", {"dataAgreement": AGREEMENT})
    shown = _frame(building.world, govstack_demonstration="municipality")
    transport = httpx2.ASGITransport(app=shown)  # type: ignore[arg-type]
    async with httpx2.AsyncClient(
        transport=transport, base_url=f"{building.world.settings.issuer}/govstack/v1"
    ) as http:
        answer = (await http.get("/service/policy/1/")).json()
        assert isinstance(answer["policy"], dict)
        assert isinstance(answer["revision"], dict)
        assert (await http.get("/config/data-agreement/1/")).json()["dataAgreement"]["id"] == "1"
        for bad in ("invalid_id", "123!%40%23"):
            assert (await http.get(f"/config/data-agreement/{bad}/")).status_code == 400
    settings = building.world.settings.model_copy(
        update={
            "development": False,
            "issuer": "https://regie.example",
            "govstack": True,
            "govstack_demonstration": "municipality",
        }
    )
    with pytest.raises(UnsafeSettings, match="DEMONSTRATION"):
        settings.check()
    assert (
        Consent(building.world.settings, building.world.database, building.world.ring, building.world.clock).govstack()
        == []
    )


@ONE_DATABASE
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_schemathesis_finds_nothing(building: Building, mode: GenerationMode) -> None:
    """Status, type and schema of each answer to what the file allows (positive) and forbids (negative)."""
    asyncio.run(building.world.give(building.citizen))
    schema = schemathesis.openapi.from_path(FILE)
    schema.app = building.app
    # The file allows any text for an id, and has 400 for those that name nothing.
    schema.config.checks.positive_data_acceptance.expected_statuses.append("400")
    base = f"{building.world.settings.issuer}/govstack/v1"
    headers = {"authorization": f"Bearer {building.world.token(scope=ALL)}", "x-consentbb-individualid": building.sub}
    tried: dict[str, int] = {}

    for found in schema.get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and not _can_be_wrong(operation):
            continue
        _settings = hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            database=None,
            derandomize=True,
        )

        def run(case: schemathesis.Case) -> None:
            # An address with a slash, a backslash or a control character in a name is nobody's (base.web.frame): 404.
            names = [unquote(str(one)) for one in case.path_parameters.values()]
            hypothesis.assume(not any(_ODD_PATH.search(f"/{quote(one, safe='')}/".encode()) for one in names))
            tried[case.operation.label] = tried.get(case.operation.label, 0) + 1
            case.call_and_validate(base_url=base, headers=headers)

        check: Callable[[], None] = _settings(hypothesis.given(case=operation.as_strategy(generation_mode=mode))(run))
        check()

    everything, wrong = _in_file()
    assert set(tried) == (everything if mode is GenerationMode.POSITIVE else wrong)
    assert (len(everything), len(wrong)) == (42, 30)
    assert sum(tried.values()) > 100


def _can_be_wrong(operation: Any) -> bool:
    return bool(operation.body) or bool(list(operation.query))


def _in_file() -> tuple[set[str], set[str]]:
    """All operations, and those with a body or a query that can be wrong, as the file itself has them: by no library."""
    paths = yaml.safe_load(FILE.read_text())["paths"]
    found = {f"{method.upper()} {path}": one for path, methods in paths.items() for method, one in methods.items()}
    wrong = {
        label
        for label, one in found.items()
        if "requestBody" in one or any(parameter["in"] == "query" for parameter in one.get("parameters", []))
    }
    return set(found), wrong


@ONE_DATABASE
async def test_a_key_makes_a_create_and_a_withdrawal_happen_once(building: Building) -> None:
    """Idempotency-Key, which the file does not know and HTTP does."""
    await building.world.give(building.citizen)
    person = {"x-consentbb-individualid": building.sub, "idempotency-key": "end"}
    async with building.http() as http:
        made = [
            await http.post("/config/policy/", json={"policy": POLICY}, headers={"idempotency-key": "make"})
            for _ in range(2)
        ]
        other = {"policy": {**POLICY, "name": "Other"}}
        refused = await http.post("/config/policy/", json=other, headers={"idempotency-key": "make"})
        ended = [await http.request("DELETE", f"{MINE}/", headers=person) for _ in range(2)]
        another = building.world.sub(building.world.citizen("bert"))
        elsewhere = await http.request("DELETE", f"{MINE}/", headers={**person, "x-consentbb-individualid": another})
        listed = (await http.get("/config/policies/")).json()

    assert [one.status_code for one in (*made, refused, *ended)] == [200, 200, 422, 200, 200]
    assert made[0].content == made[1].content
    assert ended[0].content == ended[1].content
    assert elsewhere.status_code == 422
    assert len([one for one in listed["policies"] if one["name"] == "Privacy"]) == 1
    assert {one.state for one in await building.world.registry.consents(building.citizen)} == {"withdrawn"}
