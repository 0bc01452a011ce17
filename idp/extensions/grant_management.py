"""Grant Management for OAuth 2.0 (FAPI working group, draft 3): a client names, amends, reads and ends what it was granted.

A grant is what one citizen granted one client; consents stay in the registry, and a grant says what of them stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from base import audit
from base.database import Connection
from base.ids import identifier
from idp.errors import OAuthError
from idp.store import managed_grants
from idp.store.grants import Family
from idp.store.managed_grants import ManagedGrant

CREATE, MERGE, REPLACE = "create", "merge", "replace"
ACTIONS = ("query", "revoke", CREATE, MERGE, REPLACE)
"""As the metadata names them (section 7.1)."""
PARAMETERS = frozenset({"grant_id", "grant_management_action"})
_AMENDING = (MERGE, REPLACE)


def check(form: Mapping[str, str]) -> None:
    """The parameters go together (section 5.1). OAuthError invalid_request."""
    action, grant_id = form.get("grant_management_action"), form.get("grant_id")
    if action not in (None, CREATE, MERGE, REPLACE):
        raise OAuthError("invalid_request", "grant_management_action must be create, merge or replace.")
    if (action in _AMENDING) != (grant_id is not None) or len(grant_id or "") > 64:
        raise OAuthError("invalid_request", "grant_id goes with merge and replace, and with nothing else.")


def named(connection: Connection, client_id: str, form: Mapping[str, str]) -> ManagedGrant | None:
    """The grant that a checked request amends, or None when it amends none.

    OAuthError invalid_grant_id: unknown, ended or another client's, all alike (section 5.3).
    """
    if "grant_id" not in form:
        return None
    found = managed_grants.find(connection, form["grant_id"], client_id)
    if found is None:
        raise _invalid()
    return found


def applied(connection: Connection, family: Family, form: Mapping[str, str]) -> Family:
    """Create or amend the grant of a request that the citizen has answered; the family as it then is.

    What was issued for an amended grant before is dead: it stood for another content (section 5.1).
    OAuthError invalid_grant_id when the grant is another citizen's or has ended meanwhile.
    """
    action, now = form.get("grant_management_action"), family.created_at
    if action is None:
        return family
    old = named(connection, family.client_id, form)
    if old is None:
        made = _grant(identifier(), family, now)
        managed_grants.add(connection, made)
        return replace(family, managed_grant=made.id)
    if old.citizen != family.citizen:
        raise _invalid()
    content = _merged(old, family) if action == MERGE else family
    if not managed_grants.change(connection, replace(_grant(old.id, content, now), created_at=old.created_at)):
        raise _invalid()
    managed_grants.end_families(connection, old.id, now)
    audit.record(connection, "grant.amended", actor=family.client_id, object=old.id, now=now, way=action)
    return replace(content, managed_grant=old.id)


def _grant(grant_id: str, family: Family, now: datetime) -> ManagedGrant:
    return ManagedGrant(
        grant_id, family.client_id, family.citizen, family.scope, family.details, family.claims, now, now
    )


def _merged(old: ManagedGrant, new: Family) -> Family:
    """Both together; of two details on one purpose the newer counts for its time, and both for their data."""
    scope = " ".join(dict.fromkeys([*old.scope.split(), *new.scope.split()]))
    claims = {part: {**old.claims.get(part, {}), **new.claims.get(part, {})} for part in {*old.claims, *new.claims}}
    details = {one["purpose"]: one for one in old.details}
    for one in new.details:
        details[one["purpose"]] = _joined(details.get(one["purpose"]), one)
    return replace(new, scope=scope, claims=claims, details=list(details.values()))


def _joined(old: Mapping[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    # Without `data` a detail stands for all of the purpose.
    if old is None or "data" not in old or "data" not in new:
        return new if old is None or "data" not in new else {name: new[name] for name in new if name != "data"}
    both = {**new, "data": list(dict.fromkeys([*old["data"], *new["data"]]))}
    if old.get("source") != new.get("source"):
        both.pop("source", None)
    return both


def _invalid() -> OAuthError:
    return OAuthError("invalid_grant_id", "The grant_id is not one of this client's grants.")
