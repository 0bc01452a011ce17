"""T-12 (Hydra GHSA-3p3g-vpw6-4w66), at the registry: a DPoP proof is accepted once, on every worker, ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2

from base.web import frame
from consent.app import Consent

if TYPE_CHECKING:
    from tests.fixtures.registry import ProofKey, World


async def test_the_second_use_is_refused_also_by_another_worker(world: World, anna: str, proof_key: ProofKey) -> None:
    path = "/consent/v1/checks"
    token = world.token(cnf={"jkt": proof_key.jkt})
    proof = proof_key.proof("POST", world.settings.issuer + path, token, iat=world.clock.now().timestamp())
    headers = {"authorization": f"DPoP {token}", "dpop": proof}
    body = {"sub": world.sub(anna), "purpose": "housing-benefit", "data": ["address"]}
    # A process that starts anew, with nothing in memory, on the same database.
    database = world.database if world.backend.name == "sqlite" else world.backend.open("consent")
    other = frame(Consent(world.settings, database, world.ring, world.clock).api(), world.settings)

    statuses = []
    for app in (world.frame, world.frame, other):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url=world.settings.issuer) as client:
            statuses.append((await client.post(path, json=body, headers=headers)).status_code)

    assert statuses == [200, 401, 401]
