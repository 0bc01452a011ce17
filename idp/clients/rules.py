"""What each member of a client's metadata may be: one table, member → rule.

A rule answers what to mend, in words that follow the member's name, or None. They run for what was given; a default is
ours and written down by idp.clients.registration. What must hold between members: idp.clients.together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from base import outbound
from base.text import is_latin, is_plain
from idp.authenticators.levels import LEVELS
from idp.clients.metadata import Metadata
from idp.clients.redirects import is_safe_redirect
from idp.extensions import rar
from idp.profiles import Profile
from idp.scopes import SCOPES
from keys.algorithms import CONTENT_ENCRYPTION, KEY_MANAGEMENT
from keys.certificate_names import MEMBERS, prepared
from keys.errors import InvalidCertificate, WeakKey
from keys.jwks import check_set

MAX_LIST, MAX_NAME, MAX_TEXT, MAX_STATEMENT = 50, 100, 255, 16_384


@dataclass(frozen=True, slots=True)
class Asked:
    """What a rule may look at besides the value."""

    members: Metadata
    profile: Profile
    development: bool


Rule = Callable[[Any, Asked], str | None]


def one_of(allowed: Callable[[Asked], Collection[str]]) -> Rule:
    def rule(value: Any, asked: Asked) -> str | None:
        known = allowed(asked)
        return None if value in known else f"must be one of {', '.join(sorted(known))} in profile {asked.profile.name}"

    return rule


def some_of(allowed: Callable[[Asked], Collection[str]]) -> Rule:
    def rule(value: Any, asked: Asked) -> str | None:
        known = allowed(asked)
        good = set(value) <= set(known) and len(set(value)) == len(value)
        return None if good else f"must be of {', '.join(known)}, each once"

    return rule


def fixed(*allowed: str) -> Rule:
    return one_of(lambda _: allowed)


def _redirects(value: Sequence[str], asked: Asked) -> str | None:
    if len(value) > MAX_LIST or len(set(value)) != len(value):
        return f"must hold at most {MAX_LIST} addresses, each once"
    return next((problem for one in value if (problem := _page(one, asked))), None)


def _page(value: str, asked: Asked) -> str | None:
    """A page of the client's, to which a citizen's browser is sent."""
    if is_safe_redirect(value, development=asked.development):
        return None
    return (
        "must be https, absolute, without fragment, user name, wildcard or dot segment "
        "(http on localhost only in development)"
    )


def _server(value: str, asked: Asked) -> str | None:
    """An address that we ourselves will connect to."""
    try:
        outbound.parsed(value, development=asked.development)
    except outbound.Refused as refused:
        return f"cannot be connected to: {refused}"
    return None


def _name(value: str, _asked: Asked) -> str | None:
    if len(value) <= MAX_NAME and value.strip() == value and is_plain(value) and is_latin(value):
        return None
    return f"must be at most {MAX_NAME} plain characters: no markup, no invisible ones, no letters of other scripts"


def text(value: str, _asked: Asked) -> str | None:
    good = len(value) <= MAX_TEXT and is_plain(value)
    return None if good else f"must be at most {MAX_TEXT} plain characters"


def _contacts(value: Sequence[str], asked: Asked) -> str | None:
    good = len(value) <= 10 and not any(text(one, asked) for one in value)
    return None if good else "must be at most 10 plain lines"


def _scope(value: str, _asked: Asked) -> str | None:
    names = value.split(" ")
    good = set(names) <= set(SCOPES) and len(set(names)) == len(names)
    return None if good else f"has unknown values, or one twice; known are {', '.join(SCOPES)}"


def _jwks(value: Any, _asked: Asked) -> str | None:
    try:
        check_set(value)
    except WeakKey as error:
        return f"is not accepted: {error}"
    return None


def _statement(value: str, _asked: Asked) -> str | None:
    return None if len(value) <= MAX_STATEMENT else "is too long"


def _seconds(value: int, _asked: Asked) -> str | None:
    return None if 0 <= value <= 10**9 else "must be a number of seconds"


def _flag(_value: Any, _asked: Asked) -> str | None:
    """Its type says enough."""
    return None


def _certificate_name(member: str) -> Rule:
    """A name in a certificate, in the form in which it will be compared."""

    def rule(value: str, _asked: Asked) -> str | None:
        try:
            prepared(member, value)
        except InvalidCertificate as error:
            return f"is not accepted: {error}"
        return None

    return rule


def _matches(pattern: re.Pattern[str], what: str) -> Rule:
    return lambda value, _asked: None if pattern.match(value) else f"must be {what}"


_our_signing: Rule = one_of(lambda asked: asked.profile.response_signing)
_its_signing: Rule = one_of(lambda asked: asked.profile.signing)
_key_management: Rule = fixed(*KEY_MANAGEMENT)
_content: Rule = fixed(*CONTENT_ENCRYPTION)

RULES: dict[str, Rule] = {
    "redirect_uris": _redirects,
    "token_endpoint_auth_method": one_of(lambda asked: asked.profile.auth_methods),
    "grant_types": some_of(lambda asked: asked.profile.grants),
    "response_types": some_of(lambda _: ("code",)),
    "client_name": _name,
    "client_uri": _page,
    "logo_uri": _page,
    "tos_uri": _page,
    "policy_uri": _page,
    "scope": _scope,
    "contacts": _contacts,
    "jwks": _jwks,
    "jwks_uri": _server,
    "software_id": text,
    "software_version": text,
    "software_statement": _statement,
    "application_type": fixed("web", "native"),
    "subject_type": fixed("pairwise"),
    "sector_identifier_uri": _server,
    "id_token_signed_response_alg": _our_signing,
    "id_token_encrypted_response_alg": _key_management,
    "id_token_encrypted_response_enc": _content,
    "userinfo_signed_response_alg": _our_signing,
    "userinfo_encrypted_response_alg": _key_management,
    "userinfo_encrypted_response_enc": _content,
    "request_object_signing_alg": _its_signing,
    "request_object_encryption_alg": _key_management,
    "request_object_encryption_enc": _content,
    "token_endpoint_auth_signing_alg": _its_signing,
    "default_max_age": _seconds,
    "require_auth_time": _flag,
    "default_acr_values": some_of(lambda _: LEVELS),
    "initiate_login_uri": _page,
    "request_uris": _flag,  # not kept: nothing is fetched that a request points to
    "post_logout_redirect_uris": _redirects,
    "backchannel_logout_uri": _server,
    "backchannel_logout_session_required": _flag,
    "frontchannel_logout_uri": _page,
    "frontchannel_logout_session_required": _flag,
    **{member: _certificate_name(member) for member in MEMBERS},
    "tls_client_certificate_bound_access_tokens": _flag,
    "dpop_bound_access_tokens": _flag,
    "require_signed_request_object": _flag,
    "require_pushed_authorization_requests": _flag,
    "authorization_details_types": some_of(lambda _: (rar.TYPE,)),
    "authorization_signed_response_alg": _our_signing,
    "authorization_encrypted_response_alg": _key_management,
    "authorization_encrypted_response_enc": _content,
    "introspection_signed_response_alg": _our_signing,
    "introspection_encrypted_response_alg": _key_management,
    "introspection_encrypted_response_enc": _content,
    "backchannel_token_delivery_mode": fixed("poll", "ping"),
    "backchannel_client_notification_endpoint": _server,
    "backchannel_authentication_request_signing_alg": _its_signing,
    "backchannel_user_code_parameter": _flag,
    "use_mtls_endpoint_aliases": _flag,
    "purpose": _matches(re.compile(r"[a-z][a-z0-9-]{1,62}\Z"), "the id of a purpose, such as housing-benefit"),
}
