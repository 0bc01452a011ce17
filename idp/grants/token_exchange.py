"""token-exchange (RFC 8693): an agency's view of a citizen becomes another agency's pseudonym, if the registry allows the use.

Always delegation, never impersonation: `act` names who acts. Why it is as it is: docs/decisions/0019-token-exchange.md.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, UnauthorizedClientError, grants

from base.ids import identifier
from consent.interface import Door, Exchanged, PersonalDataUse
from idp.clients import Client
from idp.errors import OAuthError
from idp.extensions import rar, resource
from idp.store import grants as store
from idp.store.grants import Family
from idp.tokens import read
from idp.unit import Asks, Unit
from keys.errors import InvalidToken

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
_AGENCY = re.compile(r"[a-z][a-z0-9-]{1,62}\Z")
_TARGET = frozenset({"other_source"})
_DETAILS = frozenset({"unknown_purpose", "not_in_purpose"})


class TokenExchange(grants.BaseGrant, grants.TokenEndpointMixin):
    GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"

    def validate_token_request(self) -> None:
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError
        form = self.request.form
        # Who acts is the client that authenticated: nobody brings another actor along.
        if "actor_token" in form or "actor_token_type" in form:
            raise InvalidRequestError("actor_token is not supported: the client itself is the actor.")
        if form.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
            raise InvalidRequestError("requested_token_type must be an access token.")
        if "scope" in form:
            raise OAuthError("invalid_scope", "What the token is for stands in authorization_details; it has no scope.")
        if "resource" in form:
            raise resource.invalid_target()

    def create_token_response(self) -> tuple[int, Asks, list[Any]]:
        """First the subject; then the registry, which records; then, if it allows, the token."""
        unit, client, form = self.request.unit, self.request.client, self.request.form
        family, target = _subject(unit, client, form), _target(client, form)
        (detail,), (use,) = _use(form, target)
        citizen = unit.minter.ring.pseudonyms.handle(family.citizen)

        async def ask(door: Door) -> Exchanged:
            return await door.exchange(citizen=citizen, agency=client.agency, use=use, target=target)

        def answer(unit: Unit, done: Exchanged) -> dict[str, Any]:
            if done.permit is None:
                raise _denied(done.reason)
            told = {**detail, "data": list(done.data), "source": target}
            return _issue(unit, client, family, target, told, done.permit)

        return 200, Asks(ask, answer), []


def _subject(unit: Unit, client: Client, form: Any) -> Family:
    """The login that the subject token stands for: this client's own, and live (section 2.1). InvalidRequestError."""
    token, kind = form.get("subject_token", ""), form.get("subject_token_type")
    minter, issuer = unit.minter, unit.settings.issuer
    try:
        if kind == ACCESS_TOKEN:
            # For our own API alone: what was exchanged before is not exchanged again.
            audience = minter.audience("openid", {})
            claims = read.verified(minter.ring, token, issuer=issuer, audience=audience, now=unit.now)
            family = read.live(unit.connection, claims).family
            bound = claims.get("cnf")
            if claims["client_id"] != client.client_id or bound != (unit.binding.cnf if unit.binding else None):
                family = None
        elif kind == ID_TOKEN:
            claims = read.id_token(minter.ring, token, issuer=issuer, audience=client.client_id, now=unit.now)
            found = store.live_families_of_login(unit.connection, client.client_id, claims["auth_time"])
            family = next((one for one in found if minter.sub(one.citizen, client) == claims["sub"]), None)
        else:
            raise InvalidRequestError("subject_token_type must be an access token or an ID token.")
    except InvalidToken:
        family = None
    if family is None:
        raise InvalidRequestError("The subject_token is not valid.")
    return family


def _target(client: Client, form: Any) -> str:
    target: str = form.get("audience", "")
    if not _AGENCY.match(target) or target == client.agency:
        raise OAuthError("invalid_target", "audience must be the id of another agency.")
    return target


def _use(form: Any, target: str) -> tuple[list[dict[str, Any]], list[PersonalDataUse]]:
    """For what: one purpose of the client's agency, and data that the target is the source of."""
    details = rar.read(form.get("authorization_details"))
    if (
        len(details) != 1
        or details[0].get("source", target) != target
        or not {"duration_days", "one_time"}.isdisjoint(details[0])
    ):
        raise OAuthError("invalid_authorization_details", "Send one personal_data_use whose source is the audience.")
    return details, [replace(use, source=target) for use in rar.uses(details)]


def _issue(
    unit: Unit, client: Client, family: Family, target: str, detail: dict[str, Any], permit: str
) -> dict[str, Any]:
    """A token that lives as long as a permit, and ends sooner with the login or the consent that it rests on."""
    now = store.find_family(unit.connection, family.id)
    if now is None or now.ended_at is not None:
        raise OAuthError("invalid_request", "The subject_token is not valid.")
    child = replace(
        family, id=identifier(), scope="", details=[detail], claims={}, created_at=unit.now, managed_grant=None
    )
    store.add_family(unit.connection, child)
    token = unit.minter.exchanged_token(
        unit.connection, client, child, target=target, jti=permit, binding=unit.binding, now=unit.now
    )
    return {**token, "issued_token_type": ACCESS_TOKEN, "authorization_details": [detail]}


def _denied(reason: str) -> OAuthError:
    """The attempt is in the citizen's history, whatever the reason."""
    if reason in _TARGET:
        return OAuthError("invalid_target", "This agency is not the source of that data.")
    if reason in _DETAILS:
        return OAuthError("invalid_authorization_details", "This is not a published purpose of your agency's.")
    return OAuthError("access_denied", "The registry denies this use. The citizen sees the attempt.")
