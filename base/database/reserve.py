"""Room on the disk that nobody else can take: the write-ahead log's own file, longer than what is in it (SQLite).

SQLite reads the log up to the first frame that is not the log's: zeros behind it are as good as nothing, and what is
committed over them needs no room of the disk. How far the log is full is in the head of its index (the WAL-index, -shm;
https://sqlite.org/walformat.html section 2.1). Before each batch the writer asks. When less than half of the room is left
and the disk has not enough to make it whole again, only what is vital is written.

The index of the log gets room for as much in the same way. The database itself needs none: what it has no room for stays
in the log.
"""

from __future__ import annotations

import errno
import os
import struct
import time
from pathlib import Path

from base.log import log

AGAIN_S = 0.5
"""How often it is looked whether there is room again."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_HEAD = struct.Struct("=HI")
_HEAD_AT, _LOG_HEAD, _FRAME_HEAD = 14, 32, 24
"""In the index: the size of a page, and the frames that are committed. In the log: its own head, and a frame's."""
_INDEX = 128
"""A part of the log for each part of its index: 4,096 frames of 4 kB for 32 kB, and a good deal to spare."""


class Reserve:
    """In the log of the database at `path`: `size` bytes; 0 for none. Of one thread, the writer's."""

    def __init__(self, path: Path, size: int) -> None:
        self.size = size
        self.in_use = False
        """Whether there is no room but this."""
        self._name = path.stem
        self._log = path.with_name(f"{path.name}-wal")
        self._index = path.with_name(f"{path.name}-shm")
        self._descriptors: dict[int, int] = {}
        self._again = 0.0

    def keep(self) -> bool:
        """Look after it; False when only what is vital may be written. To be asked in a transaction that writes."""
        if not self.size:
            return True
        end, there = self._end(), self._log.stat().st_size
        if there - end >= self.size // 2:
            self._tell(in_use=False)
        elif time.monotonic() >= self._again:
            self._again = time.monotonic() + AGAIN_S
            self._tell(in_use=not self._is_made(end, end + self.size - there))
        return not self.in_use

    def close(self) -> None:
        """After the database is."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors = {}

    def _end(self) -> int:
        """Up to where the log is full."""
        page, frames = _HEAD.unpack(os.pread(self._of_index(), _HEAD.size, _HEAD_AT))
        return _LOG_HEAD + int(frames) * (int(page) + _FRAME_HEAD)

    def _is_made(self, end: int, missing: int) -> bool:
        disk = os.statvfs(self._log)
        if disk.f_blocks and disk.f_bavail * disk.f_frsize < missing:
            # Not begun: some file systems would give what little there is.
            return False
        try:
            os.posix_fallocate(self._of_index(), 0, (end + self.size) // _INDEX)
            file = os.open(self._log, os.O_RDWR)
            try:
                os.posix_fallocate(file, end, self.size)
            finally:
                os.close(file)
        except OSError as error:
            if error.errno in _FULL:
                return False
            # A file system that cannot: a full disk refuses everything, as it did before.
            log.warning("disk.no_reserve", service=self._name, error=errno.errorcode.get(error.errno or 0, ""))
            self.size = 0
        self._again = 0.0
        return True

    def _of_index(self) -> int:
        """Open for as long as the database: SQLite's locks on it would go with any descriptor that is closed."""
        file = self._index.stat().st_ino
        if file not in self._descriptors:
            self._descriptors[file] = os.open(self._index, os.O_RDWR)
        return self._descriptors[file]

    def _tell(self, *, in_use: bool) -> None:
        if in_use and not self.in_use:
            log.error("disk.full", service=self._name, detail="only withdrawals and logins are written: make room")
        elif self.in_use and not in_use:
            log.info("disk.has_room", service=self._name)
        self.in_use = in_use
