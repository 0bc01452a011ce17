"""Start-up refuses what is unsafe, in a sentence that names the setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from base.cookies import Cookies
from base.settings import Settings, UnsafeSettings

SAFE: dict[str, Any] = {"issuer": "https://regie.example.nl"}
HERE = Path(__file__)
MTLS: dict[str, Any] = {**SAFE, "mtls_port": 8443, "tls_certificate": HERE, "tls_key": HERE}
DEVELOPMENT: dict[str, Any] = {"development": True, "port": 8000}


def test_the_two_usual_ways_to_start_are_safe() -> None:
    Settings(**SAFE).check()
    Settings(**DEVELOPMENT).check()
    Settings(**SAFE, workers=4, database_url="postgresql+psycopg://regie@/regie").check()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, "REGIE_ISSUER"),
        ({"issuer": "http://regie.example.nl"}, "https://"),
        ({"issuer": "https://regie.example.nl/login"}, "without a path"),
        ({"issuer": "https://regie.example.nl?x=1"}, "without a path"),
        ({"issuer": "https://"}, "without a path"),
        ({**DEVELOPMENT, "issuer": "http://regie.example.nl"}, "REGIE_DEVELOPMENT"),
        ({**DEVELOPMENT, "host": "0.0.0.0"}, "REGIE_HOST"),
        ({**SAFE, "workers": 2}, "REGIE_DATABASE_URL"),
        ({**SAFE, "workers": 0}, "REGIE_WORKERS"),
        ({**SAFE, "database_url": "mysql://x"}, "postgresql+psycopg://"),
        ({**SAFE, "code_s": 61}, "REGIE_CODE_S"),
        ({**SAFE, "par_s": 600}, "REGIE_PAR_S"),
        ({**SAFE, "permit_s": 31}, "REGIE_PERMIT_S"),
        ({**SAFE, "session_idle_s": 0}, "REGIE_SESSION_IDLE_S"),
        ({**SAFE, "outbound_ca": "/nowhere.pem"}, "REGIE_OUTBOUND_CA"),
        ({**SAFE, "refresh_total_s": 86_401}, "REGIE_REFRESH_TOTAL_S"),
        ({**SAFE, "access_token_s": -1}, "REGIE_ACCESS_TOKEN_S"),
        ({**SAFE, "id_token_s": 10**9}, "REGIE_ID_TOKEN_S"),
        ({**SAFE, "request_s": 0}, "REGIE_REQUEST_S"),
        ({**SAFE, "tls_certificate": HERE}, "REGIE_TLS_KEY"),
        ({**SAFE, "tls_key": HERE}, "REGIE_TLS_CERTIFICATE"),
        ({**SAFE, "tls_certificate": HERE, "tls_key": "/nowhere"}, "REGIE_TLS_KEY must name a file"),
        ({**SAFE, "mtls_port": 8443}, "REGIE_TLS_CERTIFICATE"),
        ({**MTLS, "mtls_port": 8000}, "another port"),
        ({**MTLS, "mtls_address": "http://mtls.example.nl"}, "REGIE_MTLS_ADDRESS"),
        ({**MTLS, "mtls_address": "https://mtls.example.nl/"}, "REGIE_MTLS_ADDRESS"),
        ({**MTLS, "mtls_address": "https://regie.example.nl"}, "another than REGIE_ISSUER"),
        ({**SAFE, "mtls_address": "https://mtls.example.nl"}, "REGIE_MTLS_PORT"),
        ({**SAFE, "tls_client_ca": HERE}, "REGIE_MTLS_PORT"),
        ({**SAFE, "proxy_secret": "s" * 32}, "REGIE_TRUSTED_PROXIES"),
        ({**SAFE, "proxy_secret": "s" * 31, "trusted_proxies": ["10.0.0.5/32"]}, "32 characters"),
        ({"issuer": "https://regie.example.nl:abc"}, "REGIE_ISSUER"),
        ({"issuer": "https://regie.example.nl:99999"}, "REGIE_ISSUER"),
        ({"issuer": "https://[::1"}, "REGIE_ISSUER"),
        ({"issuer": "https://Regie.example.nl"}, "lower case"),
        ({"issuer": "https://operator:secret@regie.example.nl"}, "REGIE_ISSUER"),
        ({"issuer": "https://regie.example.nl "}, "REGIE_ISSUER"),
        ({"issuer": "https://regie.example.nl?"}, "REGIE_ISSUER"),
        ({"issuer": "https://regie.example.nl:abc", "mtls_port": 8443}, "REGIE_ISSUER"),
        ({**MTLS, "mtls_address": "https://[::1"}, "REGIE_MTLS_ADDRESS"),
        ({**SAFE, "message_box_url": "https://[::1", "message_box_secret": "s" * 32}, "REGIE_MESSAGE_BOX_URL"),
        ({**SAFE, "port": 0}, "REGIE_PORT"),
        ({**SAFE, "port": 65_536}, "REGIE_PORT"),
        ({**SAFE, "readers": 0}, "REGIE_READERS"),
        ({**SAFE, "writers": 0}, "REGIE_WRITERS"),
        ({**SAFE, "disk_reserve_mb": -1}, "REGIE_DISK_RESERVE_MB"),
        ({**SAFE, "consent_age": 22}, "REGIE_CONSENT_AGE"),
        ({**SAFE, "ledger_dir": HERE}, "REGIE_LEDGER_DIR"),
        ({**SAFE, "proxy_secret": "", "trusted_proxies": ["10.0.0.5/32"]}, "32 characters"),
    ],
)
def test_what_is_unsafe_is_refused(values: dict[str, Any], named: str) -> None:
    with pytest.raises(UnsafeSettings) as refused:
        Settings(**values).check()

    assert named in str(refused.value)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    ("values", "address"),
    [
        (MTLS, "https://regie.example.nl:8443"),
        ({**MTLS, "issuer": "https://regie.example.nl:9443"}, "https://regie.example.nl:8443"),
        ({**MTLS, "issuer": "https://[2001:db8::1]"}, "https://[2001:db8::1]:8443"),
        ({**MTLS, "mtls_address": "https://mtls.example.nl"}, "https://mtls.example.nl"),
        ({**DEVELOPMENT, **MTLS, "issuer": ""}, "https://localhost:8443"),
        (SAFE, ""),
    ],
)
def test_the_mtls_address_is_the_issuers_host_unless_it_is_set(values: dict[str, Any], address: str) -> None:
    settings = Settings(**values)
    settings.check()

    assert settings.mtls_address == address


def test_every_setting_says_what_it_is() -> None:
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        assert isinstance(extra, dict), name
        assert field.description, name
        assert set(extra) == {"unit", "danger", "example"}, name


def test_no_secret_shows_itself() -> None:
    shown = repr(Settings(**SAFE, kek="c2VjcmV0LXRoYXQtbm9ib2R5LW1heS1zZWU", proxy_secret="c2VjcmV0" * 4))

    assert "c2VjcmV0" not in shown


@pytest.mark.parametrize("values", [SAFE, {**DEVELOPMENT, "issuer": "https://localhost:8000"}])
def test_cookies_are_bound_to_this_host(values: dict[str, Any]) -> None:
    cookies, response = Cookies(Settings(**values)), Response()
    cookies.put(response, cookies.session, "v")

    said = response.headers["set-cookie"].lower()
    assert said.startswith("__host-regie-session=v;")
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= {part.strip() for part in said.split(";")}
    assert "domain" not in said


def test_development_on_http_relaxes_the_prefix_and_secure_and_nothing_else() -> None:
    cookies, response = Cookies(Settings(**DEVELOPMENT)), Response()
    cookies.put(response, cookies.session, "v")

    said = {part.strip() for part in response.headers["set-cookie"].lower().split(";")}
    assert said == {"regie-session=v", "httponly", "samesite=lax", "path=/"}


def test_an_overlong_cookie_is_no_cookie() -> None:
    cookies = Cookies(Settings(**SAFE))
    scope = {"type": "http", "headers": [(b"cookie", f"{cookies.session}={'x' * 600}".encode())]}

    assert cookies.read(Request(scope), cookies.session) is None
