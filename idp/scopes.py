"""Scopes, and which kind of personal data each asks for."""

CONSENT_SCOPES = ("consent:check", "consent:permit", "consent:redeem")
"""For the registry's API; a token with one of them has that API as its audience."""

CLAIM_SCOPES = {
    "profile": "name",
    "birthdate": "birth-date",
    "address": "address",
    "nationality": "nationality",
}
"""OpenID Connect Core section 5.4, narrowed: a scope asks for one category of the catalogue. `profile` is the name."""

SCOPES = ("openid", *CLAIM_SCOPES, *CONSENT_SCOPES)
