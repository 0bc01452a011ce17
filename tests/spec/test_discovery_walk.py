"""OpenID Connect Discovery 1.0: every member of both documents is tried, and what is refused is not in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from joserfc.jwk import OKPKey, RSAKey

from regie.commands.base import Refused
from tests.fixtures.counterparty import Receiver, assertion, citizen, registered
from tests.flows.test_independent_client import address, answer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agency.client import Client
    from tests.fixtures.server import Server
    from tests.flows.test_independent_client import Stopping

DOCUMENTS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")


@dataclass
class Walk:
    server: Server
    told: dict[str, Any]
    client: Client
    browser: Stopping

    def asked(self, **changes: str) -> str:
        """The error that an authorization request ends in; "" for a code, a form or a page of ours."""
        self.browser.arrived, self.browser.status = "", 0
        self.browser.get(address(self.server, self.client, **{"scope": "openid", **changes}))
        if self.browser.status >= 400:
            return str(self.browser.status)
        return answer_of(self.browser).get("error", "")

    def registers(self, **members: Any) -> int:
        """The status of `client add`, as an exit: 0 when it is registered."""
        try:
            registered(self.server, "baseline", **members)
        except Refused:
            return 1
        return 0


@pytest.fixture(scope="module")
def walk(server: Server) -> Iterator[Walk]:
    told = httpx2.get(server.issuer + DOCUMENTS[0]).json()
    with closing(citizen(server)) as browser:
        yield Walk(server, told, registered(server), browser)


def endpoint(method: str, status: int, says: str) -> Callable[[Walk, Any], None]:
    def check(walk: Walk, url: Any) -> None:
        assert url.startswith(walk.server.issuer + "/")
        done = httpx2.request(method, url, data={"x": "y"} if method == "POST" else None)
        assert (done.status_code, says in done.text + done.headers.get("www-authenticate", "")) == (status, True)

    return check


def exactly(expected: Any) -> Callable[[Walk, Any], None]:
    """What other tests of tests/spec try, and whose value cannot vary."""

    def check(_walk: Walk, value: Any) -> None:
        assert value == expected

    return check


def requests(parameter: str, *refused: str, unmet: str = "") -> Callable[[Walk, Any], None]:
    def check(walk: Walk, values: Any) -> None:
        for value in values:
            assert walk.asked(**{parameter: value}) in ("", unmet), value
        for value in refused:
            assert value not in values
            assert walk.asked(**{parameter: value}) not in ("", "login_required"), value

    return check


def registers(member: str, *refused: str, **more: Any) -> Callable[[Walk, Any], None]:
    def check(walk: Walk, values: Any) -> None:
        keys = [Receiver.of(alg).public() for alg in ("RSA-OAEP-256", "ECDH-ES")] if "encrypted" in member else []
        keys += more.pop("keys", [])
        for value in values:
            own = [Receiver.of(value).public()] if value in ("RSA-OAEP", "ECDH-ES+A256KW") else keys
            assert walk.registers(**{**more, member: value}, keys=own) == 0, value
        for value in refused:
            assert value not in values
            assert walk.registers(**{**more, member: value}, keys=keys) == 1, value

    return check


def grant_types(walk: Walk, values: Any) -> None:
    def error(grant_type: str) -> str:
        auth = (walk.client.client_id, walk.client.secret)
        done = httpx2.post(walk.told["token_endpoint"], data={"grant_type": grant_type}, auth=auth)
        return str(done.json()["error"])

    assert [one for one in values if error(one) == "unsupported_grant_type"] == []
    for refused in ("password", "implicit", "urn:ietf:params:oauth:grant-type:saml2-bearer"):
        assert refused not in values
        assert error(refused) == "unsupported_grant_type"


def auth_methods(path: str) -> Callable[[Walk, Any], None]:
    def check(walk: Walk, values: Any) -> None:
        url = walk.server.issuer + path
        basic = registered(walk.server)
        post = walk.server.tell(
            "client add",
            profile="baseline",
            file={
                "client_name": "post",
                "agency": "health-insurer",
                "scope": "openid",
                "redirect_uris": ["https://agency.example/callback"],
                "token_endpoint_auth_method": "client_secret_post",
            },
        )
        key = registered(walk.server, "fapi2")
        tried: dict[str, dict[str, Any]] = {
            "client_secret_basic": {"auth": (basic.client_id, basic.secret)},
            "client_secret_post": {"data": {name: post[name] for name in ("client_id", "client_secret")}},
            "private_key_jwt": {"data": assertion(key, walk.server.issuer)},
        }
        assert set(values) - {"none"} == set(tried)
        for method, how in tried.items():
            form = {"token": "x", "grant_type": "authorization_code", "code": "x", **how.get("data", {})}
            done = httpx2.post(url, data=form, auth=how.get("auth"))
            assert done.json().get("error") != "invalid_client", method
        # Without credentials a client that has some is refused, wherever "none" is told or not.
        assert httpx2.post(url, data={"token": "x", "client_id": basic.client_id}).status_code in (400, 401)

    return check


def claims(walk: Walk, values: Any) -> None:
    wish = json.dumps({"userinfo": dict.fromkeys(values), "id_token": dict.fromkeys(values)})
    assert walk.asked(claims=wish) == ""


def scopes(walk: Walk, values: Any) -> None:
    assert walk.registers(scope=" ".join(values)) == 0
    assert "offline_access" not in values


def actions(walk: Walk, values: Any) -> None:
    """Each is of the draft, and none that it has is missing: tests/spec/test_grant_management.py carries them out."""
    assert set(values) == {"query", "revoke", "create", "merge", "replace"}
    for refused in ("update", "delete"):
        assert walk.asked(grant_management_action=refused) == "invalid_request"


def need_not_be_pushed(walk: Walk, value: Any) -> None:
    assert value is False
    assert walk.asked() == ""


def assertion_algs(walk: Walk, values: Any) -> None:
    """A client has a key for what it says it signs with."""
    keys = [RSAKey.generate_key(2048), OKPKey.generate_key("Ed25519")]
    public = [{**one.as_dict(private=False), "kid": f"k{n}", "use": "sig"} for n, one in enumerate(keys)]
    how = {"token_endpoint_auth_method": "private_key_jwt", "with_key": True, "keys": public}
    registers("token_endpoint_auth_signing_alg", *SIGNING, **how)(walk, values)


def as_at_the_token_endpoint(member: str) -> Callable[[Walk, Any], None]:
    """One registration, one assertion, at every endpoint."""

    def check(walk: Walk, values: Any) -> None:
        assert values == walk.told[member]

    return check


def jwks(walk: Walk, url: Any) -> None:
    assert all("d" not in key for key in httpx2.get(url).json()["keys"])


def signed(walk: Walk, value: Any) -> None:
    assert value.count(".") == 2  # Verified in tests/spec/test_rfc8414.py.


SIGNING = ("none", "HS256", "RS1")
WRAPPING = ("RSA1_5", "dir", "PBES2-HS256+A128KW")
CHECKS: dict[str, Callable[[Walk, Any], None]] = {
    "authorization_endpoint": endpoint("GET", 400, "<html"),
    "token_endpoint": endpoint("POST", 400, '"error"'),
    "userinfo_endpoint": endpoint("GET", 401, ""),
    "jwks_uri": jwks,
    "pushed_authorization_request_endpoint": endpoint("POST", 401, "invalid_client"),
    "device_authorization_endpoint": endpoint("POST", 401, "invalid_client"),
    "backchannel_authentication_endpoint": endpoint("POST", 401, "invalid_client"),
    "introspection_endpoint": endpoint("POST", 401, "invalid_client"),
    "revocation_endpoint": endpoint("POST", 401, "invalid_client"),
    "registration_endpoint": endpoint("POST", 401, ""),
    "end_session_endpoint": endpoint("GET", 200, "<html"),
    "grant_types_supported": grant_types,
    "token_endpoint_auth_methods_supported": auth_methods("/oauth2/token"),
    "introspection_endpoint_auth_methods_supported": auth_methods("/oauth2/introspect"),
    "revocation_endpoint_auth_methods_supported": auth_methods("/oauth2/revoke"),
    "response_types_supported": requests("response_type", "token", "code id_token", "id_token"),
    "response_modes_supported": requests("response_mode", "fragment", "fragment.jwt", "web_message"),
    "prompt_values_supported": requests("prompt", "create", "none login"),
    "acr_values_supported": requests("acr_values", unmet="unmet_authentication_requirements"),
    "code_challenge_methods_supported": requests("code_challenge_method", "plain"),
    "ui_locales_supported": requests("ui_locales"),
    "claims_supported": claims,
    "subject_types_supported": registers("subject_type", "public"),
    "userinfo_signing_alg_values_supported": registers("userinfo_signed_response_alg", *SIGNING),
    "id_token_signing_alg_values_supported": registers("id_token_signed_response_alg", *SIGNING),
    "id_token_encryption_alg_values_supported": registers("id_token_encrypted_response_alg", *WRAPPING),
    "issuer": lambda walk, value: exactly(walk.server.issuer)(walk, value),
    "signed_metadata": signed,
    "claims_parameter_supported": exactly(True),
    "request_parameter_supported": exactly(True),
    "request_uri_parameter_supported": exactly(False),
    "grant_management_endpoint": lambda walk, url: endpoint("GET", 401, "")(walk, url + "/x"),
    "userinfo_encryption_alg_values_supported": registers("userinfo_encrypted_response_alg", *WRAPPING),
    "introspection_encryption_alg_values_supported": registers("introspection_encrypted_response_alg", *WRAPPING),
    "authorization_encryption_alg_values_supported": registers("authorization_encrypted_response_alg", *WRAPPING),
    "introspection_signing_alg_values_supported": registers("introspection_signed_response_alg", *SIGNING),
    "authorization_signing_alg_values_supported": registers("authorization_signed_response_alg", *SIGNING),
    "id_token_encryption_enc_values_supported": registers(
        "id_token_encrypted_response_enc", "A128CBC-HS256", "A128GCM", id_token_encrypted_response_alg="ECDH-ES"
    ),
    "userinfo_encryption_enc_values_supported": registers(
        "userinfo_encrypted_response_enc", "A128CBC-HS256", "A128GCM", userinfo_encrypted_response_alg="ECDH-ES"
    ),
    "introspection_encryption_enc_values_supported": registers(
        "introspection_encrypted_response_enc",
        "A128CBC-HS256",
        "A128GCM",
        introspection_encrypted_response_alg="ECDH-ES",
    ),
    "authorization_encryption_enc_values_supported": registers(
        "authorization_encrypted_response_enc",
        "A128CBC-HS256",
        "A128GCM",
        authorization_encrypted_response_alg="ECDH-ES",
    ),
    "scopes_supported": scopes,
    "grant_management_actions_supported": actions,
    "grant_management_action_required": need_not_be_pushed,
    "require_pushed_authorization_requests": need_not_be_pushed,
    "token_endpoint_auth_signing_alg_values_supported": assertion_algs,
    **{
        f"{endpoint}_endpoint_auth_signing_alg_values_supported": as_at_the_token_endpoint(
            "token_endpoint_auth_signing_alg_values_supported"
        )
        for endpoint in ("introspection", "revocation")
    },
}
ELSEWHERE = {
    **dict.fromkeys(("frontchannel_logout_supported", "frontchannel_logout_session_supported"), "frontchannel_logout"),
    **dict.fromkeys(("backchannel_logout_supported", "backchannel_logout_session_supported"), "backchannel_logout"),
    "backchannel_token_delivery_modes_supported": "ciba",
    "backchannel_user_code_parameter_supported": "ciba",
    "backchannel_authentication_request_signing_alg_values_supported": "ciba",
    "dpop_signing_alg_values_supported": "rfc9449",
    "authorization_details_types_supported": "rfc9396",
    "authorization_response_iss_parameter_supported": "fapi2_security_profile",
    "request_object_signing_alg_values_supported": "fapi2_message_signing",
    "request_object_encryption_alg_values_supported": "rfc9101",
    "request_object_encryption_enc_values_supported": "rfc9101",
}
"""Members that are tried whole in another module of tests/spec, which names them."""


@pytest.mark.parametrize("path", DOCUMENTS)
def test_every_member_has_its_check(walk: Walk, path: str) -> None:
    told = httpx2.get(walk.server.issuer + path).json()

    assert set(told) == {*CHECKS, *ELSEWHERE}
    assert {name: told[name] for name in told if name != "signed_metadata"} == {
        name: walk.told[name] for name in walk.told if name != "signed_metadata"
    }


@pytest.mark.parametrize("member", ELSEWHERE)
def test_what_is_tried_elsewhere_is_named_there(member: str) -> None:
    assert member in (Path(__file__).parent / f"test_{ELSEWHERE[member]}.py").read_text()


@pytest.mark.parametrize("member", CHECKS)
def test_what_is_told_works_and_what_is_refused_is_not_told(walk: Walk, member: str) -> None:
    CHECKS[member](walk, walk.told[member])
