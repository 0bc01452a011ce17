"""T-13 (Keycloak CVE-2025-2559): assertions that end a year ahead cannot fill the memory of what was used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from agency.client import ASSERTION_TYPE
from base.database.tables import CLAIM

if TYPE_CHECKING:
    from tests.fixtures.inside import Inside

YEAR = 365 * 86_400


@pytest.mark.parametrize(("life", "status"), [(YEAR, 401), (3_600, 401), (311, 401), (300, 200)])
async def test_t13_a_far_end_is_refused_and_leaves_nothing(inside: Inside, life: int, status: int) -> None:
    client = inside.register(profile="fapi2", scope="consent:check", grant_types=["client_credentials"])

    for _ in range(3):
        form = {
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": inside.assertion(client, exp=inside.at() + life),
        }
        assert (await inside.post("/oauth2/introspect", client, token="x", **form)).status_code == status

    used = select(func.count()).select_from(CLAIM).where(CLAIM.c.kind == "assertion")
    kept = inside.house.databases["idp"].read_now(lambda c: c.execute(used).scalar_one())
    assert kept == (3 if status == 200 else 0)
