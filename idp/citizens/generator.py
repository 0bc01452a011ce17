"""Fictional people, in households, with national numbers of the test range. Nobody here exists.

The same seed gives the same people. A number is of the test range when it begins with 9999: such numbers are not given
to anybody. There are some nine thousand of them; beyond that the range 900000000 to 999999999 is used, of which the
register has issued none either.
"""

from __future__ import annotations

import csv
import itertools
import random
from collections.abc import Iterator
from typing import TextIO

import msgspec

from idp.citizens.national_number import is_valid
from idp.citizens.register import COLUMNS, Address, Person

_START = ("Ma", "Le", "Jo", "Sa", "Ti", "Fe", "No", "Bra", "Ra", "Li", "Da", "Ke", "Wi", "Ya", "Ro", "An", "El", "Mi")
_END = ("rin", "la", "no", "mke", "sha", "dor", "nne", "lle", "vi", "ra", "sten", "do", "ja", "lu", "ne", "to")
_FAMILY_START = (
    "Water",
    "Berg",
    "Zand",
    "Linde",
    "Molen",
    "Duin",
    "Veen",
    "Haag",
    "Brug",
    "Kade",
    "Ster",
    "Palm",
    "Rif",
)
_FAMILY_END = ("horst", "meer", "daal", "kamp", "stra", "man", "wijk", "hoven", "bos", "gaard", "zicht", "tuin")
_PREFIXES = ("", "", "", "", "van", "de", "van der", "den")
_CITIES = (
    ("Oosterveen", "NL", "1099"), ("Zandhaven", "NL", "2599"), ("Lindermeer", "NL", "3899"), ("Wadhuizen", "NL", "9099"),
    ("Kaya Playa", "BQ", ""), ("Rifstad", "BQ", ""), ("Molendaal", "NL", "6099"), ("Duinkerkhoven", "NL", "4399"),
)  # fmt: skip
_STREETS = ("Lindelaan", "Molenweg", "Kadeplein", "Duinpad", "Kaya Flamboyan", "Sterstraat", "Brugsingel", "Veenkade")
_NATIONALITIES = ("NLD",) * 17 + ("DEU", "SUR", "BEL")


def people(count: int, *, seed: int = 2026) -> Iterator[Person]:
    """`count` people, household by household."""
    draw = random.Random(seed)  # noqa: S311 - invented people, not secrets
    numbers = _numbers()
    made = 0
    while made < count:
        household = _household(draw, numbers)
        yield from household[: count - made]
        made += len(household)


def write_csv(persons: Iterator[Person], file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    # As extracts have them: how an identity was proven, a population register does not know.
    columns = [name for name in COLUMNS if name not in ("proofing", "guardians")]
    writer.writerow(columns)
    for person in persons:
        flat = {**msgspec.structs.asdict(person), **msgspec.structs.asdict(person.address)}
        flat["parents"] = ";".join(person.parents)
        writer.writerow([flat[name] for name in columns])


def write_json_lines(persons: Iterator[Person], file: TextIO) -> None:
    """The other form that the import reads."""
    file.writelines(msgspec.json.encode(person).decode() + "\n" for person in persons)


def _numbers() -> Iterator[str]:
    """Valid numbers: those of the test range first, then of the unissued range below it, downwards."""
    for value in itertools.chain(range(999_900_000, 1_000_000_000), range(999_899_999, 900_000_000, -1)):
        if is_valid(str(value)):
            yield str(value)


def _household(draw: random.Random, numbers: Iterator[str]) -> list[Person]:
    family, prefix = draw.choice(_FAMILY_START) + draw.choice(_FAMILY_END), draw.choice(_PREFIXES)
    city, country, area = draw.choice(_CITIES)
    postal_code = f"{area} {draw.choice('ABCDEFGH')}{draw.choice('KLMNPRST')}" if area else ""
    address = Address(draw.choice(_STREETS), str(draw.randint(1, 240)), postal_code, city, country)
    size = draw.choices((1, 2, 3, 4, 5), (38, 33, 12, 12, 5))[0]
    adults = min(size, 2)
    born = draw.randint(1935, 2002)
    household: list[Person] = []
    for position in range(size):
        adult = position < adults
        year = born + draw.randint(-4, 4) if adult else min(2025, born + draw.randint(22, 38))
        parents = (
            [one.name for one in household[:adults]] if not adult else [_invent(draw, family), _invent(draw, family)]
        )
        birth_date = (
            f"{year}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}" if draw.random() > 0.005 else f"{year}-00-00"
        )
        household.append(
            Person(
                national_number=next(numbers),
                given_names=_given(draw),
                prefix=prefix,
                family_name=family,
                birth_date=birth_date,
                birth_place=draw.choice(_CITIES)[0],
                address=address,
                nationality=draw.choice(_NATIONALITIES),
                parents=parents,
                state=draw.choices(("active", "emigrated", "deceased"), (97, 2, 1))[0],
            )
        )
    return household


def _given(draw: random.Random) -> str:
    names = [draw.choice(_START) + draw.choice(_END) for _ in range(draw.choice((1, 1, 2)))]
    return " ".join(names)


def _invent(draw: random.Random, family: str) -> str:
    return f"{_given(draw)} {family}"
