"""What can go wrong with keys and tokens. Messages are for the log: outside they all look alike."""


class KeysError(Exception):
    """Base of this floor's errors."""


class InvalidToken(KeysError):
    """A token that must not be believed, whatever the reason."""


class UnknownKey(KeysError):
    """No such key, or none in the state that the act needs."""


class WeakKey(KeysError):
    """A key or key set that we do not register or use; the message says which rule it breaks."""


class InvalidCertificate(KeysError):
    """A certificate, or a name in one, that is not what it must be; the message says which rule it breaks."""


class Unsealable(KeysError):
    """Sealed bytes that do not open here: altered, moved to another row, forgotten, or another key-encryption key."""
