"""Passkeys (WebAuthn level 3): discoverable, user verification required, challenge used once by the browser it was made for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, options_to_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from idp.store.people import Passkey

CHALLENGE_S = 300
MAX_PASSKEYS = 20
_LABEL = 60


class InvalidPasskey(Exception):
    """The ceremony failed; why is for the log."""


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """`rp_id` and `origin`: exactly the issuer's."""

    rp_id: str
    origin: str

    @classmethod
    def of(cls, issuer: str) -> RelyingParty:
        return cls(urlsplit(issuer).hostname or "", issuer)


def creation_options(party: RelyingParty, user_handle: str, name: str, known: list[Passkey]) -> tuple[str, str]:
    """Options for navigator.credentials.create, as JSON, and the challenge. `user_handle`: no personal data."""
    options = webauthn.generate_registration_options(
        rp_id=party.rp_id,
        rp_name="Regie",
        user_id=user_handle.encode(),
        user_name=name,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(base64url_to_bytes(one.credential_id)) for one in known],
        timeout=CHALLENGE_S * 1000,
    )
    return options_to_json(options), bytes_to_base64url(options.challenge)


def request_options(party: RelyingParty) -> tuple[str, str]:
    """Options for navigator.credentials.get: no list of credentials, so nobody learns who exists."""
    options = webauthn.generate_authentication_options(
        rp_id=party.rp_id, user_verification=UserVerificationRequirement.REQUIRED, timeout=CHALLENGE_S * 1000
    )
    return options_to_json(options), bytes_to_base64url(options.challenge)


def registered(
    party: RelyingParty, credential: str, challenge: str, citizen: str, *, label: str, acr: str, now: datetime
) -> Passkey:
    """Verify a new credential. `acr`: what it may be worth at most. InvalidPasskey.

    Whether the key can leave its device is what the authenticator says of itself (flag BE): no attestation is asked.
    """
    try:
        done = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=party.rp_id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise InvalidPasskey(type(error).__name__) from error
    credential_id = bytes_to_base64url(done.credential_id)
    name = "".join(character for character in label.strip() if character.isprintable())[:_LABEL] or "Passkey"
    bound = done.credential_device_type is CredentialDeviceType.SINGLE_DEVICE
    return Passkey(credential_id, citizen, done.credential_public_key, done.sign_count, bound, acr, name, now, None)


def authenticated(
    party: RelyingParty, credential: dict[str, object], challenge: str, stored: Passkey, handle: str
) -> int:
    """Verify an assertion against the stored credential; answers the new counter. InvalidPasskey.

    `handle`: the owner's user handle. The assertion must name it: a credential logs in its owner and nobody else.
    """
    try:
        response = credential["response"]
        given = response.get("userHandle") if isinstance(response, dict) else None
        if not isinstance(given, str) or base64url_to_bytes(given).decode() != handle:
            raise InvalidPasskey("userHandle")
        done = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=party.rp_id,
            expected_origin=party.origin,
            credential_public_key=stored.public_key,
            # The library refuses a counter that went back: a copied authenticator.
            credential_current_sign_count=stored.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise InvalidPasskey(type(error).__name__) from error
    # Fixed at registration (WebAuthn level 3 section 7.2, backupEligible): a flag that changed is another authenticator.
    if (done.credential_device_type is CredentialDeviceType.SINGLE_DEVICE) != stored.device_bound:
        raise InvalidPasskey("backup eligibility")
    return done.new_sign_count
