"""What the lines of an export name by an id, told in full once: organisations, purposes, kinds of data, notices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from consent.catalogue import Agency, Catalogue, Category, Purpose
from consent.registry import Registry
from consent.store.records import Record


@dataclass(slots=True)
class Mentioned:
    """Filled while the lines are read."""

    agencies: set[str] = field(default_factory=set)
    purposes: set[tuple[str, int]] = field(default_factory=set)
    categories: set[str] = field(default_factory=set)
    notices: set[str] = field(default_factory=set)

    def consent(self, record: Record) -> None:
        self.agencies.add(record.agency)
        self.purposes.add((record.purpose, record.purpose_version))
        self.categories.add(record.category)
        self.notices.add(record.notice_hash)

    def use(self, row: Mapping[str, Any]) -> None:
        self.agencies |= {row["recipient"], row["source"]}
        self.purposes.add((row["purpose"], row["purpose_version"]))
        self.categories |= set(row["categories"])

    async def members(self, registry: Registry) -> dict[str, Any]:
        """What an attempt named and nobody knows (that is why it was denied) is not in these."""
        catalogue = await registry.catalogue()
        purposes = [catalogue.versions[one] for one in sorted(self.purposes) if one in catalogue.versions]
        categories = [catalogue.categories[one] for one in sorted(self.categories) if one in catalogue.categories]
        return {
            "agencies": [_agency(one) for one in self._parties(catalogue, categories)],
            "purposes": [_purpose(one) for one in purposes],
            "data": [_category(one) for one in categories],
            "notices": {one: await _notice(registry, one) for one in sorted(self.notices)},
        }

    def _parties(self, catalogue: Catalogue, categories: list[Category]) -> list[Agency]:
        named = self.agencies | {one.source for one in categories}
        return [catalogue.agencies[one] for one in sorted(named) if one in catalogue.agencies]


async def _notice(registry: Registry, notice_hash: str) -> Any:
    """Exactly what was shown: its SHA-256 is its name."""
    found = await registry.notice(notice_hash)
    return found.decode() if found is not None else None


def _agency(one: Agency) -> dict[str, Any]:
    return {"id": one.id, "oin": one.oin, "name": one.name, "contact": one.contact, "url": one.url}


def _category(one: Category) -> dict[str, Any]:
    return {
        "id": one.id,
        "source": one.source,
        "name": one.name,
        "description": one.description,
        "sensitivity": one.sensitivity,
    }


def _purpose(one: Purpose) -> dict[str, Any]:
    return {
        "id": one.id,
        "version": one.version,
        "hash": one.hash,
        "agency": one.agency,
        "title": one.title,
        "explanation": one.explanation,
        "legalBasis": one.legal_basis,
        "statute": one.statute,
        "statuteUrl": one.statute_url,
        "data": one.data,
        "retentionDays": one.retention_days,
        "recipients": msgspec.to_builtins(one.recipients),
    }
