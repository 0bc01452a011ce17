"""Codes from an authenticator app (TOTP, RFC 6238): six digits, 30 seconds, one step either way, each step once."""

from __future__ import annotations

from datetime import datetime

import pyotp
import segno

from keys.digest import same

STEP_S = 30
_ISSUER = "Regie"


def new_secret() -> str:
    """160 random bits in base32."""
    return pyotp.random_base32()


def is_secret(text: str) -> bool:
    """Whether this is a secret as `new_secret` makes them."""
    return len(text) == 32 and set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """The time step that `code` belongs to, or None. The caller takes the step, once."""
    digits = code.replace(" ", "")
    if len(digits) != 6 or not digits.isascii() or not digits.isdigit():
        return None
    totp = pyotp.TOTP(secret)
    current = int(now.timestamp()) // STEP_S
    # All three are computed, always.
    found = [step for step in (current - 1, current, current + 1) if same(totp.generate_otp(step), digits)]
    return found[-1] if found else None


def code_at(secret: str, at: datetime) -> str:
    """The code at a moment: for the demo and for tests of other software."""
    return pyotp.TOTP(secret).generate_otp(int(at.timestamp()) // STEP_S)


def uri(secret: str, account: str) -> str:
    """What an authenticator app reads."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=_ISSUER)


def qr_svg(text: str) -> str:
    """A QR code as SVG, without styles, for an inline place."""
    return segno.make(text, error="m").svg_inline(scale=5, border=4, dark="#000", light="#fff", omitsize=False)
