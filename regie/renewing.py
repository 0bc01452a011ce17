"""A TLS context that is made anew when its files change: a renewed certificate needs no restart."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from base.log import log
from base.settings import UnsafeSettings

LOOK_EVERY_S = 2.0
"""A few `stat` calls at most this often, when somebody connects."""


class RenewingContext(ssl.SSLContext):
    """Serves each new connection with what the files held last, as long as they fit together; open ones go on."""

    def __new__(cls, *_arguments: object) -> RenewingContext:  # noqa: PYI034 - ssl's own signature
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, files: Sequence[Path | None], make: Callable[[], ssl.SSLContext]) -> None:
        """`make` raises UnsafeSettings for files that do not fit: here at once, later into the log."""
        self._files = [one for one in files if one is not None]
        self._make = make
        self._seen = self._stamps()
        self._made = make()
        self._looked = time.monotonic()

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *more: Any, **named: Any) -> Any:
        """A connection, as event loops ask for it."""
        if time.monotonic() - self._looked >= LOOK_EVERY_S:
            self._look()
        return self._made.wrap_bio(incoming, outgoing, *more, **named)

    def _look(self) -> None:
        self._looked = time.monotonic()
        stamps = self._stamps()
        if stamps == self._seen:
            return
        try:
            self._made = self._make()
        except UnsafeSettings as error:
            # Half of a renewal: the key is there and the certificate is not yet. What served before serves on.
            log.error("tls.not_renewed", detail=str(error))
        else:
            self._seen = stamps
            log.info("tls.renewed")

    def _stamps(self) -> list[tuple[int, int, int]]:
        """What tells a file's content from the one before; nothing for a file that is not there."""
        found = []
        for one in self._files:
            try:
                state = one.stat()
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((state.st_mtime_ns, state.st_size, state.st_ino))
        return found
