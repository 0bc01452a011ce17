"""Every setting, with its unit, default, danger and example. docs/settings.md is written from this class.

Start-up refuses an unsafe combination in a sentence that says what to set. No secret has a working default.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class UnsafeSettings(Exception):
    """Settings we do not start with; the message says what to set."""


def _setting(default: Any, what: str, *, unit: str, danger: str, example: str) -> Any:
    return Field(default, description=what, json_schema_extra={"unit": unit, "danger": danger, "example": example})


class Settings(BaseSettings):
    """Read from the environment; each name with the prefix REGIE_."""

    model_config = SettingsConfigDict(env_prefix="REGIE_", extra="ignore")

    development: bool = _setting(
        False,
        "Run on http://localhost for developing: cookies without Secure, http redirect addresses on localhost, "
        "passwords set from the command line.",
        unit="true or false",
        danger="Never on a machine that others reach; start-up refuses any address but localhost.",
        example="true",
    )
    issuer: str = _setting(
        "",
        "The public address of this house: the `iss` of every token. Required outside development; there "
        "http://localhost with the port is taken.",
        unit="https URL without a trailing slash",
        danger="Changing it makes every agency refuse our tokens until it is told.",
        example="https://regie.example.nl",
    )
    host: str = _setting(
        "127.0.0.1",
        "The address that the server listens on.",
        unit="IP address",
        danger="TLS ends at a proxy before it: listen where only the proxy reaches.",
        example="127.0.0.1",
    )
    port: int = _setting(8000, "The port that the server listens on.", unit="TCP port", danger="none", example="8000")
    workers: int = _setting(
        1,
        "Server processes. More than one needs PostgreSQL.",
        unit="processes",
        danger="On SQLite start-up refuses more than one.",
        example="4",
    )
    data_dir: Path = _setting(
        Path("data"),
        "Where the keys and, without a database_url, the SQLite files are.",
        unit="directory",
        danger="Holds the sealed keys: only the server's user may read it; start-up refuses otherwise.",
        example="/var/lib/regie",
    )
    database_url: str = _setting(
        "",
        "A PostgreSQL database; empty means SQLite in data_dir. Each service has its own schema in it.",
        unit="SQLAlchemy URL",
        danger="May hold a password: give it through the environment, not a file that others read.",
        example="postgresql+psycopg://regie@db.example.nl/regie",
    )
    kek: SecretStr | None = _setting(
        None,
        "The key-encryption key. Without it the first start makes the file data_dir/kek.",
        unit="32 bytes in base64url",
        danger="Lost: every key and all personal data are lost. Kept beside the database: a stolen disk is readable.",
        example="(openssl rand -base64 32 | tr '+/' '-_')",
    )
    trusted_proxies: list[IPv4Network | IPv6Network] = _setting(
        [],
        "Proxies whose X-Forwarded-For is believed.",
        unit="JSON list of networks",
        danger="Whoever is listed can pretend to be any caller.",
        example='["10.0.0.5/32"]',
    )
    writers: int = _setting(
        3,
        "Connections that write to PostgreSQL, for each service and process.",
        unit="connections",
        danger="The server's max_connections must hold (writers + readers) × 2 × workers.",
        example="3",
    )
    readers: int = _setting(
        4,
        "Connections that read, for each service and process.",
        unit="connections",
        danger="See writers.",
        example="4",
    )
    code_s: int = _setting(
        60, "Life of an authorization code.", unit="seconds", danger="FAPI 2.0 allows 60 at most.", example="60"
    )
    par_s: int = _setting(
        90, "Life of a pushed request before it is used.", unit="seconds", danger="Below 600 (FAPI 2.0).", example="90"
    )
    request_s: int = _setting(
        900, "Time a citizen has to log in and answer.", unit="seconds", danger="none", example="900"
    )
    access_token_s: int = _setting(
        300,
        "Life of an access token.",
        unit="seconds",
        danger="A stolen one works that long at agencies that do not ask us.",
        example="300",
    )
    id_token_s: int = _setting(300, "Life of an ID token.", unit="seconds", danger="none", example="300")
    refresh_idle_s: int = _setting(
        21_600,
        "A refresh token unused this long ends.",
        unit="seconds",
        danger="6 hours at most (NL GOV).",
        example="21600",
    )
    refresh_total_s: int = _setting(
        86_400, "A refresh token ends after this.", unit="seconds", danger="24 hours at most (NL GOV).", example="86400"
    )
    session_idle_s: int = _setting(
        3_600,
        "A citizen's session unused this long ends.",
        unit="seconds",
        danger="1 hour at most (AAL2).",
        example="3600",
    )
    session_total_s: int = _setting(
        43_200,
        "A citizen's session ends after this.",
        unit="seconds",
        danger="24 hours at most (AAL2).",
        example="43200",
    )
    permit_s: int = _setting(
        30, "Life of a permit.", unit="seconds", danger="A withdrawal waits for open permits.", example="30"
    )

    ledger_dir: Path | None = _setting(
        None,
        "Where the journal of the ledger is: what left the house last. Without it data_dir/ledger.",
        unit="directory",
        danger="Never put it back from a backup: it is what shows that a database was put back (docs/ledger.md).",
        example="/var/lib/regie-ledger",
    )

    def model_post_init(self, _context: object) -> None:
        if self.development and not self.issuer:
            self.issuer = f"http://localhost:{self.port}"

    def check(self) -> None:
        """UnsafeSettings when we should not start like this."""
        parts = urlsplit(self.issuer)
        if not self.issuer:
            raise UnsafeSettings(
                "REGIE_ISSUER is not set: set it to this service's public https address, "
                "or set REGIE_DEVELOPMENT=true to run on http://localhost."
            )
        if parts.path or parts.query or parts.fragment or not parts.hostname:
            raise UnsafeSettings(
                "REGIE_ISSUER must be a bare address such as https://regie.example.nl, without a path."
            )
        if self.development:
            if parts.hostname not in LOOPBACK or self.host not in LOOPBACK:
                raise UnsafeSettings(
                    "REGIE_DEVELOPMENT is for localhost only: unset it, or set REGIE_ISSUER and REGIE_HOST to localhost."
                )
        elif parts.scheme != "https":
            raise UnsafeSettings(
                "REGIE_ISSUER must begin with https:// (or set REGIE_DEVELOPMENT=true to run on http://localhost)."
            )
        if self.workers < 1:
            raise UnsafeSettings("REGIE_WORKERS must be at least 1.")
        if self.workers > 1 and not self.database_url:
            raise UnsafeSettings(
                "REGIE_WORKERS above 1 needs PostgreSQL: set REGIE_DATABASE_URL, or REGIE_WORKERS=1 for SQLite."
            )
        if self.database_url and not self.database_url.startswith("postgresql+psycopg://"):
            raise UnsafeSettings("REGIE_DATABASE_URL must begin with postgresql+psycopg:// (empty means SQLite).")
        self._check_lifetimes()

    def _check_lifetimes(self) -> None:
        bounds = {"code_s": 60, "par_s": 599, "refresh_idle_s": 21_600, "refresh_total_s": 86_400}
        bounds |= {"session_idle_s": 3_600, "session_total_s": 86_400, "access_token_s": 3_600, "permit_s": 30}
        bounds |= {"id_token_s": 3_600, "request_s": 3_600}
        for name, most in bounds.items():
            if not 0 < getattr(self, name) <= most:
                raise UnsafeSettings(f"REGIE_{name.upper()} must be between 1 and {most} seconds.")

    @property
    def is_sqlite(self) -> bool:
        return not self.database_url


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself."""
    if host in LOOPBACK:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
