"""Keys, the ledger and receipts."""

from pathlib import Path
from typing import Annotated, Any

import typer

from regie.cli.groups import AsJson, File, keys, ledger, receipt
from regie.terminal import guard, keys_of, perform, read, run, show


@keys.command("rotate")
def keys_rotate(
    alg: Annotated[str, typer.Option(help="One of those that keys list shows.")] = "ES256", as_json: AsJson = False
) -> None:
    """The announced key signs from now on, and a new one is announced; a new encryption key serves at once."""
    run("keys rotate", {"alg": alg}, as_json=as_json)


@ledger.command("verify")
def ledger_verify(
    url: Annotated[
        str, typer.Option(help="https://…/ledger, to audit from its tiles alone; else this house's own.")
    ] = "",
    key: Annotated[str, typer.Option(help="With --url: the ledger's key, or a file with it.")] = "",
    receipt: Annotated[list[Path], typer.Option(help="Receipts whose checkpoints must be part of it.")] = [],  # noqa: B006 - typer copies it
    seen: Annotated[
        Path | None,
        typer.Option(help="With --url: a file that remembers what was right; the ledger must go on from it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Audit the ledger: that it adds up, goes on from what was seen, and agrees with the register. Status 1 if not."""
    from regie import audit_url  # noqa: PLC0415 - see serve
    from regie.commands.base import Refused  # noqa: PLC0415
    from regie.receipts import checkpoint_of  # noqa: PLC0415

    def work() -> Any:
        if seen is not None and not url:
            raise Refused("--seen goes with --url: this house's own journal remembers what left it")
        before = [checkpoint_of(one.read_bytes()) for one in receipt]
        if url:
            return audit_url.verify(url, keys_of(key), before, seen)
        params = {"checkpoints": before}
        return perform("ledger verify", params, as_json=as_json, long=False)

    found = guard(work, as_json=as_json)
    show(found, as_json=as_json)
    if not found["ok"]:
        raise typer.Exit(1)


@ledger.command("reconcile")
def ledger_reconcile(
    as_new_log: Annotated[
        bool, typer.Option("--as-new-log", help="What was published is lost: go on as another log; all consents end.")
    ] = False,
    declared: Annotated[
        bool, typer.Option("--database-is-newest", help="The journal alone is lost; you know that nothing else is.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """After a database was put back: complete it, end what had ended, and allow again. It is itself in the ledger."""
    run("ledger reconcile", {"as_new_log": as_new_log, "declared": declared}, as_json=as_json)


@receipt.command("verify")
def receipt_verify(
    file: File,
    key: Annotated[str, typer.Option(help="The ledger's key, or a file with it: what /ledger/key said.")],
    jwks: Annotated[Path | None, typer.Option(help="The registry's keys: what /oauth2/jwks said.")] = None,
    witness: Annotated[list[str], typer.Option(help="A witness's key.")] = [],  # noqa: B006 - typer copies it
    quorum: Annotated[int, typer.Option(help="How many witnesses must have cosigned.")] = 0,
    ledger: Annotated[str, typer.Option(help="https://…/ledger, to ask whether it goes on from the receipt's.")] = "",
    as_json: AsJson = False,
) -> None:
    """Verify a receipt offline: this file and the ledger's public key are all it needs."""
    from regie.receipts import verify  # noqa: PLC0415 - see serve

    def work() -> Any:
        keys = keys_of(key)
        found = jwks.read_bytes() if jwks is not None else None
        return verify(read(file).encode(), keys, jwks=found, witnesses=witness, quorum=quorum, ledger=ledger)

    show(guard(work, as_json=as_json), as_json=as_json)
