"""T-45: nothing that comes from outside is ever run: the product has no way to run text at all."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent.parent.parent
ROOMS = ("agency", "base", "consent", "idp", "keys", "migrations", "regie")
CALLS = {"eval", "exec", "compile", "__import__", "from_string", "loads_pickle"}
MODULES = {"pickle", "marshal", "shelve", "dill", "yaml", "subprocess", "ctypes", "code", "runpy"}
ALLOWED = {("regie/demo/run.py", "subprocess"), ("regie/serve.py", "subprocess")}
"""Starting our own processes; their arguments are ours."""


def faults(source: str, name: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = node.func
            word = (
                called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
            )
            # re.compile is a method of a module that runs no text.
            if word in CALLS and not (word == "compile" and isinstance(called, ast.Attribute)):
                found.append(f"{name}:{node.lineno} {word}")
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [
            f"{name}:{node.lineno} {one}"  # type: ignore[attr-defined]
            for one in modules
            if one.split(".")[0] in MODULES and (name, one) not in ALLOWED
        ]
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_runs_text(room: str) -> None:
    files = sorted((HERE / room).rglob("*.py"))

    assert files
    assert [fault for path in files for fault in faults(path.read_text(), str(path.relative_to(HERE)))] == []


@pytest.mark.parametrize("source", ["eval('1')", "import pickle", "from yaml import load", "env.from_string(x)"])
def test_a_breach_would_be_found(source: str) -> None:
    assert faults(source, "x.py")
