"""GET /consent/v1/agencies, /categories, /purposes and /purposes/{purpose}: the public catalogue."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from base.forms import no_query
from base.problems import Problem
from consent.api.shapes import (
    AgencyAnswer,
    AgencyList,
    CategoryAnswer,
    CategoryList,
    FrequencyAnswer,
    PurposeAnswer,
    PurposeList,
    Recipient,
    answer,
)
from consent.catalogue import ACTIVE, DAY_S, Category, Purpose
from consent.registry import Registry


def routes(registry: Registry) -> list[Route]:
    async def agencies(request: Request) -> Response:
        no_query(request)
        found = (await registry.catalogue()).agencies.values()
        shapes = [AgencyAnswer(a.id, a.oin, dict(a.name), a.contact, a.url) for a in found if a.state == ACTIVE]
        return answer(AgencyList(shapes))

    async def categories(request: Request) -> Response:
        no_query(request)
        catalogue = await registry.catalogue()
        found = (one for one in catalogue.categories.values() if catalogue.is_active(one.source))
        return answer(CategoryList([_category(one) for one in found]))

    async def purposes(request: Request) -> Response:
        no_query(request)
        catalogue = await registry.catalogue()
        found = (catalogue.shown(one) for one in dict.fromkeys(name for name, _ in catalogue.versions))
        return answer(PurposeList([_shape(one) for one in found if one is not None]))

    async def purpose(request: Request) -> Response:
        no_query(request)
        found = (await registry.catalogue()).shown(request.path_params["purpose"])
        if found is None:
            raise Problem(404, "No purpose of this name was ever published.")
        return answer(_shape(found))

    return [
        Route("/consent/v1/agencies", agencies, methods=["GET"]),
        Route("/consent/v1/categories", categories, methods=["GET"]),
        Route("/consent/v1/purposes", purposes, methods=["GET"]),
        Route("/consent/v1/purposes/{purpose}", purpose, methods=["GET"]),
    ]


def _category(one: Category) -> CategoryAnswer:
    sensitivity: Any = one.sensitivity
    return CategoryAnswer(one.id, one.source, dict(one.name), dict(one.description), sensitivity)


def _shape(one: Purpose) -> PurposeAnswer:
    return PurposeAnswer(
        one.id,
        one.state,  # type: ignore[arg-type]  # one of the two
        one.version,
        one.hash,
        one.agency,
        dict(one.title),
        dict(one.explanation),
        dict(one.refusal),
        one.legal_basis,
        one.statute,
        list(one.data),
        one.max_duration_s // DAY_S,
        one.acr,
        one.max_age_s,
        one.statute_url,
        one.retention_days,
        [Recipient(dict(name)) for name in one.recipients],
        FrequencyAnswer(one.frequency.uses, one.frequency.period_days) if one.frequency else None,
    )
