"""Addresses without parameters are found in a table, not by trying the routes in order: a third of a check's cost.

All else (parameters in the path, HEAD, a wrong method, an unknown address) goes through the application as ever.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

Endpoint = Callable[[Request], Awaitable[Response]]


def table(routes: Sequence[BaseRoute]) -> dict[tuple[str, str], Endpoint]:
    """Endpoints by method and path; of two routes with the same address the first, as in a router."""
    found: dict[tuple[str, str], Endpoint] = {}
    parameters: list[Route] = []
    for route in routes:
        if not isinstance(route, Route):
            break  # what follows may be the mount's
        if "{" in route.path:
            parameters.append(route)
        elif inspect.iscoroutinefunction(route.endpoint) and not any(
            other.path_regex.match(route.path) for other in parameters
        ):
            for method in (route.methods or set()) - {"HEAD"}:
                found.setdefault((method, route.path), route.endpoint)
    return found
