"""client_credentials (RFC 6749 section 4.4): an agency's own access, mostly to the registry. Never a refresh token."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidScopeError, grants

from idp.scopes import CONSENT_SCOPES, GRANT_SCOPES, OWN_SCOPES
from idp.unit import Unit


class ClientCredentials(grants.ClientCredentialsGrant):
    def validate_requested_scope(self) -> None:
        """Some of what the client registered, of the kind that belongs to no citizen."""
        asked = self.request.form.get("scope", "")
        own = self.request.client.scopes & set(OWN_SCOPES)
        wanted = set(asked.split()) if asked else own
        if not wanted or not wanted <= own:
            raise InvalidScopeError

    def generate_token(self, **given: Any) -> dict[str, Any]:  # noqa: ARG002 - Authlib's own arguments
        unit: Unit = self.request.unit
        client = self.request.client
        asked = self.request.form.get("scope")
        # Without a scope: all of one API's, the registry's first, since a token is for one API.
        own = [sorted(client.scopes & set(scopes)) for scopes in (CONSENT_SCOPES, GRANT_SCOPES)]
        scope = asked or " ".join(own[0] or own[1])
        audience = unit.minter.audience(scope, self.request.form)
        return unit.minter.access_token(
            unit.connection, client, scope, family=None, binding=unit.binding, audience=audience, now=unit.now
        )
