"""The page of each refusal: in the reader's language, with a way out and a number for the help desk, and nothing of the inside."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest
from starlette.requests import Request
from starlette.routing import Route

from base.problems import Problem
from base.render import Renderer
from base.settings import Settings
from base.web import frame

SECRET = "The inside of it."
STATUSES = (400, 401, 403, 404, 405, 409, 413, 415, 429, 500, 503, 418, 507)


def _mac(*_: Any) -> bytes:
    return bytes(32)


async def get(settings: Settings, status: int, language: str, host: str | None = None) -> httpx2.Response:
    async def refuse(_request: Request) -> None:
        raise Problem(status, SECRET)

    app = frame([Route("/refused", refuse)], settings, renderer=Renderer((), settings, mac=_mac))
    headers = {"accept-language": language, **({"host": host} if host else {})}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=settings.issuer) as client:
        return await client.get("/refused", headers=headers)


PRODUCTION = Settings(issuer="https://regie.example.nl")
DEVELOPMENT = Settings(development=True, port=8000)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("language", ["nl", "en"])
async def test_a_refusal_says_what_to_do_and_nothing_of_the_inside(status: int, language: str) -> None:
    answer = await get(PRODUCTION, status, language)

    assert answer.status_code == status
    assert f'<html lang="{language}"' in answer.text
    assert answer.headers["x-request-id"] in answer.text
    advice = re.search(r'lead">(.+?)</p>', answer.text)
    assert advice is not None
    assert advice[1].endswith(".")
    assert ("Ga " in answer.text or "Naar " in answer.text) == (language == "nl")
    assert SECRET not in answer.text


async def test_in_development_the_developer_reads_the_sentence_that_an_api_would_have_got() -> None:
    assert SECRET in (await get(DEVELOPMENT, 400, "nl")).text


async def test_who_came_by_another_name_of_this_machine_is_shown_the_way() -> None:
    answer = await get(DEVELOPMENT, 404, "en", host="127.0.0.1:8000")

    assert answer.status_code == 400
    assert 'href="http://localhost:8000/"' in answer.text
    assert "This host is not served here." in answer.text
