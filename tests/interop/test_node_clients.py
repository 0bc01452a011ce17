"""npm openid-client and oauth4webapi, both certified, complete each flow against `regie serve`.

The server is started with nothing but its environment; the clients were added by `client add`, or registered
themselves with what `client invite` told; the citizen by `regie citizen add`. What a library refuses by itself (a wrong `iss`, `at_hash`, `nonce`, signature) fails the test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.server import CALLBACK, Server
from tests.fixtures.strangers import BIRTH_DATE, invited, need_node, register

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.strangers import Party

pytestmark = pytest.mark.interop

DETAILS = '[{"type":"personal_data_use","purpose":"housing-benefit","data":["address","income"]}]'
CONSENT = "consent:check consent:permit"
REFRESHING = ["authorization_code", "refresh_token"]
DEVICE = ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"]
CIBA = [*REFRESHING, "urn:openid:params:grant-type:ciba"]


@pytest.fixture(scope="module", autouse=True)
def _node() -> None:
    need_node()


@pytest.fixture(params=["openid_client", "oauth4webapi"])
def library(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="class")
def demanding(bare: Server) -> Iterator[Server]:
    """The same server, which now wants a nonce in every proof."""
    bare.stop()
    bare.environment["REGIE_DPOP_NONCE_REQUIRED"] = "true"
    bare.start()
    yield bare
    bare.stop()
    del bare.environment["REGIE_DPOP_NONCE_REQUIRED"]
    bare.start()


class TestBaseline:
    @pytest.mark.parametrize("auth", ["client_secret_basic", "client_secret_post"])
    def test_code_and_pkce_with_a_secret(self, bare: Server, library: str, auth: str) -> None:
        """Login, claims, userinfo, introspection, refresh with rotation, revocation of both tokens."""
        client = register(
            bare, "baseline", auth=auth, scope="openid birthdate", purpose="health-insurance", grant_types=REFRESHING
        )

        seen = client.walk(library, "code")

        assert {"code_challenge", "state", "nonce"} <= set(seen["address"])
        assert seen["userinfo"] == {"sub": seen["claims"]["sub"], "birthdate": BIRTH_DATE}
        assert (seen["introspected"]["active"], seen["introspected"]["client_id"]) == (True, client.client_id)
        assert (seen["rotated"], seen["refreshed"]) == (True, True)
        assert seen["revoked"] == {"active": False}
        assert seen["refresh_after_revocation"] == "invalid_grant"

    def test_private_key_jwt_with_an_rsa_key(self, bare: Server, library: str) -> None:
        client = register(bare, "baseline", auth="private_key_jwt", alg="PS256", id_token_signed_response_alg="PS256")

        seen = client.walk(library, "code")

        assert seen["userinfo"] == {"sub": seen["claims"]["sub"]}

    def test_the_answer_is_posted(self, bare: Server, library: str) -> None:
        """OAuth 2.0 Form Post Response Mode."""
        client = register(bare, "baseline", auth="client_secret_basic")

        seen = client.walk(library, "code", parameters={"response_mode": "form_post"})

        assert seen["introspected"]["active"] is True

    def test_a_second_login_asks_nothing(self, bare: Server, library: str) -> None:
        """`prompt=none` with an `id_token_hint` keeps `sub` and `auth_time` (OpenID Connect Core section 3.1.2.1)."""
        client = register(bare, "baseline", auth="client_secret_basic")

        seen = client.walk(library, "again")

        assert seen["same"] is True
        assert seen["auth_time"][0] == seen["auth_time"][1]

    def test_an_error_is_the_libraries_own(self, bare: Server, library: str) -> None:
        """`iss` and `state` come with errors too (RFC 9207 section 2), or the libraries would refuse the response."""
        client = register(bare, "baseline", auth="client_secret_basic")

        seen = client.walk(library, "refused", parameters={"prompt": "none"})

        assert seen["error"] == "login_required"

    def test_client_credentials(self, bare: Server, library: str) -> None:
        client = register(
            bare,
            "baseline",
            auth="client_secret_basic",
            agency="municipality",
            scope=CONSENT,
            grant_types=["client_credentials"],
            redirect_uris=[],
        )

        seen = client.walk(library, "own", scope="consent:check")

        assert (seen["token_type"], seen["scope"]) == ("bearer", "consent:check")
        assert seen["introspected"]["active"] is True

    def test_a_device_without_a_browser(self, bare: Server, library: str) -> None:
        """RFC 8628: once the citizen says no, once yes; asked before he answers, and after the tokens are taken."""
        client = register(bare, "baseline", auth="client_secret_basic", grant_types=DEVICE, redirect_uris=[])

        seen = client.walk(library, "device")

        assert seen["refused"] == ["authorization_pending", "?refused=1", "access_denied"]
        assert {"verification_uri_complete", "interval"} <= set(seen["told"])
        assert (seen["pending"], seen["ended"], seen["again"]) == (
            "authorization_pending",
            "?allowed=1",
            "invalid_grant",
        )
        assert seen["userinfo"] == seen["refreshed"] == {"sub": seen["claims"]["sub"]}

    def test_an_agency_asks_a_citizen_whom_it_knows(self, bare: Server, library: str) -> None:
        """CIBA in poll mode: by `login_hint` he says no, by `id_token_hint` yes."""
        client = register(bare, "baseline", auth="client_secret_basic", grant_types=CIBA)

        seen = client.walk(library, "backchannel", parameters={"binding_message": "Balie 4"})

        assert seen["refused"] == ["authorization_pending", "?refused=1", "access_denied"]
        assert sorted(seen["told"]) == ["auth_req_id", "expires_in", "interval"]
        assert (seen["pending"], seen["ended"], seen["again"]) == (
            "authorization_pending",
            "?allowed=1",
            "invalid_grant",
        )
        assert seen["userinfo"] == seen["refreshed"] == {"sub": seen["sub"]}
        assert seen["claims"]["sub"] == seen["sub"]

    def test_logout(self, bare: Server, library: str) -> None:
        """OpenID Connect RP-Initiated Logout 1.0: back at the client, no session, no token."""
        client = register(bare, "baseline", auth="client_secret_basic", post_logout_redirect_uris=[CALLBACK])

        seen = client.walk(library, "logout")

        assert seen["arrived"] == f"{CALLBACK}?state=after"
        assert seen["error"] == "login_required"
        assert seen["introspected"] == {"active": False}


class TestFapi2:
    """FAPI 2.0 Security Profile: PAR, PKCE, private_key_jwt, DPoP; and Message Signing."""

    @pytest.mark.parametrize("alg", ["ES256", "PS256", "Ed25519"])
    def test_par_private_key_jwt_and_dpop(self, bare: Server, library: str, alg: str) -> None:
        client = register(
            bare,
            "fapi2",
            auth="private_key_jwt",
            alg=alg,
            par=True,
            dpop=True,
            agency="municipality",
            grant_types=REFRESHING,
        )

        seen = client.walk(library, "code", parameters={"authorization_details": DETAILS})

        assert sorted(seen["address"]) == ["client_id", "request_uri"]
        assert seen["token_type"] == "dpop"
        assert [one["purpose"] for one in seen["details"]] == ["housing-benefit"]
        assert set(seen["introspected"]["cnf"]) == {"jkt"}
        # Bound to a key, it is not rotated (FAPI 2.0 section 5.3.2.1).
        assert (seen["rotated"], seen["refreshed"]) == (False, True)
        assert seen["refresh_after_revocation"] == "invalid_grant"

    def test_a_signed_request_and_a_signed_response(self, bare: Server, library: str) -> None:
        """RFC 9101 and JARM (FAPI 2.0 Message Signing sections 5.3 and 5.4)."""
        client = register(
            bare,
            "fapi2",
            auth="private_key_jwt",
            alg="ES256",
            agency="municipality",
            par=True,
            dpop=True,
            jar=True,
            jarm=True,
            request_object_signing_alg="ES256",
            require_signed_request_object=True,
            authorization_signed_response_alg="ES256",
        )

        seen = client.walk(library, "code")

        assert seen["introspected"]["active"] is True

    def test_an_error_is_signed_too(self, bare: Server, library: str) -> None:
        client = register(
            bare, "fapi2", auth="private_key_jwt", alg="ES256", agency="municipality", par=True, dpop=True, jarm=True
        )

        assert client.walk(library, "refused", parameters={"prompt": "none"})["error"] == "login_required"

    def test_a_signed_request_from_elsewhere(self, bare: Server) -> None:
        """CIBA section 7.1.1, by oauth4webapi alone: openid-client signs no such request."""
        client = register(
            bare,
            "fapi2",
            auth="private_key_jwt",
            alg="ES256",
            agency="municipality",
            par=True,
            jar=True,
            dpop=True,
            grant_types=CIBA,
        )

        seen = client.walk("oauth4webapi", "backchannel", parameters={"binding_message": "Balie 4"})

        assert (seen["refused"][0], seen["pending"]) == ("authorization_pending", "authorization_pending")
        assert (seen["token_type"], seen["claims"]["sub"]) == ("dpop", seen["sub"])

    def test_client_credentials_bound_to_a_key(self, bare: Server, library: str) -> None:
        client = register(
            bare,
            "fapi2",
            auth="private_key_jwt",
            alg="ES256",
            dpop=True,
            agency="municipality",
            scope=CONSENT,
            grant_types=["client_credentials"],
            redirect_uris=[],
        )

        seen = client.walk(library, "own", scope="consent:check")

        assert (seen["token_type"], set(seen["introspected"]["cnf"])) == ("dpop", {"jkt"})


class TestRegistration:
    """RFC 7591 with an initial access token: the library registers its client, which then does all that another does."""

    @pytest.mark.parametrize("auth", ["client_secret_basic", "client_secret_post"])
    def test_with_a_secret_that_is_told(self, bare: Server, library: str, auth: str) -> None:
        client = invited(bare, "baseline", auth=auth, grant_types=REFRESHING)

        seen = client.walk(library, "registered")

        assert seen["introspected"]["client_id"] == seen["client_id"]
        assert (seen["rotated"], seen["refreshed"]) == (True, True)
        # The invitation was for one registration (section 3.2.2 leaves the error to RFC 6750).
        assert seen["spent"] == "invalid_token"

    def test_with_a_key_under_fapi(self, bare: Server, library: str) -> None:
        client = invited(
            bare,
            "fapi2",
            auth="private_key_jwt",
            alg="ES256",
            par=True,
            dpop=True,
            agency="municipality",
            dpop_bound_access_tokens=True,
        )

        seen = client.walk(library, "registered")

        assert (seen["introspected"]["client_id"], seen["token_type"]) == (seen["client_id"], "dpop")
        assert seen["spent"] == "invalid_token"


class TestDemandedNonces:
    """RFC 9449 sections 8 and 9: the libraries do again what was refused for want of a nonce, and keep it after."""

    def client(self, server: Server, **members: Any) -> Party:
        plain = {"auth": "private_key_jwt", "alg": "ES256", "dpop": True, "agency": "municipality"}
        return register(server, "fapi2", **{**plain, **members})

    def test_from_the_pushed_request_to_userinfo(self, demanding: Server, library: str) -> None:
        client = self.client(demanding, par=True, grant_types=REFRESHING)

        seen = client.walk(library, "code")

        assert seen["demanded"] == ["/oauth2/par"]
        assert (seen["token_type"], seen["refreshed"]) == ("dpop", True)
        assert seen["userinfo"]["sub"] == seen["claims"]["sub"]

    def test_client_credentials(self, demanding: Server, library: str) -> None:
        client = self.client(demanding, scope=CONSENT, grant_types=["client_credentials"], redirect_uris=[])

        seen = client.walk(library, "own", scope="consent:check")

        assert (seen["demanded"], seen["token_type"]) == (["/oauth2/token"], "dpop")

    def test_a_device(self, demanding: Server, library: str) -> None:
        """What is asked again with a nonce is no second poll: no `slow_down` (RFC 8628 section 3.5)."""
        client = self.client(demanding, grant_types=DEVICE, redirect_uris=[])

        seen = client.walk(library, "device")

        assert (seen["demanded"], seen["token_type"]) == (["/oauth2/token"], "dpop")
        assert (seen["refused"][0], seen["pending"]) == ("authorization_pending", "authorization_pending")


class TestNlGov:
    @pytest.mark.parametrize("alg", ["PS256", "RS256"])
    def test_code_pkce_and_private_key_jwt(self, bare: Server, library: str, alg: str) -> None:
        """NL GOV Assurance profile for OpenID Connect: nonce and state, `azp`, no `amr`."""
        client = register(bare, "nlgov", auth="private_key_jwt", alg=alg, id_token_signed_response_alg=alg)

        seen = client.walk(library, "code")

        assert seen["claims"]["azp"] == client.client_id
        assert "amr" not in seen["claims"]


class TestCertification:
    def test_a_code_without_pkce(self, bare: Server, library: str) -> None:
        """What the OpenID Connect Basic OP tests send: a secret, RS256, no PKCE."""
        client = register(
            bare, "certification", auth="client_secret_basic", id_token_signed_response_alg="RS256", pkce=False
        )

        seen = client.walk(library, "code")

        assert "code_challenge" not in seen["address"]
        assert seen["userinfo"]["sub"] == seen["claims"]["sub"]
