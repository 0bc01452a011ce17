"""What every test may ask for: a frozen clock, a ring of keys, and a real database of each kind."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = [
    "tests.fixtures.browser",
    "tests.fixtures.certificates",
    "tests.fixtures.disks",
    "tests.fixtures.house",
    "tests.fixtures.server",
    "tests.fixtures.registry",
    "tests.fixtures.inside",
    "tests.fixtures.strangers",
    "tests.fixtures.mutual",
    "tests.fixtures.witnesses",
]
LONGEST_FIRST = ("faults", "interop", "browser", "spec", "flows", "attacks")
"""Folders whose files take long: begun last, one of them would keep a single process busy while the other has nothing."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folders = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: folders.get(Path(item.path).parent.name, len(folders)))
