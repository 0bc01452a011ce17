"""The artefact: one consent, signed, with its record and the bit that will tell when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from base.database import Connection
from base.log import log
from consent import seals
from consent.catalogue import Catalogue
from consent.dpv import record as dpv
from consent.offline import places
from consent.offline.lists import address
from consent.store import records
from keys import jose
from keys.ring import Ring

TYP = "consent+jwt"


class NoArtefact(Exception):
    """This consent has none. `reason`: unknown (or another agency's), ended, or one_time."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Artefact:
    jwt: str
    expires_at: datetime


def issue(
    connection: Connection,
    catalogue: Catalogue,
    ring: Ring,
    record_id: str,
    agency: str,
    *,
    issuer: str,
    now: datetime,
) -> Artefact:
    """For the agency that it was given. NoArtefact.

    It ends with the consent itself. A consent for one time has none: offline, nobody could see the second use.
    """
    record = records.of_agency(connection, record_id, agency)
    if record is None:
        raise NoArtefact("unknown")
    if not seals.holds(ring.pseudonyms, record):
        log.error(seals.EVENT, kind=seals.CONSENT, consent=record.id)
        raise NoArtefact("ended")
    purpose = catalogue.purpose_of(agency, record.purpose)
    counts = purpose is not None and purpose.version == record.purpose_version
    if dpv.state_of(record, now) != "given" or record.expires_at is None or not counts:
        raise NoArtefact("ended")
    if record.once:
        raise NoArtefact("one_time")
    place = places.of(connection, record.id, pseudonyms=ring.pseudonyms, now=now)
    events = records.events(connection, record.id)
    if records.last(connection, record.id) != record.seq:
        raise NoArtefact("ended")
    document = dpv.document(record, events, catalogue, ring.pseudonyms, issuer=issuer, now=now)
    claims = {
        "iss": issuer,
        "sub": ring.pseudonyms.pairwise(record.citizen, agency),
        "aud": agency,
        "jti": record.id,
        "iat": int(now.timestamp()),
        "exp": int(record.expires_at.timestamp()),
        "purpose": record.purpose,
        "purpose_version": record.purpose_version,
        "data": [record.category],
        "status": {"status_list": {"idx": place.idx, "uri": address(issuer, place.list)}},
        "record": document,
    }
    return Artefact(jose.sign(claims, ring.active(), typ=TYP), record.expires_at)
