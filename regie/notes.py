"""What an operator should read when a server starts."""

from __future__ import annotations

from collections.abc import Mapping

from base.settings import Settings, UnsafeSettings, strangers
from keys.store import has_keys


def notes(settings: Settings, environment: Mapping[str, str]) -> list[str]:
    """Sentences; most starts have none."""
    return [*strangers(environment), *first_start(settings)]


def first_start(settings: Settings) -> list[str]:
    """Of whatever makes the house: a server, or a command before it. Of settings that are refused nothing is made."""
    kek = settings.data_dir / "kek"
    if settings.kek is not None or kek.exists() or has_keys(settings.data_dir / "keys"):
        return []
    try:
        settings.check()
    except UnsafeSettings:
        return []
    kept = f"Keep a copy of {kek}, apart from other backups: without it everything sealed is lost."
    return [f"This first start makes keys and databases in {settings.data_dir}. {kept}"]
