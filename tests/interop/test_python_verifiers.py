"""Libraries that did not sign verify what we sign: python-jose and PyJWT, with every option written out."""

from __future__ import annotations

import ast
import importlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from jose import JWTError
from jose import jwt as python_jose
from jwcrypto import jwk
from jwcrypto import jws as jwcrypto_jws
from jwcrypto import jwt as jwcrypto_jwt

from base.settings import Settings
from consent import permits, receipts
from consent.events import sets
from consent.govstack import consents as govstack
from consent.offline import artefact, lists
from idp.endpoints import discovery
from idp.profiles import PROFILES
from idp.tokens import mint, responses
from keys import jose
from keys.ring import Ring

HERE = Path(__file__).resolve().parent.parent.parent
RESPONSES = tuple(kind.typ for kind in (*responses.KINDS, responses.LOGOUT))
TYPES = (
    mint.AT_TYP,
    *RESPONSES,
    discovery.METADATA_TYP,
    permits.TYP,
    receipts.TYP,
    artefact.TYP,
    sets.TYP,
    lists.TYP,
    govstack.TYP,
)
"""Every kind of token that we sign."""
OPTIONS = {"require_aud": True, "require_exp": True, "require_iss": True}


def claims() -> dict[str, Any]:
    now = int(time.time())
    return {"iss": "https://regie.example", "sub": "s" * 43, "aud": "agency", "iat": now, "exp": now + 300}


def public(ring: Ring, token: str) -> dict[str, Any]:
    kid = pyjwt.get_unverified_header(token)["kid"]
    return next(key for key in json.loads(ring.jwks())["keys"] if key["kid"] == kid)


def signed() -> Iterator[str]:
    """The `typ` of each call of `jose.sign` in the services."""
    for path in (path for room in ("idp", "consent") for path in (HERE / room).rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "jose.sign":
                name = next(ast.unparse(one.value) for one in call.keywords if one.arg == "typ")
                module = importlib.import_module(".".join(path.relative_to(HERE).with_suffix("").parts))
                yield from RESPONSES if name == "kind.typ" else [getattr(module, name)]


def test_no_kind_that_we_sign_is_left_out() -> None:
    assert set(signed()) == set(TYPES)


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


class TestWithoutAnAudienceOrAnEnd:
    """What is said to everyone, or for ever, has no `aud` or `exp`: the libraries must not miss them."""

    def test_signed_metadata(self, ring: Ring) -> None:
        """RFC 8414 section 2.1."""
        plain = discovery.document(Settings(development=True), discovery.OPENID, PROFILES.values())

        told = json.loads(discovery.SignedMetadata(ring, plain)())

        token, key = told["signed_metadata"], public(ring, told["signed_metadata"])
        seen = python_jose.decode(token, key, algorithms=["ES256"], issuer=plain["issuer"])
        assert seen == pyjwt.decode(token, pyjwt.PyJWK(key).key, algorithms=["ES256"], issuer=plain["issuer"])
        assert seen == {"iss": plain["issuer"], **plain}

    def test_a_receipt(self, ring: Ring) -> None:
        receipt = {"iss": "https://regie.example", "jti": "r" * 43, "iat": int(time.time()), "expires_at": None}

        token = receipts.sign(ring, receipt)

        key = public(ring, token)
        assert python_jose.decode(token, key, algorithms=["ES256"], issuer=receipt["iss"]) == receipt
        assert pyjwt.decode(token, pyjwt.PyJWK(key).key, algorithms=["ES256"]) == receipt


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
