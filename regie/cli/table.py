"""Commands that take nothing, a name, or a file: group, word, what the server is told, and what help says."""

from regie.cli.groups import (
    agency,
    by,
    citizen,
    client,
    consent,
    event_stream,
    from_file,
    keys,
    ledger,
    officer,
    plain,
    purpose,
    session,
)

by(agency, "add", "agency add", "Add or change an agency (docs/agencies.md).", file=True)
plain(agency, "list", "agency list", "All agencies.")
by(agency, "suspend", "agency suspend", "Nothing is allowed to this agency from now on.")
by(agency, "resume", "agency resume", "End a suspension.")
by(purpose, "add", "purpose add", "Add a draft of a purpose (docs/agencies.md).", file=True)
by(purpose, "submit", "purpose submit", "Submit the newest draft: another person reviews it.")
by(
    purpose,
    "publish",
    "purpose publish",
    "Publish what was submitted, as another person than who wrote or submitted it. In development, without --by: the "
    "newest draft, without review.",
)
by(purpose, "reject", "purpose reject", "Do not publish what was submitted.")
by(purpose, "retire", "purpose retire", "End a purpose: nothing more is allowed under it.")
plain(purpose, "list", "purpose list", "All versions of all purposes: their states, and who did what.")
plain(purpose, "show", "purpose show", "One purpose, all its versions, in full.", "id")
plain(client, "list", "client list", "All clients.")
plain(client, "show", "client show", "One client.", "client_id")
plain(client, "disable", "client disable", "A client logs nobody in any more.", "client_id")
plain(client, "rotate-secret", "client rotate-secret", "A new secret; the old one stops at once.", "client_id")
plain(
    client,
    "rotate-registration",
    "client rotate-registration",
    "A new registration access token, for software that lost its own (RFC 7592).",
    "client_id",
)
from_file(client, "trust", "client trust", "Believe who vouches for software: a file with iss and jwks (RFC 7591).")
from_file(citizen, "add", "citizen add", "Add one citizen; in development also a user name and password.")
plain(citizen, "suspend", "citizen suspend", "A citizen can no longer log in.", "id")
plain(citizen, "resume", "citizen resume", "End a suspension.", "id")
plain(citizen, "erase", "citizen erase", "Forget a citizen: destroy the key to the personal data.", "id")
plain(session, "list", "session list", "The open sessions of a citizen.", "citizen")
plain(keys, "list", "keys list", "All signing keys, and which one signs.")
plain(keys, "revoke", "keys revoke", "A key was stolen: it verifies nothing any more, at once.", "kid")
plain(consent, "show", "consent show", "What happened to a consent.", "id")
plain(
    ledger, "rotate-keys", "ledger rotate-keys", "New keys for the ledger; give them to the witnesses (docs/ledger.md)."
)
plain(ledger, "checkpoint", "ledger checkpoint", "What left the house last, who cosigned it, and what waits.")
plain(event_stream, "list", "event-stream list", "All event streams: how many events wait, and why if one fails.")
plain(
    event_stream, "resume", "event-stream resume", "Push again to a receiver that was given up; nothing was lost.", "id"
)
plain(event_stream, "show", "event-stream show", "The newest events of a stream: waiting, taken or refused.", "id")
plain(event_stream, "replay", "event-stream replay", "Send again all that a stream keeps, 30 days of it.", "id")
plain(consent, "withdraw", "consent withdraw", "Withdraw for a citizen who asked.", "id")
plain(officer, "list", "officer list", "All officers, those who ended too.")
plain(officer, "end", "officer end", "An officer is one no more: invitation, passkey and session end at once.", "name")
