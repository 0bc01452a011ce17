"""client add, list, show, disable, rotate-secret."""

from __future__ import annotations

from typing import Any

from idp.clients import managing
from idp.clients.managing import InvalidMetadata
from idp.endpoints.discovery import document
from regie.commands.base import Progress, Refused
from regie.house import House


def add(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    raw, profile, development = params["file"].encode(), params["profile"], house.settings.development
    now = house.clock.now()
    catalogue = house.databases["consent"].read_now(house.consent.registry.snapshot)
    try:
        client, secret = managing.prepare(raw, profile, development=development)
        if client.agency not in catalogue.agencies:
            raise Refused(f"there is no agency {client.agency}; add it first: regie agency add FILE")
        house.databases["idp"].write_now(lambda c: managing.add(c, client, now))
    except InvalidMetadata as error:
        raise Refused(str(error)) from error
    return {**_told(house, client), **({"client_secret": secret, "client_secret_expires_at": 0} if secret else {})}


def every(house: House, _params: dict[str, Any], _progress: Progress) -> list[Any]:
    found = house.databases["idp"].read_now(managing.every)
    return [
        {"client_id": c.client_id, "agency": c.agency, "profile": c.profile.name, "active": c.active} for c in found
    ]


def show(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    client = house.databases["idp"].read_now(lambda c: managing.find(c, params["client_id"]))
    if client is None:
        raise Refused(f"there is no client {params['client_id']}")
    return {**_told(house, client), "active": client.active}


def disable(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    now = house.clock.now()
    if not house.databases["idp"].write_now(lambda c: managing.disable(c, params["client_id"], now)):
        raise Refused(f"there is no client {params['client_id']}")
    return {"client_id": params["client_id"], "active": False}


def rotate_secret(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    now = house.clock.now()
    try:
        secret = house.databases["idp"].write_now(lambda c: managing.rotate_secret(c, params["client_id"], now))
    except InvalidMetadata as error:
        raise Refused(str(error)) from error
    return {"client_id": params["client_id"], "client_secret": secret, "client_secret_expires_at": 0}


def _told(house: House, client: managing.Client) -> dict[str, Any]:
    """What the client's software needs: RFC 7591 section 3.2.1, and where our endpoints are."""
    metadata = document(house.settings.issuer)
    names: tuple[str, ...] = ("issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
    names += ("pushed_authorization_request_endpoint", "introspection_endpoint", "revocation_endpoint")
    endpoints = {name: metadata[name] for name in names}
    return {"client_id": client.client_id, "profile": client.profile.name, **client.metadata, **endpoints}


COMMANDS = {
    "client add": add,
    "client list": every,
    "client show": show,
    "client disable": disable,
    "client rotate-secret": rotate_secret,
}
