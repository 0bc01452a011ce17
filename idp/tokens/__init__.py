"""Tokens: one place mints them (mint), one place reads them (read)."""
