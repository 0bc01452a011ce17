"""What a request for authorization must be: one table, whose rows are checks and whose columns are endpoints.

The same request is asked at four places: by the browser (authorize), pushed (par), from a device (RFC 8628) and without
a browser of its own (CIBA). What each of them checks is read off here; a check that is mended is mended for all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from consent.interface import ConsentError, Rails
from idp.clients import Client
from idp.errors import OAuthError
from idp.extensions import ciba, grant_management, pkce, rar, resource
from idp.profiles import CIBA as CIBA_GRANT
from idp.profiles import DEVICE as DEVICE_GRANT
from idp.scopes import OWN_SCOPES, known

Form = Mapping[str, str]

AUTHORIZE, PAR, DEVICE, CIBA = "A", "P", "D", "C"
RESPONSE_MODES = ("query", "form_post", "jwt", "query.jwt", "form_post.jwt")
"""How each is sent: idp.endpoints.responses."""
PROMPTS = frozenset({"none", "login", "consent", "select_account"})
MAX_SCOPE, MAX_VALUE, MAX_HINT = 1_000, 2_000, 8_000
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_SHORT = ("state", "nonce", "acr_values", "login_hint", "ui_locales", "claims_locales", "display")
"""Read as they are, and bounded alike; `display` and `claims_locales` change nothing on our pages."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as its client means it: out of its request object, if it had one."""

    client: Client
    form: Form
    issuer: str
    rails: Rails | None = None


def _pushed(asked: Asked) -> None:
    if asked.client.must_push:
        raise OAuthError("invalid_request", "This client must push its requests (RFC 9126).")
    if grant_management.PARAMETERS & set(asked.form):
        raise OAuthError("invalid_request", "Requests on a grant must be pushed (RFC 9126).")


def _response_type(asked: Asked) -> None:
    given = asked.form.get("response_type")
    if given != "code":
        raise OAuthError("unsupported_response_type" if given else "invalid_request", "response_type must be code.")


def _response_mode(asked: Asked) -> None:
    if asked.form.get("response_mode", "query") not in RESPONSE_MODES:
        raise OAuthError("invalid_request", f"response_mode must be one of {', '.join(RESPONSE_MODES)}.")


def _client_id(asked: Asked) -> None:
    if asked.form.get("client_id") != asked.client.client_id:
        raise OAuthError(
            "invalid_request", "client_id is required, beside client authentication too (RFC 9126 section 2.1)."
        )


def _device_grant(asked: Asked) -> None:
    if not asked.client.check_grant_type(DEVICE_GRANT):
        raise OAuthError("unauthorized_client", "This client is not registered for the device grant.")


def _ciba_grant(asked: Asked) -> None:
    if not asked.client.check_grant_type(CIBA_GRANT):
        raise OAuthError("unauthorized_client", "This client is not registered for the CIBA grant.")


def _request_objects(asked: Asked) -> None:
    for name in ("request", "request_uri", "registration"):
        if name in asked.form:
            raise OAuthError(f"{name}_not_supported", f"{name} is not supported here.")


def _pkce(asked: Asked) -> None:
    form = asked.form
    if not asked.client.profile.pkce_required and not {"code_challenge", "code_challenge_method"} & set(form):
        return
    pkce.check_challenge(form.get("code_challenge"), form.get("code_challenge_method"))


def _scope(asked: Asked) -> None:
    """What the client registered, of the kind that belongs to a citizen."""
    scope = asked.form.get("scope", "")
    wanted = set(known(scope).split()) if len(scope) <= MAX_SCOPE else set()
    if not wanted or not wanted <= asked.client.scopes or wanted & set(OWN_SCOPES):
        raise OAuthError("invalid_scope", "No known scope is asked, or one that is not registered for this client.")


def _openid(asked: Asked) -> None:
    if "openid" not in asked.form.get("scope", "").split():
        raise OAuthError("invalid_scope", "The scope must contain openid (CIBA section 7.1).")


def _nonce(asked: Asked) -> None:
    if asked.client.profile.nonce_required and not (asked.form.get("nonce") and asked.form.get("state")):
        raise OAuthError("invalid_request", "This client must send nonce and state.")


