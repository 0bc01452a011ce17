"""What a client does with its grants, with the registry: read what stands, end it, replace it (idp.extensions.grant_management)."""

from __future__ import annotations

from typing import Any

from base import audit
from base.database import Connection
from consent.interface import PersonalDataUse
from idp import granting
from idp.authorization import uses_of, wanted
from idp.clients import Client
from idp.context import Context
from idp.extensions import grant_management
from idp.requests import Pending
from idp.scopes import CLAIM_SCOPES
from idp.store import clients, managed_grants
from idp.store.managed_grants import ManagedGrant

__all__ = ["ManagedGrant", "content", "end", "find", "replaced"]

find = managed_grants.find


async def content(context: Context, client: Client, grant: ManagedGrant) -> dict[str, Any]:
    """What of a grant stands at this moment (section 6.3): data that the citizen allows no more is left out."""
    uses = uses_of(client, grant.scope, grant.claims, grant.details)
    standing = await context.registry.standing(citizen=_citizen(context, grant), agency=client.agency, requests=uses)
    plain = {one for use in standing if use.purpose == client.purpose for one in use.data or ()}
    scope = [one for one in grant.scope.split() if one not in CLAIM_SCOPES or CLAIM_SCOPES[one] in plain]
    details = await granting.allowed(context, _citizen(context, grant), client.agency, grant.details)
    return {
        "scopes": [{"scope": " ".join(scope)}] if scope else [],
        "claims": sorted({name for part in grant.claims.values() for name in part}),
        "authorization_details": details,
        "created_at": int(grant.created_at.timestamp()),
        "last_updated_at": int(grant.changed_at.timestamp()),
    }


async def end(context: Context, client: Client, grant: ManagedGrant) -> None:
    """End a grant, its tokens, and the consents that nothing else of this agency rests on (section 6.4).

    The consents first: if the process dies between, less is allowed and not more.
    """
    uses = uses_of(client, grant.scope, grant.claims, grant.details)
    await _give_up(context, client, grant, {use.purpose for use in uses})
    now = context.now()

    def unit(connection: Connection) -> None:
        if managed_grants.end(connection, grant.id, now):
            audit.record(connection, "grant.revoked", actor=client.client_id, object=grant.id, now=now)

    await context.database.write(unit)


async def replaced(context: Context, pending: Pending, client: Client) -> None:
    """Before a grant is replaced: the agency gives up what the new one no longer asks."""
    form = pending.parameters
    if form.get("grant_management_action") != grant_management.REPLACE:
        return
    old = await context.database.read(lambda c: grant_management.named(c, client.client_id, form))
    if old is None:
        return
    before = {use.purpose for use in uses_of(client, old.scope, old.claims, old.details)}
    after = {use.purpose for use in wanted(client, form).uses}
    await _give_up(context, client, old, before - after)


async def _give_up(context: Context, client: Client, grant: ManagedGrant, purposes: set[str]) -> None:
    others = await context.database.read(lambda c: _purposes_of_others(c, client, grant))
    left = purposes - others
    if left:
        await context.registry.give_up(citizen=_citizen(context, grant), agency=client.agency, purposes=left)


def _purposes_of_others(connection: Connection, client: Client, grant: ManagedGrant) -> set[str]:
    """What other grants of the same agency and citizen rest on."""
    found: list[PersonalDataUse] = []
    for one in managed_grants.of_citizen(connection, grant.citizen):
        owner = clients.find(connection, one.client_id)
        if one.id != grant.id and owner is not None and owner.agency == client.agency:
            found += uses_of(owner, one.scope, one.claims, one.details)
    return {use.purpose for use in found}


def _citizen(context: Context, grant: ManagedGrant) -> str:
    return context.ring.pseudonyms.handle(grant.citizen)
