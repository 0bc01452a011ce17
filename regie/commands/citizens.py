"""citizen import, add, find, enrol, suspend, resume, erase."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from base import audit
from base.database import Connection
from consent import forgetting
from idp.authenticators import password, totp
from idp.authenticators.levels import PROOFING, USUAL_PROOFING
from idp.citizens import account, importing, register
from idp.citizens.account import AccountError
from idp.citizens.national_number import is_valid
from idp.citizens.register import NotARegister, Person
from regie.commands.base import Progress, Refused, looked
from regie.house import House


class CitizenFile(Person, forbid_unknown_fields=True):
    """A person of the register and, in development mode, how he logs in."""

    username: str = ""
    password: str = ""
    totp_secret: str = ""


def import_(house: House, params: dict[str, Any], progress: Progress) -> dict[str, Any]:
    path = Path(params["path"])
    if not path.is_file():
        raise Refused(f"there is no file {path}")
    size = path.stat().st_size

    def told(done: int) -> None:
        progress({"done": done, "total": size})

    try:
        report = importing.import_file(house.databases["idp"], house.ring, path, now=house.clock.now(), progress=told)
    except NotARegister as error:
        raise Refused(str(error)) from error
    result: dict[str, Any] = msgspec.to_builtins(report)
    return result


def add(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    try:
        file = msgspec.json.decode(params["file"], type=CitizenFile)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise Refused(f"the file is not a citizen: {error}") from error
    if reason := register.problem(file):
        raise Refused(reason)
    if (file.username or file.password or file.totp_secret) and not house.settings.development:
        raise Refused("a password is set here in development mode only; use: regie citizen enrol")
    if bool(file.username) != bool(file.password) or (file.totp_secret and not totp.is_secret(file.totp_secret)):
        raise Refused("username and password go together; totp_secret has 32 letters of base32")
    person = Person(**{name: getattr(file, name) for name in Person.__struct_fields__})
    hashed = password.hash_password(file.password) if file.password else ""
    now = house.clock.now()

    def unit(connection: Connection) -> str:
        citizen_id = importing.add_person(connection, house.ring, person, now)
        if hashed:
            account.set_password(
                connection, house.ring, citizen_id, username=file.username, password_hash=hashed, now=now
            )
        if file.totp_secret:
            added_at = PROOFING[file.proofing or USUAL_PROOFING]
            account.set_totp(connection, house.ring, citizen_id, file.totp_secret, now, acr=added_at)
        audit.record(connection, "citizen.added", actor="operator", object=citizen_id, now=now)
        return citizen_id

    try:
        citizen_id = house.databases["idp"].write_now(unit)
    except AccountError as error:
        raise Refused(str(error)) from error
    return {"id": citizen_id, "state": person.state, "username": file.username or None}


def enrol(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    now = house.clock.now()
    try:
        code = house.databases["idp"].write_now(
            lambda c: account.enrolment_code(c, params["id"], now, proofing=params["proofing"])
        )
    except AccountError as error:
        raise Refused(str(error)) from error
    looked(house, params["id"], "enrolled")
    told = {"id": params["id"], "proofing": params["proofing"]}
    return {**told, "enrolment_code": code, "at": house.settings.issuer + "/enrol", "expires_in": 900}


def find(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    """A look-up leaves its trace: whom an operator sought is the citizen's business."""
    number, now = params["number"].strip(), house.clock.now()
    if not is_valid(number):
        raise Refused("this is not a national number: nine digits that pass the eleven-test")

    def unit(connection: Connection) -> dict[str, Any] | None:
        found = importing.by_number(connection, house.ring, number)
        if found is None:
            return None
        audit.record(connection, "citizen.looked_up", actor="operator", object=found.id, now=now)
        return {"id": found.id, "state": found.state}

    found = house.databases["idp"].write_now(unit)
    if found is None:
        raise Refused("no citizen here has this number; bring the register up to date: regie citizen import FILE")
    looked(house, found["id"], "found")
    return found


def suspend(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    return _state(house, params["id"], "suspended")


def resume(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    return _state(house, params["id"], "active")


def erase(house: House, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    now, pseudonyms = house.clock.now(), house.ring.pseudonyms
    handle = pseudonyms.handle(params["id"])
    # The register first: broken off in between, the same command does the rest.
    leaves = house.databases["consent"].write_now(
        lambda c: forgetting.forget(c, handle, pseudonyms=pseudonyms, now=now)
    )
    if not house.databases["idp"].write_now(lambda c: account.erase(c, house.ring, params["id"], now)):
        raise Refused(f"there is no citizen {params['id']}")
    return {"id": params["id"], "state": "erased", "leaves": leaves}


def _state(house: House, citizen_id: str, state: str) -> dict[str, Any]:
    now = house.clock.now()
    if not house.databases["idp"].write_now(lambda c: account.set_state(c, house.ring, citizen_id, state, now)):
        raise Refused(f"there is no citizen {citizen_id} whose state can change")
    looked(house, citizen_id, "suspended" if state == "suspended" else "resumed")
    return {"id": citizen_id, "state": state}


COMMANDS = {
    "citizen import": import_,
    "citizen add": add,
    "citizen find": find,
    "citizen enrol": enrol,
    "citizen suspend": suspend,
    "citizen resume": resume,
    "citizen erase": erase,
}
