"""Who acts for whom is what the population register says at that moment, and nothing that was known before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, insert, select, update
from structlog.testing import capture_logs

from idp.citizens import account, guardianship, importing, register
from idp.citizens.register import Person
from idp.store import people
from idp.store.tables import citizen
from idp.store.tables import guardianship as stored

if TYPE_CHECKING:
    from pathlib import Path

    from base.clock import FrozenClock
    from base.database import Database
    from keys.ring import Ring
    from tests.fixtures.house import Backend

PARENT, OTHER, CHILD, TEEN, GROWN = "999900006", "999900018", "999900031", "999900043", "999900055"
HEADER = "national_number,given_names,family_name,birth_date,state,guardians"
FAMILY = (
    f"{CHILD},Noor,Voorbeeld,2018-06-01,active,{OTHER} {PARENT}",
    f"{TEEN},Teun,Voorbeeld,2011-00-00,active,{PARENT}",
    f"{GROWN},Gijs,Voorbeeld,2010-06-01,active,{PARENT}",
    f"{PARENT},Anna,Voorbeeld,1984-03-02,active,",
    f"{OTHER},Bram,Voorbeeld,1983-03-02,active,",
)


class Register:
    def __init__(self, database: Database, ring: Ring, clock: FrozenClock, directory: Path) -> None:
        self.database, self.ring, self.clock = database, ring, clock
        self._path = directory / "extract"

    def take(self, *lines: str, header: str = HEADER) -> importing.Report:
        self._path.write_text("\n".join([header, *lines]))
        return importing.import_file(self.database, self.ring, self._path, now=self.clock.now())

    def take_json(self, **person: Any) -> importing.Report:
        self._path.write_text(json.dumps(person))
        return importing.import_file(self.database, self.ring, self._path, now=self.clock.now())

    def id(self, number: str) -> str:
        index = self.ring.pseudonyms.blind_index(number)
        return self.database.read_now(lambda c: people.by_number(c, [index]))[index].id

    def log_in(self, number: str) -> str:
        handle, citizen_id = self.ring.pseudonyms.handle(self.id(number)), self.id(number)
        self.database.write_now(lambda c: people.remember_handle(c, handle, citizen_id))
        return handle

    def children(self, guardian: str) -> list[str]:
        found = self.database.read_now(lambda c: guardianship.children(c, self.ring, guardian, self.decides_alone))
        assert all(one.citizen == self.ring.pseudonyms.handle(self.id(CHILD)) for one in found if "Noor" in one.name)
        return [one.name for one in found]

    def guardians(self, *children: str) -> dict[str, list[str]]:
        return self.database.read_now(
            lambda c: guardianship.guardians(c, self.ring, children, self.decides_alone),
        )

    def decides_alone(self, person: Person) -> bool:
        return person.has_reached(16, self.clock.now().date())

    def erase(self, number: str) -> None:
        citizen_id = self.id(number)
        self.database.write_now(lambda c: account.erase(c, self.ring, citizen_id, self.clock.now()))


@pytest.fixture
def extract(backend: Backend, ring: Ring, clock: FrozenClock, tmp_path: Path) -> Register:
    return Register(backend.open("idp"), ring, clock, tmp_path)


def test_a_guardian_acts_for_the_children_that_are_below_the_age_now(extract: Register) -> None:
    """Imported before their guardians; of a birthday that is not known the latest counts."""
    assert (extract.take(*FAMILY).added, extract.take(*FAMILY).unchanged) == (5, 5)
    parent, other, child = (extract.log_in(one) for one in (PARENT, OTHER, CHILD))

    assert extract.children(parent) == ["Noor Voorbeeld", "Teun Voorbeeld"]
    assert extract.children(other) == ["Noor Voorbeeld"]
    assert extract.children(child) == []
    assert extract.children("A" * 43) == []
    extract.clock.advance(500 * 86_400)
    assert extract.children(parent) == ["Noor Voorbeeld"]


def test_the_guardians_of_a_child_are_those_who_act_for_it_and_nobody_else(extract: Register) -> None:
    """Not of who decides alone; none that is dead, too young, or not here yet."""
    too_young = f"999900067,Kim,Voorbeeld,2019-06-01,active,{TEEN} {OTHER}"
    extract.take(*FAMILY[:4], FAMILY[4].replace("active", "deceased"), too_young)
    parent, child, teen, grown, sister = (extract.log_in(one) for one in (PARENT, CHILD, TEEN, GROWN, "999900067"))

    asked = (parent, child, teen, grown, sister, "A" * 43)
    assert extract.guardians(*asked) == {child: [parent], teen: [parent]}
    extract.take(FAMILY[4])
    other = extract.log_in(OTHER)
    found = {one: set(guardians) for one, guardians in extract.guardians(*asked).items()}
    assert found == {child: {parent, other}, teen: {parent}, sister: {other}}
    extract.clock.advance(500 * 86_400)
    assert set(extract.guardians(*asked)) == {child, sister}
    extract.erase(CHILD)
    assert set(extract.guardians(*asked)) == {sister}
    assert extract.guardians() == {}


def test_nobody_has_custody_who_has_the_database_alone(extract: Register) -> None:
    """A row that somebody put there, one that was led to another child, and one of another's seal."""
    extract.take(*FAMILY)
    parent, other, child = (extract.log_in(one) for one in (PARENT, OTHER, CHILD))
    teun = extract.log_in(TEEN)
    mine = extract.ring.pseudonyms.blind_index(OTHER)
    rows = extract.database.read_now(lambda c: c.execute(select(stored)).all())
    theirs = next(row.seal for row in rows if row.child == extract.id(CHILD) and row.guardian == mine)
    for seal in (b"", b"0" * 16, theirs):
        row = {"child": extract.id(TEEN), "guardian": mine, "seal": seal}
        extract.database.write_now(lambda c, row=row: c.execute(insert(stored).values(row)))
        with capture_logs() as log:
            assert extract.children(other) == ["Noor Voorbeeld"]
            assert extract.guardians(teun) == {teun: [parent]}
        assert {"event": "row.altered", "kind": "guardianship", "detail": row["child"], "log_level": "error"} in log
        of_mine = (stored.c.child == row["child"], stored.c.guardian == mine)
        extract.database.write_now(lambda c, these=of_mine: c.execute(delete(stored).where(*these)))
    moved = update(stored).where(stored.c.child == extract.id(CHILD), stored.c.guardian == mine)
    extract.database.write_now(lambda c: c.execute(moved.values(child=extract.id(TEEN))))

    assert extract.children(other) == []
    assert extract.guardians(child) == {child: [parent]}


