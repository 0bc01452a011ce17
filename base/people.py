"""Who is in front of the page, as the registry's pages may know it.

The registry never imports the provider: the provider implements `CitizenSessions`, the house passes it along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from starlette.requests import Request

FRESH = timedelta(minutes=10)
"""How old a login may be for what cannot be taken back: an unlocked screen must not be enough."""


OWN = "/my"


@dataclass(frozen=True, slots=True)
class Acting:
    """On whose pages a guardian is. `guardian`: his own registry handle. `path`: where these pages are."""

    guardian: str
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A citizen with an open session."""

    citizen: str
    """The registry's handle, never the national number."""
    session_digest: str
    """SHA-256 of the session cookie, base64url; CSRF tokens are bound to it."""
    display_name: str
    acr: str
    auth_time: datetime
    notices: int = 0
    """What the citizen was told of this login and has not seen yet."""
    is_of_age: bool = True
    """Whether this person may give permission alone."""
    asked: int = 0
    """Questions of agencies that wait for this person's answer."""
    acting: Acting | None = None
    """For whom this person acts here; `citizen` is then that other's handle, and all else is the person's own."""

    @property
    def my(self) -> str:
        """Where the pages are that are about `citizen`."""
        return self.acting.path if self.acting is not None else OWN

    @property
    def guardian(self) -> str:
        """Who presses, where he does so for another; else empty."""
        return self.acting.guardian if self.acting is not None else ""


@dataclass(frozen=True, slots=True)
class Officer:
    """Someone who works here, with an open session. No citizen: nothing leads from the one to the other."""

    id: str
    name: str
    role: str
    session_digest: str
    """As LoggedIn.session_digest."""


class OfficerSessions(Protocol):
    async def officer(self, request: Request) -> Officer | None:
        """The officer whose session cookie this request carries, or None; never raises for a bad cookie."""
        ...


class Callbacks(Protocol):
    async def is_callback(self, client_id: str, uri: str) -> bool:
        """Whether this client is live and has registered exactly this redirect address."""
        ...


class NoCallbacks:
    """A registry without a provider beside it sends no browser anywhere."""

    async def is_callback(self, client_id: str, uri: str) -> bool:  # noqa: ARG002 - the protocol's
        return False


class Accounts(Protocol):
    """What the provider has of a citizen, as his own pages may show it."""

    async def account(self, citizen: str) -> dict[str, Any]:
        """Members of JSON, as docs/export.md tells them; empty for nobody. `citizen`: the registry's handle."""
        ...

    async def erase(self, citizen: str) -> None:
        """Forget who he is; nothing for nobody. All that was opened by his logins ends."""
        ...


class NoAccounts:
    """A registry without a provider beside it."""

    async def account(self, citizen: str) -> dict[str, Any]:  # noqa: ARG002 - the protocol's
        return {}

    async def erase(self, citizen: str) -> None:
        """Nobody has an account."""


@dataclass(frozen=True, slots=True)
class Child:
    """Somebody for whom another may decide now. `citizen`: the registry's handle. `name`: for that other's pages."""

    citizen: str
    name: str


class Guardians(Protocol):
    """Who has custody of whom, as the population register has it at the moment of asking."""

    async def children(self, guardian: str) -> list[Child]:
        """Whom this citizen acts for: alive, and below the age of deciding alone; nobody when he is below it himself."""
        ...

    async def guardians(self, children: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """By child who acts for it, by the same rule; without those for whom nobody does. All are registry's handles."""
        ...

    async def grown(self, citizens: Sequence[str]) -> Sequence[str]:
        """Those among them who may decide alone."""
        ...


class NoGuardians:
    """A registry without a provider beside it: everybody acts for himself."""

    async def children(self, guardian: str) -> list[Child]:  # noqa: ARG002 - the protocol's
        return []

    async def guardians(self, children: Sequence[str]) -> Mapping[str, Sequence[str]]:  # noqa: ARG002 - the protocol's
        return {}

    async def grown(self, citizens: Sequence[str]) -> Sequence[str]:
        return citizens


class CitizenSessions(Protocol):
    async def current(self, request: Request) -> LoggedIn | None:
        """The person whose session cookie this request carries, or None; never raises for a bad cookie."""
        ...
