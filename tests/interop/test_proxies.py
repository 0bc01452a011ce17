"""The proxies of docs/proxy, as they are, before a real server: certificates come through, and no caller's headers do."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from tests.fixtures.certificates import Authority, self_signed, subject
from tests.fixtures.mutual import CONSENT, MTLS, Mutual, Software, free_port
from tests.fixtures.server import HERE, REGIE, Server, copied

pytestmark = pytest.mark.interop

SECRET = "replace-me-openssl-rand-hex-32-gives-one"
CHECK = {"sub": "A" * 43, "purpose": "housing-benefit", "data": ["address"]}


@dataclass
class Behind(Server):
    """Reached at its issuer through the proxy; waited for at its own port."""

    address: str = ""

    @property
    def issuer(self) -> str:
        return self.address

    def start(self) -> None:
        self.process = subprocess.Popen(
            [*REGIE, "serve"], env=self.environment, cwd=HERE, stdout=subprocess.DEVNULL, start_new_session=True
        )
        host = {"host": self.address.removeprefix("https://")}
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if httpx2.get(f"http://127.0.0.1:{self.port}/health/ready", headers=host).status_code == 200:
                    return
            except httpx2.HTTPError:
                time.sleep(0.05)
        raise AssertionError("the server did not start")


def nginx(directory: Path, certificate: Path, key: Path, ports: dict[str, int], _trusted: Path) -> list[str]:
    text = (HERE / "docs" / "proxy" / "nginx.conf").read_text()
    citizens, software = text.index("listen 443 ssl"), text.rindex("listen 443 ssl")
    assert citizens < software
    text = text[:software] + text[software:].replace("listen 443", f"listen 127.0.0.1:{ports['software']}")
    text = text.replace("listen 443", f"listen 127.0.0.1:{ports['citizens']}")
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{ports['regie']}")
    text = text.replace("mtls.regie.example.nl;", "localhost;").replace("regie.example.nl;", "localhost;")
    text = text.replace("/etc/regie/tls.crt", str(certificate)).replace("/etc/regie/tls.key", str(key))
    kept = "".join(
        f"{one}_temp_path {directory}/{one};\n" for one in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = text.replace("http {", f"http {{\naccess_log off;\n{kept}", 1)
    head = f"daemon off;\nmaster_process off;\npid {directory}/nginx.pid;\nerror_log {directory}/error.log;\n"
    file = directory / "nginx.conf"
    file.write_text(head + text)
    return ["nginx", "-p", str(directory), "-e", f"{directory}/error.log", "-c", str(file)]


def haproxy(directory: Path, certificate: Path, key: Path, ports: dict[str, int], trusted: Path) -> list[str]:
    text = (HERE / "docs" / "proxy" / "haproxy.cfg").read_text()
    both = directory / "tls.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    for old, new in (
        ("bind :443", f"bind 127.0.0.1:{ports['citizens']}"),
        ("bind :8443", f"bind 127.0.0.1:{ports['software']}"),
        ("127.0.0.1:8000", f"127.0.0.1:{ports['regie']}"),
        ("/etc/regie/tls.pem", str(both)),
        ("/etc/regie/client-ca.pem", str(trusted)),
    ):
        assert old in text
        text = text.replace(old, new)
    file = directory / "haproxy.cfg"
    file.write_text(text)
    return ["haproxy", "-f", str(file), "-db", "-q"]


PROXIES = {"nginx": nginx, "haproxy": haproxy}


@pytest.fixture(scope="module", params=list(PROXIES))
def behind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[Mutual]:
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    directory = tmp_path_factory.mktemp(request.param)
    trusted = directory / "ca.pem"
    trusted.write_bytes(authority.pem)
    certificate, key = authority.server().write(directory, "server")
    server = stopped(request, tmp_path_factory)
    ports = {"citizens": free_port(), "software": free_port(), "regie": server.port}
    server.address = f"https://localhost:{ports['citizens']}"
    address = f"https://localhost:{ports['software']}"
    server.environment |= {
        "REGIE_ISSUER": server.address,
        "REGIE_TRUSTED_PROXIES": '["127.0.0.1/32"]',
        "REGIE_PROXY_SECRET": SECRET,
        "REGIE_MTLS_ADDRESS": address,
        "REGIE_TLS_CLIENT_CA": str(trusted),
    }
    server.start()
    command = PROXIES[request.param](directory, certificate, key, ports, trusted)
    proxy = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=directory)
    made = Mutual(server, authority, trusted, address, directory)
    try:
        wait_for(ports["software"], proxy)
        yield made
    finally:
        proxy.terminate()
        proxy.communicate(timeout=10)
        made.close()


def stopped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Behind:
    filled: Callable[[Any], Server] = request.getfixturevalue("filled_server")

    class Sqlite:
        """The kind of database; the wire is the same on both."""

        param = "sqlite"
        getfixturevalue = staticmethod(request.getfixturevalue)

    one = copied(filled(Sqlite), Sqlite, tmp_path_factory)  # type: ignore[arg-type] # what is asked of a request here
    return Behind(one.directory, one.port, one.environment)


def wait_for(port: int, proxy: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert proxy.poll() is None, proxy.stderr.read().decode() if proxy.stderr is not None else ""
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the proxy did not start")


@pytest.fixture(scope="module")
def software(behind: Mutual) -> Software:
    return behind.software(MTLS, MTLS)


def cnf_of(token: str) -> Any:
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["cnf"]


def test_a_certificate_comes_through(behind: Mutual, software: Software) -> None:
    """RFC 9440 section 2, RFC 8705 sections 2 and 3: authenticated by it, bound to it, and served with it."""
    token = software.own_token().json()["access_token"]

    assert cnf_of(token) == {"x5t#S256": software.identity.x5t}
    assert software.call("POST", "/consent/v1/checks", token, json=CHECK).status_code == 200
    assert software.without_certificate().call("POST", "/consent/v1/checks", token, json=CHECK).status_code == 401
    assert software.without_certificate().own_token().status_code == 401


def test_a_self_signed_one_too(behind: Mutual) -> None:
    """RFC 8705 section 2.2."""
    own = self_signed(subject(common_name="own"))
    members = {"grant_types": ["client_credentials"], "scope": CONSENT, "redirect_uris": []}
    client_id = behind.add(
        token_endpoint_auth_method="self_signed_tls_client_auth",
        tls_client_certificate_bound_access_tokens=True,
        jwks={"keys": [own.jwk]},
        **members,
    )["client_id"]
    form = {"grant_type": "client_credentials", "client_id": client_id}

    assert behind.caller(own).post(f"{behind.address}/oauth2/token", data=form).status_code == 200
    assert (
        behind.caller(self_signed(subject(common_name="own")))
        .post(f"{behind.address}/oauth2/token", data=form)
        .json()["error"]
        == "invalid_client"
    )


@pytest.mark.parametrize("at", ["citizens", "software"])
@pytest.mark.parametrize("secret", [SECRET, ""])
def test_t40_no_caller_brings_a_certificate_in_a_header(
    behind: Mutual, software: Software, at: str, secret: str
) -> None:
    """T-40: not at either address, not in any spelling, not even with the proxy's own secret."""
    base = behind.server.issuer if at == "citizens" else behind.address
    victim = software.identity
    form = {"grant_type": "client_credentials", "client_id": software.client_id}
    for value in (
        f":{base64.b64encode(victim.der).decode()}:",
        quote(ssl.DER_cert_to_PEM_cert(victim.der)),
    ):
        for name in ("Client-Cert", "client-cert", "CLIENT-CERT", "Client_Cert", "Client-Cert-Chain"):
            answer = behind.caller().post(
                f"{base}/oauth2/token", data=form, headers={name: value, "Regie-Proxy-Secret": secret}
            )
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), name


def test_t40_nor_another_than_the_one_it_shows(behind: Mutual, software: Software) -> None:
    other = behind.software(MTLS, MTLS)
    header = {"Client-Cert": f":{base64.b64encode(software.identity.der).decode()}:"}
    form = {"grant_type": "client_credentials", "client_id": software.client_id}

    answer = other.caller.post(f"{behind.address}/oauth2/token", data=form, headers=header)

    assert answer.status_code in (400, 401)


def test_citizens_are_served_at_the_issuer_and_not_at_the_mtls_address(behind: Mutual) -> None:
    caller = behind.caller()

    assert caller.get(f"{behind.server.issuer}/login").status_code == 200
    assert caller.get(f"{behind.address}/login").status_code == 404


def test_nothing_older_than_tls_1_3_is_spoken(behind: Mutual) -> None:
    context = ssl.create_default_context(cafile=str(behind.trusted))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    for base in (behind.server.issuer, behind.address):
        with pytest.raises(httpx2.ConnectError), httpx2.Client(verify=context) as caller:
            caller.get(base)
