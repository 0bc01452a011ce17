"""Authorization requests: their checks, and what comes next for the citizen.

The checks are one table; a request that was pushed and one that was not go through the same rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from consent.interface import PersonalDataUse
from idp.authenticators.levels import LEVELS, first_met
from idp.citizens.claims import CATEGORY_OF
from idp.clients import Client
from idp.errors import OAuthError, UnverifiedRequest
from idp.extensions import grant_management, pkce, rar
from idp.scopes import CLAIM_SCOPES, OWN_SCOPES, known
from idp.sessions import Session
from idp.store.grants import Pending

RESPONSE_MODES = ("query", "form_post", "jwt", "query.jwt", "form_post.jwt")
"""How each is sent: idp.endpoints.responses."""
PROMPTS = frozenset({"none", "login", "consent", "select_account"})
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}\Z")
MAX_SCOPE, MAX_VALUE, MAX_HINT = 1_000, 2_000, 8_000
PATH_AUTHORIZE = "/oauth2/authorize"
LOGIN, ASK, DONE = "login", "ask", "done"

Form = Mapping[str, str]


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


def _client_id(client: Client, form: Form) -> None:
    if form.get("client_id") != client.client_id:
        raise OAuthError(
            "invalid_request", "client_id is required, beside client authentication too (RFC 9126 section 2.1)."
        )


def _response_type(_client: Client, form: Form) -> None:
    if form.get("response_type") != "code":
        error = "unsupported_response_type" if form.get("response_type") else "invalid_request"
        raise OAuthError(error, "response_type must be code.")


def _response_mode(_client: Client, form: Form) -> None:
    if form.get("response_mode", "query") not in RESPONSE_MODES:
        raise OAuthError("invalid_request", f"response_mode must be one of {', '.join(RESPONSE_MODES)}.")


def _request_objects(_client: Client, form: Form) -> None:
    for name in ("request", "request_uri", "registration"):
        if name in form:
            raise OAuthError(f"{name}_not_supported", f"{name} is not supported here.")


def _pkce(client: Client, form: Form) -> None:
    if not client.profile.pkce_required and not {"code_challenge", "code_challenge_method"} & set(form):
        return
    pkce.check_challenge(form.get("code_challenge"), form.get("code_challenge_method"))


def _scope(client: Client, form: Form) -> None:
    scope = form.get("scope", "")
    wanted = known(scope).split() if len(scope) <= MAX_SCOPE else []
    if not wanted or not set(wanted) <= client.scopes or set(wanted) & set(OWN_SCOPES):
        raise OAuthError("invalid_scope", "No known scope is asked, or one that is not registered for this client.")


def _nonce(client: Client, form: Form) -> None:
    if client.profile.nonce_required and (not form.get("nonce") or not form.get("state")):
        raise OAuthError("invalid_request", "This client must send nonce and state.")


def _lengths(_client: Client, form: Form) -> None:
    if any(
        len(form.get(name, "")) > MAX_VALUE for name in ("state", "nonce", "acr_values", "login_hint", "ui_locales")
    ):
        raise OAuthError("invalid_request", "A parameter is too long.")


def _id_token_hint(_client: Client, form: Form) -> None:
    if len(form.get("id_token_hint", "")) > MAX_HINT:
        raise OAuthError("invalid_request", "id_token_hint is too long.")


def _dpop_jkt(_client: Client, form: Form) -> None:
    if "dpop_jkt" in form and not _THUMBPRINT.match(form["dpop_jkt"]):
        raise OAuthError("invalid_request", "dpop_jkt must be a SHA-256 thumbprint (RFC 9449 section 10).")


def _prompt(_client: Client, form: Form) -> None:
    prompts = set(form.get("prompt", "").split())
    if not prompts <= PROMPTS or ("none" in prompts and len(prompts) > 1):
        raise OAuthError("invalid_request", "prompt is not valid.")


def _max_age(_client: Client, form: Form) -> None:
    text = form.get("max_age", "0")
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise OAuthError("invalid_request", "max_age must be a number of seconds.")


def _details(_client: Client, form: Form) -> None:
    rar.read(form.get("authorization_details"))


def _claims(_client: Client, form: Form) -> None:
    read_claims(form.get("claims"))


def _grant_management(_client: Client, form: Form) -> None:
    grant_management.check(form)


CHECKS: tuple[Callable[[Client, Form], None], ...] = (
    _client_id, _response_type, _response_mode, _request_objects, _pkce, _scope, _nonce, _lengths, _id_token_hint, _dpop_jkt, _prompt, _max_age, _details,
    _claims, _grant_management,
)  # fmt: skip
"""Each raises OAuthError; all run at /par and at /authorize."""


def check(client: Client, form: Form) -> None:
    for one in CHECKS:
        one(client, form)


def read_claims(text: str | None) -> dict[str, Any]:
    """The `claims` parameter (OpenID Connect Core section 5.5): an object of objects."""
    if text is None:
        return {}
    try:
        claims = msgspec.json.decode(text[:8_192], type=dict[str, dict[str, dict[str, Any] | None]])
    except (msgspec.DecodeError, RecursionError):
        raise OAuthError("invalid_request", "claims is not as OpenID Connect Core section 5.5 has it.") from None
    acr = claims.get("id_token", {}).get("acr") or {}
    if not isinstance(acr.get("values", []), list):
        raise OAuthError("invalid_request", "The values of acr must be a list.")
    return {name: claims[name] for name in ("userinfo", "id_token") if name in claims}


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
    """What comes next: LOGIN, ASK or DONE. Pure; OAuthError when the request forbids the step that is needed.

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
    if has_question:
        if "none" in prompts:
            raise OAuthError("consent_required", "The citizen must answer.")
        return ASK
    return DONE


def _is_stale(session: Session, pending: Pending, client: Client, prompts: list[str], now: datetime) -> bool:
    """Whether this login is too old for the request. One that came after the request is never too old."""
    if session.auth_time >= pending.created_at:
        return False
    if "login" in prompts or "select_account" in prompts:
        return True
    max_age = pending.parameters.get("max_age", client.metadata.get("default_max_age"))
    return max_age is not None and now > session.auth_time + timedelta(seconds=int(max_age))
