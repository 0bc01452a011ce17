"""Names in certificates, and how they compare with what a client registered of one (RFC 8705 section 2.1.2)."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Hashable

from cryptography import x509
from cryptography.x509.oid import NameOID

from keys.errors import InvalidCertificate

MAX_NAME = 500
"""Characters of a registered name."""
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))+\Z")

DN = tuple[frozenset[tuple[str, str]], ...]
"""A distinguished name made comparable: per RDN its attributes, as OID and prepared value."""


def prepared(member: str, value: str) -> Hashable:
    """A registered name in the form in which names are compared. InvalidCertificate says what is wrong with it."""
    prepare = MEMBERS.get(member)
    if prepare is None or not 0 < len(value) <= MAX_NAME:
        raise InvalidCertificate(f"{member} must have 1 to {MAX_NAME} characters")
    return prepare(value)


def names_of(found: x509.Certificate) -> frozenset[tuple[str, Hashable]]:
    """Its subject and alternative names, prepared, by the member with which a client registers one."""
    return frozenset([*_subject(found), *_alternatives(found)])


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
