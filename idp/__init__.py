"""Floor 3: the OpenID Connect provider. Knows the registry only through its door, consent.interface."""
