"""Assurance levels as eIDAS names them (EU 2015/1502)."""

LOW = "http://eidas.europa.eu/LoA/low"
SUBSTANTIAL = "http://eidas.europa.eu/LoA/substantial"
HIGH = "http://eidas.europa.eu/LoA/high"
LEVELS = (LOW, SUBSTANTIAL, HIGH)


def at_least(delivered: str, asked: str) -> bool:
    """Whether a delivered level satisfies an asked one. An unknown level never does."""
    if delivered not in LEVELS or asked not in LEVELS:
        return False
    return LEVELS.index(delivered) >= LEVELS.index(asked)