def _lengths(asked: Asked) -> None:
    if any(len(asked.form.get(name, "")) > MAX_VALUE for name in _SHORT):
        raise OAuthError("invalid_request", "A parameter is too long.")
    if len(asked.form.get("id_token_hint", "")) > MAX_HINT:
        raise OAuthError("invalid_request", "id_token_hint is too long.")


def _dpop_jkt(asked: Asked) -> None:
    if "dpop_jkt" in asked.form and not _THUMBPRINT.match(asked.form["dpop_jkt"]):
        raise OAuthError("invalid_request", "dpop_jkt must be a SHA-256 thumbprint (RFC 9449 section 10).")


def _prompt(asked: Asked) -> None:
    prompts = set(asked.form.get("prompt", "").split())
    if not prompts <= PROMPTS or ("none" in prompts and len(prompts) > 1):
        raise OAuthError("invalid_request", "prompt is not valid.")


def _max_age(asked: Asked) -> None:
    text = asked.form.get("max_age", "0")
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise OAuthError("invalid_request", "max_age must be a number of seconds.")


def _details(asked: Asked) -> None:
    details = rar.read(asked.form.get("authorization_details"))
    if not details or asked.rails is None:
        return
    try:
        asked.rails.check(asked.client.agency, rar.uses(details))
    except ConsentError as error:
        raise OAuthError("invalid_authorization_details", rar.told(error)) from error


def _claims(asked: Asked) -> None:
    read_claims(asked.form.get("claims"))


def _grant_management(asked: Asked) -> None:
    grant_management.check(asked.form)


def _hints(asked: Asked) -> None:
    ciba.check_hints(asked.form)


def _binding_message(asked: Asked) -> None:
    ciba.check_message(asked.client, asked.form)


def _requested_expiry(asked: Asked) -> None:
    ciba.check_expiry(asked.form)


def _client_notification_token(asked: Asked) -> None:
    ciba.check_notification(asked.client, asked.form)


def _resource(asked: Asked) -> None:
    resource.check(asked.form, asked.form.get("scope", ""), asked.issuer)


CHECKS: tuple[tuple[str, Callable[[Asked], None]], ...] = (
    #  authorize, par, device, ciba
    ("A   ", _pushed),
    ("AP  ", _client_id),
    ("AP  ", _response_type),
    ("AP  ", _response_mode),
    ("  D ", _device_grant),
    ("   C", _ciba_grant),
    ("APDC", _request_objects),
    ("AP  ", _pkce),
    ("APDC", _scope),
    ("   C", _openid),
    ("AP  ", _nonce),
    ("APDC", _lengths),
    ("AP  ", _dpop_jkt),
    ("AP  ", _prompt),
    ("APD ", _max_age),
    ("APDC", _details),
    ("APDC", _claims),
    ("APDC", _resource),
    (" P  ", _grant_management),
    ("   C", _hints),
    ("   C", _binding_message),
    ("   C", _requested_expiry),
    ("   C", _client_notification_token),
)
"""In this order; each raises OAuthError with the code of its standard."""


def run(column: str, asked: Asked) -> None:
    """All checks of one endpoint. OAuthError for the first that fails."""
    for columns, check in CHECKS:
        if column in columns:
            check(asked)


KEPT: tuple[tuple[str, tuple[str, ...]], ...] = (
    #  authorize, par, device, ciba
    ("APDC", ("scope", "acr_values", "ui_locales", "claims", "authorization_details", "resource")),
    ("AP  ", ("response_type", "response_mode", "redirect_uri", "state", "nonce", "prompt", "login_hint")),
    ("AP  ", ("code_challenge", "code_challenge_method", "dpop_jkt", "id_token_hint")),
    ("APD ", ("max_age",)),
    (" P  ", ("grant_id", "grant_management_action")),
    ("   C", ("binding_message",)),
)
"""What of a request is read after it was checked; whatever else was sent is ignored, and not kept."""


def completed(column: str, client: Client, form: Form) -> dict[str, str]:
    """A checked request as it is kept: where it says nothing, with what its client registered."""
    metadata = client.metadata
    defaults: dict[str, str] = {}
    if metadata.get("default_max_age") is not None:
        defaults["max_age"] = str(metadata["default_max_age"])
    if metadata.get("default_acr_values"):
        defaults["acr_values"] = " ".join(metadata["default_acr_values"])
    names = [name for columns, names in KEPT if column in columns for name in names]
    return defaults | {name: form[name] for name in names if name in form}


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
