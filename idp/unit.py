"""What one request to the provider carries through Authlib: our request object and its unit of work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Payload, OAuth2Request

from base.binding import Binding
from base.database import Connection
from base.settings import Settings
from consent.interface import Door
from idp.clients.authenticate import Presented
from idp.tokens.mint import Minter


@dataclass(frozen=True, slots=True)
class Asks:
    """What a grant must ask of the registry before it answers. `ask` runs between units of work, `answer` in one of its own.

    The registry's record is durable before anything is made of its answer. `answer` may raise OAuthError.
    """

    ask: Callable[[Door], Awaitable[Any]]
    answer: Callable[[Unit, Any], dict[str, Any]]


@dataclass(slots=True)
class Unit:
    """`binding`: the key whose DPoP proof came with the request; once the client is known, what its tokens will be bound to.

    `granted`: the citizen (his handle) and the agency whose details the answer has, once tokens were issued.
    """

    connection: Connection
    settings: Settings
    minter: Minter
    now: datetime
    presented: Presented
    binding: Binding | None = None
    granted: tuple[str, str] | None = None


class Payload(OAuth2Payload):
    def __init__(self, form: Mapping[str, str]) -> None:
        self._data = dict(form)

    @property
    def data(self) -> dict[str, str]:
        return self._data

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        return defaultdict(list, {name: [value] for name, value in self._data.items()})


class Request(OAuth2Request):
    """Built by the async edge from a form that was parsed strictly; the address is the issuer's, never the Host's."""

    def __init__(self, method: str, uri: str, headers: Mapping[str, str], form: Mapping[str, str], unit: Unit) -> None:
        super().__init__(method, uri, headers=dict(headers))
        self.payload = Payload(form)
        self.unit = unit
        self._own_form = dict(form)

    @property
    def args(self) -> dict[str, Any]:
        return {}

    @property
    def form(self) -> dict[str, str]:
        return self._own_form
