"""Policy and Webhook: what only GovStack has, kept as revisions."""

from __future__ import annotations

from typing import Any

import msgspec

from consent.catalogue import RETIRED
from consent.govstack import wire
from consent.govstack.asked import Ask, nothing, unsuited
from consent.govstack.revisions import Kept, data_of
from consent.store import govstack
from consent.store.govstack import Stored

POLICIES = Kept("Policy")
WEBHOOKS = Kept("Webhook")


def create_policy(ask: Ask) -> dict[str, Any]:
    sent = ask.member("policy", wire.Policy)
    return _policy(POLICIES.create(ask, sent.id, _contents(sent)))


def read_policy(ask: Ask) -> dict[str, Any]:
    object_id, revision_id = ask.path["policyId"], ask.query.get("revisionId")
    if revision_id is not None:
        POLICIES.find(ask, object_id)
        return _policy(POLICIES.at(ask, object_id, revision_id))
    return _policy(POLICIES.find(ask, object_id))


def update_policy(ask: Ask) -> dict[str, Any]:
    sent, object_id = ask.member("policy", wire.Policy), ask.path["policyId"]
    if sent.id not in ("", object_id):
        raise unsuited("The id of the object is not that of the address.")
    return _policy(POLICIES.change(ask, object_id, _contents(sent)))


def delete_policy(ask: Ask) -> dict[str, Any]:
    object_id = ask.path["policyId"]
    stored = POLICIES.find(ask, object_id)
    # Beside an agreement that is asked or could be it stays: the citizen is told of it. Drafts before the newest are dead.
    newest = {
        one.id: one for one in ask.catalogue.versions.values() if one.agency == ask.agency and one.state != RETIRED
    }
    last = {one.id: one.version for one in ask.catalogue.versions.values()}
    asked = [one for one in newest.values() if one.version == last[one.id]]
    asked += [one for one in ask.catalogue.purposes.values() if one.agency == ask.agency]
    live = (govstack.newest(ask.connection, ask.agency, "DataAgreement", f"{one.id}.{one.version}") for one in asked)
    if any(one is not None and data_of(one).get("policy") == object_id for one in live):
        raise unsuited("An agreement refers to this policy.")
    return {"revision": POLICIES.revision(POLICIES.change(ask, object_id, data_of(stored), ended=True))}


def list_policies(ask: Ask) -> dict[str, Any]:
    return {"policies": [data_of(one) for one in POLICIES.listed(ask)]}


def list_policy_revisions(ask: Ask) -> dict[str, Any]:
    found = POLICIES.find(ask, ask.path["policyId"])
    every = govstack.revisions(ask.connection, ask.agency, "Policy", found.object, *ask.page())
    return {"policy": data_of(found), "revisions": [POLICIES.revision(one) for one in every]}


def create_webhook(ask: Ask) -> dict[str, Any]:
    sent = ask.member("webhook", wire.Webhook)
    return _webhook(WEBHOOKS.create(ask, sent.id, _hook(sent)))


def read_webhook(ask: Ask) -> dict[str, Any]:
    return _webhook(WEBHOOKS.find(ask, ask.path["webhookId"]))


def update_webhook(ask: Ask) -> dict[str, Any]:
    sent, object_id = ask.member("webhook", wire.Webhook), ask.path["webhookId"]
    if sent.id not in ("", object_id):
        raise unsuited("The id of the object is not that of the address.")
    return _webhook(WEBHOOKS.change(ask, object_id, _hook(sent)))


def delete_webhook(ask: Ask) -> dict[str, Any]:
    object_id = ask.path["webhookId"]
    WEBHOOKS.change(ask, object_id, data_of(WEBHOOKS.find(ask, object_id)), ended=True)
    return {}


def list_webhooks(ask: Ask) -> dict[str, Any]:
    return {"webhooks": [data_of(one) for one in WEBHOOKS.listed(ask)]}


def policy_of(ask: Ask, object_id: str) -> dict[str, Any] | None:
    """A policy that an agreement refers to; None once it is gone."""
    found = govstack.newest(ask.connection, ask.agency, "Policy", object_id)
    return data_of(found) if found is not None and not found.ended else None


def require_policy(ask: Ask, object_id: str) -> None:
    if policy_of(ask, object_id) is None:
        raise nothing()


def _policy(one: Stored) -> dict[str, Any]:
    return {"policy": data_of(one), "revision": POLICIES.revision(one)}


def _webhook(one: Stored) -> dict[str, Any]:
    return {"webhook": data_of(one)}


def _contents(sent: wire.Policy) -> dict[str, Any]:
    if sent.url and not sent.url.startswith("https://"):
        raise unsuited("The url must be an https address, or empty.")
    contents: dict[str, Any] = msgspec.to_builtins(sent)
    return contents


def _hook(sent: wire.Webhook) -> dict[str, Any]:
    """Without its secret, and disabled: what is never used is not kept.

    The file has no operation that subscribes a webhook to anything, so nothing is ever sent.
    """
    if not sent.payload_url.startswith("https://"):
        raise unsuited("The payloadUrl must be an https address.")
    kept = {"id": sent.id, "payloadUrl": sent.payload_url, "contentType": sent.content_type}
    return {**kept, "disabled": True, "secretKey": ""}
