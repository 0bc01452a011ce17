"""Events: what became of consents, told to the agencies that they concern."""
