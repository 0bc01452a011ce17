"""A process of its own: pymerkle, whose licence (GPL) stays there, makes the same tree and verifies inclusion in it.

Reads {"entries": [hex, ...], "cases": [[leaf, index, size, path, root], ...]}, bytes in hex; writes the root that it
finds for each size, and a verdict for each case. A path of pymerkle's begins with the leaf, and carries which side each
hash stands on: the sides are those of its own proof for that place.
"""

from __future__ import annotations

import json
import sys

from pymerkle import InclusionProof, InmemoryTree, InvalidProof, verify_inclusion


def main() -> None:
    asked = json.load(sys.stdin)
    tree = InmemoryTree(algorithm="sha256")
    tree.append_entries([bytes.fromhex(one) for one in asked["entries"]])

    def verdict(leaf: str, index: int, size: int, path: list[str], root: str) -> bool:
        own = tree.prove_inclusion(index + 1, size)
        shown = [bytes.fromhex(one) for one in (leaf, *path)]
        proof = InclusionProof("sha256", security=True, size=size, index=index + 1, rule=own.rule, path=shown)
        try:
            verify_inclusion(shown[0], bytes.fromhex(root), proof, index=index + 1, size=size, algorithm="sha256")
        except InvalidProof:
            return False
        return True

    roots = [tree.get_state(size).hex() for size in range(1, len(asked["entries"]) + 1)]
    json.dump({"roots": roots, "verdicts": [verdict(*case) for case in asked["cases"]]}, sys.stdout)


if __name__ == "__main__":
    main()
