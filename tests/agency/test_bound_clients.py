"""The toolkit with a certificate of its own, and where DPoP proofs must carry a nonce: login, a permit, the citizen's data."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agency import login, permits
from agency.client import Client
from agency.errors import Denied
from agency.jose import Key
from tests.fixtures.certificates import self_signed, subject
from tests.fixtures.mutual import CONSENT, MTLS, Mutual
from tests.fixtures.server import CALLBACK, log_in
from tests.flows.test_independent_client import Stopping, answer_of, wait_for_new_code

GRANTS = {"grant_types": ["authorization_code", "client_credentials"], "scope": f"openid {CONSENT}"}
USES = [{"type": "personal_data_use", "purpose": "housing-benefit", "data": ["address"]}]


@pytest.fixture
def browser() -> Any:
    one = Stopping()
    yield one
    one.close()


def whole(client: Client, browser: Stopping, server_issuer: str, username: str) -> tuple[str, dict[str, Any]]:
    """Log in, ask, use: the permit and what userinfo tells."""
    session: dict[str, Any] = {}

    async def begin() -> str:
        return await login.begin(client, session, redirect_uri=CALLBACK, uses=USES)

    async def finish() -> tuple[str, dict[str, Any]]:
        citizen = await login.finish(client, session, answer_of(browser))
        told = await login.userinfo(client, citizen)
        permit = await permits.ask(
            client, sub=citizen.sub, purpose="housing-benefit", data=["address"], source="population-register"
        )
        await client.http.aclose()
        return permit.jwt, told

    with asyncio.Runner() as runner:
        where = runner.run(begin())
        wait_for_new_code(username + server_issuer)
        log_in(browser, where, username)
        if not browser.arrived:
            browser.submit("/ask", address="allow")
        return runner.run(finish())


class TestCertificate:
    @pytest.mark.parametrize("how", ["authority", "self-signed"])
    def test_the_whole_way(self, mutual: Mutual, browser: Stopping, how: str) -> None:
        name = subject(country_name="NL", common_name=f"toolkit {how}")
        own = mutual.authority.issue(name) if how == "authority" else self_signed(name)
        known: dict[str, Any] = (
            {"token_endpoint_auth_method": MTLS, "tls_client_auth_subject_dn": f"CN=toolkit {how},C=NL"}
            if how == "authority"
            else {"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": {"keys": [own.jwk]}}
        )
        done = mutual.add(tls_client_certificate_bound_access_tokens=True, **known, **GRANTS)
        context = own.context(mutual.directory, mutual.trusted)
        client = Client(mutual.server.issuer, done["client_id"], certificate=context)

        permit, told = whole(client, browser, mutual.server.issuer, "anna" if how == "authority" else "bram")

        assert permit.count(".") == 2
        assert set(told) == {"sub"}


class TestNonce:
    def test_the_whole_way(self, strict: Mutual, browser: Stopping) -> None:
        key = Key.generate()
        done = strict.add(jwks={"keys": [key.public()]}, **GRANTS)
        client = Client(strict.server.issuer, done["client_id"], key)

        permit, told = whole(client, browser, strict.server.issuer, "anna")

        assert permit.count(".") == 2
        assert set(told) == {"sub"}

    def test_what_is_refused_for_another_reason_is_not_repeated(self, strict: Mutual) -> None:
        client = Client(strict.server.issuer, "nobody", Key.generate())

        async def ask() -> None:
            try:
                await client.token("consent:check")
            finally:
                await client.http.aclose()

        with pytest.raises(Denied, match="invalid_client"):
            asyncio.run(ask())
