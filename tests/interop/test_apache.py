"""Apache with mod_auth_openidc, from Debian, in front of a page: login, claims as headers, logout.

A relying party in C, of 2022: what it can do no more (PAR, DPoP) it does not need under `baseline` and `nlgov`.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from joserfc.jwk import RSAKey

from regie.demo.smoke import Browser
from tests.fixtures.server import Server
from tests.fixtures.strangers import BIRTH_DATE, LOGIN, public

pytestmark = [pytest.mark.interop, pytest.mark.parametrize("bare", ["sqlite"], indirect=True)]

APACHE = shutil.which("apache2") or "/usr/sbin/apache2"
MODULES = Path("/usr/lib/apache2/modules")
CONFIG = """
ServerRoot {directory}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {directory}/pid
ErrorLog {directory}/error.log
User www-data
Group www-data
DocumentRoot {directory}/pages
OIDCProviderMetadataURL "{openid_configuration}"
OIDCSSLValidateServer Off
OIDCClientID {client_id}
{authentication}
OIDCRedirectURI http://localhost:{port}/protected/callback
OIDCCryptoPassphrase {passphrase}
OIDCPKCEMethod S256
OIDCScope "{scope}"
<Location /protected>
    AuthType openid-connect
    Require valid-user
    ProxyPass http://127.0.0.1:{behind}
