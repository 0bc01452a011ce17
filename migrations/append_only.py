"""Triggers that forbid changing what is only ever added to.

`forgettable`: in these tables a citizen may be forgotten, which empties `citizen` and `nonce`; no other change, no
deletion. `guarded`: of these, where the guardian who pressed may be forgotten too, which empties `guardian`. `growing`: tiles, whose `hashes` may only become longer, by what comes behind them.
"""

from typing import Any

from sqlalchemy import inspect

_FORGOTTEN = "NEW.citizen = '' AND length(NEW.nonce) = 0"
_GUARDED = (
    f"NEW.guardian = '' AND (({_FORGOTTEN}) "
    "OR (OLD.guardian <> '' AND NEW.citizen = OLD.citizen AND NEW.nonce = OLD.nonce))"
)
_GROWN = (
    "NEW.level = OLD.level AND NEW.n = OLD.n AND length(NEW.hashes) > length(OLD.hashes) "
    "AND substr(NEW.hashes, 1, length(OLD.hashes)) = OLD.hashes"
)


def protect(
    op: Any,
    tables: tuple[str, ...],
    *,
    forgettable: tuple[str, ...] = (),
    growing: tuple[str, ...] = (),
    guarded: tuple[str, ...] = (),
) -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    if not sqlite:
        op.execute(
            "CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
        )
    for table in tables:
        _forbid(op, f"{table}_no_update", "UPDATE", table)
    for table in forgettable:
        others = [one["name"] for one in inspect(op.get_bind()).get_columns(table)]
        free = ("citizen", "nonce", "guardian") if table in guarded else ("citizen", "nonce")
        others = [f'"{name}"' for name in others if name not in free]
        _forbid(op, f"{table}_no_update", f"UPDATE OF {', '.join(others)}", table)
        _forbid(
            op, f"{table}_no_update_but_to_forget", "UPDATE", table, unless=_GUARDED if table in guarded else _FORGOTTEN
        )
    for table in growing:
        _forbid(op, f"{table}_no_update_but_to_grow", "UPDATE", table, unless=_GROWN)
    for table in (*tables, *forgettable, *growing):
        _forbid(op, f"{table}_no_delete", "DELETE", table)
        if not sqlite:
            op.execute(
                f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
            )


def _forbid(op: Any, name: str, verb: str, table: str, *, unless: str = "") -> None:
    when = f"WHEN (NOT ({unless})) " if unless else ""
    if op.get_bind().dialect.name == "sqlite":
        act = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    else:
        act = "EXECUTE FUNCTION append_only()"
    op.execute(f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH ROW {when}{act}")
