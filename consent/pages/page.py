"""What the citizen's pages share: who is asking, how a record stands, and the words for states, reasons and grounds."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from base.i18n import N_
from base.people import CitizenSessions, LoggedIn
from base.problems import Problem
from base.render import Renderer
from consent import reporting, seals
from consent.catalogue import Catalogue
from consent.registry import Record, Registry

STATES = {
    "given": ("ok", N_("Active")),
    "refused": ("denied", N_("Refused")),
    "withdrawn": ("ended", N_("Withdrawn")),
    "used": ("ended", N_("Used: it was for one time")),
    "expired": ("ended", N_("Expired")),
    "altered": ("denied", N_("Changed by someone else: it no longer counts")),
    "replaced": ("ended", N_("Replaced by a newer answer")),
}
REASONS = {
    "consent": N_("Permission was given"),
    "contract": N_("A contract"),
    "legal_obligation": N_("A legal obligation"),
    "vital_interest": N_("A vital interest"),
    "public_task": N_("A public task"),
    "legitimate_interest": N_("A legitimate interest"),
    "no_consent": N_("There was no permission"),
    "refused": N_("This was refused"),
    "withdrawn": N_("The permission was withdrawn"),
    "expired": N_("The permission had expired"),
    "used": N_("The permission was for one time, and that was used"),
    "altered": N_("Someone else changed what is kept of the permission: it no longer counts"),
    "changed": N_("The purpose has changed since permission was given"),
    "unknown_purpose": N_("The purpose is not in the register"),
    "not_in_purpose": N_("This data does not belong to the purpose"),
    "other_source": N_("This organisation is not the source of the data"),
    "too_often": N_("The purpose was used as often as it may be"),
    "unreconciled": N_("The register was being checked: nothing was allowed"),
}
BASES = {
    "consent": N_("Permission"),
    "contract": N_("Contract"),
    "legal_obligation": N_("Legal obligation"),
    "vital_interest": N_("Vital interest"),
    "public_task": N_("Public task"),
    "legitimate_interest": N_("Legitimate interest"),
    "": N_("None"),
}


class Page:
    def __init__(self, registry: Registry, renderer: Renderer, citizens: CitizenSessions) -> None:
        self.registry = registry
        self.renderer = renderer
        self.citizens = citizens

    def state(self, record: Record) -> str:
        """How a record stands now; expiry is decided at this moment."""
        if not seals.holds(self.registry.pseudonyms, record):
            return "altered"
        if record.state != "given":
            return record.state
        if not record.current:
            return "replaced"
        expired = record.expires_at is None or self.registry.clock.now() >= record.expires_at
        return "expired" if expired else "given"

    async def newest(self, citizen: str) -> dict[str, Any]:
        """What an overview begins with: `given`, how many consents hold now; `uses`, the last three."""
        records = await self.registry.consents(citizen)
        given = sum(1 for one in records if self.state(one) == "given")
        return {"given": given, "uses": (await self.registry.history(citizen, limit=3)).uses}

    async def mine(self, request: Request, person: LoggedIn) -> Record:
        record = await self.registry.consent(request.path_params["consent"], person.citizen)
        if record is None:
            raise Problem(404)
        return record

    def page(self, request: Request, template: str, person: LoggedIn, catalogue: Catalogue, **context: Any) -> Response:
        return self.renderer.page(
            request,
            template,
            person=person,
            catalogue=catalogue,
            STATES=STATES,
            REASONS=REASONS,
            BASES=BASES,
            report_due=reporting.due(self.registry.clock.now(), self.registry.report_days),
            **context,
        )


def login(request: Request) -> Response:
    """To the login page and back here."""
    return RedirectResponse(f"/login?to={request.url.path}", 303)
