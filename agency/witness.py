"""A witness of the registry's ledger: it cosigns what goes on from what it saw before, and nothing else, ever.

    python -m agency.witness --name witness.example/w1 --state DIR --log KEYS [--listen 127.0.0.1:8437]

Whoever runs one needs to trust nobody: it remembers the newest size and root of each log, and signs the next only with
a proof that nothing before it changed. A registry that shows two histories gets no second signature, and receipts that
must be cosigned cannot hide it. `--log`: the ledger's keys, as a file or as text (https://…/ledger/key), once a log.

The state is `key` (made at the first start; GET /key tells the public half) and `seen.db`. A witness that lost
`seen.db` could sign a second history: it does not start again under that key. Needs the standard library and
`cryptography`; TLS is a proxy's before it. C2SP tlog-witness, tlog-cosignature (Ed25519).
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519

from agency.receipt import (
    Checkpoint,
    Key,
    NotProven,
    base64_of,
    checkpoint_of,
    consistent,
    key_of,
    number_of,
    signatures_of,
)

MAX_BODY = 64 * 1024
MAX_PROOF = 63
TIMEOUT_S = 10
_COSIGNATURE = 4
_EMPTY = hashlib.sha256(b"").digest()


class Refused(Exception):
    """`status`: of HTTP. `size`: of the tree that was cosigned last, when that is what stands in the way."""

    def __init__(self, status: int, why: str, size: int | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.size = size


class Witness:
    """`logs`: the keys of the logs that are cosigned, each under its log's origin."""

    def __init__(self, name: str, state: Path, logs: Sequence[Key]) -> None:
        self._name = name
        self._logs = {origin: [one for one in logs if one.name == origin] for origin in {one.name for one in logs}}
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._seen = state / "seen.db"
        self._key = _private(state / "key", remembers=self._seen.exists())
        with closing(self._database()) as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS seen (origin TEXT PRIMARY KEY, size INTEGER, root BLOB) STRICT"
            )

    @property
    def vkey(self) -> str:
        """The public key, `name+id+base64` (C2SP signed-note)."""
        raw = b"\x04" + self._key.public_key().public_bytes_raw()
        return f"{self._name}+{self._id.hex()}+{base64.b64encode(raw).decode()}"

    def add_checkpoint(self, body: bytes) -> str:
        """The cosignature line. Refused."""
        old, path, note = _request(body)
        try:
            checkpoint = checkpoint_of(note)
        except NotProven as error:
            raise Refused(400, str(error)) from error
        if len(checkpoint.root) != len(_EMPTY):
            raise Refused(400, "a root is a hash")
        keys = self._logs.get(checkpoint.origin)
        if keys is None:
            raise Refused(404, "not a log that is cosigned here")
        try:
            signed = signatures_of(note, keys)
        except NotProven as error:
            raise Refused(403, str(error)) from error
        if not signed:
            raise Refused(403, "not signed by the log")
        if old > checkpoint.size:
            raise Refused(400, "the old size is above the new one")
        self._remember(old, checkpoint, path)
        return self._line(note.rpartition("\n\n")[0] + "\n")

    def _remember(self, old: int, new: Checkpoint, path: Sequence[bytes]) -> None:
        """What was seen is compared and replaced in one transaction, on disk before anything is signed. Refused."""
        with closing(self._database()) as database:
            database.execute("BEGIN IMMEDIATE")
            row = database.execute("SELECT size, root FROM seen WHERE origin = ?", (new.origin,)).fetchone()
            size, root = row or (0, _EMPTY)
            if old != size:
                raise Refused(409, "another size was cosigned last", size)
            if old == new.size and root != new.root:
                raise Refused(409, "another tree of this size was cosigned", size)
            # Everything begins with the empty tree; between any other two sizes it must be shown.
            if not (old == 0 and not path) and not consistent(old, new.size, root, new.root, path):
                raise Refused(422, "the proof does not lead from what was cosigned last to this")
            database.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", (new.origin, new.size, new.root))
            database.execute("COMMIT")

    def _line(self, text: str) -> str:
        at = int(time.time())
        signature = self._key.sign(f"cosignature/v1\ntime {at}\n{text}".encode())
        return f"— {self._name} {base64.b64encode(self._id + at.to_bytes(8, 'big') + signature).decode()}\n"

    @property
    def _id(self) -> bytes:
        return hashlib.sha256(self._name.encode() + b"\n\x04" + self._key.public_key().public_bytes_raw()).digest()[:4]

    def _database(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._seen, timeout=TIMEOUT_S, isolation_level=None)
        database.execute("PRAGMA synchronous = EXTRA")
        return database


