"""Why something is allowed or denied, in the words of the wire, and what an agency does about a denial."""

from __future__ import annotations

from typing import Literal

Reason = Literal[
    "consent", "contract", "legal_obligation", "vital_interest", "public_task", "legitimate_interest",
    "no_consent", "refused", "withdrawn", "expired", "used", "changed", "altered", "unknown_purpose", "not_in_purpose",
    "other_source", "too_often", "unreconciled",
]  # fmt: skip
"""The legal basis, when it is allowed; else one of `WHAT_TO_DO`."""

WHAT_TO_DO = {
    "no_consent": "The citizen never allowed this, or you do not know him by this sub. Ask him.",
    "refused": "The citizen was asked and said no.",
    "withdrawn": "The citizen took his permission back: delete what you hold of it.",
    "expired": "The permission's time is up. Ask him to renew it.",
    "used": "The permission was for one time, and that was used. Ask him again.",
    "changed": "Another version of the purpose is published than he allowed, or than you mean. Ask him anew.",
    "altered": "What the register kept of the permission was edited from outside, and counts no more. Ask him anew.",
    "unknown_purpose": "You have no published purpose of this id. See /consent/v1/purposes.",
    "not_in_purpose": "The purpose does not hold this data. See its `data` in /consent/v1/purposes.",
    "other_source": "This source does not have this data, or takes no part. See /consent/v1/categories; a permit is for one source.",
    "too_often": "The purpose was used as often as it may be. See its `frequency` in /consent/v1/purposes.",
    "unreconciled": "The register is being checked after a fault and allows nothing. Try again later.",
}
