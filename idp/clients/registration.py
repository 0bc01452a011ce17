"""From what was sent to a client that can be stored: typed, checked under its profile, its defaults written down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from base.forms import parse_json
from base.ids import digest, identifier, secret
from base.problems import Problem
from idp.clients import Client
from idp.clients.metadata import InvalidMetadata, Metadata, Sent, read
from idp.clients.together import ENCRYPTED, check
from idp.profiles import CIBA, CODE, PROFILES, Profile
from keys.algorithms import CONTENT_ENCRYPTION

_SLUG = re.compile(r"[a-z][a-z0-9-]{1,62}\Z")
_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{3,64}\Z")
(_CONTENT,) = CONTENT_ENCRYPTION


def register(raw: bytes, profile_name: str, *, development: bool) -> tuple[Client, str | None]:
    """A new client from an operator's file and, if it has one, its secret, which is shown this once. InvalidMetadata."""
    profile = profile_of(profile_name, development=development)
    try:
        file = parse_json(raw, dict[str, Any])
    except Problem as problem:
        raise InvalidMetadata(f"the file is not client metadata as RFC 7591 has it: {problem.detail}") from problem
    agency, client_id = file.get("agency"), file.get("client_id") or ""
    if not isinstance(agency, str) or not _SLUG.match(agency):
        raise InvalidMetadata("agency must be the id of an agency, such as municipality")
    if client_id and not (isinstance(client_id, str) and _CLIENT_ID.match(client_id)):
        raise InvalidMetadata("client_id may hold letters, digits, dot, dash and underscore, 3 to 64 of them")
    if "software_statement" in file:
        raise InvalidMetadata("software_statement is for software that registers itself: an operator vouches himself")
    metadata = prepare(read(file, ignore_unknown=False), profile, agency=agency, development=development)
    return new(metadata, profile, agency=agency, client_id=client_id)


def profile_of(name: str, *, development: bool) -> Profile:
    profile = PROFILES.get(name)
    if profile is None:
        raise InvalidMetadata(f"--profile must be one of {', '.join(PROFILES)}")
    if profile.development_only and not development:
        raise InvalidMetadata(f"profile {profile.name} is for conformance suites: in development mode only")
    return profile


def prepare(sent: Sent, profile: Profile, *, agency: str, development: bool) -> dict[str, Any]:
    """The metadata to store. InvalidMetadata.

    What was left to a default is written down: a default that changes later changes no client.
    """
    _complete(sent.members, profile, agency)
    check(sent, profile, development=development)
    # Nothing is fetched that a request points to, so nothing is kept that would allow it (RFC 7591 section 3.2.1).
    sent.members.request_uris = []
    members: dict[str, Any] = msgspec.to_builtins(sent.members)
    return {**members, **sent.tagged}


def new(metadata: Mapping[str, Any], profile: Profile, *, agency: str, client_id: str) -> tuple[Client, str | None]:
    """A client with an id and, if its method has one, a secret."""
    value = secret() if has_secret(metadata) else None
    client_id = client_id or f"{agency[:40]}-{identifier()}"
    return Client(client_id, agency, profile, metadata, digest(value) if value else None, True), value


def has_secret(metadata: Mapping[str, Any]) -> bool:
    return str(metadata["token_endpoint_auth_method"]).startswith("client_secret")


def _complete(members: Metadata, profile: Profile, agency: str) -> None:
    members.grant_types = members.grant_types or [CODE]
    if members.response_types is None:
        members.response_types = ["code"] if CODE in members.grant_types else []
    members.client_name = members.client_name or agency
    members.scope = members.scope or "openid"
    members.subject_type = members.subject_type or "pairwise"
    members.application_type = members.application_type or "web"
    members.id_token_signed_response_alg = members.id_token_signed_response_alg or profile.id_token_alg
    if CIBA in members.grant_types:
        members.backchannel_token_delivery_mode = members.backchannel_token_delivery_mode or "poll"
    if not members.token_endpoint_auth_method:
        basic = "client_secret_basic"
        members.token_endpoint_auth_method = basic if basic in profile.auth_methods else "private_key_jwt"
    for one in (*(f"{name}_encrypted_response" for name in ENCRYPTED), "request_object_encryption"):
        if getattr(members, f"{one}_alg") and not getattr(members, f"{one}_enc"):
            # The standards' own default is AES-CBC, which we do not have.
            setattr(members, f"{one}_enc", _CONTENT)
