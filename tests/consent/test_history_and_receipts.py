"""Who used my data, page by page; and what the citizen holds in hand."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from consent.errors import BadCursor
from consent.permits import Asked
from consent.receipts import Receipt
from consent.registry import Filter

if TYPE_CHECKING:
    from tests.fixtures.registry import World


async def use(world: World, citizen: str, *categories: str) -> None:
    await world.registry.release(
        citizen=citizen, agency="municipality", purpose="housing-benefit", categories=frozenset(categories)
    )


class TestHistory:
    async def test_newest_first_and_every_line_on_one_page(self, world: World, anna: str) -> None:
        await world.give(anna)
        for _ in range(7):
            world.clock.advance(1)
            await use(world, anna, "address")
            await use(world, world.citizen("bert"), "address")

        seen, before, pages = [], None, 0
        while pages == 0 or before is not None:
            page = await world.registry.history(anna, before=before, limit=3)
            seen += page.uses
            before, pages = page.older, pages + 1

        assert pages == 3
        assert len({one.seq for one in seen}) == 7
        assert [one.at for one in seen] == sorted((one.at for one in seen), reverse=True)

    async def test_filters(self, world: World, anna: str) -> None:
        await world.give(anna, income=False)
        await world.give(anna, "health-insurance", "health-insurer")
        await use(world, anna, "address", "income")
        await world.registry.release(
            citizen=anna, agency="health-insurer", purpose="health-insurance", categories=frozenset({"birth-date"})
        )

        async def count(**wanted: str) -> int:
            return len((await world.registry.history(anna, wanted=Filter(**wanted))).uses)

        assert await count() == 3
        assert await count(agency="municipality") == 2
        assert await count(decision="denied") == 1
        assert await count(purpose="health-insurance", decision="allowed") == 1
        assert await count(agency="nobody") == 0

    async def test_recipients_and_last_uses_are_this_citizens(self, world: World, anna: str) -> None:
        await world.give(anna)
        await use(world, anna, "address")

        assert (await world.registry.history_overview(anna)).recipients == ("municipality",)
        first = world.clock.now()
        assert await world.registry.last_uses(anna) == {("municipality", "housing-benefit", "address"): first}
        world.clock.advance(60)
        income = Asked("municipality", "housing-benefit", ("income",), "tax-authority")
        await world.database.write(lambda c: world.registry.permit_unit(c, income, world.sub(anna)))
        assert await world.registry.last_uses(anna) == {
            ("municipality", "housing-benefit", "address"): first,
            ("municipality", "housing-benefit", "income"): world.clock.now(),
        }
        assert (await world.registry.history_overview(world.citizen("bert"))).recipients == ()
        assert await world.registry.last_uses(world.citizen("bert")) == {}

    async def test_a_cursor_is_of_one_citizen_and_shows_nothing(self, world: World, anna: str) -> None:
        """R-10: opaque, authenticated, bound."""
        await world.give(anna)
        for _ in range(2):
            await use(world, anna, "address")
        cursor = (await world.registry.history(anna, limit=1)).older
        assert cursor is not None

        with pytest.raises(BadCursor):
            await world.registry.history(world.citizen("bert"), before=cursor)
        flipped = ("B" if cursor[0] == "A" else "A") + cursor[1:]
        for text in (flipped, "1", "0 OR 1=1", "é", "A" * 5_000, cursor + "="):
            with pytest.raises(BadCursor):
                await world.registry.history(anna, before=text)


class TestReceiptOfAUse:
    async def test_each_line_of_the_history_has_one(self, world: World, anna: str) -> None:
        await world.give(anna, income=False)
        await use(world, anna, "address", "income")
        lines = (await world.registry.history(anna)).uses

        found = [_claims(await world.registry.receipt(line.leaf, anna)) for line in lines]

        assert {one["event"]["state"] for one in found} == {"allowed", "denied"}
        assert {one["event"]["reason"] for one in found} == {"consent", "refused"}
        for line, one in zip(lines, found, strict=True):
            assert one["ledger"]["leaf_hash"] == line.leaf
            assert one["pii_principal_id"] == world.sub(anna)
            assert anna not in json.dumps(one)

    async def test_nobody_gets_anothers(self, world: World, anna: str) -> None:
        """T-43."""
        await world.give(anna)
        await use(world, anna, "address")
        (line,) = (await world.registry.history(anna)).uses

        assert await world.registry.receipt(line.leaf, world.citizen("bert")) is None
        assert await world.registry.receipt_file(line.leaf, world.citizen("bert")) is None


class TestReceipt:
    async def test_pyjwt_verifies_it_by_the_published_keys(self, world: World, anna: str) -> None:
        import jwt

        recorded = await world.give(anna)

        receipt = (await world.registry.receipt(recorded.consents[0], anna)).jws

        header = jwt.get_unverified_header(receipt)
        key = jwt.PyJWKSet.from_json(world.ring.jwks().decode())[header["kid"]]
        claims = jwt.decode(receipt, key, algorithms=["ES256"], options={"verify_iat": False})
        assert header["typ"] == "receipt+jwt"
        assert claims["event"]["state"] == "consent given"

    async def test_an_altered_receipt_is_refused_by_it(self, world: World, anna: str) -> None:
        import jwt

        recorded = await world.give(anna)
        receipt = (await world.registry.receipt(recorded.consents[0], anna)).jws
        header, payload, signature = receipt.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
        claims["event"]["state"] = "consent refused"
        altered = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
        key = jwt.PyJWKSet.from_json(world.ring.jwks().decode())[jwt.get_unverified_header(receipt)["kid"]]

        with pytest.raises(jwt.InvalidSignatureError):
            jwt.decode(f"{header}.{altered}.{signature}", key, algorithms=["ES256"])

    async def test_it_has_the_fields_of_iso_27560(self, world: World, anna: str) -> None:
        """ISO/IEC TS 27560:2023 clause 6.3, in the words of that text."""
        recorded = await world.give(anna)

        claims = _claims(await world.registry.receipt(recorded.receipts[1], anna))

        record = await world.registry.consent(recorded.consents[1], anna)
        purpose = (await world.registry.catalogue()).purposes["housing-benefit"]
        assert claims["record_id"] == record.id
        assert claims["schema_version"].startswith("ISO/IEC TS 27560")
        assert claims["privacy_notice_hash"] == record.notice_hash
        assert claims["language"] == "nl"
        assert claims["purpose"] == {
            "id": purpose.id,
            "version": 1,
            "hash": purpose.hash,
            "title": purpose.title["nl"],
        }
        assert claims["lawful_basis"]["basis"] == "consent"
        assert claims["pii_information"] == [{"type": "income", "name": "Inkomen", "source": "tax-authority"}]
        assert [one["id"] for one in claims["pii_controllers"]] == ["municipality", "tax-authority"]
        assert claims["validity_duration_s"] == 365 * 86_400
        assert claims["withdrawal_method"].endswith(f"/my/consents/{record.id}")
        assert claims["event"]["revision"] == recorded.revision

    async def test_it_names_the_citizen_as_the_recipient_does_and_not_as_the_registry(
        self, world: World, anna: str
    ) -> None:
        """C-15: two receipts shown to two agencies do not tell that they are one person's."""
        recorded = await world.give(anna)

        receipt = await world.registry.receipt(recorded.consents[0], anna)

        assert _claims(receipt)["pii_principal_id"] == world.sub(anna)
        assert anna not in json.dumps(_claims(receipt))

    async def test_each_event_has_its_own_and_the_consent_its_newest(self, world: World, anna: str) -> None:
        recorded = await world.give(anna)
        done = await world.registry.withdraw(recorded.consents[0], anna)

        async def state(receipt_id: str) -> str:
            return _claims(await world.registry.receipt(receipt_id, anna))["event"]["state"]

        assert await state(recorded.receipts[0]) == "consent given"
        assert await state(done.receipts[0]) == "consent withdrawn"
        assert await state(recorded.consents[0]) == "consent withdrawn"

    async def test_nobody_gets_anothers(self, world: World, anna: str) -> None:
        """T-43."""
        recorded = await world.give(anna)

        assert await world.registry.receipt(recorded.consents[0], world.citizen("bert")) is None
        assert await world.registry.receipt(f"{recorded.consents[0]}.999", anna) is None
        assert await world.registry.receipt("nothing", anna) is None


def _claims(receipt: Receipt) -> dict:
    payload = receipt.jws.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
