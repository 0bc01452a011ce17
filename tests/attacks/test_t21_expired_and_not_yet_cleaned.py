"""T-21 (authentik CVE-2025-64708): what has expired is refused when it is read; no cleaner has to come by first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consent.interface import PermitRefused
from consent.permits import Asked

if TYPE_CHECKING:
    from tests.fixtures.registry import World

YEAR_S = 365 * 86_400
ASKED = Asked("municipality", "housing-benefit", ("income",), "tax-authority")


@pytest.mark.parametrize(("seconds", "reason"), [(YEAR_S - 1, "consent"), (YEAR_S, "expired"), (YEAR_S + 1, "expired")])
async def test_a_consent_ends_at_its_instant(world: World, anna: str, seconds: int, reason: str) -> None:
    await world.give(anna)
    world.clock.advance(seconds)

    sub = world.sub(anna)
    check = await world.registry.check(agency="municipality", sub=sub, purpose="housing-benefit", data=["income"])
    permitted = await world.database.write(lambda c: world.registry.permit_unit(c, ASKED, sub))

    assert check.decision.reason == permitted.outcome.decision.reason == reason
    assert (await world.registry.consents(anna))[0].state == "given", "no job has been here"


async def test_a_permit_ends_at_its_instant(world: World, anna: str) -> None:
    await world.give(anna)
    permitted = await world.database.write(lambda c: world.registry.permit_unit(c, ASKED, world.sub(anna)))
    world.clock.advance(30)

    with pytest.raises(PermitRefused, match="expired"):
        await world.registry.redeem(permitted.permit, source="tax-authority")
