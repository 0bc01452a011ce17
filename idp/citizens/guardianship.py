"""For whom somebody else may decide now, by the population register. Functions run inside a unit of work."""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Callable, Sequence

from base.database import Connection
from base.log import log
from base.people import Child
from idp.citizens.importing import person_of, seal_of
from idp.citizens.register import MAY_LOG_IN, Person
from idp.store import custody, people
from idp.store.custody import Custody
from idp.store.people import StoredCitizen
from keys.ring import Ring


def children(connection: Connection, ring: Ring, guardian: str, decides_alone: Callable[[Person], bool]) -> list[Child]:
    """Of a registry handle; by name. `decides_alone`: who has the age for it; he who has not, acts for nobody."""
    guardian_id = people.citizen_of_handle(connection, guardian)
    own = people.find(connection, guardian_id) if guardian_id is not None else None
    person = _living(ring, own) if own is not None else None
    if guardian_id is None or person is None or not decides_alone(person):
        return []
    found = []
    for one, how in custody.children(connection, guardian_id):
        child = _living(ring, one) if is_true(ring, how) else None
        if child is not None and not decides_alone(child):
            found.append(Child(ring.pseudonyms.handle(one.id), child.name))
    return sorted(found, key=lambda one: one.name.casefold())


def guardians(
    connection: Connection, ring: Ring, children: Sequence[str], decides_alone: Callable[[Person], bool]
) -> dict[str, list[str]]:
    """Of registry handles, by the rule of `children`; only of those that have one."""
    found: dict[str, list[str]] = defaultdict(list)
    pairs = custody.pairs(connection, children)
    known = people.by_number(connection, [how.guardian for _, how in pairs])
    for child_handle, how in pairs:
        guardian, child = known.get(how.guardian), people.find(connection, how.child)
        if guardian is not None and child is not None and is_true(ring, how):
            older, younger = _living(ring, guardian), _living(ring, child)
            if older is not None and younger is not None and decides_alone(older) and not decides_alone(younger):
                found[child_handle].append(ring.pseudonyms.handle(guardian.id))
    return found


def grown(
    connection: Connection, ring: Ring, citizens: Sequence[str], decides_alone: Callable[[Person], bool]
) -> list[str]:
    """Of registry handles those of the living who have the age."""
    found = []
    for one in citizens:
        citizen_id = people.citizen_of_handle(connection, one)
        stored = people.find(connection, citizen_id) if citizen_id is not None else None
        person = _living(ring, stored) if stored is not None else None
        if person is not None and decides_alone(person):
            found.append(one)
    return found


def is_true(ring: Ring, how: Custody) -> bool:
    """Whether the population register said so: a row that somebody put there gives no custody, and is in the log."""
    if hmac.compare_digest(seal_of(ring, how.child, how.guardian), how.seal):
        return True
    log.error("row.altered", kind="guardianship", detail=how.child)
    return False


def _living(ring: Ring, citizen: StoredCitizen) -> Person | None:
    """Who is in the register, and could log in."""
    return person_of(ring, citizen) if citizen.state in MAY_LOG_IN else None


def names(connection: Connection, ring: Ring, guardian_id: str) -> list[str]:
    """Of all of whom the register says that he is a guardian, however old they are now."""
    found = [person_of(ring, one) for one, how in custody.children(connection, guardian_id) if is_true(ring, how)]
    return sorted(one.name for one in found if one is not None)
