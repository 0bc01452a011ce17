"""bench/scale in small: what it fills in is what the product would have written, and everything is measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from base.settings import Settings
from bench.scale import LABELS, measured, report
from regie.commands import COMMANDS
from regie.demo.run import free
from regie.house import House


def test_two_steps_are_measured_and_the_audit_finds_nothing(
    tmp_path: Path, new_postgresql_database: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    settings, beside = (
        Settings(
            development=True,
            port=port,
            data_dir=tmp_path / str(port),
            database_url=new_postgresql_database(f"scale{port}"),
        )
        for port in free(2)
    )

    steps = list(measured(settings, beside, [300, 900], 60, 1, progress=False, base=300))
    report(steps)

    assert [(one.consents, one.uses) for one in steps] == [(300, 1200), (900, 3600)]
    costs = [costs.least for one in steps for costs in (one.costs, one.beside)]
    assert all(one.keys() == LABELS.keys() and min(one.values()) > 0 for one in costs)
    assert "uses a second on average" in capsys.readouterr().out
    house = House.open(settings)
    try:
        audited = COMMANDS["ledger verify"](house, {"checkpoints": []}, lambda _: None)
    finally:
        house.close()
    # Each consent is one leaf, or two when it was withdrawn; the rest is of the catalogue, and of permits.
    assert audited["findings"] == []
    assert audited["ok"]
    assert audited["size"] > 900 + 3600
