"""client add, list, show, disable, rotate-secret; invite, rotate-registration and trust for software that registers itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from idp.clients import managing, registration, software
from idp.clients.certificates import check_possible
from idp.clients.managing import InvalidMetadata
from idp.endpoints import register
from idp.endpoints.discovery import OPENID, WELL_KNOWN, document, view
from regie.commands.base import Progress, Refused
from regie.house import House


class IssuerFile(msgspec.Struct, forbid_unknown_fields=True):
    """Who may vouch for software: `iss` of its statements, and its public keys."""

    iss: str
    jwks: dict[str, Any]


def add(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    raw, profile, development = params["file"].encode(), params["profile"], house.settings.development
    now = house.clock.now()
    try:
        client, secret = managing.prepare(raw, profile, development=development)
        _check_agency(house, client.agency, client.purpose)
        check_possible(client, house.settings)
        columns = managing.fetched(house.settings, client, now)
        added = house.databases["idp"].write_now(lambda c: managing.add(c, client, now, columns))
    except InvalidMetadata as error:
        raise Refused(str(error)) from error
    return {**_told(house, added), **({"client_secret": secret, "client_secret_expires_at": 0} if secret else {})}


def every(house: House, _params: dict[str, Any], _progress: Progress) -> list[Any]:
    return [
        {
            "client_id": c.client_id,
            "agency": c.agency,
            "profile": c.profile.name,
            "active": c.active,
            "registered_by": c.registered_by,
        }
        for c in house.databases["idp"].read_now(managing.every)
    ]


def show(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    client = house.databases["idp"].read_now(lambda c: managing.find(c, params["client_id"]))
    if client is None:
        raise Refused(f"there is no client {params['client_id']}")
    return {**_told(house, client), "active": client.active, "registered_by": client.registered_by}


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


def invite(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    """An initial access token (RFC 7591)."""
    now, life, uses = house.clock.now(), timedelta(days=params["days"]), params["uses"]
    try:
        profile = registration.profile_of(params["profile"], development=house.settings.development)
        _check_agency(house, params["agency"])
        token = house.databases["idp"].write_now(
            lambda c: software.invite(c, params["agency"], profile.name, uses=uses, life=life, now=now)
        )
    except InvalidMetadata as error:
        raise Refused(str(error)) from error
    told = {"agency": params["agency"], "profile": profile.name, "uses": uses, "expires_in": int(life.total_seconds())}
    return {"initial_access_token": token, **told, "registration_endpoint": house.settings.issuer + register.PATH}


def rotate_registration(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    """For software that lost its registration access token (RFC 7592)."""
    client_id, now = params["client_id"], house.clock.now()
    try:
        token = house.databases["idp"].write_now(lambda c: software.new_access_token(c, client_id, now))
    except InvalidMetadata as error:
        raise Refused(str(error)) from error
    uri = f"{house.settings.issuer}{register.PATH}/{client_id}"
    return {"client_id": client_id, "registration_client_uri": uri, "registration_access_token": token}


def trust(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    """Believe an issuer of software statements."""
    now = house.clock.now()
    try:
        file = msgspec.json.decode(params["file"], type=IssuerFile)
        house.databases["idp"].write_now(lambda c: software.trust_issuer(c, file.iss, file.jwks, now))
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise Refused(f"the file is not an issuer, as {{iss, jwks}}: {error}") from error
    except InvalidMetadata as error:
        raise Refused(str(error)) from error
    return {"iss": file.iss, "keys": len(file.jwks["keys"])}


def _check_agency(house: House, agency: str, purpose: str | None = None) -> None:
    """Both stand in the catalogue, the purpose as one that this agency published or prepares."""
    catalogue = house.databases["consent"].read_now(house.consent.registry.snapshot)
    if agency not in catalogue.agencies:
        raise Refused(f"there is no agency {agency}; add it first: regie agency add FILE")
    if purpose and not any(one.id == purpose and one.agency == agency for one in catalogue.versions.values()):
        raise Refused(f"{agency} has no purpose {purpose}; add it first: regie purpose add FILE")


def _told(house: House, client: managing.Client) -> dict[str, Any]:
    """What the client's software needs: RFC 7591 section 3.2.1, and where our endpoints are.

    `jwks_uri` is the client's own if it registered one; ours stands in the discovery document too. `openid_configuration`: that document, as far as it is true for its profile.
    """
    ours = {
        name: value
        for name, value in document(house.settings, OPENID, [client.profile]).items()
        if name in ("issuer", "jwks_uri", "mtls_endpoint_aliases") or name.endswith("_endpoint")
    }
    return {
        **ours,
        "openid_configuration": f"{house.settings.issuer}{WELL_KNOWN}{OPENID}?{view(client.profile)}",
        "profile": client.profile.name,
        "agency": client.agency,
        **register.information(house.settings.issuer, client),
    }


COMMANDS = {
    "client add": add,
    "client list": every,
    "client show": show,
    "client disable": disable,
    "client rotate-secret": rotate_secret,
    "client invite": invite,
    "client rotate-registration": rotate_registration,
    "client trust": trust,
}
