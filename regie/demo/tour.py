"""What the demo prints: where to go, who can log in, and the codes of this moment."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from idp.authenticators.totp import STEP_S, code_at
from regie.demo.seed import LOGINS, Ports, people

TOUR = {
    "en": """
Regie runs. A tour of five minutes:

1. {municipality}  A municipality. Log in as anna; allow your address, refuse your income.
2. {insurer}  A health insurer. No second login; it asks for your birth date and nothing else.
3. {provider}/my/history  Who used your data, and who tried.
4. {provider}/my/consents  Stop it: one click and a confirmation. Then ask once more at the municipality.
5. {tax}  The tax authority. It gives your income to others against a permit only.
6. {provider}/my  Anna is a guardian of Noor: she sees and stops for her, by her own name.

Who can log in (all invented): user name, password, key for an authenticator app
{logins}
{codes}
Ctrl-C stops everything. What you did stays in {data}; remove that folder to begin anew.
""",
    "nl": """
Regie draait. Een rondleiding van vijf minuten:

1. {municipality}  Een gemeente. Log in als anna; sta uw adres toe, weiger uw inkomen.
2. {insurer}  Een zorgverzekeraar. Geen tweede login; hij vraagt uw geboortedatum en verder niets.
3. {provider}/my/history  Wie uw gegevens gebruikte, en wie het probeerde.
4. {provider}/my/consents  Stop het: één klik en een bevestiging. Vraag het dan nog eens bij de gemeente.
5. {tax}  De belastingdienst. Die geeft uw inkomen aan anderen alleen tegen een vergunning.
6. {provider}/my  Anna is voogd van Noor: zij ziet en stopt voor haar, onder haar eigen naam.

Wie er kan inloggen (allen verzonnen): gebruikersnaam, wachtwoord, sleutel voor een authenticator-app
{logins}
{codes}
Ctrl-C stopt alles. Wat u deed blijft in {data}; verwijder die map om opnieuw te beginnen.
""",
}
LATER = {
    "en": "The codes change every 30 seconds. At this moment: {now}. At any other: bin/demo --codes",
    "nl": "De codes veranderen elke 30 seconden. Op dit moment: {now}. Op een ander moment: bin/demo --codes",
}
BELOW = {
    "en": "The code that is asked after the password changes every 30 seconds: the last line shows the ones of now.",
    "nl": "De code die na het wachtwoord wordt gevraagd, verandert elke 30 seconden: de laatste regel toont die van nu.",
}
LIVE = {
    "en": "Codes now: {now}  (new ones in {left} s)",
    "nl": "Codes nu: {now}  (over {left} s nieuwe)",
}
STOPPED = {"en": "Stopped.", "nl": "Gestopt."}


def language(environment: Mapping[str, str]) -> str:
    """The language of the terminal's user, as POSIX says it."""
    wanted = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := environment.get(name))), "")
    return "nl" if wanted.lower().startswith("nl") else "en"


def codes(now: datetime) -> str:
    return " · ".join(f"{username} {code_at(secret, now)}" for username, _, secret in LOGINS)


def show(ports: Ports, data: Path, speech: str) -> None:
    """The whole tour."""
    logins = "\n".join(
        f"   {username:6} {password:24} {secret}  {person.name}"
        for person, (username, password, secret) in zip(people(), LOGINS, strict=True)
    )
    addresses = {name: ports.url(name) for name in ("provider", "municipality", "insurer", "tax")}
    told = BELOW[speech] if sys.stdout.isatty() else LATER[speech].format(now=codes(datetime.now(UTC)))
    print(TOUR[speech].format(**addresses, logins=logins, codes=told, data=data), flush=True)


async def live(speech: str) -> None:
    """On a terminal, a last line that always shows the codes of this moment; ends when it is cancelled."""
    if not sys.stdout.isatty():
        return
    try:
        while True:
            now = datetime.now(UTC)
            left = STEP_S - int(now.timestamp()) % STEP_S
            print(f"\r\033[K{LIVE[speech].format(now=codes(now), left=left)}", end="", flush=True)
            await asyncio.sleep(1)
    finally:
        print(f"\r\033[K{STOPPED[speech]}", flush=True)
