"""CPU of the server per operation, as ratios to floors of the same run. Started by bench/run.

The server runs on one core, the load (16 connections) on the other. Absolute times mean little; ratios do.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import floors, peers, rows, spicedb
from bench.floors import Floors

PORT = 18431
Row = dict[str, Any]


def bounds(floor: Floors) -> dict[str, float]:
    """What we hold ourselves to, µs of CPU."""
    return {
        "discovery": 1.5 * floor.bare,
        "jwks": 1.5 * floor.bare,
        "client credentials": 2.5 * (floor.bare + floor.es256 + floor.commit),
        "check": 6 * floor.bare,
    }


def main() -> None:
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {1})
    beside: dict[bool, list[Row]] = {}
    with tempfile.TemporaryDirectory(prefix="regie-bench-") as name:
        directory = Path(name)
        floor = floors.measured(directory, PORT)
        print(json.dumps({"name": "floors", **{key: round(value, 1) for key, value in asdict(floor).items()}}))
        found, first_s = rows.measured(directory, PORT + 5)
        if peers.are_installed():
            beside = {
                durable: peers.measured(directory, PORT + 6 + durable, durable=durable) for durable in (False, True)
            }
    print(
        f"\nFloors, CPU µs: bare answer {floor.bare:.0f}, with a durable write {floor.hop:.0f}, ES256 signature "
        f"{floor.es256:.0f}, durable commit {floor.commit:.0f}, argon2id {floor.argon2:.0f}. "
        f"First answer {first_s:.2f} s after the start.\n"
    )
    _own(found, floor)
    if beside:
        _beside(found, beside)
    else:
        print("\nThe peer was not measured: node, or the packages of tests/interop and bench/peer, are not installed.")
    if spicedb.is_installed():
        _checks(found, spicedb.measured())
    else:
        print("\nSpiceDB was not measured: its packages in bench/peer are not installed.")


def _own(found: list[Row], floor: Floors) -> None:
    print(f"{'operation':24}{'CPU µs':>9}{'× bare':>8}{'a second':>10}{'p50 ms':>8}{'p99 ms':>8}{'MiB':>5}  bound")
    limits = bounds(floor)
    for row in found:
        limit = limits.get(row["name"])
        verdict = f"{limit:.0f} µs: {'within' if row['cpu_us'] <= limit else 'MISSED'}" if limit else ""
        print(
            f"{row['name']:24}{row['cpu_us']:9}{row['cpu_us'] / floor.bare:8.1f}{row['per_s']:10}{row['p50_ms']:8}"
            f"{row['p99_ms']:8}{row['memory_mib']:5}  {verdict}"
        )


def _beside(found: list[Row], beside: dict[bool, list[Row]]) -> None:
    """CPU per operation, ours beside the peer's. The target is 1.0 against its durable form."""
    ours = {row["name"]: row["cpu_us"] for row in found}
    print(f"\n{'CPU µs':24}{'ours':>8}{'in memory':>11}{'ratio':>7}{'durable':>9}{'ratio':>7}")
    for memory, durable in zip(*beside.values(), strict=True):
        name, own = memory["name"], ours[memory["name"]]
        print(
            f"{name:24}{own:8.0f}{memory['cpu_us']:11.0f}{own / memory['cpu_us']:7.2f}"
            f"{durable['cpu_us']:9.0f}{own / durable['cpu_us']:7.2f}"
        )


def _checks(found: list[Row], others: list[Row]) -> None:
    """Checks a second: ours with HTTP, a token and the newest state, beside the other's in its own process."""
    (own,) = [row for row in found if row["name"] == "check"]
    print(f"\n{'checks a second':44}{'rate':>8}{'CPU µs':>8}")
    print(f"{'ours, over HTTP, 16 callers, one core':44}{own['per_s']:8.0f}{own['cpu_us']:8.0f}")
    for row in others:
        name = f"SpiceDB in process, {row['state']}, {row['threads']} threads"
        print(f"{name:44}{row['per_s']:8.0f}{row['cpu_us']:8.0f}")
    best = max(row["per_s"] for row in others)
    print(f"ours / its best: {own['per_s'] / best:.2f}  bound 1.0: {'within' if own['per_s'] >= best else 'MISSED'}")


if __name__ == "__main__":
    main()
