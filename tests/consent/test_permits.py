"""Permits, over HTTP: recorded before they leave, for one use, for thirty seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from consent.ledger.merkle import leaf_hash
from consent.store import tables
from keys import jose
from keys.digest import b64encode

if TYPE_CHECKING:
    from tests.fixtures.registry import World

PERMITS, REDEMPTIONS = "/consent/v1/permits", "/consent/v1/permits/redemptions"


def asked(world: World, citizen: str, **changes: Any) -> dict[str, Any]:
    body = {"sub": world.sub(citizen), "purpose": "housing-benefit", "data": ["income"], "source": "tax-authority"}
    return {**body, **changes}


async def permit_of(world: World, citizen: str, **changes: Any) -> str:
    async with world.client() as client:
        response = await client.post(PERMITS, json=asked(world, citizen, **changes))
    assert response.status_code == 201, response.text
    return response.json()["permit"]


async def redeem(world: World, permit: str, agency: str = "tax-authority") -> Any:
    async with world.client(agency) as client:
        return await client.post(REDEMPTIONS, json={"permit": permit})


class TestPermit:
    async def test_it_says_what_it_is_for_and_under_which_names(self, world: World, anna: str) -> None:
        recorded = await world.give(anna)

        permit = await permit_of(world, anna)

        claims = jose.verify(
            permit,
            keys=world.ring.source,
            typ=frozenset({"permit+jwt"}),
            algorithms=frozenset({"ES256"}),
            now=world.clock.now(),
            issuer=world.settings.issuer,
            audience="tax-authority",
        )
        assert claims["recipient"] == "municipality"
        assert claims["recipient_sub"] == world.sub(anna)
        assert claims["source_sub"] == world.sub(anna, "tax-authority")
        assert (claims["purpose"], claims["purpose_version"], claims["data"]) == ("housing-benefit", 1, ["income"])
        assert claims["exp"] - claims["iat"] == 30
        assert claims["consent"] == [recorded.consents[1]]
        assert claims["revision"] == recorded.revision
        assert anna not in str(dict(claims))

    async def test_its_ledger_promise_is_the_leaf_of_the_use(self, world: World, anna: str) -> None:
        await world.give(anna)

        claims = jose.unverified_claims(await permit_of(world, anna))

        use, leaf = world.database.read_now(
            lambda c: (
                c.execute(select(tables.data_use)).one(),
                c.execute(select(tables.pending_leaf).order_by(tables.pending_leaf.c.seq.desc()).limit(1)).one(),
            )
        )
        assert claims["ledger"] == {"leaf_hash": use.leaf, "seq": leaf.seq}
        assert use.leaf == b64encode(leaf_hash(leaf.commitment))

    async def test_pyjwt_verifies_it(self, world: World, anna: str) -> None:
        """A second library, by the published keys alone."""
        import jwt

        await world.give(anna)
        permit = await permit_of(world, anna)

        keys = jwt.PyJWKSet.from_json(world.ring.jwks().decode())
        key = keys[jwt.get_unverified_header(permit)["kid"]]

        options = {"verify_exp": False, "verify_iat": False}
        claims = jwt.decode(permit, key, algorithms=["ES256"], audience="tax-authority", options=options)
        assert claims["recipient"] == "municipality"

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"data": ["address"]}, "other_source"),
            ({"source": "municipality"}, "other_source"),
            ({"source": "nobody"}, "other_source"),
            ({"data": ["birth-date"]}, "not_in_purpose"),
            ({"purpose": "health-insurance"}, "unknown_purpose"),
            ({"purpose": "nothing"}, "unknown_purpose"),
            ({"sub": "A" * 43}, "no_consent"),
        ],
    )
    async def test_what_does_not_fit_is_denied_with_its_reason(
        self, world: World, anna: str, changes: dict[str, Any], reason: str
    ) -> None:
        await world.give(anna)

        async with world.client() as client:
            response = await client.post(PERMITS, json=asked(world, anna, **changes))

        assert response.status_code == 403
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["reason"] == reason

    async def test_a_denied_attempt_leaves_the_same_trace(self, world: World, anna: str) -> None:
        await world.give(anna, income=False)

        async with world.client() as client:
            response = await client.post(PERMITS, json=asked(world, anna))

        page = await world.registry.history(anna)
        assert response.json()["reason"] == "refused"
        assert [(use.recipient, use.categories, use.decision, use.reason, use.permit) for use in page.uses] == [
            ("municipality", ("income",), "denied", "refused", None)
        ]

    async def test_a_guessed_pseudonym_is_kept_for_the_supervisor(self, world: World, anna: str) -> None:
        async with world.client() as client:
            await client.post(PERMITS, json=asked(world, anna, sub="B" * 43))

        assert [use.reason for use in (await world.registry.history("")).uses] == ["no_consent"]

    async def test_another_legal_basis_needs_no_consent_and_is_in_the_history(self, world: World, anna: str) -> None:
        await world.registry.meet(citizen=anna, agency="tax-authority")

        async with world.client("tax-authority") as client:
            body = {"sub": world.sub(anna, "tax-authority"), "purpose": "tax-return", "data": ["name"]}
            response = await client.post(PERMITS, json={**body, "source": "population-register"})

        assert response.status_code == 201
        assert (await world.registry.history(anna)).uses[0].legal_basis == "public_task"

    async def test_a_suspended_agency_or_source_gets_none(self, world: World, anna: str) -> None:
        await world.give(anna)
        world.suspend("tax-authority")
        async with world.client() as client:
            by_source = await client.post(PERMITS, json=asked(world, anna))
        world.suspend("municipality")
        async with world.client() as client:
            by_agency = await client.post(PERMITS, json=asked(world, anna))
            check = await client.post(
                "/consent/v1/checks", json={"sub": world.sub(anna), "purpose": "housing-benefit", "data": ["income"]}
            )

        assert (by_source.status_code, by_agency.status_code, check.status_code) == (403, 403, 403)

    async def test_what_cannot_be_recorded_is_not_released(self, world: World, anna: str) -> None:
        """No durable record, no release: here the write is refused by the database itself."""
        await world.give(anna)
        name = tables.pending_leaf.name
        world.database.write_now(lambda c: c.exec_driver_sql(f"ALTER TABLE {name} RENAME TO away"))

        async with world.client() as client:
            response = await client.post(PERMITS, json=asked(world, anna))

        assert response.status_code == 503
        assert "permit" not in response.json()
        assert (await world.registry.history(anna)).uses == ()


class TestRedemption:
    async def test_its_source_takes_it_once(self, world: World, anna: str) -> None:
        await world.give(anna)
        permit = await permit_of(world, anna)
        world.clock.advance(3)

        first, second = await redeem(world, permit), await redeem(world, permit)

        assert first.status_code == 200
        assert first.json() == {
            "permitId": jose.unverified_claims(permit)["jti"],
            "sub": world.sub(anna, "tax-authority"),
            "recipient": "municipality",
            "purpose": "housing-benefit",
            "data": ["income"],
            "redeemedAt": "2026-11-24T12:00:03Z",
        }
        assert (second.status_code, second.json()["reason"]) == (409, "redeemed")
        assert (await world.registry.history(anna)).uses[0].redeemed_at == world.clock.now()

    async def test_not_by_another_source(self, world: World, anna: str) -> None:
        await world.give(anna)
        permit = await permit_of(world, anna)

        response = await redeem(world, permit, "health-insurer")

        assert (response.status_code, response.json()["reason"]) == (403, "source")
        assert (await redeem(world, permit)).status_code == 200

    @pytest.mark.parametrize(("seconds", "status"), [(29, 200), (30, 403), (31, 403), (3_600, 403)])
    async def test_within_thirty_seconds(self, world: World, anna: str, seconds: int, status: int) -> None:
        await world.give(anna)
        permit = await permit_of(world, anna)
        world.clock.advance(seconds)

        assert (await redeem(world, permit)).status_code == status

    async def test_an_altered_permit_is_none(self, world: World, anna: str) -> None:
        await world.give(anna)
        permit = await permit_of(world, anna)
        header, _, signature = permit.split(".")
        other = (await permit_of(world, anna)).split(".")[1]

        response = await redeem(world, f"{header}.{other}.{signature}")

        assert (response.status_code, response.json()["reason"]) == (403, "unknown")

    async def test_an_access_token_is_no_permit(self, world: World) -> None:
        """K-04: one kind of token never passes for another."""
        response = await redeem(world, world.token("tax-authority", aud="tax-authority"))

        assert (response.status_code, response.json()["reason"]) == (403, "unknown")

    async def test_a_suspended_source_takes_nothing(self, world: World, anna: str) -> None:
        await world.give(anna)
        permit = await permit_of(world, anna)
        world.suspend("tax-authority")

        assert (await redeem(world, permit)).status_code == 403

    async def test_a_recipient_that_was_suspended_since_gets_nothing(self, world: World, anna: str) -> None:
        await world.give(anna)
        permit = await permit_of(world, anna)
        world.suspend("municipality")

        response = await redeem(world, permit)

        assert (response.status_code, response.json()["reason"]) == (403, "recipient")


class TestReleaseByTheProvider:
    async def test_only_what_was_given_goes_and_all_of_it_is_in_the_history(self, world: World, anna: str) -> None:
        await world.give(anna)

        released = await world.registry.release(
            citizen=anna, agency="municipality", purpose="housing-benefit", categories=frozenset({"address", "name"})
        )

        uses = (await world.registry.history(anna)).uses
        assert released == {"address"}
        assert {(use.categories, use.decision, use.reason) for use in uses} == {
            (("address",), "allowed", "consent"),
            (("name",), "denied", "not_in_purpose"),
        }
        assert all(use.redeemed_at is not None for use in uses if use.decision == "allowed")

    async def test_a_client_without_a_purpose_gets_nothing(self, world: World, anna: str) -> None:
        await world.give(anna)

        released = await world.registry.release(
            citizen=anna, agency="municipality", purpose=None, categories=frozenset({"address"})
        )

        assert released == frozenset()
        assert (await world.registry.history(anna)).uses[0].reason == "unknown_purpose"

    async def test_what_another_source_holds_does_not_go(self, world: World, anna: str) -> None:
        await world.give(anna)

        released = await world.registry.release(
            citizen=anna, agency="municipality", purpose="housing-benefit", categories=frozenset({"income"})
        )

        assert released == frozenset()

    async def test_nothing_asked_writes_nothing(self, world: World, anna: str) -> None:
        await world.registry.release(citizen=anna, agency="municipality", purpose=None, categories=frozenset())

        assert (await world.registry.history(anna)).uses == ()


class TestAfterWithdrawal:
    async def test_the_next_check_and_the_next_permit_say_no(self, world: World, anna: str) -> None:
        recorded = await world.give(anna)
        await world.registry.withdraw(recorded.consents[1], anna)

        async with world.client() as client:
            body = {"sub": world.sub(anna), "purpose": "housing-benefit", "data": ["income"]}
            check = await client.post("/consent/v1/checks", json=body)
            permit = await client.post(PERMITS, json=asked(world, anna))

        assert (check.json()["decision"], check.json()["reason"]) == ("denied", "withdrawn")
        assert (permit.status_code, permit.json()["reason"]) == (403, "withdrawn")

    async def test_the_acknowledgement_names_permits_under_way(self, world: World, anna: str) -> None:
        """C-07: issued earlier and still open; not those that were taken, have expired or rest on another consent."""
        recorded = await world.give(anna)
        await permit_of(world, anna)
        world.clock.advance(31)
        taken, open_ = await permit_of(world, anna), await permit_of(world, anna)
        await permit_of(world, anna, data=["address"], source="population-register")
        await redeem(world, taken)

        done = await world.registry.withdraw(recorded.consents[1], anna)

        assert done.under_way == (jose.unverified_claims(open_)["jti"],)

    async def test_other_consents_stay(self, world: World, anna: str) -> None:
        recorded = await world.give(anna)
        await world.registry.withdraw(recorded.consents[1], anna)

        assert await permit_of(world, anna, data=["address"], source="population-register")
