"""What agencies have here: their software, and permits."""

from typing import Annotated

import typer

from regie.cli.groups import AsJson, File, client, permit
from regie.terminal import guard, read, run


@client.command("add")
def client_add(
    file: File,
    profile: Annotated[str, typer.Option(help="fapi2, nlgov, baseline; certification (development).")] = "fapi2",
    as_json: AsJson = False,
) -> None:
    """Register software of an agency (RFC 7591 metadata); prints what it needs, a secret this once."""
    run("client add", {"file": guard(lambda: read(file), as_json=as_json), "profile": profile}, as_json=as_json)


@client.command("invite")
def client_invite(
    agency: Annotated[str, typer.Option(help="Whose software it is.")],
    profile: Annotated[str, typer.Option(help="As for client add.")] = "fapi2",
    uses: Annotated[int, typer.Option(help="How many clients may be registered with it.")] = 1,
    days: Annotated[int, typer.Option(help="How long it lasts.")] = 7,
    as_json: AsJson = False,
) -> None:
    """An initial access token, with which an agency's software registers itself (RFC 7591); shown this once."""
    params = {"agency": agency, "profile": profile, "uses": uses, "days": days}
    run("client invite", params, as_json=as_json)


@permit.command("unreported")
def permit_unreported(
    agency: Annotated[str, typer.Option(help="Those of one agency.")] = "", as_json: AsJson = False
) -> None:
    """Permits that were taken and never reported, past REGIE_REPORT_DAYS: the oldest 500."""
    run("permit unreported", {"agency": agency}, as_json=as_json)
