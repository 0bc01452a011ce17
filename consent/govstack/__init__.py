"""The GovStack Consent Building Block API 1.1.0-rc1, before our catalogue and records (docs/govstack.md)."""
