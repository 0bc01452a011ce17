"""X.509 certificates as clients show them: read, compared with what is registered, verified up to an anchor.

RFC 5280 for the certificates, RFC 8705 section 2.1.2 for what a client registers of them. Revocation lists are left to
the proxy: here a client is stopped by disabling it.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from keys.digest import b64encode
from keys.errors import InvalidCertificate, WeakKey
from keys.jwks import RSA_MIN_BITS, public_jwk
from keys.jwks import thumbprint as jwk_thumbprint

MAX_DER = 8 * 1024
"""Bytes of one certificate."""
MAX_CHAIN = 5
"""Certificates that are looked at: the client's own, and those up to an anchor."""
MAX_NAME = 500
"""Characters of a registered name."""
_REMEMBERED = 1024
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))+\Z")

_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What the library says of certificates that make no sense, or a sense that it does not know."""

DN = tuple[frozenset[tuple[str, str]], ...]
"""A distinguished name made comparable: per RDN its attributes, as OID and prepared value."""


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
        names = frozenset([*_subject(found), *_alternatives(found)])
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


def prepared(member: str, value: str) -> Hashable:
    """A registered name in the form in which names are compared. InvalidCertificate says what is wrong with it."""
    prepare = MEMBERS.get(member)
    if prepare is None or not 0 < len(value) <= MAX_NAME:
        raise InvalidCertificate(f"{member} must have 1 to {MAX_NAME} characters")
    return prepare(value)


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


def _subject(found: x509.Certificate) -> list[tuple[str, Hashable]]:
    name = _dn(found.subject)
    return [("tls_client_auth_subject_dn", name)] if name else []


def _alternatives(found: x509.Certificate) -> list[tuple[str, Hashable]]:
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    given: list[tuple[str, str]] = [
        *(("tls_client_auth_san_dns", one) for one in names.get_values_for_type(x509.DNSName)),
        *(("tls_client_auth_san_uri", one) for one in names.get_values_for_type(x509.UniformResourceIdentifier)),
        *(("tls_client_auth_san_ip", str(one)) for one in names.get_values_for_type(x509.IPAddress)),
        *(("tls_client_auth_san_email", one) for one in names.get_values_for_type(x509.RFC822Name)),
    ]
    found_names: list[tuple[str, Hashable]] = []
    for member, value in given:
        try:
            found_names.append((member, prepared(member, value)))
        except InvalidCertificate:
            continue  # a name that nobody can register, such as a wildcard, matches nobody
    return found_names


def _registered_dn(text: str) -> DN:
    """RFC 4514, most specific first; attributes by name or OID."""
    try:
        if "#" in re.sub(r"\\.", "", text):
            raise ValueError("a value in hexadecimal")
        name = _dn(x509.Name.from_rfc4514_string(text, _ATTRIBUTES))
    except ValueError as error:
        raise InvalidCertificate(
            "tls_client_auth_subject_dn must be a distinguished name as RFC 4514 has it, such as CN=api,O=Agency,C=NL; "
            "attributes that it does not name go by their OID"
        ) from error
    if not name:
        raise InvalidCertificate("tls_client_auth_subject_dn must name something")
    return name


def _dn(name: x509.Name) -> DN:
    """Case and runs of blanks do not tell names apart (RFC 5280 section 7.1)."""
    return tuple(frozenset((one.oid.dotted_string, _text(one.value)) for one in rdn) for rdn in name.rdns)


def _text(value: str | bytes) -> str:
    if isinstance(value, bytes):
        return f"#{value.hex()}"
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def _host(text: str) -> str:
    host = text.lower()
    if not _HOST.match(host):
        raise InvalidCertificate("a DNS name must be whole and without a wildcard, such as api.agency.example")
    return host


def _uri(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+", text):
        raise InvalidCertificate("a URI must be absolute")
    return text


def _ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise InvalidCertificate("an IP address must be one address, IPv4 or IPv6") from error


def _email(text: str) -> str:
    """The part before the at sign is its owner's to read, and compared as it is (RFC 5280 section 7.5)."""
    local, at, host = text.rpartition("@")
    if not at or not re.fullmatch(r"[!-?A-~]+", local):
        raise InvalidCertificate("an e-mail address must be one address")
    return f"{local}@{_host(host)}"


MEMBERS: dict[str, Callable[[str], Hashable]] = {
    "tls_client_auth_subject_dn": _registered_dn,
    "tls_client_auth_san_dns": _host,
    "tls_client_auth_san_uri": _uri,
    "tls_client_auth_san_ip": _ip,
    "tls_client_auth_san_email": _email,
}
"""How a client is recognised (RFC 8705 section 2.1.2); exactly one is registered."""

_ATTRIBUTES = {
    spelled: oid
    for name, oid in {
        "CN": NameOID.COMMON_NAME,
        "L": NameOID.LOCALITY_NAME,
        "ST": NameOID.STATE_OR_PROVINCE_NAME,
        "O": NameOID.ORGANIZATION_NAME,
        "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "C": NameOID.COUNTRY_NAME,
        "serialNumber": NameOID.SERIAL_NUMBER,
        "organizationIdentifier": NameOID.ORGANIZATION_IDENTIFIER,
        "emailAddress": NameOID.EMAIL_ADDRESS,
        "SN": NameOID.SURNAME,
        "GN": NameOID.GIVEN_NAME,
    }.items()
    for spelled in (name, name.upper(), name.lower())
}
