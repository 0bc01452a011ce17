"""Access tokens at the provider's own resources: bound ones with what they are bound to (RFC 6750, RFC 8705, RFC 9449)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from base.binding import binding_of, scheme_of
from base.certificates import Shown
from base.database import Connection
from base.dpop import Proof
from idp.citizens.importing import person_of
from idp.citizens.register import MAY_LOG_IN, Person
from idp.clients import Client
from idp.errors import OAuthError
from idp.store import clients, people
from idp.store.grants import Family
from idp.tokens import read
from keys.errors import InvalidToken
from keys.jose import VerifiedClaims
from keys.ring import Ring


def invalid_token(scheme: str = "Bearer") -> OAuthError:
    challenge = f'{scheme} error="invalid_token"'
    return OAuthError("invalid_token", "The access token is not valid.", status=401, challenge=challenge)


def check_binding(claims: VerifiedClaims, scheme: str, proof: Proof | None, certificate: Shown | None) -> None:
    """OAuthError for a bound token without what it is bound to (RFC 8705 section 3), or in another scheme.

    RFC 9449 section 7.2: a bound token as Bearer is refused, and the reverse.
    """
    binding = binding_of(claims.get("cnf"))
    jkt = proof.jkt if proof is not None else None
    x5t = certificate.certificate.thumbprint if certificate is not None else None
    wanted = scheme_of(binding)
    if scheme.lower() != wanted.lower() or (binding is not None and not binding.is_held(jkt=jkt, x5t=x5t)):
        raise invalid_token(wanted)


@dataclass(frozen=True, slots=True)
class Known:
    """Whose token it is: its family, client and citizen."""

    family: Family
    client: Client
    person: Person


def known(connection: Connection, ring: Ring, claims: VerifiedClaims) -> Known:
    """OAuthError invalid_token when the token was revoked, or the client or the citizen is no longer there."""
    try:
        family = read.live(connection, claims).family
    except InvalidToken:
        raise invalid_token() from None
    client = clients.find(connection, claims["client_id"])
    citizen = people.find(connection, family.citizen) if family is not None else None
    person = person_of(ring, citizen) if citizen is not None and citizen.state in MAY_LOG_IN else None
    if family is None or client is None or person is None:
        raise invalid_token()
    return Known(family, client, person)


def owner(connection: Connection, claims: VerifiedClaims) -> Client:
    """The client that a token belongs to. OAuthError invalid_token when the token or the client is no longer live."""
    try:
        read.live(connection, claims)
    except InvalidToken:
        raise invalid_token() from None
    client = clients.find(connection, claims["client_id"])
    if client is None:
        raise invalid_token()
    return client


def verified(ring: Ring, token: str, *, issuer: str, audience: str, now: datetime) -> VerifiedClaims:
    """OAuthError invalid_token for anything but our unexpired access token for this resource."""
    try:
        return read.verified(ring, token, issuer=issuer, audience=audience, now=now)
    except InvalidToken:
        raise invalid_token() from None


def introspect(
    connection: Connection, ring: Ring, token: str, caller: Client, *, issuer: str, now: datetime
) -> dict[str, object]:
    """RFC 7662 section 2.2. A client learns of its own tokens, an agency of those that are for it (RFC 8693); else inactive."""
    inactive: dict[str, object] = {"active": False}
    try:
        claims = read.verified(ring, token, issuer=issuer, audience=None, now=now)
    except InvalidToken:
        return inactive
    # The caller is active, since it was authenticated: of its own tokens their row is what is left to ask.
    own = claims["client_id"] == caller.client_id
    if not own and claims["aud"] != caller.agency:
        return inactive
    if not (read.is_live(connection, claims) if own else read.is_answered(connection, claims)):
        return inactive
    names = (
        "iss",
        "sub",
        "aud",
        "client_id",
        "agency",
        "jti",
        "iat",
        "exp",
        "scope",
        "acr",
        "auth_time",
        "cnf",
        "act",
        "authorization_details",
    )
    told = {name: claims[name] for name in names if name in claims}
    return {"active": True, **told, "token_type": scheme_of(binding_of(claims.get("cnf")))}
