"""Floor 0: signing keys and their life, JOSE, sealing, pseudonyms. Knows no database and no web."""
