"""What the command line does, as plain functions of a house and its parameters.

They run in the command's own process or, when a server has the SQLite files open, inside that server: the parameters
and the result are JSON. `COMMANDS` is the table that both use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from regie.commands import (
    agencies,
    citizens,
    clients,
    consents,
    doctor,
    event_streams,
    keyring,
    ledger,
    officers,
    permits,
    processing,
    purposes,
    sessions,
    supervisor,
)
from regie.commands.base import Refused
from regie.house import House

Command = Callable[[House, dict[str, Any], Callable[[dict[str, Any]], None]], Any]

COMMANDS: dict[str, Command] = {
    **agencies.COMMANDS,
    **purposes.COMMANDS,
    **clients.COMMANDS,
    **citizens.COMMANDS,
    **sessions.COMMANDS,
    **consents.COMMANDS,
    **event_streams.COMMANDS,
    **permits.COMMANDS,
    **processing.COMMANDS,
    **keyring.COMMANDS,
    "doctor": doctor.examine,
    **ledger.COMMANDS,
    **supervisor.COMMANDS,
    **officers.COMMANDS,
}

__all__ = ["COMMANDS", "Command", "Refused"]
