"""Pseudonyms: how a citizen is called by the registry and by each agency, and how a number is found without storing it.

Two steps with two keys, so that provider and registry can each compute an agency's `sub` from the registry's handle,
while nobody gets from a `sub` back to a citizen without a table (OpenID Connect Core section 8.1, pairwise).
"""

from __future__ import annotations

import hmac

from keys.digest import b64encode
from keys.seal import expand


class Pseudonyms:
    """`secret`: 32 bytes, kept in the key store and outside every database."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._handle = _keyed(expand(secret, "regie handle v1"))
        self._pairwise = _keyed(expand(secret, "regie pairwise v1"))
        self._index = _keyed(expand(secret, "regie index v1"))
        self._sid = _keyed(expand(secret, "regie sid v1"))
        self._salt = _keyed(expand(secret, "regie ledger salt v1"))
        self._macs: dict[str, hmac.HMAC] = {}

    def handle(self, citizen_id: str) -> str:
        """The name by which the registry knows a citizen, 43 base64url characters."""
        return _prf(self._handle, citizen_id)

    def pairwise(self, handle: str, sector: str) -> str:
        """The `sub` under which one sector (an agency) knows the citizen behind a registry handle."""
        return _prf(self._pairwise, f"{len(sector)}:{sector}{handle}")

    def sid(self, session_id: str, client_id: str) -> str:
        """The name of a session at one client: two clients cannot tell that they were used in the same one."""
        return _prf(self._sid, f"{len(client_id)}:{client_id}{session_id}")

    def blind_index(self, value: str) -> str:
        """Keyed index of a national number: equal numbers meet, and without the key no number can be tried."""
        return _prf(self._index, value)

    def salt(self, seed: bytes, nonce: bytes) -> bytes:
        """The 32-byte salt of one leaf of the ledger.

        `seed`: a citizen's own 32 random bytes in the registry: without them none of his salts can be made again.
        Whoever has the database alone can neither open a commitment nor make one that verifies.
        """
        return _code(self._salt, seed + nonce)

    def mac(self, purpose: str, data: bytes) -> bytes:
        """A 32-byte code over `data`, for one purpose only (CSRF tokens, consistency tokens, the seals of rows).

        `purpose`: a word of the program's own, since the keyed state of each is kept: it costs four times a code.
        """
        keyed = self._macs.get(purpose)
        if keyed is None:
            keyed = self._macs[purpose] = _keyed(expand(self._secret, f"regie mac {purpose}"))
        return _code(keyed, data)


def _keyed(key: bytes) -> hmac.HMAC:
    """A key that is taken in each time anew costs 12 µs in a server; a copy of what took it in, one."""
    return hmac.new(key, digestmod="sha256")


def _code(keyed: hmac.HMAC, data: bytes) -> bytes:
    code = keyed.copy()
    code.update(data)
    return code.digest()


def _prf(keyed: hmac.HMAC, text: str) -> str:
    return b64encode(_code(keyed, text.encode()))