def _private(file: Path, *, remembers: bool) -> ed25519.Ed25519PrivateKey:
    if file.exists():
        if not remembers:
            raise SystemExit("the key is here and seen.db is not: retire this key, or bring the newest seen.db back")
        return ed25519.Ed25519PrivateKey.from_private_bytes(file.read_bytes())
    key = ed25519.Ed25519PrivateKey.generate()
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as made:
        made.write(key.private_bytes_raw())
        made.flush()
        os.fsync(made.fileno())
    return key


def _request(body: bytes) -> tuple[int, list[bytes], str]:
    """Old size, proof, note."""
    try:
        head, blank, note = body.decode().partition("\n\n")
        lines = head.split("\n")
        if not blank or not lines[0].startswith("old ") or len(lines) > MAX_PROOF + 1:
            raise Refused(400, "an old size, a proof, an empty line and a checkpoint")
        path = [base64_of(line) for line in lines[1:]]
        if any(len(one) != len(_EMPTY) for one in path):
            raise Refused(400, "a proof is made of hashes")
        return number_of(lines[0][4:]), path, note
    except (UnicodeDecodeError, NotProven) as error:
        raise Refused(400, "an old size, a proof, an empty line and a checkpoint") from error


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT_S
    server_version, sys_version = "witness", ""
    witness: Witness

    def do_POST(self) -> None:
        try:
            length = int(self.headers.get("content-length", ""))
        except ValueError:
            length = -1
        if not 0 <= length <= MAX_BODY or "transfer-encoding" in self.headers:
            self.close_connection = True
            self._answer(413 if length > MAX_BODY else 411, "a body of known and modest length\n")
            return
        body = self.rfile.read(length)
        if self.path != "/add-checkpoint":
            self._answer(404, "add-checkpoint\n")
            return
        try:
            self._answer(200, self.witness.add_checkpoint(body))
        except Refused as refused:
            if refused.size is not None:
                self._answer(409, f"{refused.size}\n", "text/x.tlog.size")
            else:
                self._answer(refused.status, f"{refused}\n")

    def do_GET(self) -> None:
        known = self.path == "/key"
        self._answer(200 if known else 404, f"{self.witness.vkey}\n" if known else "key\n")

    def _answer(self, status: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """One line a request, without who asked."""
        sys.stderr.write(f"{self.log_date_time_string()} {format % args}\n")


def serve(witness: Witness, host: str, port: int) -> ThreadingHTTPServer:
    """A server that listens; `serve_forever` is the caller's."""
    handler = type("Handler", (_Handler,), {"witness": witness})
    server = ThreadingHTTPServer((host, port), handler)
    server.daemon_threads = True
    return server


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="A witness of a ledger: it cosigns checkpoints that go on from each other."
    )
    parser.add_argument("--name", required=True, help="the witness's name: a URL without a scheme")
    parser.add_argument("--state", type=Path, required=True, help="a directory of its own, which is never put back")
    parser.add_argument("--log", action="append", required=True, help="a ledger's keys, or a file with them")
    parser.add_argument("--listen", default="127.0.0.1:8437", help="host:port")
    given = parser.parse_args(arguments)
    try:
        texts = [Path(one).read_text() if os.path.isfile(one) else one for one in given.log]  # noqa: PTH113 - no path of any length raises
        logs = [key_of(line) for text in texts for line in text.split()]
        if not logs or any(one.kind == _COSIGNATURE for one in logs):
            raise NotProven("these are not a ledger's keys")
    except (NotProven, OSError, UnicodeDecodeError) as error:
        parser.error(f"--log: {error}")
    if not given.name or any(one.isspace() or one == "+" for one in given.name):
        parser.error("--name: no spaces and no plus sign")
    host, _, port = given.listen.rpartition(":")
    witness = Witness(given.name, given.state, logs)
    with serve(witness, host, int(port)) as server:
        print(f"{witness.vkey} on http://{host}:{server.server_port}", flush=True)  # noqa: T201 - a program of its own
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
