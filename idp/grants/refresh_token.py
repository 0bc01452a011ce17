"""refresh_token (RFC 6749 section 6; RFC 9700 section 4.14).

Of a client that authenticates with a key: not rotated, that key is what protects it, and its access tokens' DPoP key or
certificate may change in between (RFC 9449 section 5, RFC 8705 section 6.3). Of a client with a secret: held to the DPoP
key it came with, if any; else rotated, and reuse ends the family, except that a repeat of the immediate predecessor
within 10 seconds gets the same answer, for a response that was lost on the way.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidScopeError, grants

from base import audit
from base.ids import digest
from idp.extensions import rar
from idp.store import grants as store
from idp.store.grants import Family, Refresh
from idp.tokens.issue import tell_granted
from idp.unit import Unit

GRACE = timedelta(seconds=10)
_TABLE, _COLUMN = "refresh_token", "response"


class RefreshToken(grants.RefreshTokenGrant):
    def authenticate_refresh_token(self, refresh_token: str) -> Any:
        unit: Unit = self.request.unit
        found = store.find_refresh(unit.connection, digest(refresh_token), lock=True)
        if found is None or found.client_id != self.request.client.client_id:
            raise InvalidGrantError("The refresh token is not valid.")
        family = store.find_family(unit.connection, found.family)
        ended = family is None or family.ended_at is not None
        if ended or unit.now >= found.expires_at or unit.now >= found.idle_at:
            raise InvalidGrantError("The refresh token is not valid.")
        if not self.request.client.has_key and found.binding != unit.binding:
            raise InvalidGrantError("The refresh token is not valid.")
        answer = _answer_before(unit, found)
        if found.used_at is not None and answer is None:
            store.end_family(unit.connection, found.family, unit.now)
            audit.record(
                unit.connection,
                "refresh.reused",
                actor=found.client_id,
                object=found.family,
                now=unit.now,
                result="ended",
            )
            raise InvalidGrantError("The refresh token is not valid.")
        return _Found(found, family, answer)

    def _validate_token_scope(self, token: Any) -> None:
        """Never more than was granted (RFC 6749 section 6)."""
        asked = self.request.form.get("scope")
        if asked is not None and not set(asked.split()) <= set(token.family.scope.split()):
            raise InvalidScopeError

    def authenticate_user(self, refresh_token: Any) -> Family:
        family: Family = refresh_token.family
        return family

    def issue_token(self, user: Any, refresh_token: Any) -> dict[str, Any]:
        unit: Unit = self.request.unit
        old: Refresh = refresh_token.refresh
        client = self.request.client
        if refresh_token.answer is not None:
            answer: dict[str, Any] = refresh_token.answer
            tell_granted(unit, client, user, answer, answer.get("authorization_details", []))
            return answer
        scope = self.request.form.get("scope") or user.scope
        audience = unit.minter.audience(scope, self.request.form, user.resource)
        details = rar.narrowed(user.details, self.request.form.get("authorization_details"))
        token = unit.minter.access_token(
            unit.connection, client, scope, family=user, binding=unit.binding, audience=audience, now=unit.now
        )
        tell_granted(unit, client, user, token, details)
        if "openid" in scope.split():
            token["id_token"] = unit.minter.id_token(
                client, user, nonce=None, access_token=token["access_token"], now=unit.now
            )
        if client.has_key or old.binding is not None:
            store.touch_refresh(unit.connection, old.digest, unit.now + timedelta(seconds=unit.settings.refresh_idle_s))
            return token
        store.rotate_refresh(unit.connection, old.digest, unit.now)
        token["refresh_token"] = unit.minter.refresh_token(
            unit.connection, user, binding=None, expires_at=old.expires_at, now=unit.now
        )
        sealed = unit.minter.ring.sealer.seal_system(
            msgspec.json.encode(token), table=_TABLE, column=_COLUMN, row=old.digest
        )
        store.keep_response(unit.connection, old.digest, sealed)
        return token

    def revoke_old_credential(self, refresh_token: Any) -> None:
        """Nothing: `issue_token` has rotated it."""


def _answer_before(unit: Unit, used: Refresh) -> dict[str, Any] | None:
    """What this token was exchanged for, if that was a moment ago and the token it gave has not been used itself."""
    if used.used_at is None or used.response is None or unit.now >= used.used_at + GRACE:
        return None
    raw = unit.minter.ring.sealer.open_system(used.response, table=_TABLE, column=_COLUMN, row=used.digest)
    answer: dict[str, Any] = msgspec.json.decode(raw)
    child = store.find_refresh(unit.connection, digest(answer["refresh_token"]))
    return answer if child is not None and child.used_at is None else None


class _Found:
    def __init__(self, refresh: Refresh, family: Family | None, answer: dict[str, Any] | None) -> None:
        self.refresh = refresh
        self.family = family
        self.answer = answer

    def get_scope(self) -> str:
        return self.family.scope if self.family is not None else ""

    def check_client(self, client: Any) -> bool:
        return bool(client.client_id == self.refresh.client_id)
