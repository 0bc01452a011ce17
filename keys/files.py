"""Files that hold secrets: owner only, written whole or not at all, on disk before we say so."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path


def private_directory(path: Path) -> None:
    """Make a directory that only its owner can enter; one that is there, is ours and is empty becomes such a one."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not is_private(path) and path.stat().st_uid == os.geteuid() and not any(path.iterdir()):
        path.chmod(0o700)


def is_private(path: Path) -> bool:
    return not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def write(path: Path, data: bytes) -> None:
    """Replace a file atomically: readers see the old bytes or the new, also after a power cut."""
    temporary = _temporary(path, data)
    temporary.replace(path)
    _sync_directory(path.parent)


def write_new(path: Path, data: bytes) -> None:
    """Make a file unless another process was first; then its bytes count."""
    private_directory(path.parent)
    temporary = _temporary(path, data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    _sync_directory(path.parent)


def _temporary(path: Path, data: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
