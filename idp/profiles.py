"""Security profiles, chosen per client: a table. Never a global switch."""

from __future__ import annotations

from dataclasses import dataclass

CODE, REFRESH, CREDENTIALS = "authorization_code", "refresh_token", "client_credentials"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
CIBA = "urn:openid:params:grant-type:ciba"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
GRANT_TYPES = (CODE, REFRESH, CREDENTIALS, DEVICE, CIBA, EXCHANGE)
ES256, PS256, RS256, EDDSA = "ES256", "PS256", "RS256", "EdDSA"
ALGORITHMS_OF_SHA256 = frozenset({ES256, PS256, RS256})
"""What we sign for clients with: `at_hash` is half of this hash (OpenID Connect Core section 3.1.3.6)."""
PUBLIC = "none"
"""The method of software that can keep no secret (RFC 6749 section 2.1): an app, a page's script. It is known by its
redirect_uri and PKCE, and by a key if it has one (DPoP); nothing that rests on who the client is goes to it."""
MTLS = ("tls_client_auth", "self_signed_tls_client_auth")
"""Client authentication with a certificate (RFC 8705 section 2)."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How strict we are with a client.

    `grants`: what a client may register; of these `openid_grants` are told in OpenID's own document, the rest in OAuth's
    alone. `binding_required`: no bearer tokens, ever: bound to a DPoP key or to a certificate. `signing`: what a client's
    assertions and requests may be signed with. `response_signing`: what we may sign for it with, of
    ALGORITHMS_OF_SHA256. `token_url_audience`: the token endpoint's exact URL is accepted as an assertion's audience, at
    the token endpoint alone. `credentials_by_software`: a client for client_credentials may be registered by software
    (RFC 7591), not by operators alone.
    """

    name: str
    par_required: bool
    binding_required: bool
    grants: tuple[str, ...]
    openid_grants: tuple[str, ...]
    auth_methods: frozenset[str]
    signing: frozenset[str]
    response_signing: frozenset[str]
    id_token_alg: str
    token_url_audience: bool
    single_grant: bool
    credentials_by_software: bool
    amr: bool
    nonce_required: bool
    pkce_required: bool
    development_only: bool
    clause: str


PROFILES: dict[str, Profile] = {
    one.name: one
    for one in (
        Profile(
            "fapi2",
            par_required=True,
            binding_required=True,
            grants=GRANT_TYPES,
            openid_grants=GRANT_TYPES,
            auth_methods=frozenset({"private_key_jwt", *MTLS}),
            signing=frozenset({ES256, PS256, EDDSA, "Ed25519"}),
            response_signing=frozenset({ES256, PS256}),
            id_token_alg=ES256,
            token_url_audience=False,
            single_grant=False,
            credentials_by_software=True,
            amr=True,
            nonce_required=False,
            pkce_required=True,
            development_only=False,
            clause="FAPI 2.0 Security Profile section 5.3.2",
        ),
        Profile(
            "nlgov",
            par_required=False,
            binding_required=False,
            grants=(CODE, REFRESH, CREDENTIALS),
            openid_grants=(CODE,),
            auth_methods=frozenset({"private_key_jwt", "tls_client_auth"}),
            signing=frozenset({PS256, RS256, ES256}),
            response_signing=ALGORITHMS_OF_SHA256,
            id_token_alg=PS256,
            token_url_audience=True,
            single_grant=True,
            credentials_by_software=False,
            amr=False,
            nonce_required=True,
            pkce_required=True,
            development_only=False,
            clause="NL GOV Assurance profile for OpenID Connect 1.0.1",
        ),
        Profile(
            "baseline",
            par_required=False,
            binding_required=False,
            grants=GRANT_TYPES,
            openid_grants=GRANT_TYPES,
            auth_methods=frozenset({"client_secret_basic", "client_secret_post", "private_key_jwt", PUBLIC}),
            signing=frozenset({ES256, PS256, RS256, EDDSA, "Ed25519"}),
            response_signing=ALGORITHMS_OF_SHA256,
            id_token_alg=ES256,
            token_url_audience=False,
            single_grant=False,
            credentials_by_software=True,
            amr=True,
            nonce_required=False,
            pkce_required=True,
            development_only=False,
            clause="RFC 9700, for software that can no more",
        ),
        Profile(
            "certification",
            par_required=False,
            binding_required=False,
            grants=GRANT_TYPES,
            openid_grants=GRANT_TYPES,
            auth_methods=frozenset({"client_secret_basic", "client_secret_post", "private_key_jwt"}),
            signing=frozenset({ES256, PS256, RS256}),
            response_signing=ALGORITHMS_OF_SHA256,
            id_token_alg=RS256,
            token_url_audience=True,
            single_grant=False,
            credentials_by_software=True,
            amr=True,
            nonce_required=False,
            pkce_required=False,
            development_only=True,
            clause="OpenID Connect Core section 15.1, as conformance suites test it; never in service",
        ),
    )
}
