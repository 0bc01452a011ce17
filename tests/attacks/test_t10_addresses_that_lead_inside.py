"""T-10: what a client names for us to fetch leads to our own machine: nothing is connected to, nothing is stored.

As in service: https, and a name that resolves to loopback, at once or at the second look. The rules themselves:
tests/base/test_outbound.py and tests/base/test_fetch.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from base.fetch import Fetch
from base.settings import Settings
from idp.clients import software
from idp.clients.arriving import arrive
from idp.clients.metadata import InvalidMetadata
from idp.profiles import PROFILES
from tests.fixtures.listener import Listener, answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from base.clock import FrozenClock
    from base.database import Database
    from tests.fixtures.house import Backend

ISSUER = "https://regie.example"
VENDOR = ECKey.generate_key("P-256")
CALLBACK = "https://agency.example/cb"


@pytest.fixture
async def inside() -> AsyncIterator[Listener]:
    """What an attacker wants to reach: it would answer with anything he likes."""
    key = ECKey.generate_key("P-256").as_dict(private=False) | {"kid": "k"}
    async with Listener(lambda head: answer([CALLBACK] if "sector" in head else {"keys": [key]})).running() as one:
        yield one


@pytest.fixture
def database(backend: Backend, clock: FrozenClock) -> Database:
    opened = backend.open("idp")
    trusted = {"keys": [{**VENDOR.as_dict(private=False), "kid": "v"}]}
    opened.write_now(lambda c: software.trust_issuer(c, "https://vendor.example", trusted, clock.now()))
    return opened


def resolver(*answers: list[str]) -> Any:
    """Each look-up gives the next answer, the last one for ever: DNS that is bound anew."""
    left = list(answers)

    async def resolve(_host: str, _port: int) -> list[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


async def arriving(database: Database, clock: FrozenClock, sent: dict[str, Any], resolve: Any) -> None:
    await arrive(
        {"redirect_uris": [CALLBACK], **sent},
        PROFILES["baseline"],
        agency="agency",
        database=database,
        fetch=Fetch(Settings(issuer=ISSUER), resolve=resolve),
        issuer=ISSUER,
        development=False,
        now=clock.now(),
    )


def statement(**claims: Any) -> dict[str, Any]:
    given = {"iss": "https://vendor.example", **claims}
    return {"software_statement": jwt.encode({"alg": "ES256", "kid": "v"}, given, VENDOR, algorithms=["ES256"])}


def named(port: int, host: str) -> dict[str, dict[str, Any]]:
    keys = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": f"https://{host}:{port}/jwks"}
    sector = {"sector_identifier_uri": f"https://{host}:{port}/sector"}
    return {
        "jwks_uri": keys,
        "sector_identifier_uri": sector,
        "a statement's jwks_uri": statement(**keys),
        "a statement's sector_identifier_uri": statement(**sector),
    }


HOSTS = (
    "127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.0.0.1.", "x.internal",
)  # fmt: skip
ANSWERS: tuple[tuple[list[str], ...], ...] = (
    (["127.0.0.1"],),
    (["::1"],),
    (["::ffff:127.0.0.1"],),
    (["169.254.169.254"],),
    (["93.184.216.34", "127.0.0.1"],),
    (["127.0.0.1"], ["93.184.216.34"]),
    ([],),
)


@pytest.mark.parametrize("member", list(named(0, "")))
async def test_t10_our_own_number_or_name(
    database: Database, clock: FrozenClock, inside: Listener, member: str
) -> None:
    for host in HOSTS:
        with pytest.raises(InvalidMetadata, match="cannot be connected to"):
            await arriving(database, clock, named(inside.port, host)[member], resolver(["127.0.0.1"]))

    assert inside.connections == 0


@pytest.mark.parametrize("member", list(named(0, "")))
async def test_t10_a_name_that_leads_inside(
    database: Database, clock: FrozenClock, inside: Listener, member: str
) -> None:
    for answers in ANSWERS:
        with pytest.raises(InvalidMetadata):
            await arriving(database, clock, named(inside.port, "agency.example")[member], resolver(*answers))

    assert inside.connections == 0
