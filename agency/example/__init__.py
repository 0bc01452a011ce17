"""The smallest agency, to begin from: docs/agencies.md walks through it."""
