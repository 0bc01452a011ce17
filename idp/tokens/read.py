"""Reading our own access tokens, at the provider's own endpoints: signature first, then whether they still live."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from base.database import Connection
from idp.store import clients, grants
from idp.store.grants import Family
from idp.tokens import responses
from idp.tokens.mint import AT_TYP
from keys import jose
from keys.errors import InvalidToken
from keys.jose import VerifiedClaims
from keys.ring import ALGORITHMS, Ring

_ALGORITHMS = frozenset({"ES256"})


@dataclass(frozen=True, slots=True)
class LiveToken:
    """A token that is ours, not expired, not revoked, of a family that has not ended."""

    claims: VerifiedClaims
    family: Family | None


def verified(ring: Ring, unverified_token: str, *, issuer: str, audience: str | None, now: datetime) -> VerifiedClaims:
    """InvalidToken for anything but an unexpired access token of ours."""
    return jose.verify(
        unverified_token,
        keys=ring.source,
        typ=frozenset({AT_TYP}),
        algorithms=_ALGORITHMS,
        now=now,
        issuer=issuer,
        audience=audience,
        leeway_s=0,
    )


def hint(ring: Ring, unverified_id_token: str, *, issuer: str, now: datetime) -> VerifiedClaims:
    """InvalidToken for anything but an ID token of ours; one that has expired still tells whom a client means.

    One that we encrypted must be decrypted by its client before it hints. OpenID Connect Core section 3.1.2.1
    (id_token_hint), RP-Initiated Logout section 2.
    """
    return jose.verify(
        unverified_id_token,
        keys=ring.source,
        typ=frozenset({responses.ID_TOKEN.typ}),
        algorithms=frozenset(ALGORITHMS),
        now=now,
        issuer=issuer,
        leeway_s=10**9,
    )


def id_token(ring: Ring, unverified_id_token: str, *, issuer: str, audience: str, now: datetime) -> VerifiedClaims:
    """InvalidToken for anything but an unexpired ID token of ours for this client."""
    return jose.verify(
        unverified_id_token,
        keys=ring.source,
        typ=frozenset({responses.ID_TOKEN.typ}),
        algorithms=frozenset(ALGORITHMS),
        now=now,
        issuer=issuer,
        audience=audience,
        leeway_s=0,
    )


def is_no_access_token(ring: Ring, unverified_token: str, *, issuer: str, now: datetime) -> bool:
    """Whether this is a JWT that we told a client in some other way: an ID token, a signed response."""
    try:
        jose.verify(
            unverified_token,
            keys=ring.source,
            typ=frozenset(kind.typ for kind in responses.KINDS),
            algorithms=frozenset(ALGORITHMS),
            now=now,
            issuer=issuer,
            leeway_s=10**9,
            exp_required=False,
        )
    except InvalidToken:
        return False
    return True


def live(connection: Connection, claims: VerifiedClaims) -> LiveToken:
    """InvalidToken when it was revoked, its family has ended, or its client is no longer active."""
    is_live, family_id = grants.is_live(connection, claims["jti"])
    client = clients.find(connection, claims["client_id"])
    if not is_live or client is None or not client.active:
        raise InvalidToken("ended")
    return LiveToken(claims, grants.find_family(connection, family_id) if family_id is not None else None)


def is_answered(connection: Connection, claims: VerifiedClaims) -> bool:
    """As `live`, for who needs no more than yes or no."""
    try:
        live(connection, claims)
    except InvalidToken:
        return False
    return True


def is_live(connection: Connection, claims: VerifiedClaims) -> bool:
    """Neither revoked nor of an ended family; whether its client is active is the caller's to know."""
    return grants.is_live(connection, claims["jti"])[0]
