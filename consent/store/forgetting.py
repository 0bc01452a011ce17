"""Emptying what says who a citizen was. The lines stay, as lines about nobody; their leaves stay in the tree."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, select, update

from base.database import Connection
from consent.store.tables import consent, consent_event, data_use, permit, redemption

_TABLES = (consent_event, data_use, redemption)


def forget(connection: Connection, citizen: str) -> list[str]:
    """Empty his lines, and delete what was made from them; the hashes of the leaves that can no longer be opened."""
    leaves: list[str] = []
    for table in _TABLES:
        mine = table.c.citizen == bindparam("p_citizen")
        leaves += connection.execute(select(table.c.leaf).where(mine), {"p_citizen": citizen}).scalars()
        connection.execute(update(table).where(mine).values(citizen="", nonce=b""), {"p_citizen": citizen})
    for projection in (consent, permit):
        connection.execute(delete(projection).where(projection.c.citizen == citizen))
    return sorted(leaves)
