"""/ledger: checkpoint, tiles and keys, public (C2SP tlog-tiles), and proofs for those who do not compute them.

A proof of inclusion is asked with a leaf's hash and its place in the queue: both stand in a permit and in a receipt,
and nobody else can know them. What is answered says where in the tree it is and nothing else.
"""

from __future__ import annotations

import base64
import re

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.database import Database
from base.forms import parse_query
from base.problems import Problem
from base.web import Cached
from consent.ledger import tiles
from consent.ledger.ledger import Ledger
from consent.ledger.publish import Publisher

PLAIN = "text/plain; charset=utf-8"
YEAR_S = 31_536_000
_HASH = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,17})\Z")
_FOR_ALL = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
_IMMUTABLE = {
    **_FOR_ALL,
    "content-type": "application/octet-stream",
    "cache-control": f"public, max-age={YEAR_S}, immutable",
}
_PROOF = {**_FOR_ALL, "content-type": "application/json", "cache-control": "public, max-age=60"}


class InclusionAnswer(msgspec.Struct):
    """`inclusion_path`: base64, from the leaf's sibling upwards. `checkpoint`: the signed note that it leads to."""

    leaf_hash: str
    log_index: int
    tree_size: int
    inclusion_path: list[str]
    checkpoint: str


class ConsistencyAnswer(msgspec.Struct):
    """`consistency_path`: base64 (RFC 9162 section 2.1.4.1)."""

    first: int
    second: int
    consistency_path: list[str]


def documents(ledger: Ledger) -> dict[str, Cached]:
    """The keys, one a line (C2SP signed-note, verifier keys)."""
    return {"/ledger/key": Cached(ledger.publisher.vkeys, PLAIN)}


def routes(ledger: Ledger, database: Database) -> list[Route]:
    shown = _Shown(ledger, database)
    return [
        Route("/ledger/checkpoint", shown.checkpoint, methods=["GET"]),
        Route("/ledger/cosigned", shown.cosigned, methods=["GET"]),
        Route("/ledger/tile/{path:path}", shown.tile, methods=["GET"]),
        Route("/ledger/proofs/inclusion", shown.inclusion, methods=["GET"]),
        Route("/ledger/proofs/consistency", shown.consistency, methods=["GET"]),
    ]


class _Shown:
    def __init__(self, ledger: Ledger, database: Database) -> None:
        self._ledger = ledger
        self._database = database

    async def checkpoint(self, _request: Request) -> Response:
        return _note(self._publisher().note())

    async def cosigned(self, _request: Request) -> Response:
        return _note(self._publisher().cosigned())

    async def tile(self, request: Request) -> Response:
        publisher, asked = self._publisher(), tiles.parse(request.path_params["path"])
        body = None if asked is None else await self._database.read(lambda c: publisher.tile(c, asked))
        if body is None:
            raise Problem(404, "The published tree has no such tile.")
        return Response(body, headers=_IMMUTABLE)

    async def inclusion(self, request: Request) -> Response:
        publisher, query = self._publisher(), parse_query(request)
        leaf_hash, seq = query.get("leaf_hash", ""), _number(query.get("seq", ""), "seq")
        if not _HASH.match(leaf_hash) or set(query) != {"leaf_hash", "seq"}:
            raise _bad("leaf_hash", "43 base64url characters and a seq, as a permit or a receipt has them")
        found = await self._database.read(lambda c: publisher.inclusion(c, leaf_hash, seq))
        if found is None:
            raise Problem(404, "No published checkpoint has this leaf.")
        path = [base64.b64encode(one).decode() for one in found.path]
        return _json(InclusionAnswer(leaf_hash, found.index, found.checkpoint.size, path, found.note))

    async def consistency(self, request: Request) -> Response:
        publisher, query = self._publisher(), parse_query(request)
        first, second = (_number(query.get(name, ""), name) for name in ("first", "second"))
        if first > second or set(query) != {"first", "second"}:
            raise _bad("first", "a size of the tree, not above second")
        try:
            path = await self._database.read(lambda c: publisher.consistency(c, first, second))
        except LookupError:
            raise Problem(404, "The published tree is not that large.") from None
        return _json(ConsistencyAnswer(first, second, [base64.b64encode(one).decode() for one in path]))

    def _publisher(self) -> Publisher:
        """A database that was put back shows an older tree than the one that left the house: it is not shown."""
        if self._ledger.fence.reason is not None:
            raise Problem(503, "The ledger is not the one that was published last; it is being reconciled.")
        return self._ledger.publisher


def _note(body: bytes) -> Response:
    if not body:
        raise Problem(404, "There is no such checkpoint yet.")
    return Response(body, headers={**_FOR_ALL, "content-type": PLAIN, "cache-control": "public, max-age=1"})


def _number(text: str, name: str) -> int:
    if not _NUMBER.match(text):
        raise _bad(name, "a whole number")
    return int(text)


def _bad(name: str, detail: str) -> Problem:
    return Problem(400, errors=[{"in": "query", "location": name, "detail": detail}])


def _json(answer: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(answer), headers=_PROOF)
