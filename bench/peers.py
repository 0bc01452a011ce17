"""The peer: npm oidc-provider (certified), configured as the tests have it, in its own memory and durably on SQLite."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

from agency.jose import Key
from bench import steps
from bench.load import HERE, start
from bench.world import CALLBACK, Agency, World

PROVIDER, ADAPTER = HERE / "tests" / "interop" / "provider.mjs", HERE / "bench" / "peer" / "sqlite.mjs"


def are_installed() -> bool:
    folders = (PROVIDER.parent, ADAPTER.parent)
    return shutil.which("node") is not None and all((folder / "node_modules").is_dir() for folder in folders)


def measured(directory: Path, port: int, *, durable: bool) -> list[dict[str, Any]]:
    issuer, key = f"http://localhost:{port}", Key.generate()
    api = f"{issuer}/consent/v1"
    world = World(
        Agency(issuer, "strict", key),
        Agency(issuer, "web", secret=secrets.token_urlsafe(32)),
        Agency(issuer, "service", secret=secrets.token_urlsafe(32)),
        {"resource": api, "scope": "openid"},
    )
    code = {"redirect_uris": [CALLBACK], "grant_types": ["authorization_code"], "scope": "openid"}
    own = {
        "redirect_uris": [],
        "response_types": [],
        "grant_types": ["client_credentials"],
        "scope": "consent:check consent:permit",
    }
    bound = {"token_endpoint_auth_method": "private_key_jwt", "dpop_bound_access_tokens": True}
    clients = [
        {**code, **bound, "client_id": "strict", "jwks": {"keys": [key.public()]}},
        {**code, "client_id": "web", "client_secret": world.web.secret},
        {**own, "client_id": "service", "client_secret": world.service.secret},
    ]
    given: dict[str, Any] = {"port": port, "clients": clients, "api": api}
    if durable:
        given["adapter"] = f"{ADAPTER.as_uri()}?file={directory / 'peer.db'}"
    file = directory / "peer.json"
    file.write_text(json.dumps(given))
    process = start(["node", str(PROVIDER), str(file)], {**os.environ, "NODE_ENV": "production"}, port, "/oauth2/jwks")
    try:
        return list(steps.walk(process, world))
    finally:
        process.stop()
