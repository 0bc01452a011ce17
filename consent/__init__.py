"""Floor 2: the registry of who may use which personal data for which purpose. Never imports idp."""
