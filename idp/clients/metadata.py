"""Client metadata as a client or an operator sends it, every member typed (RFC 7591 section 2 and its registry).

What the values may be is told by idp.clients.rules; nothing is stored that did not pass them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}\Z")
MAX_TAGGED = 20
TAGGED = frozenset({"client_name", "client_uri", "logo_uri", "tos_uri", "policy_uri"})
"""Members that people read may come in several languages: `client_name#nl` (RFC 7591 section 2.2)."""
OURS = frozenset({"client_id", "agency"})
"""Members of a file that name the client itself: no metadata, and of no effect in what a client sends."""


class InvalidMetadata(Exception):
    """What to mend. `error`: the code of RFC 7591 section 3.2.2."""

    def __init__(self, message: str, error: str = "invalid_client_metadata") -> None:
        super().__init__(message)
        self.error = error


class Metadata(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Empty and None mean: not given."""

    # RFC 7591 section 2
    redirect_uris: list[str] = []
    token_endpoint_auth_method: str = ""
    grant_types: list[str] = []
    response_types: list[str] | None = None
    client_name: str = ""
    client_uri: str = ""
    logo_uri: str = ""
    tos_uri: str = ""
    policy_uri: str = ""
    scope: str = ""
    contacts: list[str] = []
    jwks: dict[str, Any] | None = None
    jwks_uri: str = ""
    software_id: str = ""
    software_version: str = ""
    software_statement: str = ""
    # OpenID Connect Dynamic Client Registration section 2
    application_type: str = ""
    subject_type: str = ""
    sector_identifier_uri: str = ""
    id_token_signed_response_alg: str = ""
    id_token_encrypted_response_alg: str = ""
    id_token_encrypted_response_enc: str = ""
    userinfo_signed_response_alg: str = ""
    userinfo_encrypted_response_alg: str = ""
    userinfo_encrypted_response_enc: str = ""
    request_object_signing_alg: str = ""
    request_object_encryption_alg: str = ""
    request_object_encryption_enc: str = ""
    token_endpoint_auth_signing_alg: str = ""
    default_max_age: int | None = None
    require_auth_time: bool = False
    default_acr_values: list[str] = []
    initiate_login_uri: str = ""
    request_uris: list[str] = []
    # Logout: RP-Initiated, Back-Channel, Front-Channel
    post_logout_redirect_uris: list[str] = []
    backchannel_logout_uri: str = ""
    backchannel_logout_session_required: bool = False
    frontchannel_logout_uri: str = ""
    frontchannel_logout_session_required: bool = False
    # RFC 8705, RFC 9449
    tls_client_auth_subject_dn: str = ""
    tls_client_auth_san_dns: str = ""
    tls_client_auth_san_uri: str = ""
    tls_client_auth_san_ip: str = ""
    tls_client_auth_san_email: str = ""
    tls_client_certificate_bound_access_tokens: bool = False
    dpop_bound_access_tokens: bool = False
    # RFC 9101, RFC 9126, RFC 9396
    require_signed_request_object: bool = False
    require_pushed_authorization_requests: bool = False
    authorization_details_types: list[str] = []
    # JARM, RFC 9701
    authorization_signed_response_alg: str = ""
    authorization_encrypted_response_alg: str = ""
    authorization_encrypted_response_enc: str = ""
    introspection_signed_response_alg: str = ""
    introspection_encrypted_response_alg: str = ""
    introspection_encrypted_response_enc: str = ""
    # OpenID Connect Client-Initiated Backchannel Authentication section 4
    backchannel_token_delivery_mode: str = ""
    backchannel_client_notification_endpoint: str = ""
    backchannel_authentication_request_signing_alg: str = ""
    backchannel_user_code_parameter: bool = False
    # FAPI 2.0 Security Profile section 8
    use_mtls_endpoint_aliases: bool = False
    # Ours: the purpose under which plain claims are released
    purpose: str = ""


MEMBERS = frozenset(Metadata.__struct_fields__)


@dataclass(frozen=True, slots=True)
class Sent:
    """`members`: what has a type. `tagged`: members in further languages, by their whole name."""

    members: Metadata
    tagged: Mapping[str, str]


def read(sent: Mapping[str, Any], *, ignore_unknown: bool) -> Sent:
    """Type what was sent. InvalidMetadata.

    `ignore_unknown`: a client's software may send members of other worlds (RFC 7591 section 2); in an operator's file
    one that is not known is a slip of the pen.
    """
    given = {name: value for name, value in sent.items() if value is not None and name not in OURS}
    tagged = {name: given.pop(name) for name in list(given) if name.partition("#")[0] in TAGGED and "#" in name}
    if ignore_unknown:
        given = {name: value for name, value in given.items() if name in MEMBERS}
    try:
        members = msgspec.convert(given, Metadata)
    except msgspec.ValidationError as error:
        raise InvalidMetadata(f"this is not client metadata as RFC 7591 has it: {error}") from error
    if len(tagged) > MAX_TAGGED or not all(
        isinstance(value, str) and _TAG.match(name.partition("#")[2]) for name, value in tagged.items()
    ):
        raise InvalidMetadata("a member in another language is written as client_name#nl, and is a string")
    return Sent(members, tagged)
