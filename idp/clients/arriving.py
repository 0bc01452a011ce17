"""Metadata that arrives: what vouches for it is verified and what it points to is fetched, before anything is stored.

1. a software statement, if there is one, by the keys that an operator registered for its issuer; its members win
2. types and rules, under the profile
3. sector_identifier_uri: its document must list the redirect_uris (OpenID Connect Registration section 5)
4. jwks_uri: its key set, by the rules for sets that are given inline
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from base.database import Database
from base.fetch import Fetch, Unreachable
from idp.clients import fetched, registration
from idp.clients.metadata import MEMBERS, TAGGED, InvalidMetadata, Metadata, read
from idp.profiles import CREDENTIALS, Profile
from idp.store import clients
from keys import jose
from keys.algorithms import CLIENT_SIGNING
from keys.errors import InvalidToken
from keys.jwks import check_set, source

_TYP = frozenset({None, "JWT", "software-statement+jwt"})


@dataclass(frozen=True, slots=True)
class Arrived:
    """`metadata`: to store. `columns`: what was fetched with it (idp.store.clients)."""

    metadata: dict[str, Any]
    columns: dict[str, Any]


async def arrive(
    sent: Mapping[str, Any],
    profile: Profile,
    *,
    agency: str,
    database: Database,
    fetch: Fetch,
    issuer: str,
    development: bool,
    now: datetime,
) -> Arrived:
    """What software sent of itself. InvalidMetadata."""
    sent = await _vouched(sent, database, issuer, now)
    metadata = registration.prepare(read(sent, ignore_unknown=True), profile, agency=agency, development=development)
    if CREDENTIALS in metadata["grant_types"] and not profile.credentials_by_software:
        raise InvalidMetadata(f"in profile {profile.name} an operator registers clients for client_credentials")
    return Arrived(metadata, await fetched_for(metadata, profile, fetch, now))


async def fetched_for(metadata: Mapping[str, Any], profile: Profile, fetch: Fetch, now: datetime) -> dict[str, Any]:
    """The columns of what its addresses give; empty when it names none. InvalidMetadata."""
    members = fetched.members_of(metadata)
    if members.sector_identifier_uri:
        await _check_sector(members, fetch)
    if not members.jwks_uri:
        return {}
    try:
        return await fetched.get(fetch, members, profile, now)
    except fetched.Unfit as unfit:
        raise InvalidMetadata(str(unfit)) from unfit


async def _vouched(sent: Mapping[str, Any], database: Database, issuer: str, now: datetime) -> Mapping[str, Any]:
    """RFC 7591 section 2.3: the statement's members take precedence over those beside it."""
    statement = sent.get("software_statement")
    if statement is None:
        return sent
    try:
        iss = jose.unverified_claims(statement).get("iss") if isinstance(statement, str) else None
        jwks = await database.read(lambda c: clients.software_issuer_keys(c, iss)) if isinstance(iss, str) else None
        if jwks is None:
            raise InvalidMetadata("its issuer is not one that we know", "unapproved_software_statement")
        claims = jose.verify(
            str(statement),
            keys=source(check_set(jwks)),
            typ=_TYP,
            algorithms=CLIENT_SIGNING,
            now=now,
            issuer=iss,
            audience=None,
            exp_required=False,
        )
    except InvalidToken as error:
        raise InvalidMetadata("software_statement is not valid", "invalid_software_statement") from error
    aud = claims.get("aud")
    if aud is not None and issuer not in (aud if isinstance(aud, list) else [aud]):
        raise InvalidMetadata("software_statement is for another server", "invalid_software_statement")
    own = {name: value for name, value in claims.items() if name in MEMBERS or name.partition("#")[0] in TAGGED}
    return {**sent, **own, "software_statement": statement}


async def _check_sector(members: Metadata, fetch: Fetch) -> None:
    try:
        listed = await fetch.get_json(members.sector_identifier_uri)
    except Unreachable as error:
        raise InvalidMetadata(f"sector_identifier_uri gave no list: {error}") from error
    if not isinstance(listed, list) or not set(members.redirect_uris) <= {
        one for one in listed if isinstance(one, str)
    }:
        raise InvalidMetadata("the list at sector_identifier_uri must hold every one of the redirect_uris")