</Location>
"""
LOADED = ("mpm_event", "authn_core", "authz_core", "authz_user", "proxy", "proxy_http", "auth_openidc")


@dataclass
class Site:
    """`url`: of the protected page, which answers with the headers that reached it."""

    url: str
    server: Server
    client_id: str


class _Page(BaseHTTPRequestHandler):
    """The page behind Apache: it knows nothing of OpenID Connect."""

    def do_GET(self) -> None:
        body = json.dumps(dict(self.headers)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module", autouse=True)
def _apache() -> None:
    if not Path(APACHE).exists() or not (MODULES / "mod_auth_openidc.so").exists():
        pytest.skip("libapache2-mod-auth-openidc is not installed")


@pytest.fixture
def start(bare: Server) -> Iterator[Callable[..., Site]]:
    """Start Apache as a client of this profile."""
    behind = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=behind.serve_forever, daemon=True).start()
    # Apache's children run as another user, which must reach the directory.
    directory = Path(tempfile.mkdtemp(prefix="regie-apache-"))
    directory.chmod(0o755)
    (directory / "pages").mkdir()
    (directory / "pages" / "index.html").write_text("goodbye")
    running: list[subprocess.Popen[bytes]] = []

    def begin(profile: str, *, scope: str, auth: str, key: RSAKey | None = None, **members: Any) -> Site:
        port = _free_port()
        root = f"http://localhost:{port}"
        metadata = {
            "client_name": "apache",
            "agency": "health-insurer",
            "redirect_uris": [f"{root}/protected/callback"],
            "post_logout_redirect_uris": [f"{root}/index.html"],
            "scope": scope,
            "token_endpoint_auth_method": auth,
            **members,
        }
        done = bare.tell("client add", profile=profile, file=metadata)
        if key is None:
            credential = f"OIDCClientSecret {done['client_secret']}"
        else:
            (directory / "key.pem").write_bytes(key.as_pem(private=True))
            (directory / "certificate.pem").write_bytes(_certificate(key))
            # Without a certificate beside the key this release of the module ends in a segmentation fault.
            credential = (
                f"OIDCPublicKeyFiles apache#{directory}/certificate.pem\nOIDCPrivateKeyFiles apache#{directory}/key.pem"
            )
        config = CONFIG.format(
            directory=directory,
            port=port,
            openid_configuration=done["openid_configuration"],
            client_id=done["client_id"],
            authentication=f"{credential}\nOIDCProviderTokenEndpointAuth {auth}",
            passphrase=os.urandom(16).hex(),
            scope=scope,
            behind=behind.server_port,
        )
        loaded = [f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in LOADED]
        (directory / "apache.conf").write_text("\n".join([*loaded, config]))
        command = [APACHE, "-f", str(directory / "apache.conf"), "-DFOREGROUND"]
        with (directory / "error.log").open("ab") as log:
            running.append(subprocess.Popen(command, stdout=log, stderr=log))
        _wait_for(root, running[-1], directory / "error.log")
        return Site(f"{root}/protected/page", bare, done["client_id"])

    yield begin
    for process in running:
        process.terminate()
        process.wait(15)
    behind.shutdown()
    behind.server_close()
    shutil.rmtree(directory, ignore_errors=True)


def _certificate(key: RSAKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "apache")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key)
    begun = datetime.now(UTC)
    made = made.serial_number(1).not_valid_before(begun).not_valid_after(begun + timedelta(days=1))
    signed = made.sign(key.private_key, hashes.SHA256())  # type: ignore[arg-type]  # it has a private key
    return signed.public_bytes(Encoding.PEM)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _wait_for(root: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx2.get(f"{root}/index.html", timeout=2)
        except httpx2.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text() if log.exists() else "apache2 did not start")


@pytest.fixture
def browser() -> Iterator[Browser]:
    made = Browser()
    yield made
    made.close()


def headers_behind(browser: Browser, site: Site) -> dict[str, str]:
    found: dict[str, str] = browser.json(site.url)
    return found


def log_in(browser: Browser, site: Site, **answers: str) -> None:
    browser.get(site.url)
    browser.submit("/login/password", **LOGIN)
    if answers:
        browser.submit("/ask", **answers)


class TestApache:
    def test_a_login_brings_the_claims_to_the_page_behind(self, start: Callable[..., Site], browser: Browser) -> None:
        """Baseline: code, PKCE S256, client_secret_basic, userinfo; the claims are headers of the proxied request."""
        site = start("baseline", scope="openid birthdate", auth="client_secret_basic", purpose="health-insurance")

        log_in(browser, site, **{"birth-date": "allow"})
        seen = headers_behind(browser, site)

        assert (seen["OIDC_CLAIM_iss"], seen["OIDC_CLAIM_aud"]) == (site.server.issuer, site.client_id)
        assert (len(seen["OIDC_CLAIM_sub"]), seen["OIDC_CLAIM_birthdate"]) == (43, BIRTH_DATE)

    def test_logout_ends_both_sessions_and_comes_back(self, start: Callable[..., Site], browser: Browser) -> None:
        """RP-Initiated Logout: back at Apache's own page, and the next visit is a login again."""
        site = start("baseline", scope="openid", auth="client_secret_post")
        log_in(browser, site)
        after = site.url.replace("/protected/page", "/index.html")

        browser.get(site.url.replace("page", f"callback?logout={after}"))

        assert (browser.url, browser.page.text.strip()) == (after, "goodbye")
        browser.get(site.url)
        assert browser.url.startswith(f"{site.server.issuer}/login")

    def test_private_key_jwt_under_the_dutch_profile(self, start: Callable[..., Site], browser: Browser) -> None:
        """nlgov: RS256 client assertion with `x5t`, whose audience is the token endpoint; nonce, state, PKCE."""
        key = RSAKey.generate_key(2048)
        jwk = public({**key.as_dict(private=True), "kid": "apache", "use": "sig", "alg": "RS256"})
        members = {"jwks": {"keys": [jwk]}, "id_token_signed_response_alg": "RS256"}
        site = start("nlgov", scope="openid", auth="private_key_jwt", key=key, **members)

        log_in(browser, site)

        assert len(headers_behind(browser, site)["OIDC_CLAIM_sub"]) == 43

    def test_a_header_of_the_callers_own_is_no_claim(self, start: Callable[..., Site], browser: Browser) -> None:
        """Not ours to keep, but what an agency relies on: the page behind sees only what we said."""
        site = start("baseline", scope="openid", auth="client_secret_basic")
        log_in(browser, site)

        browser._http.headers["OIDC_CLAIM_sub"] = "forged"
        seen = headers_behind(browser, site)

        assert "forged" not in seen.values()
