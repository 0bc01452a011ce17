"""npm openid-client (a certified client) completes the flow against the running server."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from idp.authenticators.totp import code_at
from tests.fixtures.server import CALLBACK, CITIZENS, Server

HERE = Path(__file__).resolve().parent


@pytest.mark.interop
def test_openid_client_logs_in_and_reads_the_claim(server: Server) -> None:
    if shutil.which("node") is None or not (HERE / "node_modules").is_dir():
        pytest.skip("node or the packages of tests/interop are not installed (npm ci)")
    client = server.clients["baseline"]
    _, password, secret = CITIZENS["anna"]
    given = {
        "issuer": server.issuer,
        "client_id": client.client_id,
        "client_secret": client.secret,
        "redirect_uri": CALLBACK,
        "username": "anna",
        "password": password,
        "code": code_at(secret, datetime.now(UTC)),
    }

    done = subprocess.run(
        ["node", "openid_client.mjs", json.dumps(given)],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert (seen["birthdate"], seen["active"], seen["revoked"], len(seen["sub"])) == ("1954-03-02", True, True, 43)
