"""The citizen's message box: where the country, and not we, brings him a letter. Addressed by his national number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from base.database import Connection, Database
from base.fetch import Fetch
from base.log import log
from idp.citizens.importing import person_of
from idp.store import people
from keys.ring import Ring

TAKEN = frozenset({200, 201, 202, 204})


class NotTaken(Exception):
    """The message box answered something else than that it has the letter; it is sent again later."""


class MessageBox:
    """`secret`: the bearer token by which the message box knows us."""

    def __init__(self, database: Database, ring: Ring, fetch: Fetch, *, url: str, secret: str) -> None:
        self._database = database
        self._ring = ring
        self._fetch = fetch
        self._url = url
        self._headers = {"authorization": f"Bearer {secret}"}

    async def send(self, handle: str, letter: Mapping[str, Any]) -> None:
        """`handle`: the registry's name for the citizen; who was forgotten gets nothing. NotTaken or Unreachable."""
        number = await self._database.read(lambda c: self._number(c, handle))
        if number is None:
            return
        answer = await self._fetch.post_json(self._url, {**letter, "recipient": number}, headers=self._headers)
        if answer.status not in TAKEN:
            log.warning("letter.not_taken", status=answer.status)
            raise NotTaken

    def _number(self, connection: Connection, handle: str) -> str | None:
        citizen_id = people.citizen_of_handle(connection, handle)
        citizen = people.find(connection, citizen_id) if citizen_id is not None else None
        person = person_of(self._ring, citizen) if citizen is not None else None
        return person.national_number if person is not None else None
