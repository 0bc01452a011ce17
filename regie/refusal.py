"""What every command may end with; on its own, so that a command of the toolkit loads nothing of the house."""

from __future__ import annotations


class Refused(Exception):
    """The command cannot be done; the message says why and what to do."""
