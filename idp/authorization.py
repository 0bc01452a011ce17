"""Authorization requests: what they ask of the citizen, and what comes next. What they must be: idp.checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from consent.interface import PersonalDataUse
from idp.authenticators.levels import LEVELS, first_met
from idp.checks import Form, read_claims
from idp.citizens.claims import CATEGORY_OF
from idp.clients import Client
from idp.errors import OAuthError, UnverifiedRequest
from idp.extensions import rar
from idp.scopes import CLAIM_SCOPES
from idp.sessions import Session
from idp.store.grants import Pending

PATH_AUTHORIZE = "/oauth2/authorize"
LOGIN, SELECT, CONFIRM, ASK, DONE = "login", "select", "confirm", "ask", "done"


def verify_target(client: Client | None, form: Form) -> str:
    """The redirect_uri, proven to be this client's by exact match. UnverifiedRequest: never redirect.

    A client with one registered URI may leave it out, except under fapi2 (RFC 9700 section 2.1).
    """
    if client is None or not client.active or not client.check_grant_type("authorization_code"):
        raise UnverifiedRequest("invalid_client")
    given = form.get("redirect_uri")
    if given is None and len(client.redirect_uris) == 1 and not client.profile.par_required:
        return client.redirect_uris[0]
    if given is None or given not in client.redirect_uris:
        raise UnverifiedRequest("invalid_request")
    return given


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks of the citizen. `uses`: for the registry. `details`: whether they were asked in so many words."""

    uses: tuple[PersonalDataUse, ...]
    details: bool


def wanted(client: Client, form: Form) -> Wanted:
    """The uses of personal data that a request asks: its authorization_details, and its scopes under the client's purpose."""
    details, claims = rar.read(form.get("authorization_details")), read_claims(form.get("claims"))
    return Wanted(uses_of(client, form.get("scope", ""), claims, details), "authorization_details" in form)


def uses_of(
    client: Client, scope: str, claims: Mapping[str, Any], details: list[dict[str, Any]]
) -> tuple[PersonalDataUse, ...]:
    """`claims`, `details`: as `read_claims` and idp.extensions.rar read them."""
    uses = rar.uses(details)
    categories = categories_asked(scope, claims)
    if categories and client.purpose is not None and client.purpose not in {use.purpose for use in uses}:
        uses.append(PersonalDataUse(client.purpose, tuple(sorted(categories))))
    return tuple(uses)


def categories_asked(scope: str, claims: Mapping[str, Any]) -> frozenset[str]:
    """The categories behind scopes and single claims."""
    by_scope = {CLAIM_SCOPES[one] for one in scope.split() if one in CLAIM_SCOPES}
    by_claim = {CATEGORY_OF[claim] for part in claims.values() for claim in part if claim in CATEGORY_OF}
    return frozenset(by_scope | by_claim)


def levels_asked(client: Client, form: Form) -> tuple[str, ...]:
    """The assurance levels asked, in order of preference; one of them must be reached.

    The `acr` of `claims` before `acr_values`, and that before the client's `default_acr_values` (OpenID Connect Core
    section 5.5.1.1, Dynamic Client Registration section 2). `acr_values` is a wish in OpenID Connect and a demand in
    the Dutch profile; here a demand for everyone.
    """
    acr = read_claims(form.get("claims")).get("id_token", {}).get("acr") or {}
    values = acr.get("values") or ([acr["value"]] if "value" in acr else [])
    wished = tuple(form.get("acr_values", "").split()) or tuple(client.metadata.get("default_acr_values", ()))
    # Conformance suites wish for levels that nobody has, and expect to be let in.
    wished = () if client.profile.development_only else wished
    return tuple(str(one) for one in values) or wished


def next_step(
    pending: Pending, client: Client, session: Session | None, *, is_meant: bool, has_question: bool, now: datetime
) -> str:
    """What comes next: a step. Pure; OAuthError when the request forbids the step that is needed.

    `is_meant`: whether the session is of the citizen that the client means (id_token_hint). A login after the request began satisfies `prompt=login` and `max_age`: each path ends.
    """
    form = pending.parameters
    prompts = form.get("prompt", "").split()
    if session is None or not is_meant or _is_stale(session, pending, client, prompts, now):
        other = session is not None and not is_meant and session.auth_time >= pending.created_at
        if "none" in prompts or other:
            raise OAuthError("login_required", "The citizen must log in.")
        return LOGIN
    asked = levels_asked(client, form)
    if asked and first_met(session.acr, asked) is None:
        if session.auth_time >= pending.created_at or not any(one in LEVELS for one in asked) or "none" in prompts:
            raise OAuthError("unmet_authentication_requirements", "The asked assurance level was not reached.")
        return LOGIN
    if "select_account" in prompts and session.auth_time < pending.created_at and pending.confirmed != session.id:
        return SELECT
    # What began elsewhere goes on only at the word of who is logged in: nobody else's code is confirmed unawares.
    if pending.decoupled is not None and pending.confirmed != session.id:
        return CONFIRM
    if has_question:
        if "none" in prompts:
            raise OAuthError("consent_required", "The citizen must answer.")
        return ASK
    return DONE


def _is_stale(session: Session, pending: Pending, client: Client, prompts: list[str], now: datetime) -> bool:
    """Whether this login is too old for the request. One that came after the request is never too old."""
    if session.auth_time >= pending.created_at:
        return False
    if "login" in prompts:
        return True
    max_age = pending.parameters.get("max_age", client.metadata.get("default_max_age"))
    return max_age is not None and now > session.auth_time + timedelta(seconds=int(max_age))
