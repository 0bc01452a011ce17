"""What a command wrote without a server gets its place in the ledger, and in the journal beside it, before it is told."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from base.database import Busy
from base.database.engines import DatabaseFailed
from consent.store import leaves
from regie.house import House


def settle(house: House) -> None:
    """Otherwise a backup that is put back before the next start would undo it, and nobody would know.

    What cannot be settled now waits for the next server, as it is committed already.
    """
    if not house.settings.is_sqlite and house.consent.ledger.policy.witnesses:
        # A server that runs beside us asks them, and does the rest.
        return
    if house.databases["consent"].read_now(leaves.are_waiting):
        with suppress(Busy, DatabaseFailed, OSError):
            asyncio.run(_round(house))


async def _round(house: House) -> None:
    """As a start does it: those who cosign are asked first whether they saw more."""
    ledger = house.consent.ledger
    await ledger.start()
    await ledger.stop()
    await house.databases["consent"].write(ledger.sequencer.release)
