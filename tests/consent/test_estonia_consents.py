"""The verbs of Estonia's consent service: each with good input and with bad, on both databases."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, update

from consent.ledger.inspect import inspect
from consent.store import altered, forgetting
from consent.store.tables import consent, data_use, estonia_validation, lodged_request, redemption
from tests.fixtures.registry import CALLBACK

if TYPE_CHECKING:
    from datetime import datetime

    import httpx2

    from tests.fixtures.registry import World

API = "/estonia/api"
PURPOSE = "housing-benefit"
ONE_DATABASE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


async def call(world: World, method: str, path: str, *, agency: str = "municipality", **more: Any) -> httpx2.Response:
    async with world.client(agency) as client:
        return await client.request(method, API + path, **more)


async def post(world: World, path: str, body: Any, agency: str = "municipality") -> httpx2.Response:
    return await call(world, "POST", path, agency=agency, json=body)


async def reference(world: World, citizen: str) -> str:
    """As the recipient gets it."""
    body = {"idCode": world.sub(citizen), "purposeDeclarationBusinessIdentifiers": [PURPOSE]}
    found = await post(world, "/consent/reference", body)
    assert found.status_code == 200, found.text
    return str(found.json()[PURPOSE])


async def validate(world: World, one: str, agency: str = "tax-authority") -> httpx2.Response:
    return await call(world, "GET", "/consent/validation/dataprovider", agency=agency, params={"consentReference": one})


async def for_client(world: World, one: str, agency: str = "municipality") -> httpx2.Response:
    return await call(world, "GET", "/consent/validation/client", agency=agency, params={"consentReference": one})


async def report(world: World, one: str, at: datetime, agency: str = "tax-authority") -> httpx2.Response:
    body = {"transmissionTimestamp": at.isoformat().replace("+00:00", "Z"), "consentReference": one}
    return await post(world, "/reporting/consent", body, agency)


def code(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json().get("errorCode", "")


def count(world: World, table: Any) -> int:
    return int(world.database.read_now(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one()))


class TestGetConsentGroupReference:
    async def asked(self, world: World, citizen: str, **changes: Any) -> httpx2.Response:
        usual = {"idCode": world.sub(citizen), "callback": CALLBACK}
        return await post(
            world, "/consent", {**usual, "purposeDeclarationBusinessIdentifiers": [PURPOSE, PURPOSE], **changes}
        )

    async def test_it_lodges_a_request_and_answers_its_link(self, world: World, anna: str) -> None:
        await world.registry.meet(citizen=anna, agency="municipality")
        done = await self.asked(world, anna)

        assert done.status_code == 200
        assert done.json()["url"].startswith(f"{world.settings.issuer}/my/requests/links/")
        (waiting,) = await world.registry.asked(anna)
        assert waiting.path.endswith(done.json()["consentGroupReference"])

    async def test_what_is_allowed_is_not_asked_again(self, world: World, anna: str) -> None:
        await world.give(anna)
        assert code(await self.asked(world, anna)) == (409, "ALL_REQUESTED_CONSENTS_HAVE_ALREADY_BEEN_APPROVED")
        await world.registry.withdraw_agency("municipality", anna)
        assert (await self.asked(world, anna)).status_code == 200

    async def test_bad_requests_lodge_nothing(self, world: World, anna: str) -> None:
        await world.registry.meet(citizen=anna, agency="municipality")
        name = "purposeDeclarationBusinessIdentifiers"
        unknown = (404, "REQUESTED_CONSENTS_NOT_RELATED_TO_ANY_DECLARATIONS")
        for changes, expected in (
            ({"idCode": "60001019906"}, (400, "VALIDATION")),
            ({"callback": "https://elsewhere.example/"}, (400, "VALIDATION")),
            ({name: []}, (400, "VALIDATION")),
            ({"more": 1}, (400, "VALIDATION")),
            ({name: [PURPOSE, "nothing"]}, unknown),
            ({name: ["health-insurance"]}, unknown),
            ({"idCode": world.sub(anna, "tax-authority")}, (404, "ID_CODE_INVALID")),
        ):
            assert code(await self.asked(world, anna, **changes)) == expected, changes
        world.suspend("municipality")
        assert (await self.asked(world, anna)).status_code == 403

        assert count(world, lodged_request) == 0

    @ONE_DATABASE
    async def test_about_a_child_its_request_is_lodged_and_nothing_told_of_custody(
        self, world: World, anna: str
    ) -> None:
        child, stranger = world.citizen("bert"), world.citizen("carla")
        for one in (anna, child, stranger):
            await world.registry.meet(citizen=one, agency="municipality")
        body = {
            "representativeIdCode": world.sub(anna),
            "representeeIdCode": world.sub(child),
            "relationType": "CHILD",
            "callback": CALLBACK,
            "purposeDeclarationBusinessIdentifiers": [PURPOSE],
        }
        by_anna = await post(world, "/consent/representation", body)
        by_stranger = await post(
            world, "/consent/representation", {**body, "representativeIdCode": world.sub(stranger)}
        )

        assert by_anna.status_code == by_stranger.status_code == 200
        assert by_anna.json().keys() == by_stranger.json().keys() == {"consentGroupReference", "url"}
        rows = world.database.read_now(lambda c: c.execute(select(lodged_request)).all())
        assert [(row.id, row.citizen) for row in rows] == [
            (one.json()["consentGroupReference"], child) for one in (by_anna, by_stranger)
        ]

    @ONE_DATABASE
    async def test_who_represents_himself_or_is_nobody_or_no_kin_is_refused(self, world: World, anna: str) -> None:
        for one in (anna, world.citizen("bert")):
            await world.registry.meet(citizen=one, agency="municipality")
        body = {
            "representativeIdCode": world.sub(anna),
            "representeeIdCode": world.sub(world.citizen("bert")),
            "relationType": "CHILD",
            "callback": CALLBACK,
            "purposeDeclarationBusinessIdentifiers": [PURPOSE],
        }
        for changes, expected in (
            ({"representeeIdCode": body["representativeIdCode"]}, (403, "RR_REPRESENTATION_ERROR")),
            ({"representativeIdCode": world.sub(anna, "tax-authority")}, (404, "ID_CODE_INVALID")),
            ({"representeeIdCode": world.sub(anna, "tax-authority")}, (404, "ID_CODE_INVALID")),
            ({"relationType": "FRIEND"}, (400, "RELATION_TYPE_INVALID")),
            ({"representeeIdCode": ""}, (400, "VALIDATION")),
        ):
            assert code(await post(world, "/consent/representation", {**body, **changes})) == expected, changes
        assert count(world, lodged_request) == 0


class TestGetConsentReferences:
    async def test_only_what_is_given_whole_has_one(self, world: World, anna: str) -> None:
        body = {"idCode": world.sub(anna), "purposeDeclarationBusinessIdentifiers": [PURPOSE, "nothing"]}
        nothing = (404, "HTTP_NOT_FOUND")
        assert code(await post(world, "/consent/reference", body)) == nothing
        await world.give(anna, income=False)
        assert code(await post(world, "/consent/reference", body)) == nothing
        given = await world.give(anna)
        found = (await post(world, "/consent/reference", body)).json()
        assert found == {PURPOSE: given.consents[-1]}

    async def test_another_agency_and_nobody_have_none(self, world: World, anna: str) -> None:
        await world.give(anna)
        await world.registry.meet(citizen=anna, agency="health-insurer")
        purposes = {"purposeDeclarationBusinessIdentifiers": [PURPOSE]}
        for agency, sub in (
            ("health-insurer", world.sub(anna)),
            ("health-insurer", world.sub(anna, "health-insurer")),
            ("municipality", world.sub(world.citizen("bert"))),
        ):
            found = await post(world, "/consent/reference", {"idCode": sub, **purposes}, agency)
            assert code(found) == (404, "HTTP_NOT_FOUND")
        assert code(await post(world, "/consent/reference", purposes)) == (400, "VALIDATION")


class TestValidateConsentForClient:
    async def test_it_says_until_when_of_whom_and_for_what(self, world: World, anna: str) -> None:
        await world.give(anna)
        one = await reference(world, anna)
        assert (await for_client(world, one)).json() == {
            "consentReference": one,
            "consentExpiration": f"{world.clock.now() + timedelta(days=365):%Y-%m-%dT%H:%M:%SZ}",
            "idCode": world.sub(anna),
            "purposeDeclarationId": PURPOSE,
        }
        # It was a check: nothing was used.
        assert count(world, data_use) == 0

    async def test_it_is_over_with_any_of_its_parts_and_never_comes_back(self, world: World, anna: str) -> None:
        given = await world.give(anna)
        one = await reference(world, anna)
        await world.registry.withdraw(given.consents[0], anna)
        over = (409, "CONSENT_VALIDATE_INVALID_STATUS")
        assert code(await for_client(world, one)) == over
        await world.give(anna)
        assert code(await for_client(world, one)) == over
        assert await reference(world, anna) != one
        world.clock.advance(366 * 86_400)
        assert code(await for_client(world, await self._first(world, anna))) == over

    async def _first(self, world: World, citizen: str) -> str:
        return next(one.id for one in await world.registry.consents(citizen) if one.state == "given" and one.current)

    async def test_anothers_and_nobodys_look_alike(self, world: World, anna: str) -> None:
        await world.give(anna)
        one = await reference(world, anna)
        answers = [
            await for_client(world, one, "health-insurer"),
            await for_client(world, "A" * 22),
            await for_client(world, "invalid-reference"),
        ]
        assert {code(found) for found in answers} == {(404, "HTTP_NOT_FOUND")}
        assert len({found.json()["detail"] for found in answers}) == 1
        for query in ({}, {"consentReference": one, "more": "1"}):
            assert code(await call(world, "GET", "/consent/validation/client", params=query)) == (400, "VALIDATION")


class TestValidateConsentForDataProvider:
    async def test_a_source_is_told_under_a_permit_that_the_citizen_sees(self, world: World, anna: str) -> None:
        await world.give(anna)
        one = await reference(world, anna)
        told = (await validate(world, one)).json()
        (use,) = (await world.registry.history(anna)).uses

        assert told == {
            "consentReference": one,
            "consentExpiration": f"{world.clock.now() + timedelta(days=365):%Y-%m-%dT%H:%M:%SZ}",
            "idCode": world.sub(anna, "tax-authority"),
            "clientSubsystemIdentifier": "municipality",
            "serviceDeclarationId": "income",
            "data": ["income"],
            "purpose": PURPOSE,
            "purposeVersion": 1,
            "transmitBefore": f"{world.clock.now() + timedelta(seconds=30):%Y-%m-%dT%H:%M:%SZ}",
            "ledgerLeaf": use.leaf,
        }
        assert (use.decision, use.recipient, use.source, use.categories) == (
            "allowed",
            "municipality",
            "tax-authority",
            ("income",),
        )
        assert use.redeemed_at is None

    @ONE_DATABASE
    async def test_who_wants_no_more_than_the_head_of_it_is_told_nothing_and_uses_nothing(
        self, world: World, anna: str
    ) -> None:
        await world.give(anna)
        asked = {"consentReference": await reference(world, anna)}

        found = await call(world, "HEAD", "/consent/validation/dataprovider", agency="tax-authority", params=asked)

        assert (found.status_code, found.headers["allow"]) == (405, "GET")
        assert (await world.registry.history(anna)).uses == ()

    async def test_a_withdrawn_one_is_refused_and_the_attempt_stays(self, world: World, anna: str) -> None:
        await world.give(anna)
        one = await reference(world, anna)
        await world.registry.withdraw_agency("municipality", anna)
        refused = await validate(world, one)
        (use,) = (await world.registry.history(anna)).uses

        assert code(refused) == (409, "CONSENT_VALIDATE_INVALID_STATUS")
        assert (use.decision, use.reason, use.permit) == ("denied", "withdrawn", None)

    async def test_it_is_refused_when_another_of_its_parts_is_withdrawn(self, world: World, anna: str) -> None:
        given = await world.give(anna)
        one = await reference(world, anna)
        address = next(found.id for found in await world.registry.consents(anna) if found.category == "address")
        assert address in given.consents
        await world.registry.withdraw(address, anna)

        assert code(await validate(world, one)) == (409, "CONSENT_VALIDATE_INVALID_STATUS")
        assert count(world, data_use) == 0

    @ONE_DATABASE
    async def test_who_is_no_source_of_it_sees_no_consent(self, world: World, anna: str) -> None:
        await world.give(anna)
        one = await reference(world, anna)
        for agency in ("health-insurer", "municipality"):
            assert code(await validate(world, one, agency)) == (404, "HTTP_NOT_FOUND")
        assert code(await validate(world, "A" * 22)) == (404, "HTTP_NOT_FOUND")
        world.suspend("tax-authority")
        assert (await validate(world, one)).status_code == 403
        assert count(world, data_use) == 0

    @ONE_DATABASE
    async def test_while_the_fence_is_closed_nothing_is_valid(self, world: World, anna: str) -> None:
        await world.give(anna)
        one = await reference(world, anna)
        assert (await call(world, "GET", "/consent/health")).json() == {"status": "UP"}
        world.consent.ledger.fence.reason = "file_replaced"

        assert code(await validate(world, one)) == (409, "CONSENT_VALIDATE_INVALID_STATUS")
        assert code(await for_client(world, one)) == (409, "CONSENT_VALIDATE_INVALID_STATUS")
        assert (await report(world, one, world.clock.now())).status_code == 403
        assert (await call(world, "GET", "/reporting/health")).json() == {"status": "DOWN"}

    async def test_a_row_that_was_edited_is_refused_and_told(self, world: World, anna: str) -> None:
        await world.give(anna)
        one = await reference(world, anna)
        later = world.clock.now() + timedelta(days=3_000)
        world.database.write_now(lambda c: c.execute(update(consent).values(expires_at=later)))

        assert code(await for_client(world, one)) == (409, "CONSENT_VALIDATE_INVALID_STATUS")
        assert one in {found.row for found in world.database.read_now(altered.every)}
        assert code(await validate(world, one)) == (409, "CONSENT_VALIDATE_INVALID_STATUS")
        (use,) = (await world.registry.history(anna)).uses
        assert (use.decision, use.reason) == ("denied", "altered")


class TestReportDataTransmission:
    async def test_the_permit_is_taken_when_the_source_says_once(self, world: World, anna: str) -> None:
        await world.give(anna)
        one = await reference(world, anna)
        await validate(world, one)
        sent = world.clock.now() + timedelta(seconds=5)
        world.clock.advance(600)
        done = [await report(world, one, sent) for _ in range(2)]
        (use,) = (await world.registry.history(anna)).uses

        assert [(found.status_code, found.json()) for found in done] == [(200, {"response": "success"})] * 2
        assert use.redeemed_at == sent
        assert count(world, redemption) == 1
        # Told late, and the ledger agrees with the register all the same.
        await world.registry.ledger.round()
        agreed = world.database.snapshot_now(lambda c: list(inspect(c, world.registry.ledger, world.ring.pseudonyms)))
        assert agreed == []

    async def test_what_was_not_validated_or_had_run_out_is_no_report(self, world: World, anna: str) -> None:
        await world.give(anna)
        one, now = await reference(world, anna), world.clock.now()
        nothing = (404, "HTTP_NOT_FOUND")
        assert code(await report(world, one, now)) == nothing
        await validate(world, one)
        world.clock.advance(600)
        assert code(await report(world, one, now + timedelta(seconds=30))) == nothing
        assert code(await report(world, one, now - timedelta(seconds=61))) == nothing
        assert code(await report(world, one, now, "population-register")) == nothing
        assert code(await report(world, one, now, "municipality")) == nothing
        assert code(await report(world, one, now + timedelta(seconds=700))) == (400, "VALIDATION")
        assert code(await report(world, one, now - timedelta(days=2))) == (400, "VALIDATION")
        for at in ("yesterday", "2026-11-24T12:00:00", 5, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
            body = {"transmissionTimestamp": at, "consentReference": one}
            assert code(await post(world, "/reporting/consent", body, "tax-authority")) == (400, "VALIDATION")
        assert count(world, redemption) == 0

        assert (await report(world, one, now - timedelta(seconds=60))).status_code == 200  # a clock that is behind
        assert count(world, redemption) == 1

    async def test_the_same_report_at_once_is_one(self, world: World, anna: str) -> None:
        await world.give(anna)
        one, now = await reference(world, anna), world.clock.now()
        await validate(world, one)
        done = await asyncio.gather(*(report(world, one, now) for _ in range(6)))

        assert {found.status_code for found in done} == {200}
        assert count(world, redemption) == 1

    @ONE_DATABASE
    async def test_each_transmission_takes_a_validation_of_its_own(self, world: World, anna: str) -> None:
        await world.give(anna)
        one, now = await reference(world, anna), world.clock.now()
        for _ in range(2):
            await validate(world, one)
        world.clock.advance(10)
        found = [await report(world, one, now + timedelta(seconds=late)) for late in (1, 2, 1, 3)]

        assert [each.status_code for each in found] == [200, 200, 200, 404]
        assert count(world, redemption) == 2

    @pytest.mark.parametrize("ahead", [-30, 20])
    async def test_a_source_whose_clock_is_off_reports_each_once(self, world: World, anna: str, ahead: int) -> None:
        """Behind ours or before it, by less than a minute."""
        await world.give(anna)
        one = await reference(world, anna)
        statuses = []
        for _ in range(2):
            await validate(world, one)
            world.clock.advance(1)
            at = world.clock.now() + timedelta(seconds=ahead)
            for _ in range(2):
                statuses.append((await report(world, one, at)).status_code)
                world.clock.advance(2)

        assert statuses == [200] * 4
        assert count(world, redemption) == 2

    async def test_the_same_report_at_once_takes_one_validation_of_several(self, world: World, anna: str) -> None:
        await world.give(anna)
        one, now = await reference(world, anna), world.clock.now()
        for _ in range(4):
            await validate(world, one)
        done = await asyncio.gather(*(report(world, one, now) for _ in range(6)))

        assert {found.status_code for found in done} == {200}
        assert count(world, redemption) == 1

    @ONE_DATABASE
    async def test_what_is_kept_of_a_validation_goes_with_the_day_and_with_the_citizen(
        self, world: World, anna: str
    ) -> None:
        await world.give(anna)
        one = await reference(world, anna)
        for _ in range(2):
            await validate(world, one)
            world.clock.advance(86_400 + 31)
        assert count(world, estonia_validation) == 1
        world.database.write_now(lambda c: forgetting.forget(c, anna, world.clock.now()))
        assert count(world, estonia_validation) == 0


class TestPostConsentFilterByStatus:
    async def test_each_side_shows_its_own_and_the_rest_is_told_apart(self, world: World, anna: str) -> None:
        bert, cleo = world.citizen("bert"), world.citizen("cleo")
        for citizen in (anna, bert, cleo):
            await world.give(citizen)
        mine, ended = await reference(world, anna), await reference(world, bert)
        await world.registry.withdraw_agency("municipality", bert)
        theirs = (await world.give(cleo, "health-insurance", "health-insurer")).consents[0]
        asked = [mine, ended, mine, theirs, "invalid-reference"]

        async def of(*sides: str) -> Any:
            body = {"consentStatus": list(sides), "consentReferences": asked}
            return (await post(world, "/consent/filter-by-status", body)).json()

        everything = await of("VALID", "INVALID")
        assert [(one["consentReference"], one["consentStatus"]) for one in everything["consent"]] == [
            (mine, "APPROVED"),
            (ended, "DECLINED"),
        ]
        assert everything["invalidConsents"] == [theirs, "invalid-reference"]
        assert [one["idCode"] for one in (await of("VALID"))["consent"]] == [world.sub(anna)]
        assert [one["idCode"] for one in (await of("INVALID"))["consent"]] == [world.sub(bert)]
        world.clock.advance(366 * 86_400)
        assert [one["consentStatus"] for one in (await of("INVALID"))["consent"]] == ["EXPIRED", "DECLINED"]

    @ONE_DATABASE
    async def test_another_version_of_the_purpose_makes_it_inapplicable(self, world: World, anna: str) -> None:
        await world.give(anna)
        one = await reference(world, anna)
        world.publish({**world.documents["purposes"][0], "maxDurationDays": 30})
        body = {"consentStatus": ["INVALID"], "consentReferences": [one]}
        (found,) = (await post(world, "/consent/filter-by-status", body)).json()["consent"]
        assert found["consentStatus"] == "INAPPLICABLE"

    @ONE_DATABASE
    async def test_five_thousand_are_answered_and_one_more_is_refused(self, world: World) -> None:
        many = [f"{number:022d}" for number in range(5_001)]
        body = {"consentStatus": ["VALID"], "consentReferences": many[:5_000]}
        assert (await post(world, "/consent/filter-by-status", body)).json()["invalidConsents"] == many[:5_000]
        for bad in ({"consentReferences": many}, {"consentReferences": []}, {"consentStatus": ["MAYBE"]}):
            assert code(await post(world, "/consent/filter-by-status", {**body, **bad})) == (400, "VALIDATION")


@ONE_DATABASE
async def test_each_verb_needs_its_scope(world: World) -> None:
    verbs = {
        ("POST", "/consent"): "consent:request",
        ("POST", "/consent/representation"): "consent:request",
        ("POST", "/consent/reference"): "consent:check",
        ("GET", "/consent/validation/client"): "consent:check",
        ("GET", "/consent/validation/dataprovider"): "consent:redeem",
        ("POST", "/consent/filter-by-status"): "consent:check",
        ("POST", "/reporting/consent"): "consent:redeem",
    }
    for (method, path), scope in verbs.items():
        others = " ".join(set(verbs.values()) - {scope})
        for token, expected in ((world.token(scope=others), 403), (world.token(typ="jwt"), 401)):
            async with world.client(None, authorization=f"Bearer {token}") as client:
                assert (await client.request(method, API + path, json={})).status_code == expected
