"""Who runs the service looked at, or changed, what is kept of one citizen: the citizen sees it, and it is in the ledger.

The line is written before anything is shown: a look-up that cannot be written down is not answered.
"""

from __future__ import annotations

from datetime import datetime

from base.database import Connection
from base.i18n import N_
from consent.ledger import append
from consent.store import lookups
from keys.derive import Pseudonyms

OPERATOR = "regie:operator"
"""No agency can be called so."""
WHAT = {
    "found": N_("Looked up who you are here, by your citizen service number"),
    "consent": N_("Looked at one of your permissions"),
    "sessions": N_("Looked at where you are logged in"),
    "processing_log": N_("Took out what was recorded of you"),
    "enrolled": N_("Made a code with which you can log in for the first time, or again"),
    "suspended": N_("Closed your account"),
    "resumed": N_("Opened your account again"),
    "session_ended": N_("Logged you out in one place"),
    "sessions_ended": N_("Logged you out everywhere"),
    "withdrawn": N_("Stopped a permission because you asked for it"),
}


def record(connection: Connection, citizen: str, what: str, *, pseudonyms: Pseudonyms, now: datetime) -> None:
    """`citizen`: the registry's handle. KeyError for what is not in `WHAT`."""
    row = {"citizen": citizen, "by": OPERATOR, "what": what, "at": now}
    WHAT[what]
    sub = pseudonyms.pairwise(citizen, OPERATOR)
    _, columns = append.add(connection, pseudonyms, "lookup", row, citizen=citizen, sub=sub)
    lookups.add(connection, {**row, **columns})
