"""`regie demo`: everything at once, to see the mission work."""

from __future__ import annotations

from pathlib import Path

from regie.demo.run import main

__all__ = ["main"]

HERE = Path(__file__).resolve().parent
