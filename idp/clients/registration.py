"""Reading an agency's client metadata (RFC 7591): strict, under its profile, before anything is stored."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

from base.ids import digest, identifier, secret
from base.settings import is_loopback
from idp.clients import Client
from idp.profiles import PROFILES, Profile
from idp.scopes import SCOPES
from keys.errors import WeakKey
from keys.jwks import check_set

GRANTS = ("authorization_code", "refresh_token", "client_credentials")
_URI_CHARACTERS = re.compile(r"[!-~]+\Z")
_SLUG = re.compile(r"[a-z][a-z0-9-]{1,62}\Z")


class InvalidMetadata(Exception):
    """What to mend in the file. `error`: the code of RFC 7591 section 3.2.2."""

    def __init__(self, message: str, error: str = "invalid_client_metadata") -> None:
        super().__init__(message)
        self.error = error


ALGORITHMS_OF_SHA256 = frozenset({"ES256", "PS256", "RS256"})
"""For ID tokens: `at_hash` is half of this hash (OpenID Connect Core section 3.1.3.6)."""


class ClientFile(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """RFC 7591 members, and ours: agency, purpose."""

    agency: str
    client_name: str
    client_id: str = ""
    redirect_uris: list[str] = []
    grant_types: list[str] = msgspec.field(default_factory=lambda: ["authorization_code"])
    response_types: list[str] = msgspec.field(default_factory=lambda: ["code"])
    token_endpoint_auth_method: str = ""
    scope: str = "openid"
    jwks: dict[str, Any] | None = None
    purpose: str | None = None
    subject_type: str = "pairwise"
    post_logout_redirect_uris: list[str] = []
    id_token_signed_response_alg: str = ""
    authorization_signed_response_alg: str = ""
    request_object_signing_alg: str = ""
    require_signed_request_object: bool = False
    dpop_bound_access_tokens: bool = False
    client_uri: str = ""
    contacts: list[str] = []
    application_type: str = "web"


def register(raw: bytes, profile_name: str, *, development: bool) -> tuple[Client, str | None]:
    """A new client and, if it has one, its secret, which is shown this once. InvalidMetadata."""
    profile = PROFILES.get(profile_name)
    if profile is None:
        raise InvalidMetadata(f"--profile must be one of {', '.join(PROFILES)}")
    if profile.development_only and not development:
        raise InvalidMetadata(f"profile {profile.name} is for conformance suites: in development mode only")
    try:
        file = msgspec.json.decode(raw, type=ClientFile)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidMetadata(f"the file is not client metadata as RFC 7591 has it: {error}") from error
    if not _SLUG.match(file.agency):
        raise InvalidMetadata("agency must be the id of an agency, such as municipality")
    if not file.token_endpoint_auth_method:
        file.token_endpoint_auth_method = "private_key_jwt" if file.jwks else "client_secret_basic"
    _check_flow(file, profile)
    _check_redirects(file, development=development)
    _check_keys(file, profile)
    client_secret = secret() if file.token_endpoint_auth_method.startswith("client_secret") else None
    client_id = file.client_id or f"{file.agency}-{identifier()}"
    if not re.fullmatch(r"[A-Za-z0-9._-]{3,64}", client_id):
        raise InvalidMetadata("client_id may hold letters, digits, dot, dash and underscore, 3 to 64 of them")
    metadata = msgspec.to_builtins(file)
    metadata.pop("client_id", None)
    # What was left to a default is written down: a default that changes later changes no client.
    for name in ("grant_types", "response_types", "scope", "subject_type"):
        metadata[name] = getattr(file, name)
    client = Client(client_id, file.agency, profile, metadata, digest(client_secret) if client_secret else None, True)
    return client, client_secret


def _check_flow(file: ClientFile, profile: Profile) -> None:
    if file.token_endpoint_auth_method not in profile.auth_methods:
        methods = ", ".join(sorted(profile.auth_methods))
        raise InvalidMetadata(f"token_endpoint_auth_method must be one of {methods} in profile {profile.name}")
    if not file.grant_types or not set(file.grant_types) <= set(GRANTS):
        raise InvalidMetadata(f"grant_types must be of {', '.join(GRANTS)}")
    modes = set(file.grant_types) - {"refresh_token"}
    if profile.single_grant and len(modes) > 1:
        raise InvalidMetadata("profile nlgov allows one grant type a client: register a second client")
    if "refresh_token" in file.grant_types and "authorization_code" not in file.grant_types:
        raise InvalidMetadata("refresh_token needs authorization_code")
    if file.response_types not in (["code"], []):
        raise InvalidMetadata('response_types must be ["code"]')
    if file.subject_type != "pairwise":
        raise InvalidMetadata("subject_type must be pairwise: each agency knows a citizen by a pseudonym of its own")
    unknown = sorted(set(file.scope.split()) - set(SCOPES))
    if unknown:
        raise InvalidMetadata(f"scope has unknown values; known are {', '.join(SCOPES)}")
    _check_algorithms(file, profile)


def _check_algorithms(file: ClientFile, profile: Profile) -> None:
    ours = ALGORITHMS_OF_SHA256 - ({"RS256"} if profile.name == "fapi2" else set())
    tables = {
        "id_token_signed_response_alg": ours,
        "authorization_signed_response_alg": ours,
        "request_object_signing_alg": profile.signing,
    }
    for name, allowed in tables.items():
        if getattr(file, name) not in {"", *allowed}:
            raise InvalidMetadata(f"{name} must be one of {', '.join(sorted(allowed))} in profile {profile.name}")
    if (file.request_object_signing_alg or file.require_signed_request_object) and file.jwks is None:
        raise InvalidMetadata("signed requests need jwks with the client's public keys")


def _check_redirects(file: ClientFile, *, development: bool) -> None:
    if "authorization_code" in file.grant_types and not file.redirect_uris:
        raise InvalidMetadata("authorization_code needs at least one redirect_uri", "invalid_redirect_uri")
    for uri in (*file.redirect_uris, *file.post_logout_redirect_uris):
        if not is_safe_redirect(uri, development=development):
            raise InvalidMetadata(
                "a redirect URI must be https, absolute, without fragment, user name or wildcard "
                "(http on localhost only in development)",
                "invalid_redirect_uri",
            )


def is_safe_redirect(uri: str, *, development: bool) -> bool:
    """Whether we would ever send a citizen there. Matching later is by exact string."""
    if len(uri) > 2000 or not _URI_CHARACTERS.match(uri) or "*" in uri or "\\" in uri or "#" in uri:
        return False
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or host.endswith(".") or "%" in parts.netloc:
        return False
    segments = parts.path.replace("%2e", ".").replace("%2E", ".").split("/")
    if ".." in segments or "." in segments:
        return False
    return parts.scheme == "https" or (development and parts.scheme == "http" and is_loopback(host))


def _check_keys(file: ClientFile, profile: Profile) -> None:
    if file.token_endpoint_auth_method != "private_key_jwt":
        return
    if file.jwks is None:
        raise InvalidMetadata("private_key_jwt needs jwks with the client's public keys")
    try:
        keys = check_set(file.jwks)
    except WeakKey as error:
        raise InvalidMetadata(f"jwks: {error}") from error
    if not any(key.algorithms & profile.signing for key in keys):
        raise InvalidMetadata(f"jwks: profile {profile.name} needs a key for {', '.join(sorted(profile.signing))}")
