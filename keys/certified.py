"""Certificates that stand beside a JSON Web Key (RFC 7517 sections 4.7 to 4.9): they must be of that very key.

Whether a chain is trusted, and valid now, is for whoever relies on it. `x5u` is never followed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from keys.digest import b64encode
from keys.errors import WeakKey

MAX_CHAIN, MAX_CERTIFICATE = 6, 8_192
"""Certificates in a chain, and characters of one."""


def check_certificates(jwk: Mapping[str, Any], key: Any) -> None:
    """WeakKey when x5c is not a list of certificates of which the first is of `key`, or a thumbprint is another's."""
    certificates = _chain(jwk["x5c"]) if "x5c" in jwk else []
    if certificates and certificates[0].public_key() != key:
        raise WeakKey("the first certificate of x5c is of another key")
    # A thumbprint alone is of a certificate that is kept elsewhere: nothing here rests on it.
    for name, hashed in (("x5t#S256", hashlib.sha256), ("x5t", hashlib.sha1)) if certificates else ():
        if name in jwk and jwk[name] != b64encode(hashed(certificates[0].public_bytes(Encoding.DER)).digest()):
            raise WeakKey(f"{name} is not the thumbprint of the first certificate of x5c")


def _chain(x5c: object) -> list[x509.Certificate]:
    if not isinstance(x5c, list) or not 1 <= len(x5c) <= MAX_CHAIN:
        raise WeakKey(f"x5c must be a list of 1 to {MAX_CHAIN} certificates")
    try:
        return [x509.load_der_x509_certificate(base64.b64decode(_text(one), validate=True)) for one in x5c]
    except ValueError as error:
        raise WeakKey("x5c must hold certificates in base64 (not base64url)") from error


def _text(one: object) -> str:
    if not isinstance(one, str) or len(one) > MAX_CERTIFICATE:
        raise WeakKey("x5c must hold certificates in base64, of a usual size")
    return one
