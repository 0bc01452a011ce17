"""What the registry refuses to its own API and pages; what it refuses at the door is in consent.interface."""


class AgencySuspended(Exception):
    """The calling agency takes no part, or not at present."""


class BadCursor(Exception):
    """Not a place in this citizen's history that we handed out."""
