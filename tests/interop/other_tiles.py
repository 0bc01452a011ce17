"""A process of its own: aics-tlog, a stranger's reader of C2SP tile logs, reads folders as they were served.

Reads {"key": vkey, "origin": …, "leaf": base64, "index": …, "before": [size, root in base64], "folders": [path, …]}; writes
for each folder "" when everything in it is as the checkpoint signs, with the leaf at its place and the tree before still
in it; else what is wrong.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent / "tile_reader"))

from aics_tlog.checkpoint import checkpoint_from_note, verify_checkpoint
from aics_tlog.note import parse_vkey
from aics_tlog.remote import HttpTileReader, tile_source_url
from aics_tlog.tiles import consistency_proof_from_tiles, inclusion_proof_from_tiles
from aics_tlog.tree import verify_consistency, verify_inclusion
from aics_tlog.verified import VerifiedTileReader, audit_tiles


def main() -> None:
    asked = json.load(sys.stdin)
    print(json.dumps([_wrong(folder, asked) for folder in asked["folders"]]))


def _wrong(folder: str, asked: dict[str, Any]) -> str:
    try:
        _read(folder, asked)
    except (ValueError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _read(folder: str, asked: dict[str, Any]) -> None:
    """ValueError, OSError: with what is wrong."""
    reader = HttpTileReader([tile_source_url(folder)], proxies={})
    checkpoint, note = checkpoint_from_note(reader.read_checkpoint())
    found = verify_checkpoint(note, parse_vkey(asked["key"]), expected_origin=asked["origin"])
    if not found.ok or not found.log_ok:
        raise ValueError(f"the checkpoint: {found.error}")
    size, root = checkpoint.size, checkpoint.root
    audit_tiles(reader, size, root)
    proven = VerifiedTileReader(reader, size, root)
    path = inclusion_proof_from_tiles(proven, asked["index"], size)
    if not verify_inclusion(base64.b64decode(asked["leaf"]), asked["index"], size, path, root):
        raise ValueError("the leaf is not at its place")
    before, old = asked["before"][0], base64.b64decode(asked["before"][1])
    way = consistency_proof_from_tiles(proven, before, size)
    if not verify_consistency(before, size, old, root, way):
        raise ValueError("the tree before is not in it")


if __name__ == "__main__":
    main()
