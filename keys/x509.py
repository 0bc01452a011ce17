"""X.509 certificates as clients show them: read, and verified up to an anchor (RFC 5280).

How their names compare with what is registered: keys.certificate_names. Revocation lists are left to
the proxy: here a client is stopped by disabling it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from keys.certificate_names import names_of, prepared
from keys.digest import b64encode
from keys.errors import InvalidCertificate, WeakKey
from keys.jwks import RSA_MIN_BITS, public_jwk
from keys.jwks import thumbprint as jwk_thumbprint

MAX_DER = 8 * 1024
"""Bytes of one certificate."""
MAX_CHAIN = 5
"""Certificates that are looked at: the client's own, and those up to an anchor."""
_REMEMBERED = 1024

_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What the library says of certificates that make no sense, or a sense that it does not know."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One that could be read; whose it is, others decide.

    `thumbprint`: SHA-256 of the DER, 43 base64url characters (`x5t#S256`). `key`: RFC 7638 thumbprint of its public
    key, empty for a kind of key that no JWK Set here may hold. `names`: its subject and alternative names, by the
    member with which a client registers one.
    """

    der: bytes
    thumbprint: str
    key: str
    not_before: datetime
    not_after: datetime
    names: frozenset[tuple[str, Hashable]]

    def is_current(self, now: datetime) -> bool:
        return self.not_before <= now <= self.not_after

    def is_named(self, member: str, value: str) -> bool:
        """Whether it carries this registered name. False for a member or value that no client could register."""
        try:
            return (member, prepared(member, value)) in self.names
        except InvalidCertificate:
            return False


@lru_cache(maxsize=_REMEMBERED)
def parse(der: bytes) -> Certificate:
    """Read one certificate; nothing about who made it is believed yet. InvalidCertificate."""
    if len(der) > MAX_DER:
        raise InvalidCertificate("the certificate is too large")
    try:
        found = x509.load_der_x509_certificate(der)
        key = found.public_key()
        names = names_of(found)
    except _UNREADABLE as error:
        raise InvalidCertificate("not a certificate that can be read") from error
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < RSA_MIN_BITS:
        raise InvalidCertificate("the certificate's RSA key is too short")
    try:
        key_thumbprint = jwk_thumbprint(public_jwk(key))
    except (WeakKey, LookupError):
        key_thumbprint = ""
    return Certificate(
        der,
        b64encode(sha256(der).digest()),
        key_thumbprint,
        found.not_valid_before_utc,
        found.not_valid_after_utc,
        names,
    )


def first(pem: bytes) -> Certificate:
    """The first certificate of a PEM file: the file's own, before those above it. InvalidCertificate."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise InvalidCertificate("there is no readable certificate in the file") from error
    return parse(found[0].public_bytes(Encoding.DER))


class Anchors:
    """The certificate authorities whose word on a client's name is believed."""

    def __init__(self, pem: bytes) -> None:
        """`pem`: roots and issuing authorities, one after the other. InvalidCertificate when there is none."""
        try:
            self._store = Store(x509.load_pem_x509_certificates(pem))
        except ValueError as error:
            raise InvalidCertificate("there is no readable CA certificate in the file") from error
        self._known: dict[tuple[bytes, ...], tuple[datetime, datetime]] = {}

    def accept(self, chain: Sequence[bytes], now: datetime) -> bool:
        """Whether a path leads from the client's certificate, the first of `chain`, to an anchor at this moment.

        RFC 5280 section 6, with the key sizes and algorithms of the web's PKI; for clients (`clientAuth`), with or
        without an alternative name. A path found is remembered for as long as all of it is valid.
        """
        key = tuple(chain[:MAX_CHAIN])
        known = self._known.get(key)
        if known is not None and known[0] <= now <= known[1]:
            return True
        try:
            leaf, *others = [x509.load_der_x509_certificate(one) for one in key]
            path = self._verifier(now).verify(leaf, others).chain
        except (VerificationError, *_UNREADABLE):
            return False
        while len(self._known) >= _REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[key] = (
            max(one.not_valid_before_utc for one in path),
            min(one.not_valid_after_utc for one in path),
        )
        return True

    def _verifier(self, now: datetime) -> x509.verification.ClientVerifier:
        # The web's rules demand an alternative name; a client may be registered by its subject.
        client = ExtensionPolicy.webpki_defaults_ee().may_be_present(
            x509.SubjectAlternativeName, Criticality.AGNOSTIC, None
        )
        policies = PolicyBuilder().store(self._store).time(now).max_chain_depth(MAX_CHAIN)
        return policies.extension_policies(
            ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=client
        ).build_client_verifier()