def test_who_has_the_age_and_livesdecides_alone(extract: Register) -> None:
    extract.take(*FAMILY[:4], FAMILY[4].replace("active", "deceased"))
    parent, teen, other = (extract.log_in(one) for one in (PARENT, TEEN, OTHER))

    def grown() -> list[str]:
        asked = [teen, other, "A" * 43, parent]
        return extract.database.read_now(lambda c: guardianship.grown(c, extract.ring, asked, extract.decides_alone))

    assert grown() == [parent]
    extract.clock.advance(500 * 86_400)
    assert grown() == [teen, parent]


def test_each_import_of_a_child_replaces_its_guardians(extract: Register) -> None:
    extract.take(*FAMILY)
    parent = extract.log_in(PARENT)
    noor = f"{CHILD},Noor,Voorbeeld,2018-06-01,active"

    extract.take(noor, header=HEADER.removesuffix(",guardians"))
    assert "Noor Voorbeeld" in extract.children(parent)
    extract.take(f"{noor},{OTHER}")
    assert extract.children(parent) == ["Teun Voorbeeld"]
    person = {"national_number": CHILD, "given_names": "Noor", "family_name": "Voorbeeld", "birth_date": "2018-06-01"}
    extract.take_json(**person, guardians=[PARENT, PARENT])
    assert "Noor Voorbeeld" in extract.children(parent)
    extract.take(f"{noor},")
    assert extract.children(parent) == ["Teun Voorbeeld"]


@pytest.mark.parametrize("state", ["deceased", "suspended"])
@pytest.mark.parametrize("who", [CHILD, PARENT])
def test_who_is_no_more_or_may_not_log_in_acts_for_nobody_and_is_not_acted_for(
    extract: Register, who: str, state: str
) -> None:
    extract.take(*FAMILY)
    parent = extract.log_in(PARENT)

    extract.take(*(one.replace("active", state) for one in FAMILY if one.startswith(who)))

    assert "Noor Voorbeeld" not in extract.children(parent)


def test_who_is_too_young_himself_acts_for_nobody(extract: Register) -> None:
    extract.take(f"{CHILD},Noor,Voorbeeld,2025-06-01,active,{TEEN}", f"{TEEN},Tess,Voorbeeld,2011-01-01,active,")

    assert extract.children(extract.log_in(TEEN)) == []


@pytest.mark.parametrize("who", [CHILD, PARENT])
def test_custody_is_forgotten_with_either_and_comes_back_with_the_register(extract: Register, who: str) -> None:
    extract.take(*FAMILY)
    parent, child = extract.log_in(PARENT), extract.id(CHILD)

    extract.erase(who)

    assert "Noor Voorbeeld" not in extract.children(parent)
    rows = extract.database.read_now(lambda c: c.execute(select(stored)).all())
    assert (child in {row.child for row in rows}) is (who == PARENT)
    index = extract.ring.pseudonyms.blind_index(who)
    assert index not in {row.guardian for row in rows}
    extract.take(*FAMILY)
    assert "Noor Voorbeeld" in extract.children(extract.log_in(PARENT))


def test_nobodys_number_is_kept_beside_a_child(extract: Register) -> None:
    extract.take(*FAMILY)

    def unit(connection: Any) -> tuple[str, Any]:
        rows = [connection.execute(select(table)).all() for table in (citizen, stored)]
        return repr(rows), importing.person_of(extract.ring, people.find(connection, extract.id(CHILD)))  # type: ignore[arg-type]

    rows, noor = extract.database.read_now(unit)
    assert PARENT not in rows
    assert noor.guardians is None


@pytest.mark.parametrize(
    ("guardians", "reason"),
    [
        ("999900007", "guardians"),
        ("anna", "guardians"),
        (CHILD, "own guardian"),
        (" ".join([PARENT] * 11), "guardians"),
    ],
    ids=["eleven-proof", "a name", "himself", "too many"],
)
def test_a_line_with_impossible_guardians_is_refused(extract: Register, guardians: str, reason: str) -> None:
    report = extract.take(f"{CHILD},Noor,Voorbeeld,2018-06-01,active,{guardians}")

    assert (report.added, report.refused) == (0, 1)
    assert reason in report.bad[0].reason
    assert register.MOST_GUARDIANS == 10
