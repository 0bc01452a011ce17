"""npm openid-client (a certified client) with bound tokens: DPoP where nonces are demanded, and mutual TLS."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.mutual import DPOP, MTLS, PRIVATE_KEY_JWT, Mutual

pytestmark = pytest.mark.interop

HERE = Path(__file__).resolve().parent
CHECK = {"sub": "A" * 43, "purpose": "housing-benefit", "data": ["address"]}


def run(**given: Any) -> Any:
    if shutil.which("node") is None or not (HERE / "node_modules").is_dir():
        pytest.skip("node or the packages of tests/interop are not installed (npm ci)")
    more = {"scope": "consent:check", "check": CHECK, **given}
    command = ["node", "bound_client.mjs", json.dumps(more)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_openid_client_repeats_its_proofs_with_our_nonces(strict: Mutual) -> None:
    """RFC 9449 sections 8 and 9: asked at the token endpoint and used up there; the registry is another server to it."""
    one = strict.software(PRIVATE_KEY_JWT, DPOP)

    seen = run(issuer=one.issuer, client_id=one.client_id, key=one.key.as_dict(private=True))

    assert (seen["token_type"], seen["status"]) == ("dpop", 200)
    assert set(seen["cnf"]) == {"jkt"}
    assert seen["seen"][:2] == [400, 200]


def test_openid_client_shows_its_certificate_at_our_aliases(mutual: Mutual) -> None:
    """RFC 8705 sections 2.1, 3 and 5."""
    one = mutual.software(MTLS, MTLS)
    chain, key = one.identity.write(mutual.directory, "openid-client")

    seen = run(issuer=one.issuer, client_id=one.client_id, cert=str(chain), key=str(key), ca=str(mutual.trusted))

    assert (seen["token_type"], seen["status"]) == ("bearer", 200)
    assert seen["cnf"] == {"x5t#S256": one.identity.x5t}
