"""Libraries that did not sign verify what we sign: python-jose and PyJWT, with every option written out."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt as pyjwt
import pytest
from jose import JWTError
from jose import jwt as python_jose

from consent import permits, receipts
from idp.tokens import mint, responses
from keys import jose
from keys.ring import Ring

OPTIONS = {"require_aud": True, "require_exp": True, "require_iss": True}


def claims() -> dict[str, Any]:
    now = int(time.time())
    return {"iss": "https://regie.example", "sub": "s" * 43, "aud": "agency", "iat": now, "exp": now + 300}


def public(ring: Ring, token: str) -> dict[str, Any]:
    kid = pyjwt.get_unverified_header(token)["kid"]
    return next(key for key in json.loads(ring.jwks())["keys"] if key["kid"] == kid)


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
@pytest.mark.parametrize("typ", [mint.AT_TYP, responses.ID_TOKEN.typ, permits.TYP, receipts.TYP])
class TestSecondVerifiers:
    def test_python_jose_accepts(self, ring: Ring, alg: str, typ: str) -> None:
        token = jose.sign(claims(), ring.active(alg), typ=typ)

        seen = python_jose.decode(
            token,
            public(ring, token),
            algorithms=[alg],
            audience="agency",
            issuer="https://regie.example",
            options=OPTIONS,
        )

        assert seen["sub"] == "s" * 43

    def test_pyjwt_accepts(self, ring: Ring, alg: str, typ: str) -> None:
        token = jose.sign(claims(), ring.active(alg), typ=typ)

        seen = pyjwt.decode(
            token,
            pyjwt.PyJWK(public(ring, token)).key,
            algorithms=[alg],
            audience="agency",
            issuer="https://regie.example",
        )

        assert seen["sub"] == "s" * 43

    def test_an_altered_token_is_refused_by_both(self, ring: Ring, alg: str, typ: str) -> None:
        token = jose.sign(claims(), ring.active(alg), typ=typ)
        head, body, signature = token.split(".")
        altered = f"{head}.{body[:-4]}{'AAAA' if body[-4:] != 'AAAA' else 'BBBB'}.{signature}"

        with pytest.raises(JWTError):
            python_jose.decode(altered, public(ring, token), algorithms=[alg], audience="agency", options=OPTIONS)
        with pytest.raises(pyjwt.InvalidTokenError):
            pyjwt.decode(altered, pyjwt.PyJWK(public(ring, token)).key, algorithms=[alg], audience="agency")
