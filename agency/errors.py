"""What can go wrong between an agency and Regie."""


class AgencyError(Exception):
    """Base of the kit's errors."""


class LoginFailed(AgencyError):
    """The login did not succeed, or its answer is not to be believed. `error`: the provider's code, or ours."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class Denied(AgencyError):
    """The registry says no. `reason`: no_consent, refused, withdrawn, expired, …"""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class InvalidToken(AgencyError):
    """A token, permit or receipt that must not be believed."""


class NotBelievedYet(InvalidToken):
    """It may be true: it is signed by a key that is not known here, or dated after our clock. Try it again later."""


class Unreachable(AgencyError):
    """Regie, or a source, did not answer as it should. Nothing was released."""
