"""From a person in the register to claims (OpenID Connect Core section 5.1) and to released data, by category."""

from __future__ import annotations

from typing import Any

from idp.citizens.register import Person

CLAIMS: dict[str, tuple[str, ...]] = {
    "name": ("name", "given_name", "family_name"),
    "birth-date": ("birthdate",),
    "address": ("address",),
    "nationality": ("nationalities",),
}
"""Category of the catalogue → the claims that it holds."""

CATEGORY_OF = {claim: category for category, claims in CLAIMS.items() for claim in claims}


def claims_of(person: Person, category: str) -> dict[str, Any]:
    """The claims of one category."""
    if category == "name":
        family = f"{person.prefix} {person.family_name}".strip()
        return {"name": person.name, "given_name": person.given_names, "family_name": family}
    if category == "birth-date":
        # An unknown year is 0000 in OpenID Connect; an unknown day or month leaves the year.
        return {"birthdate": person.birth_date if not person.birth_date.endswith("00") else person.birth_date[:4]}
    if category == "address":
        one = person.address
        street = f"{one.street} {one.house_number}".strip()
        formatted = "\n".join(line for line in (street, f"{one.postal_code} {one.city}".strip(), one.country) if line)
        parts = {"street_address": street, "postal_code": one.postal_code, "locality": one.city, "country": one.country}
        return {"address": {"formatted": formatted, **{name: value for name, value in parts.items() if value}}}
    if category == "nationality":
        return {"nationalities": [person.nationality]}
    return {}
