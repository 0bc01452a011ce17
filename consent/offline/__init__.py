"""Consent that is verified without asking: a signed artefact, and signed lists of what holds no more."""
