"""Dutch API Design Rules (NL GOV ADR 2.1) on /consent/v1; the numbers are those of our list of requirements."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from base.forms import MAX_BODY

if TYPE_CHECKING:
    from tests.fixtures.registry import World

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)  # the wire is the same on both

BASE = "/consent/v1"
POSTS = tuple(
    f"{BASE}/{one}"
    for one in ("checks", "checks/bulk", "permits", "permits/redemptions", "permits/reports", "requests")
)
GETS = tuple(
    f"{BASE}/{one}" for one in ("agencies", "categories", "purposes", "purposes/housing-benefit", "openapi.json")
)


@pytest.fixture
async def document(world: World) -> dict[str, Any]:
    async with world.client(None) as client:
        return (await client.get(f"{BASE}/openapi.json")).json()


@pytest.fixture
async def body(world: World, anna: str) -> dict[str, Any]:
    await world.give(anna)
    return {"sub": world.sub(anna), "purpose": "housing-benefit", "data": ["address"]}


class TestNaming:
    def test_segments_are_lower_case_kebab_without_extension(self, document: dict[str, Any]) -> None:
        """D-03."""
        for path in document["paths"]:
            for segment in path.strip("/").split("/"):
                assert re.fullmatch(r"[a-z]+(-[a-z]+)*|\{[a-z]+(-[a-z]+)*\}", segment), path

    def test_collections_are_plural_nouns(self, document: dict[str, Any]) -> None:
        """D-01."""
        assert {path.strip("/").split("/")[0] for path in document["paths"]} == {
            "checks",
            "permits",
            "agencies",
            "categories",
            "purposes",
            "requests",
            "records",
            "artefacts",
            "event-streams",
            "complaints",
        }

    async def test_members_are_lower_camel_case(self, document: dict[str, Any]) -> None:
        """D-04."""
        for schema in document["components"]["schemas"].values():
            for name in schema.get("properties", {}):
                assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name), name

    @pytest.mark.parametrize("path", [*POSTS, *GETS])
    async def test_a_trailing_slash_is_404_and_no_redirect(self, world: World, path: str) -> None:
        """D-02."""
        async with world.client() as client:
            response = await client.request("POST" if path in POSTS else "GET", f"{path}/", json={})

        assert response.status_code == 404
        assert "location" not in response.headers


class TestEveryResponse:
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            *(("GET", path, 200) for path in GETS),
            *(("HEAD", path, 200) for path in GETS),
            *(("POST", path, 400) for path in POSTS),
            ("GET", f"{BASE}/nothing", 404),
            ("GET", f"{BASE}/purposes/nothing", 404),
            ("GET", f"{BASE}/checks", 405),
            ("DELETE", f"{BASE}/purposes", 405),
            ("POST", f"{BASE}/openapi.json", 405),
        ],
    )
    async def test_names_the_full_version_and_has_the_security_headers(
        self, world: World, method: str, path: str, status: int
    ) -> None:
        """D-10, D-12."""
        async with world.client() as client:
            json_body = {"json": {}} if method == "POST" else {}
            response = await client.request(method, path, **json_body)

        assert response.status_code == status
        assert re.fullmatch(r"1\.\d+\.\d+", response.headers["api-version"])
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert "cache-control" in response.headers

    async def test_is_never_stored_by_others_when_it_is_about_somebody(
        self, world: World, body: dict[str, Any]
    ) -> None:
        async with world.client() as client:
            response = await client.post(f"{BASE}/checks", json=body)

        assert response.headers["cache-control"] == "no-store"

    @pytest.mark.parametrize("path", POSTS)
    async def test_head_and_get_tell_which_methods_are_there(self, world: World, path: str) -> None:
        """D-06."""
        async with world.client() as client:
            response = await client.get(path)

        assert (response.status_code, response.headers["allow"]) == (405, "POST")


class TestErrors:
    @pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "application/xml, text/*", "x"])
    async def test_what_cannot_be_answered_in_json_is_406(
        self, world: World, body: dict[str, Any], accept: str
    ) -> None:
        """R-07, D-13."""
        async with world.client() as client:
            refused = await client.post(POSTS[0], json=body, headers={"accept": accept})

        assert refused.status_code == 406
        assert refused.headers["content-type"] == "application/problem+json"

    @pytest.mark.parametrize("accept", ["*/*", "application/*;q=0.2", "text/html, application/json; q=0.5"])
    async def test_what_admits_json_is_answered(self, world: World, body: dict[str, Any], accept: str) -> None:
        """R-07."""
        async with world.client() as client:
            assert (await client.post(POSTS[0], json=body, headers={"accept": accept})).status_code == 200

    @pytest.mark.parametrize("path", POSTS)
    @pytest.mark.parametrize(
        "raw", [b"", b"{", b"[]", b"null", b"{}", b'"x"', b'{"sub": 1}', b"\xff", b'{"a":1,"a":2}', b"[" * 500]
    )
    async def test_bad_input_is_400_as_problem_json(self, world: World, path: str, raw: bytes) -> None:
        """D-08: 400, never 422 or 500; status, title and detail; nothing of the inside."""
        async with world.client(None, authorization=f"Bearer {world.token()}") as client:
            response = await client.post(path, content=raw, headers={"content-type": "application/json"})

        problem = response.json()
        assert response.status_code == problem["status"] == 400
        assert response.headers["content-type"] == "application/problem+json"
        assert problem["title"]
        assert problem["detail"]
        assert "Traceback" not in response.text

    async def test_all_that_is_wrong_is_told_at_once(self, world: World) -> None:
        """D-08 (SHOULD)."""
        async with world.client() as client:
            response = await client.post(f"{BASE}/checks", json={"sub": 1, "data": ["x", "BAD"], "surprise": True})

        places = [one["location"] for one in response.json()["errors"]]
        assert places == ["$.sub", "$.purpose", "$.data[0]", "$"]

    @pytest.mark.parametrize("member", ["is_admin", "agency", "Sub", "__proto__"])
    async def test_unknown_members_are_refused(self, world: World, body: dict[str, Any], member: str) -> None:
        """R-03."""
        async with world.client() as client:
            response = await client.post(f"{BASE}/checks", json={**body, member: True})

        assert response.status_code == 400

    @pytest.mark.parametrize("member", ["sub", "purpose"])
    async def test_a_line_break_at_the_end_is_not_overlooked(
        self, world: World, body: dict[str, Any], member: str
    ) -> None:
        async with world.client() as client:
            response = await client.post(f"{BASE}/checks", json={**body, member: body[member] + "\n"})

        assert response.status_code == 400

    @pytest.mark.parametrize("path", GETS[:3])
    async def test_unknown_query_parameters_are_refused(self, world: World, path: str) -> None:
        async with world.client(None) as client:
            response = await client.get(path, params={"sort": "name; DROP TABLE purpose"})

        assert response.status_code == 400

    @pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "", None])
    async def test_another_content_type_is_415(self, world: World, body: dict[str, Any], kind: str | None) -> None:
        """D-13."""
        headers = {} if kind is None else {"content-type": kind}
        async with world.client() as client:
            response = await client.post(f"{BASE}/checks", content=json.dumps(body).encode(), headers=headers)

        assert response.status_code == 415

    async def test_a_body_above_the_limit_is_413(self, world: World) -> None:
        async with world.client() as client:
            response = await client.post(f"{BASE}/checks", json={"sub": "a" * MAX_BODY})

        assert response.status_code == 413


class TestTime:
    async def test_instants_are_utc_with_upper_case_t_and_z(self, world: World, body: dict[str, Any]) -> None:
        """D-05."""
        async with world.client() as client:
            check = (await client.post(f"{BASE}/checks", json=body)).json()
            permit = (await client.post(f"{BASE}/permits", json={**body, "source": "population-register"})).json()

        for instant in (check["checkedAt"], permit["expiresAt"]):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", instant)


class TestDocument:
    async def test_it_is_public_json_and_open_to_every_site(self, world: World) -> None:
        """D-09."""
        async with world.client(None) as client:
            response = await client.get(f"{BASE}/openapi.json", headers={"origin": "https://elsewhere.example"})

        assert response.headers["content-type"] == "application/json"
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.json()["openapi"].startswith("3.")

    def test_it_has_contact_version_and_references_that_resolve(self, document: dict[str, Any]) -> None:
        """D-09, D-10."""
        names = re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(document))

        assert document["info"]["contact"]["url"]
        assert re.fullmatch(r"1\.\d+\.\d+", document["info"]["version"])
        assert document["servers"][0]["url"].endswith("/consent/v1")
        assert set(names) <= document["components"]["schemas"].keys()
        assert names

    def test_each_operation_tells_its_refusals_as_problem_json(self, document: dict[str, Any]) -> None:
        for path in document["paths"].values():
            for operation in path.values():
                for status, response in operation["responses"].items():
                    kind = "application/json" if status < "400" else "application/problem+json"
                    assert list(response.get("content", {})) == ([] if status == "204" else [kind])
                    assert "API-Version" in response["headers"]

    async def test_it_describes_every_address_that_there_is(self, world: World, document: dict[str, Any]) -> None:
        there = {(route.path, method) for route in world.consent.api() for method in route.methods - {"HEAD"}}
        told = {
            (f"{BASE}{path}", method.upper()) for path, operations in document["paths"].items() for method in operations
        }

        assert told == there

    async def test_nothing_sensitive_is_ever_in_an_address(self, document: dict[str, Any]) -> None:
        """D-11: subjects, tokens and permits travel in bodies and headers."""
        parameters = {
            one["name"]
            for path in document["paths"].values()
            for operation in path.values()
            for one in operation.get("parameters", [])
        }

        assert parameters == {"Idempotency-Key", "complaint", "purpose", "record", "request", "stream"}
