"""A command loads what it needs: each module of the program loads by itself, as the first of a fresh process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent.parent
ALONE = """
import os, sys
import base.database, consent.app, idp.app, agency.receipt, uvicorn, typer, OpenSSL.SSL
assert not any(name == "regie" or name.startswith("regie.") for name in sys.modules)
for name in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        try:
            __import__(name)
        except BaseException as error:
            print(name, type(error).__name__, error, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_each_module_of_the_program_loads_first() -> None:
    """`regie receipt verify` ended in an ImportError, and no test saw it: in theirs everything was loaded already."""
    files = sorted((HERE / "regie").rglob("*.py"))
    names = [".".join(file.relative_to(HERE).with_suffix("").parts).removesuffix(".__init__") for file in files]
    assert "regie.receipts" in names

    done = subprocess.run([sys.executable, "-c", ALONE, *names], cwd=HERE, capture_output=True, text=True, check=True)

    assert done.stdout == ""
