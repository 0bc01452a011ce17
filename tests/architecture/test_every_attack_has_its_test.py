"""Each attack of the list, T-01 to T-46, is a test that bears its number, or docs/threat-model.md says why it cannot be."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent.parent.parent
ATTACKS = [f"{number:02}" for number in range(1, 47)]
_IN_NAME = re.compile(r"(?<![a-z0-9])t(\d\d)(?![0-9])")


@cache
def numbers_tried() -> set[str]:
    """The numbers in names: of a test, its class or its module."""
    found: set[str] = set()
    for path in (HERE / "tests").rglob("test_*.py"):
        if "node_modules" in path.parts:
            continue
        nodes = ast.walk(ast.parse(path.read_text()))
        functions = [one.name for one in nodes if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
        tests = [name for name in functions if name.startswith("test")]
        for name in (*tests, *([path.stem] if tests else [])):
            found.update(_IN_NAME.findall(name.replace("_", " ")))
    return found


def excused() -> dict[str, str]:
    """The numbers whose row in the threat model gives a reason."""
    rows = {}
    for line in (HERE / "docs" / "threat-model.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 2 and cells[0].startswith("T-"):
            rows.update(dict.fromkeys(re.findall(r"T-(\d\d)", cells[0]), cells[1]))
    return rows


@pytest.mark.parametrize("number", ATTACKS)
def test_it_is_tried_or_cannot_be(number: str) -> None:
    assert number in numbers_tried() or len(excused().get(number, "")) > 20


def test_nothing_is_excused_that_is_tried() -> None:
    assert numbers_tried() & set(excused()) == set()
