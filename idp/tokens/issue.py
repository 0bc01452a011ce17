"""What a grant answers when a citizen has said yes: the tokens of one family, in one place for all ways to that yes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idp.clients import Client
from idp.extensions import rar
from idp.store.grants import Family
from idp.unit import Unit


def issue(
    unit: Unit, client: Client, family: Family, form: Mapping[str, str], *, nonce: str | None = None
) -> dict[str, Any]:
    """A token response (RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3, RFC 9396 section 7).

    `form`: the token request, which may narrow what was granted. OAuthError when it asks for more.
    """
    audience = unit.minter.audience(family.scope, form, family.resource)
    details = rar.narrowed(family.details, form.get("authorization_details"))
    token = unit.minter.access_token(
        unit.connection, client, family.scope, family=family, binding=unit.binding, audience=audience, now=unit.now
    )
    if client.check_grant_type("refresh_token"):
        token["refresh_token"] = unit.minter.refresh_token(
            unit.connection, family, binding=unit.binding, expires_at=None, now=unit.now
        )
    if "openid" in family.scope.split():
        token["id_token"] = unit.minter.id_token(
            client, family, nonce=nonce, access_token=token["access_token"], now=unit.now
        )
    if family.managed_grant is not None:
        token["grant_id"] = family.managed_grant
    tell_granted(unit, client, family, token, details)
    return token


def tell_granted(
    unit: Unit, client: Client, family: Family, token: dict[str, Any], details: list[dict[str, Any]]
) -> None:
    """What was asked; the endpoint leaves of it what the citizen allows (idp.granting)."""
    if details:
        token["authorization_details"] = details
        unit.granted = (unit.minter.ring.pseudonyms.handle(family.citizen), client.agency)
