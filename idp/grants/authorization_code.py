"""authorization_code: consume, bind, issue (RFC 6749 section 4.1.3, RFC 7636 section 4.6)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError, grants

from base.binding import JKT, Binding
from base.ids import digest, same
from idp.extensions.pkce import challenge_of
from idp.store import grants as store
from idp.store.grants import Code, Family, Reused
from idp.tokens.issue import issue
from idp.unit import Unit


class AuthorizationCode(grants.AuthorizationCodeGrant):
    def query_authorization_code(self, code: str, client: Any) -> Any:
        """Taken before anything is made from it; whatever is wrong afterwards, it is gone."""
        unit: Unit = self.request.unit
        taken = store.consume_code(unit.connection, digest(code), client.client_id, unit.now)
        if isinstance(taken, Reused):
            # Returned by Authlib as a refusal, and committed: the tokens of the first use die (RFC 6749 section 4.1.2).
            store.end_family(unit.connection, taken.family, unit.now)
            raise InvalidGrantError("The code is not valid.")
        if taken is None:
            raise InvalidGrantError("The code is not valid.")
        self._bind(taken, unit)
        return _Taken(taken)

    def _bind(self, code: Code, unit: Unit) -> None:
        form = self.request.form
        verifier = form.get("code_verifier")
        # A verifier for a code that was asked without a challenge: someone took the challenge away (RFC 9700 section 4.8).
        downgraded = verifier is not None and not code.code_challenge
        if downgraded or not same(challenge_of(verifier or ""), code.code_challenge):
            raise InvalidGrantError("The code_verifier does not match.")
        given = form.get("redirect_uri")
        if given != code.redirect_uri and (given is not None or code.redirect_uri_given):
            raise InvalidGrantError("The redirect_uri does not match.")
        if code.jkt is not None and unit.binding != Binding(JKT, code.jkt):
            raise InvalidGrantError("The code is bound to another key.")

    def delete_authorization_code(self, authorization_code: Any) -> None:
        """Nothing: it was consumed before."""

    def authenticate_user(self, authorization_code: Any) -> Family | None:
        unit: Unit = self.request.unit
        family = store.find_family(unit.connection, authorization_code.code.family)
        return family if family is not None and family.ended_at is None else None

    def generate_token(self, **given: Any) -> dict[str, Any]:
        code: Code = self.request.authorization_code.code
        return issue(self.request.unit, self.request.client, given["user"], self.request.form, nonce=code.nonce)


class _Taken:
    """A consumed code as Authlib asks for it."""

    def __init__(self, code: Code) -> None:
        self.code = code

    def get_redirect_uri(self) -> str:
        """Checked already, and strictly."""
        return ""

    def get_scope(self) -> str:
        return ""
