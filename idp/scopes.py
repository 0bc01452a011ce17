"""Scopes: which kind of personal data each asks for, and which API a token with it is for."""

CONSENT_SCOPES = (
    "consent:check",
    "consent:permit",
    "consent:redeem",
    "consent:request",
    "consent:record",
    "consent:usage",
    "consent:events",
    "consent:complaint",
    "govstack:config",
    "govstack:service",
    "govstack:audit",
)
"""For the registry's API; a token with one of them has that API as its audience."""

GRANT_SCOPES = ("grant_management_query", "grant_management_revoke")
"""For what the provider keeps of a client's grants (Grant Management for OAuth 2.0 section 6)."""

OWN_SCOPES = (*CONSENT_SCOPES, *GRANT_SCOPES)
"""An agency's own access, which belongs to no citizen: by client credentials alone."""

CONSENT_API, GRANTS_API, USERINFO = "/consent/v1", "/oauth2/grants", "/oauth2/userinfo"
APIS = {CONSENT_API: CONSENT_SCOPES, GRANTS_API: GRANT_SCOPES}
"""Our APIs by path, with the scopes that are for them alone; all other scopes are for userinfo. The issuer and the path
are a token's audience."""

CLAIM_SCOPES = {
    "profile": "name",
    "birthdate": "birth-date",
    "address": "address",
    "nationality": "nationality",
}
"""OpenID Connect Core section 5.4, narrowed: a scope asks for one category of the catalogue. `profile` is the name."""

SCOPES = ("openid", *CLAIM_SCOPES, *OWN_SCOPES)


def known(scope: str) -> str:
    """Without what we do not have, which is ignored (OpenID Connect Core section 3.1.2.1); each once, in order."""
    return " ".join(dict.fromkeys(one for one in scope.split() if one in SCOPES))
