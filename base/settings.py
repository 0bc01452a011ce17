"""Every setting, with its unit, default, danger and example. docs/settings.md is written from this class.

Start-up refuses an unsafe combination in a sentence that says what to set. No secret has a working default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ADDRESS = re.compile(r"https?://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::(\d{1,5}))?")
_BOUNDS = {
    "port": (1, 65_535, "TCP port"),
    "mtls_port": (0, 65_535, "TCP port"),
    "writers": (1, 100, "connections"),
    "readers": (1, 100, "connections"),
    "disk_reserve_mb": (0, 1_000_000, "megabytes"),
    "consent_age": (0, 21, "years"),
    "report_days": (1, 90, "days"),
}
"""Least, most and unit of what is no lifetime."""


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
        danger="Unless tls_certificate is set TLS ends at a proxy before it: listen where only the proxy reaches.",
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
        danger="Holds the sealed keys: only the server's user may read it; start-up refuses otherwise, and closes an empty one.",
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
    tls_certificate: Path | None = _setting(
        None,
        "The server's certificate and the authorities above it. With it the server speaks TLS itself: at mtls_port, and "
        "at port when the issuer is https. Without it TLS ends at a proxy.",
        unit="PEM file",
        danger="Renewed files are taken up within seconds, together: one that does not fit the other is not.",
        example="/etc/regie/tls.crt",
    )
    tls_key: Path | None = _setting(
        None,
        "The private key of tls_certificate.",
        unit="PEM file",
        danger="Whoever reads it can pretend to be this server.",
        example="/etc/regie/tls.key",
    )
    tls_client_ca: Path | None = _setting(
        None,
        "The authorities whose word on a client's name is believed (tls_client_auth): roots and issuing authorities. "
        "Certificates that clients registered themselves (self_signed_tls_client_auth) need none.",
        unit="PEM file",
        danger="Whoever has a certificate with an agency's name from one of these is that agency's software.",
        example="/etc/regie/client-ca.pem",
    )
    mtls_port: int = _setting(
        0,
        "The port where clients may show a certificate, over TLS by this server; 0 means none. Apart from port, so that "
        "no browser asks a citizen for a certificate. Needs tls_certificate and tls_key.",
        unit="TCP port",
        danger="none",
        example="8443",
    )
    mtls_address: str = _setting(
        "",
        "The public address of the endpoints for clients with a certificate (mtls_endpoint_aliases). Empty: the issuer's "
        "host at mtls_port. Set it also when a proxy forwards certificates (proxy_secret).",
        unit="https URL without a trailing slash",
        danger="No page is served there: give it a name or port of its own.",
        example="https://mtls.regie.example.nl",
    )
    proxy_secret: SecretStr | None = _setting(
        None,
        "What a listed proxy sends as Regie-Proxy-Secret so that its Client-Cert header (RFC 9440) is believed.",
        unit="text, at least 32 characters",
        danger="Whoever has it and sits in trusted_proxies can pretend to be any client with a certificate.",
        example="(openssl rand -hex 32)",
    )
    dpop_nonce_required: bool = _setting(
        False,
        "DPoP proofs must carry a nonce of ours (RFC 9449). One that is carried is always checked.",
        unit="true or false",
        danger="Costs a client one more request every few minutes; software that knows no nonces fails.",
        example="true",
    )
    trusted_proxies: list[IPv4Network | IPv6Network] = _setting(
        [],
        "Proxies whose X-Forwarded-For is believed; with proxy_secret their Client-Cert too.",
        unit="JSON list of networks",
        danger="Whoever is listed can pretend to be any caller.",
        example='["10.0.0.5/32"]',
    )
    outbound_ca: Path | None = _setting(
        None,
        "Certificate authorities, besides the system's, that are believed when we connect to an agency (PKIoverheid).",
        unit="PEM file",
        danger="Whoever holds one of them can pretend to be any agency's server.",
        example="/etc/regie/pkioverheid.pem",
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
    disk_reserve_mb: int = _setting(
        64,
        "Room on the disk that each of the two SQLite databases keeps for withdrawals and logins: when it is full, nothing "
        "else is written. 0: none. PostgreSQL: no meaning.",
        unit="megabytes",
        danger="0: on a full disk nobody can withdraw.",
        example="128",
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
    decoupled_s: int = _setting(
        600,
        "Time a citizen has for a request that came from another device, or from an agency by itself.",
        unit="seconds",
        danger="Long: more time for who talks a citizen into confirming what another began.",
        example="600",
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
    session_high_idle_s: int = _setting(
        900,
        "A session of level high unused this long ends.",
        unit="seconds",
        danger="15 minutes at most (AAL3).",
        example="900",
    )
    session_high_total_s: int = _setting(
        43_200,
        "A session of level high ends after this.",
        unit="seconds",
        danger="12 hours at most (AAL3).",
        example="43200",
    )
    permit_s: int = _setting(
        30, "Life of a permit.", unit="seconds", danger="A withdrawal waits for open permits.", example="30"
    )
    report_days: int = _setting(
        7,
        "How long an agency has to say what it did with data that it got. After it the citizen sees that it did not say.",
        unit="days",
        danger="The longer, the later a citizen learns that an agency is silent.",
        example="3",
    )

    ledger_dir: Path | None = _setting(
        None,
        "Where the journal of the ledger is: what left the house last. Without it data_dir/ledger.",
        unit="directory",
        danger="Never put it back from a backup: it is what shows that a database was put back (docs/ledger.md).",
        example="/var/lib/regie-ledger",
    )

    ledger_policy: Path | None = _setting(
        None,
        "Who cosigns the ledger, and how many of them it takes (C2SP tlog-policy: witness, group and quorum lines).",
        unit="file",
        danger="When as many witnesses as the quorum saw more than the database holds, nothing is allowed any more.",
        example="/etc/regie/ledger-policy",
    )

    govstack: bool = _setting(
        False,
        "Serve the GovStack Consent API at /govstack/v1 (docs/govstack.md). Off unless an agency's software needs it: it "
        "is one more address from which the catalogue is changed and consents end.",
        unit="true or false",
        danger="Give the scope govstack:config to few: whoever has it ends an agency's purposes.",
        example="true",
    )
    govstack_demonstration: str = _setting(
        "",
        "The agency that a caller of /govstack/v1 without a token is: for GovStack's own test suite, which sends none.",
        unit="agency id",
        danger="In development alone; start-up refuses otherwise.",
        example="municipality",
    )
    consent_age: int = _setting(
        16,
        "How old citizens must be to be asked for a permission. Who is younger logs in all the same, and nothing is asked.",
        unit="years",
        danger="0 asks children too. In the Netherlands a parent decides below 16 (UAVG article 5).",
        example="16",
    )
    message_box_url: str = _setting(
        "",
        "Where letters to citizens are posted: a receipt of each answer, and a reminder every 90 days of what stands. "
        "Empty: there are none. docs/operations.md tells what is posted.",
        unit="https URL",
        danger="It is told citizens' national numbers, with what they allow to whom.",
        example="https://messages.example.nl/letters",
    )
    message_box_secret: SecretStr | None = _setting(
        None,
        "The bearer token that message_box_url knows us by. They go together.",
        unit="text, at least 32 characters",
        danger="Whoever has it can write to citizens in our name.",
        example="(openssl rand -hex 32)",
    )

    @field_validator(
        "data_dir", "kek", "tls_certificate", "tls_key", "tls_client_ca", "outbound_ca", "ledger_dir", "ledger_policy",
        mode="before",
    )  # fmt: skip
    @classmethod
    def _no_blank(cls, value: Any) -> Any:
        """A blank is a variable that somebody forgot to fill: no directory, and no word that there is no key."""
        if isinstance(value, str) and not value.strip():
            raise ValueError("blank")
        return value

    def model_post_init(self, _context: object) -> None:
        if self.development and not self.issuer:
            self.issuer = f"http://localhost:{self.port}"
        if self.mtls_port and not self.mtls_address and is_bare(self.issuer):
            host = urlsplit(self.issuer).netloc.rpartition("@")[2]
            name = host.rpartition(":")[0] if urlsplit(self.issuer).port is not None else host
            self.mtls_address = f"https://{name}:{self.mtls_port}"

    def check(self) -> None:
        """UnsafeSettings when we should not start like this."""
        if not self.issuer:
            raise UnsafeSettings(
                "REGIE_ISSUER is not set: set it to this service's public https address, "
                "or set REGIE_DEVELOPMENT=true to run on http://localhost."
            )
        if not is_bare(self.issuer):
            raise UnsafeSettings(
                "REGIE_ISSUER must be a bare address such as https://regie.example.nl, in lower case, without a path."
            )
        parts = urlsplit(self.issuer)
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
        self._check_places()
        self._check_govstack()
        self._check_message_box()
        self._check_tls()
        self._check_bounds()

    def _check_places(self) -> None:
        if self.outbound_ca is not None and not self.outbound_ca.is_file():
            raise UnsafeSettings("REGIE_OUTBOUND_CA must be a PEM file that the server's user can read.")
        if self.ledger_dir is not None and self.ledger_dir.exists() and not self.ledger_dir.is_dir():
            raise UnsafeSettings("REGIE_LEDGER_DIR must be a directory.")

    def _check_govstack(self) -> None:
        if self.govstack_demonstration and not (self.development and self.govstack):
            raise UnsafeSettings(
                "REGIE_GOVSTACK_DEMONSTRATION needs no token of anybody: it is for REGIE_DEVELOPMENT=true with "
                "REGIE_GOVSTACK=true."
            )

    def _check_message_box(self) -> None:
        secret = self.message_box_secret.get_secret_value() if self.message_box_secret is not None else ""
        if bool(self.message_box_url) != bool(secret):
            raise UnsafeSettings("REGIE_MESSAGE_BOX_URL and REGIE_MESSAGE_BOX_SECRET go together: set both or none.")
        if secret and len(secret) < 32:
            raise UnsafeSettings("REGIE_MESSAGE_BOX_SECRET must have at least 32 characters (openssl rand -hex 32).")
        if secret and not _is_web(self.message_box_url, development=self.development):
            raise UnsafeSettings("REGIE_MESSAGE_BOX_URL must be an https address.")

    def _check_tls(self) -> None:
        secret = self.proxy_secret.get_secret_value() if self.proxy_secret is not None else None
        bare = self.mtls_address.startswith("https://") and is_bare(self.mtls_address)
        files = {name: getattr(self, name) for name in ("tls_certificate", "tls_key", "tls_client_ca")}
        missing = [name.upper() for name, path in files.items() if path is not None and not path.is_file()]
        rules = (
            (
                (self.tls_certificate is None) != (self.tls_key is None),
                "REGIE_TLS_CERTIFICATE and REGIE_TLS_KEY go together: set both or none.",
            ),
            (
                self.mtls_port and self.tls_certificate is None,
                "REGIE_MTLS_PORT needs REGIE_TLS_CERTIFICATE and REGIE_TLS_KEY.",
            ),
            (
                self.mtls_port == self.port,
                "REGIE_MTLS_PORT must be another port than REGIE_PORT: browsers come to that one.",
            ),
            (
                secret is not None and not self.trusted_proxies,
                "REGIE_PROXY_SECRET needs REGIE_TRUSTED_PROXIES: it is believed from there alone.",
            ),
            (
                secret is not None and len(secret) < 32,
                "REGIE_PROXY_SECRET must have at least 32 characters (openssl rand -hex 32).",
            ),
            (
                not self.takes_certificates and (self.mtls_address or self.tls_client_ca is not None),
                "REGIE_MTLS_ADDRESS and REGIE_TLS_CLIENT_CA need REGIE_MTLS_PORT, or REGIE_PROXY_SECRET: no certificate comes in.",
            ),
            (
                self.mtls_address and (not bare or self.mtls_address == self.issuer),
                "REGIE_MTLS_ADDRESS must be a bare https address, and another than REGIE_ISSUER.",
            ),
            (missing, f"REGIE_{(missing or [''])[0]} must name a file that exists."),
        )
        for broken, sentence in rules:
            if broken:
                raise UnsafeSettings(sentence)

    def _check_bounds(self) -> None:
        bounds = {"code_s": 60, "par_s": 599, "refresh_idle_s": 21_600, "refresh_total_s": 86_400}
        bounds |= {"session_idle_s": 3_600, "session_total_s": 86_400, "access_token_s": 3_600, "permit_s": 30}
        bounds |= {"id_token_s": 3_600, "decoupled_s": 1_800, "request_s": 3_600}
        bounds |= {"session_high_idle_s": 900, "session_high_total_s": 43_200}
        for name, (least, most, unit) in (
            _BOUNDS | {one: (1, most, "seconds") for one, most in bounds.items()}
        ).items():
            if not least <= getattr(self, name) <= most:
                raise UnsafeSettings(f"REGIE_{name.upper()} must be between {least} and {most} ({unit}).")

    @property
    def takes_certificates(self) -> bool:
        """Whether a client can show a certificate here: to us, or to a proxy that is believed."""
        return bool(self.mtls_port) or self.proxy_secret is not None

    @property
    def speaks_tls(self) -> bool:
        """Whether `port` is TLS by this server."""
        return self.tls_certificate is not None and self.issuer.startswith("https://")

    @property
    def is_sqlite(self) -> bool:
        return not self.database_url


def is_bare(address: str) -> bool:
    """Whether this is scheme, host and perhaps port, as browsers and agencies write them: in lower case, nothing more."""
    found = _ADDRESS.fullmatch(address)
    return found is not None and int(found[1] or 1) in range(1, 65_536)


def _is_web(url: str, *, development: bool) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or (development and parts.scheme == "http"))


def strangers(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each REGIE_… in the environment that is not a setting: mistyped, it would be no setting at all."""
    names = [f"REGIE_{name.upper()}" for name in Settings.model_fields]
    found = []
    for name in sorted(one for one in environment if one.startswith("REGIE_") and one not in names):
        near = get_close_matches(name, names, n=1)
        found.append(f"{name} is not a setting{f'; do you mean {near[0]}?' if near else '.'}")
    return found


def wrong_value(name: str) -> str:
    """The sentence for a value that a setting cannot take."""
    field = Settings.model_fields.get(name)
    extra = field.json_schema_extra if field is not None else None
    if not isinstance(extra, dict):
        return f"REGIE_{name.upper()} is not valid."
    return f"REGIE_{name.upper()} is not valid: it takes {extra['unit']}, for example {extra['example']}."


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself."""
    if host in LOOPBACK:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
