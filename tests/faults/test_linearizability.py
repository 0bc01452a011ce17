"""No stale yes, in small: the same run as bench/linearizability, with kills, read by the same checker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from base.settings import Settings
from bench.history import CHECK, PERMIT, contradictions
from bench.linear import measured
from regie.demo.run import free


@pytest.mark.parametrize("on", ["sqlite", "postgresql"])
def test_no_answer_contradicts_what_was_acknowledged(
    on: str, tmp_path: Path, new_postgresql_database: Callable[..., str]
) -> None:
    (port,) = free(1)
    settings = Settings(development=True, port=port, data_dir=tmp_path / "data")
    if on == "postgresql":
        settings = settings.model_copy(update={"database_url": new_postgresql_database(f"linear{port}"), "workers": 4})

    run = measured(settings, 600, kill_every_s=3)

    assert list(contradictions(run.calls)) == []
    answers = {call.answer for call in run.calls if call.kind in (CHECK, PERMIT)}
    assert {"allowed", "withdrawn"} <= answers
