"""Receipts: what the citizen holds in hand about one event of a consent, or about one use of his data.

A file of four members: the receipt itself, signed, with the fields of ISO/IEC TS 27560; the entry, which is the event
exactly as the ledger commits to it; the salt that opens the commitment; and the proof that it is in the ledger (C2SP
tlog-proof, with a signed checkpoint). Whoever has the file and the ledger's public key needs nobody else: agency/receipt.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from base.database import Connection
from consent.catalogue import Catalogue
from consent.ledger import leaf
from consent.records import receipt_id as name_of
from consent.store import records, seeds, uses
from keys import jose
from keys.digest import b64encode
from keys.ring import Ring

TYP = "receipt+jwt"
SCHEMA = "ISO/IEC TS 27560:2023"
LEAF = 43
"""Characters of a leaf's hash, which is the name of a use's receipt: its number would tell how much happens here."""
USE_SCHEMA = "regie use of personal data 1"
_STATES = {
    "given": "consent given",
    "refused": "consent refused",
    "withdrawn": "consent withdrawn",
    "used": "consent used",
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """`jws`: signed. `entry`: canonical JSON. `leaf_hash`, `seq`: where its proof is found."""

    jws: str
    entry: bytes
    salt: bytes
    leaf_hash: str
    seq: int

    def file(self, proof: str) -> bytes:
        """As the citizen keeps it. `proof`: empty while the entry waits for its place, for a second at most."""
        return msgspec.json.format(msgspec.json.encode(self.members(proof)), indent=1)

    def members(self, proof: str) -> dict[str, str]:
        return {"receipt": self.jws, "entry": self.entry.decode(), "salt": b64encode(self.salt), "proof": proof}


def find(
    connection: Connection,
    catalogue: Catalogue,
    ring: Ring,
    receipt_id: str,
    *,
    citizen: str,
    issuer: str,
    now: datetime,
) -> Receipt | None:
    """Of one event (`consent.seq`), of a consent's newest, or of one use (its leaf). None unless it is this citizen's."""
    found = _row(connection, receipt_id, citizen)
    seed = seeds.find(connection, citizen)
    if found is None or seed is None:
        return None
    kind, row = found
    return of(kind, row, catalogue, ring, seed, citizen=citizen, issuer=issuer, now=now)


def of(
    kind: str,
    row: Mapping[str, Any],
    catalogue: Catalogue,
    ring: Ring,
    seed: bytes,
    *,
    citizen: str,
    issuer: str,
    now: datetime,
) -> Receipt:
    """Of a row as it was written. `kind`: consent or use. `seed`: the citizen's."""
    sub = ring.pseudonyms.pairwise(citizen, row[leaf.SECTOR[kind]])
    told = (use_claims if kind == "use" else claims)(row, catalogue, sub=sub, issuer=issuer, now=now)
    salt, entry = ring.pseudonyms.salt(seed, row["nonce"]), leaf.content(kind, row, sub)
    return Receipt(sign(ring, told), entry, salt, row["leaf"], row["leaf_seq"])


def _row(connection: Connection, receipt_id: str, citizen: str) -> tuple[str, dict[str, Any]] | None:
    if len(receipt_id) == LEAF:
        use = uses.row(connection, citizen, receipt_id)
        return ("use", use) if use is not None else None
    consent_id, _, seq = receipt_id.partition(".")
    if records.one(connection, consent_id, citizen) is None:
        return None
    events = [one for one in records.events(connection, consent_id) if seq in ("", str(one["seq"]))]
    return ("consent", events[-1]) if events else None


def claims(row: Mapping[str, Any], catalogue: Catalogue, *, sub: str, issuer: str, now: datetime) -> dict[str, Any]:
    """The receipt of one event of the register.

    `sub`: the citizen as the recipient knows him. The registry's own name for him stays inside: a receipt that is
    shown to two agencies must not tell them that it is the same person.
    """
    purpose = catalogue.versions[row["purpose"], row["purpose_version"]]
    category = catalogue.categories[row["category"]]
    recipient, source = catalogue.agencies[row["agency"]], catalogue.agencies[category.source]
    language = row["language"]
    duration = int((row["expires_at"] - row["at"]).total_seconds()) if row["expires_at"] else None
    return {
        "iss": issuer,
        "jti": name_of(row["consent"], row["seq"]),
        "iat": int(now.timestamp()),
        "schema_version": SCHEMA,
        "record_id": row["consent"],
        "pii_principal_id": sub,
        "language": language,
        "privacy_notice_hash": row["notice_hash"],
        "collection_method": row["channel"],
        "purpose": {
            "id": purpose.id,
            "version": purpose.version,
            "hash": purpose.hash,
            "title": purpose.title[language],
        },
        "lawful_basis": {"basis": purpose.legal_basis, "statute": purpose.statute},
        "pii_information": [{"type": category.id, "name": category.name[language], "source": source.id}],
        "pii_controllers": [_party(recipient), _party(source)],
        "recipient_third_parties": [],
        "validity_duration_s": duration,
        "expires_at": _time(row["expires_at"]),
        "withdrawal_method": f"{issuer}/my/consents/{row['consent']}",
        "jurisdiction": "NL",
        "event": {
            "type": row["type"],
            "state": _STATES[row["type"]],
            "time": _time(row["at"]),
            "revision": row["seq"],
            "acting": row["acting"],
        },
        "ledger": _place(row),
    }


def use_claims(row: Mapping[str, Any], catalogue: Catalogue, *, sub: str, issuer: str, now: datetime) -> dict[str, Any]:
    """The receipt of one use, or of one attempt that was denied. `sub`: the citizen as the recipient knows him."""
    parties = [catalogue.agencies.get(row[name]) for name in ("recipient", "source")]
    purpose = catalogue.versions.get((row["purpose"], row["purpose_version"]))
    return {
        "schema_version": USE_SCHEMA,
        "iss": issuer,
        "iat": int(now.timestamp()),
        "pii_principal_id": sub,
        "recipient": row["recipient"],
        "source": row["source"],
        "pii_controllers": [_party(one) for one in parties if one is not None],
        "purpose": {"id": row["purpose"], "version": row["purpose_version"], "hash": purpose.hash if purpose else None},
        "lawful_basis": {"basis": row["legal_basis"], "statute": purpose.statute if purpose else None},
        "pii_information": [{"type": one} for one in row["categories"]],
        "permit": row["permit"],
        "event": {"type": "use", "state": row["decision"], "reason": row["reason"], "time": _time(row["at"])},
        "ledger": _place(row),
    }


def _place(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"leaf_hash": row["leaf"], "seq": row["leaf_seq"]}


def sign(ring: Ring, receipt: Mapping[str, Any]) -> str:
    """A compact JWS of type receipt+jwt, which any JOSE library verifies. It has no `exp`: a proof does not expire."""
    return jose.sign(receipt, ring.active(), typ=TYP)


def _party(agency: Any) -> dict[str, str]:
    return {"id": agency.id, "oin": agency.oin, "contact": agency.contact}


def _time(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
