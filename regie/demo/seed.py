"""What the demo begins with: agencies, purposes, clients with fresh keys, a thousand fictional people, four who can log in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from agency.demo import insurer, municipality, tax
from agency.jose import Key
from base.settings import Settings
from idp.citizens import generator
from idp.citizens.register import Person
from keys.files import write
from regie.commands import COMMANDS
from regie.house import House

HERE = Path(__file__).resolve().parent
SAMPLE = HERE.parent.parent / "idp" / "citizens" / "sample-1000.csv"
STATE = "demo.json"

# Fictional people with passwords that everybody may know: they exist on nobody's server but a demo's.
LOGINS = (
    ("anna", "correct horse battery", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"),
    ("bram", "vier groene fietsen", "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"),
    ("kaya", "zon boven de zee", "MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK"),
    ("noor", "drie kleine uilen", "NZXW64TEMVRXI2LON5XXEZDFMN2GS3LP"),
)


@dataclass(frozen=True, slots=True)
class Ports:
    provider: int = 8000
    municipality: int = 8001
    insurer: int = 8002
    tax: int = 8003

    def url(self, name: str) -> str:
        return f"http://localhost:{getattr(self, name)}"


def seed(settings: Settings, ports: Ports, progress: Callable[[str], None]) -> dict[str, Any]:
    """Fill an empty house; answers what the agencies need to know. A house that was filled before is left as it is."""
    path = settings.data_dir / STATE
    if path.exists():
        state: dict[str, Any] = json.loads(path.read_text())
        return state
    house = House.open(settings)
    try:
        state = _fill(house, ports, progress)
    finally:
        house.close()
    # Written last: a demo that was interrupted while filling starts over, which changes nothing that is there.
    write(path, json.dumps(state).encode())
    return state


def people() -> list[Person]:
    """Those who can log in, each named as they log in: the first three adults of the sample, and a child of two of them."""
    sample = list(generator.people(40))
    adults = [one for one in sample if one.state == "active" and one.birth_date < "2000"][:3]
    anna = msgspec.structs.replace(adults[0], given_names="Anna")
    noor = msgspec.structs.replace(
        next(one for one in sample if one.birth_date > "2010"),
        birth_date="2018-06-01",
        parents=[anna.name],
        prefix=anna.prefix,
        family_name=anna.family_name,
        address=anna.address,
        guardians=[one.national_number for one in adults[:2]],
        state="active",
    )
    named = zip([*adults, noor], LOGINS, strict=True)
    return [msgspec.structs.replace(one, given_names=username.capitalize()) for one, (username, _, _) in named]


def _fill(house: House, ports: Ports, progress: Callable[[str], None]) -> dict[str, Any]:
    def run(command: str, **params: Any) -> Any:
        return COMMANDS[command](house, params, lambda _: None)

    progress("Agencies and purposes")
    for file in json.loads((HERE / "agencies.json").read_text()):
        file["url"] = {"municipality": ports.url("municipality"), "tax-authority": ports.url("tax")}.get(
            file["id"], file["url"]
        )
        if file["id"] == "health-insurer":
            file["url"] = ports.url("insurer")
        run("agency add", file=json.dumps(file))
    for file in json.loads((HERE / "purposes.json").read_text()):
        added = run("purpose add", file=json.dumps(file))
        if added["state"] == "draft":
            run("purpose publish", id=file["id"])
    progress("Clients with fresh keys")
    clients = {name: _client(run, name, ports) for name in ("municipality", "insurer", "tax")}
    progress("A thousand fictional people")
    run("citizen import", path=str(SAMPLE))
    for person, (username, password, totp_secret) in zip(people(), LOGINS, strict=True):
        flat = {
            name: getattr(person, name)
            for name in ("national_number", "given_names", "prefix", "family_name", "birth_date")
        }
        flat |= {"birth_place": person.birth_place, "nationality": person.nationality, "parents": person.parents}
        flat["guardians"] = person.guardians
        flat["address"] = {name: getattr(person.address, name) for name in person.address.__struct_fields__}
        run(
            "citizen add",
            file=json.dumps({**flat, "username": username, "password": password, "totp_secret": totp_secret}),
        )
    return clients


def _client(run: Callable[..., Any], name: str, ports: Ports) -> dict[str, str]:
    """Register one agency's software."""
    callback = f"{ports.url(name)}/callback"
    dutch, english = {"municipality": municipality, "insurer": insurer, "tax": tax}[name].NAME
    names = {"client_name": dutch, "client_name#en": english}
    if name == "insurer":
        metadata: dict[str, Any] = {
            "agency": "health-insurer",
            **names,
            "redirect_uris": [callback],
            "scope": "openid birthdate",
            "purpose": "health-insurance",
        }
        done = run("client add", file=json.dumps(metadata), profile="baseline")
        return {"client_id": done["client_id"], "secret": done["client_secret"]}
    key = Key.generate()
    agency = {"municipality": "municipality", "tax": "tax-authority"}[name]
    metadata = {
        "agency": agency,
        **names,
        "redirect_uris": [callback],
        "grant_types": ["authorization_code", "client_credentials"],
        "scope": "openid consent:check consent:permit consent:events"
        if name == "municipality"
        else "openid consent:redeem",
        "jwks": {"keys": [key.public()]},
    }
    done = run("client add", file=json.dumps(metadata), profile="fapi2")
    return {"client_id": done["client_id"], "key": key.pem()}
