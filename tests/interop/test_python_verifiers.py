"""Libraries that did not sign verify what we sign: python-jose and PyJWT, with every option written out."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt as pyjwt
import pytest
from jose import JWTError
from jose import jwt as python_jose
from jwcrypto import jwk
from jwcrypto import jws as jwcrypto_jws
from jwcrypto import jwt as jwcrypto_jwt

from consent import permits, receipts
from idp.endpoints import discovery
from idp.tokens import mint, responses
from keys import jose
from keys.ring import Ring

TYPES = (mint.AT_TYP, *(kind.typ for kind in responses.KINDS), discovery.METADATA_TYP, permits.TYP, receipts.TYP)
"""Every kind of token that we sign."""
OPTIONS = {"require_aud": True, "require_exp": True, "require_iss": True}


def claims() -> dict[str, Any]:
    now = int(time.time())
    return {"iss": "https://regie.example", "sub": "s" * 43, "aud": "agency", "iat": now, "exp": now + 300}


def public(ring: Ring, token: str) -> dict[str, Any]:
    kid = pyjwt.get_unverified_header(token)["kid"]
    return next(key for key in json.loads(ring.jwks())["keys"] if key["kid"] == kid)


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
@pytest.mark.parametrize("typ", TYPES)
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


class TestPs256:
    """python-jose has no PS256: jwcrypto is the second one there, PyJWT the third."""

    def test_jwcrypto_and_pyjwt_accept_and_refuse(self, ring: Ring) -> None:
        token = jose.sign(claims(), ring.active("PS256"), typ=responses.ID_TOKEN.typ)
        key = public(ring, token)
        head, body, signature = token.split(".")
        altered = f"{head}.{body}.{signature[:-4]}{'AAAA' if signature[-4:] != 'AAAA' else 'BBBB'}"

        seen = jwcrypto_jwt.JWT(jwt=token, key=jwk.JWK(**key), algs=["PS256"])

        assert json.loads(seen.claims)["sub"] == "s" * 43
        assert pyjwt.decode(token, pyjwt.PyJWK(key).key, algorithms=["PS256"], audience="agency")["sub"] == "s" * 43
        with pytest.raises(jwcrypto_jws.InvalidJWSSignature):
            jwcrypto_jwt.JWT(jwt=altered, key=jwk.JWK(**key), algs=["PS256"])


def test_a_key_set_with_encryption_keys_is_read_by_those_who_only_verify(ring: Ring) -> None:
    """Libraries take our whole JWK Set, find the key by `kid`, and are not put off by keys of another use."""
    token = jose.sign(claims(), ring.active(), typ=mint.AT_TYP)
    kid = pyjwt.get_unverified_header(token)["kid"]

    by_pyjwt = pyjwt.PyJWKSet.from_json(ring.jwks().decode())[kid]
    seen = python_jose.decode(token, json.loads(ring.jwks()), algorithms=["ES256"], audience="agency", options=OPTIONS)

    assert pyjwt.decode(token, by_pyjwt.key, algorithms=["ES256"], audience="agency") == seen
    assert jwk.JWKSet.from_json(ring.jwks().decode()).get_key(kid) is not None
