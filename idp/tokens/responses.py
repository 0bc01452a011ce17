"""What is told to a client in a JWT: signed always, and encrypted to it where it registered so. One table of kinds.

Each kind has a `typ` of its own, so that none passes for another (RFC 8725 section 3.11), and three members of the
client's metadata that begin with its name: `…_signed_response_alg`, `…_encrypted_response_alg`, `…_encrypted_response_enc`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from idp.clients import Client
from idp.errors import OAuthError
from keys import jose, jwe
from keys.jwks import EncryptionKey
from keys.ring import Ring

LIFE_S = 300
"""Of an authorization response, ten minutes at most (JARM section 2.1), and of a userinfo response."""
ENC = "A256GCM"
"""Where a client registers an `alg` alone. The standards' own default is weaker (docs/divergences.md)."""


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    typ: str

    @property
    def signing(self) -> str:
        return f"{self.name}_signed_response_alg"

    @property
    def encryption(self) -> str:
        return f"{self.name}_encrypted_response_alg"


ID_TOKEN = Kind("id_token", "JWT")
"""OpenID Connect Core section 2."""
LOGOUT = Kind("id_token", "logout+jwt")
"""OpenID Connect Back-Channel Logout section 2.4: in all but its type as the client's ID tokens."""
USERINFO = Kind("userinfo", "userinfo+jwt")
"""OpenID Connect Core section 5.3.2."""
AUTHORIZATION = Kind("authorization", "authorization-response+jwt")
"""JWT Secured Authorization Response Mode, section 2.1."""
INTROSPECTION = Kind("introspection", "token-introspection+jwt")
"""RFC 9701 section 5."""
KINDS = (ID_TOKEN, USERINFO, AUTHORIZATION, INTROSPECTION)


class NoKey(OAuthError):
    """The client registered encryption, and none of its keys fits now: it is told nothing rather than in the clear."""

    def __init__(self) -> None:
        super().__init__("invalid_request", "This client has no key for the encryption that it registered.")


def is_wanted(client: Client, kind: Kind) -> bool:
    """Whether the client registered this kind as a JWT."""
    return bool(client.metadata.get(kind.signing) or client.metadata.get(kind.encryption))


def signing_alg(client: Client, kind: Kind) -> str:
    return str(client.metadata.get(kind.signing) or client.profile.id_token_alg)


def key_for(client: Client, kind: Kind) -> EncryptionKey | None:
    """The client's key that this kind is encrypted to; None when it registered no encryption. NoKey."""
    alg = client.metadata.get(kind.encryption)
    if not alg:
        return None
    key = client.encryption_key(alg)
    if key is None:
        raise NoKey
    return key


def write(ring: Ring, client: Client, kind: Kind, claims: Mapping[str, object]) -> str:
    """A JWT of `claims`, or a JWT in a JWE. NoKey."""
    key = key_for(client, kind)
    signed = jose.sign(claims, ring.active(signing_alg(client, kind)), typ=kind.typ)
    if key is None:
        return signed
    enc = client.metadata.get(f"{kind.name}_encrypted_response_enc") or ENC
    iss = str(claims["iss"]) if kind is LOGOUT else None
    return jwe.encrypt(signed, key, alg=client.metadata[kind.encryption], enc=enc, iss=iss)
