"""The key-encryption key: from the environment, or a file that the first start makes.

Whoever has this key and the database has everything; whoever has the database alone has nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

from keys.digest import b64decode, b64encode
from keys.errors import KeysError
from keys.files import is_private, write_new
from keys.store import has_keys

LENGTH = 32


def load_kek(env_value: str | None, path: Path, keys: Path) -> bytes:
    """The 32 bytes of the key-encryption key.

    `env_value`: base64url of 32 bytes, wins over the file. `path`: made with mode 0600 when it is not there, and there
    are no `keys` yet that another one sealed.
    KeysError, in a sentence that says what to do, for a value of another length or a file that others can read.
    """
    if env_value:
        return _decode(env_value, "REGIE_KEK")
    if not path.exists():
        if has_keys(keys):
            raise KeysError(f"{path} is gone: put your copy of it back, or set REGIE_KEK; {keys} was sealed with it")
        write_new(path, b64encode(os.urandom(LENGTH)).encode() + b"\n")
    if not is_private(path):
        raise KeysError(f"{path.name} can be read by others than its owner; run: chmod 600 {path}")
    return _decode(path.read_text().strip(), path.name)


def _decode(text: str, name: str) -> bytes:
    try:
        key = b64decode(text.rstrip("="))
    except ValueError:
        key = b""
    if len(key) != LENGTH:
        how = "openssl rand -base64 32 | tr '+/' '-_'"
        raise KeysError(f"{name} must be 32 random bytes in base64url; make one with: {how}")
    return key
