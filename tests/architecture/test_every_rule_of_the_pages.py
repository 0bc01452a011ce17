"""Each of the 28 rules of the pages is a test that bears its number, or docs/page-rules.md says where it is or why it is not."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent.parent
RULES = {str(number) for number in range(1, 29)}


def rows() -> dict[str, str]:
    """What stands in the last column, by rule."""
    lines = (HERE / "docs" / "page-rules.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return {rule: where for rule, _, where in cells if rule.isdigit()}


def proven() -> set[str]:
    tree = ast.parse((HERE / "tests" / "browser" / "test_rules.py").read_text())
    names = [one.name for one in tree.body if isinstance(one, ast.FunctionDef) and one.name.startswith("test_rule_")]
    return {str(int(number)) for name in names for number in re.findall(r"_(\d\d)(?=_)", name)}


def test_the_page_on_the_rules_is_true_of_each() -> None:
    found = rows()

    assert set(found) == RULES
    assert {rule for rule, where in found.items() if where.startswith("tested")} == proven()
    assert all(where for where in found.values())
