"""The table of checks: each row refuses at its endpoints, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from idp import checks
from idp.checks import AUTHORIZE, CHECKS, CIBA, DEVICE, PAR, Asked
from idp.clients import Client
from idp.errors import OAuthError
from idp.profiles import CIBA as CIBA_GRANT
from idp.profiles import DEVICE as DEVICE_GRANT
from idp.profiles import PROFILES

ISSUER = "https://regie.example"
METADATA = {
    "scope": "openid profile consent:check",
    "grant_types": ["authorization_code", DEVICE_GRANT, CIBA_GRANT],
    "client_name": "one",
}
GOOD = {
    "client_id": "c",
    "response_type": "code",
    "scope": "openid",
    "code_challenge": "c" * 43,
    "code_challenge_method": "S256",
    "nonce": "n",
    "state": "s",
}
SIGNED = {"login_hint": "h" * 43, "binding_message": "A4-77"}
"""What CIBA demands beside."""


def asked(profile: str, metadata: dict[str, Any] | None = None, **changes: str) -> Asked:
    client = Client("c", "municipality", PROFILES[profile], {**METADATA, **(metadata or {})}, None, True)
    form = {name: value for name, value in {**GOOD, **SIGNED, **changes}.items() if value}
    return Asked(client, form, ISSUER)


def refused(column: str, one: Asked) -> str:
    try:
        checks.run(column, one)
    except OAuthError as error:
        return error.error
    return ""


@pytest.mark.parametrize("column", [AUTHORIZE, PAR, DEVICE, CIBA])
def test_a_good_request_passes(column: str) -> None:
    assert refused(column, asked("nlgov")) == ""


@pytest.mark.parametrize(
    ("columns", "changes", "error"),
    [
        ("AP  ", {"response_type": "token"}, "unsupported_response_type"),
        ("AP  ", {"response_type": ""}, "invalid_request"),
        ("AP  ", {"response_mode": "fragment"}, "invalid_request"),
        ("APDC", {"request_uri": "https://a.example/r"}, "request_uri_not_supported"),
        ("AP  ", {"code_challenge": ""}, "invalid_request"),
        ("AP  ", {"code_challenge_method": "plain"}, "invalid_request"),
        ("APDC", {"scope": ""}, "invalid_scope"),
        ("APDC", {"scope": "openid address"}, "invalid_scope"),
        ("APDC", {"scope": "openid consent:check"}, "invalid_scope"),
        ("APDC", {"scope": "openid " * 200}, "invalid_scope"),
        ("AP  ", {"nonce": ""}, "invalid_request"),
        ("APDC", {"ui_locales": "n" * 2001}, "invalid_request"),
        ("APDC", {"claims_locales": "n" * 2001}, "invalid_request"),
        ("APDC", {"acr_values": "n" * 2001}, "invalid_request"),
        ("AP  ", {"dpop_jkt": "x"}, "invalid_request"),
        ("AP  ", {"prompt": "none login"}, "invalid_request"),
        ("AP  ", {"prompt": "create"}, "invalid_request"),
        ("APD ", {"max_age": "-1"}, "invalid_request"),
        ("APD ", {"max_age": "1" * 10}, "invalid_request"),
        ("APD ", {"max_age": "١"}, "invalid_request"),
        ("APDC", {"authorization_details": "[]"}, "invalid_authorization_details"),
        ("APDC", {"claims": "[]"}, "invalid_request"),
        ("APDC", {"resource": "https://other.example/api"}, "invalid_target"),
        ("AP  ", {"grant_management_action": "merge"}, "invalid_request"),
        ("A   ", {"grant_management_action": "create"}, "invalid_request"),
        ("   C", {"login_hint": ""}, "invalid_request"),
        ("   C", {"login_hint_token": "x"}, "invalid_request"),
        ("   C", {"binding_message": "x" * 101}, "invalid_binding_message"),
        ("   C", {"requested_expiry": "0"}, "invalid_request"),
        ("   C", {"scope": "profile"}, "invalid_scope"),
    ],
    ids=lambda given: str(given)[:60],
)
def test_a_row_refuses_at_its_endpoints_and_nowhere_else(columns: str, changes: dict[str, str], error: str) -> None:
    one = asked("nlgov", **changes)

    assert {column: refused(column, one) for column in "APDC"} == {
        column: error if column in columns else "" for column in "APDC"
    }


@pytest.mark.parametrize(
    ("column", "grant_type", "error"),
    [(DEVICE, CIBA_GRANT, "unauthorized_client"), (CIBA, DEVICE_GRANT, "unauthorized_client")],
)
def test_a_grant_that_is_not_registered_is_not_begun(column: str, grant_type: str, error: str) -> None:
    assert refused(column, asked("nlgov", {"grant_types": [grant_type]})) == error


def test_who_is_pinged_names_a_token() -> None:
    ping = {"backchannel_token_delivery_mode": "ping"}

    assert refused(CIBA, asked("nlgov", ping)) == "invalid_request"
    assert refused(CIBA, asked("nlgov", ping, client_notification_token="t" * 22)) == ""


def test_nothing_is_kept_that_was_not_checked() -> None:
    one = asked("nlgov", prompt="none", unheard="x", user_code="1", max_age="5")

    kept = {column: set(checks.completed(column, one.client, one.form)) for column in "APDC"}

    assert kept["D"] == {"scope", "max_age"}
    assert kept["C"] == {"scope", "binding_message"}
    assert kept["A"] == set(GOOD) - {"client_id"} | {"prompt", "max_age", "login_hint"}
    assert kept["P"] == kept["A"]


def test_who_must_push_is_refused_at_the_front_door_alone() -> None:
    one = asked("fapi2")

    assert {column: refused(column, one) for column in "APDC"} == {"A": "invalid_request", "P": "", "D": "", "C": ""}


@pytest.mark.parametrize("row", CHECKS, ids=lambda row: row[1].__name__)
def test_every_row_names_its_columns_in_order(row: Any) -> None:
    columns, _ = row

    assert len(columns) == 4
    assert all(given in (" ", letter) for given, letter in zip(columns, "APDC", strict=True))
