"""Requests, good and bad, that are sent to both providers. By name; each is sent to one side and answers what came back."""

from __future__ import annotations

import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx2
from joserfc import jwt

from agency.jose import Key
from tests.fixtures.oracle import ASSERTION, CALLBACK, FORM, SECOND, VERIFIER, Side, follow

Send = Callable[[Side], httpx2.Response]
CASES: dict[str, Send] = {}
"""All of them."""

AUTHORIZE, PAR, TOKEN = "/oauth2/authorize", "/oauth2/par", "/oauth2/token"
INTROSPECT, REVOKE, USERINFO = "/oauth2/introspect", "/oauth2/revoke", "/oauth2/userinfo"
METADATA, JWKS, LOGOUT = "/.well-known/openid-configuration", "/oauth2/jwks", "/oauth2/logout"


def case(name: str) -> Callable[[Send], Send]:
    def keep(send: Send) -> Send:
        CASES[name] = send
        return send

    return keep


# Authorization requests that differ from a good one in this alone: (client, what is changed).
REQUESTS: dict[str, tuple[str, dict[str, str | None]]] = {
    "a good request": ("web", {}),
    "an unknown parameter": ("web", {"colour": "blue"}),
    "no client_id": ("web", {"client_id": None}),
    "an unknown client": ("web", {"client_id": "nobody"}),
    "a client that may not": ("own", {}),
    "no redirect_uri, one is registered": ("web", {"redirect_uri": None}),
    "no redirect_uri, two are registered": ("two", {"redirect_uri": None}),
    "the second registered redirect_uri": ("two", {"redirect_uri": SECOND}),
    "a foreign redirect_uri": ("web", {"redirect_uri": "https://evil.example/callback"}),
    "a redirect_uri with a slash more": ("web", {"redirect_uri": CALLBACK + "/"}),
    "a redirect_uri with a query": ("web", {"redirect_uri": CALLBACK + "?a=b"}),
    "a redirect_uri with a fragment": ("web", {"redirect_uri": CALLBACK + "#x"}),
    "a redirect_uri on another port": ("web", {"redirect_uri": CALLBACK.replace(":9/", ":10/")}),
    "a redirect_uri in capitals": ("web", {"redirect_uri": CALLBACK.upper()}),
    "no response_type": ("web", {"response_type": None}),
    "response_type token": ("web", {"response_type": "token"}),
    "response_type id_token": ("web", {"response_type": "id_token"}),
    "response_type code id_token": ("web", {"response_type": "code id_token"}),
    "response_mode query": ("web", {"response_mode": "query", "prompt": "none"}),
    "response_mode fragment": ("web", {"response_mode": "fragment", "prompt": "none"}),
    "response_mode jwt": ("web", {"response_mode": "jwt", "prompt": "none"}),
    "response_mode query.jwt": ("web", {"response_mode": "query.jwt", "prompt": "none"}),
    "response_mode form_post": ("web", {"response_mode": "form_post", "prompt": "none"}),
    "an unknown response_mode": ("web", {"response_mode": "pigeon"}),
    "no scope": ("web", {"scope": None}),
    "scope without openid": ("web", {"scope": "birthdate"}),
    "an unknown scope beside openid": ("web", {"scope": "openid moon"}),
    "unknown scopes alone": ("web", {"scope": "moon"}),
    "a scope that is not registered for the client": ("web", {"scope": "openid nationality"}),
    "no state": ("web", {"state": None, "prompt": "none"}),
    "no nonce": ("web", {"nonce": None}),
    "no PKCE": ("web", {"code_challenge": None, "code_challenge_method": None}),
    "PKCE plain": ("web", {"code_challenge_method": "plain", "code_challenge": VERIFIER}),
    "PKCE without a method": ("web", {"code_challenge_method": None}),
    "a method without a challenge": ("web", {"code_challenge": None}),
    "a code_challenge that is too short": ("web", {"code_challenge": "short"}),
    "a code_challenge with other characters": ("web", {"code_challenge": "!" * 43}),
    "prompt none, nobody logged in": ("web", {"prompt": "none"}),
    "prompt none and login": ("web", {"prompt": "none login"}),
    "prompt login": ("web", {"prompt": "login"}),
    "an unknown prompt": ("web", {"prompt": "please"}),
    "max_age 0": ("web", {"max_age": "0"}),
    "max_age negative": ("web", {"max_age": "-1"}),
    "max_age no number": ("web", {"max_age": "soon"}),
    "display popup": ("web", {"display": "popup"}),
    "ui_locales": ("web", {"ui_locales": "nl en"}),
    "login_hint": ("web", {"login_hint": "cees"}),
    "an unknown acr": ("web", {"acr_values": "urn:nobody"}),
    "an id_token_hint that is none": ("web", {"id_token_hint": "abc", "prompt": "none"}),
    "claims": ("web", {"claims": '{"userinfo":{"birthdate":null}}'}),
    "claims that is no JSON": ("web", {"claims": "{"}),
    "claims that is a list": ("web", {"claims": "[]"}),
    "claims whose parts are lists": ("web", {"claims": '{"userinfo":[]}'}),
    "request that is no JWT": ("web", {"request": "abc"}),
    "request_uri to elsewhere": ("web", {"request_uri": "https://web.example/request"}),
    "request_uri that was never given": ("web", {"request_uri": "urn:ietf:params:oauth:request_uri:" + "x" * 43}),
    "registration": ("web", {"registration": "{}"}),
    "an unknown resource": ("web", {"resource": "https://elsewhere.example/api"}),
    "a resource that is no address": ("web", {"resource": "elsewhere"}),
    "dpop_jkt": ("web", {"dpop_jkt": "j" * 43}),
    "dpop_jkt that is no thumbprint": ("web", {"dpop_jkt": "short"}),
    "not pushed, though the client must": ("pushing", {}),
}

for _name, (_client, _changes) in REQUESTS.items():
    CASES[f"authorize: {_name}"] = lambda side, client=_client, changes=_changes: side.authorize(  # type: ignore[misc]
        side.request(client, **changes)
    )


@case("authorize: prompt none, logged in")
def _(side: Side) -> httpx2.Response:
    side.code()
    return side.authorize(side.request(prompt="none"), cookies=True)


@case("authorize: logged in already")
def _(side: Side) -> httpx2.Response:
    side.code()
    return side.authorize(side.request(), cookies=True)


@case("authorize: logged in, prompt login")
def _(side: Side) -> httpx2.Response:
    side.code()
    return side.authorize(side.request(prompt="login"), cookies=True)


@case("authorize: by POST")
def _(side: Side) -> httpx2.Response:
    with httpx2.Client(timeout=20) as browser:
        return follow(browser, browser.post(side.address(AUTHORIZE), data=side.request()))


@case("authorize: by POST of JSON")
def _(side: Side) -> httpx2.Response:
    return httpx2.post(side.address(AUTHORIZE), json=side.request())


@case("authorize: by PUT")
def _(side: Side) -> httpx2.Response:
    return httpx2.put(side.address(AUTHORIZE), data=side.request())


def _twice(name: str, value: str) -> Send:
    return lambda side: httpx2.get(f"{side.address(AUTHORIZE)}?{urlencode(side.request())}&{urlencode({name: value})}")


CASES["authorize: state twice"] = _twice("state", "other")
CASES["authorize: client_id twice"] = _twice("client_id", "web")
CASES["authorize: redirect_uri twice"] = _twice("redirect_uri", CALLBACK)


def _request_object(side: Side, **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": "key",
        "aud": side.issuer,
        "exp": now + 60,
        "nbf": now,
        "iat": now,
        **side.request("key"),
        **changes,
    }
    kept = {name: value for name, value in claims.items() if value is not None}
    key = side.keys["key"]
    return jwt.encode({"alg": "ES256", "kid": key.thumbprint, "typ": "oauth-authz-req+jwt"}, kept, key._key)


SIGNED: dict[str, dict[str, Any]] = {
    "a signed request": {},
    "a signed request of another client": {"client_id": "web"},
    "a signed request for another server": {"aud": "https://elsewhere.example"},
    "a signed request that has expired": {"exp": 1},
    "a signed request with a foreign redirect_uri": {"redirect_uri": "https://evil.example"},
    "a signed request without PKCE": {"code_challenge": None, "code_challenge_method": None},
    "a signed request in a signed request": {"request": "abc"},
}
for _name, _changes in SIGNED.items():
    CASES[f"authorize: {_name}"] = lambda side, changes=_changes: side.authorize(  # type: ignore[misc]
        {"client_id": "key", "response_type": "code", "scope": "openid", "request": _request_object(side, **changes)}
    )


@case("authorize: a signed request that was altered")
def _(side: Side) -> httpx2.Response:
    head, body, signature = _request_object(side).split(".")
    altered = f"{head}.{body}.{'A' * len(signature)}"
    return side.authorize({"client_id": "key", "response_type": "code", "scope": "openid", "request": altered})


@case("authorize: a request signed by nobody")
def _(side: Side) -> httpx2.Response:
    _, body, _ = _request_object(side).split(".")
    unsigned = f"eyJhbGciOiJub25lIn0.{body}."
    return side.authorize({"client_id": "key", "response_type": "code", "scope": "openid", "request": unsigned})


def assertion(side: Side, *, header: dict[str, Any] | None = None, key: Any = None, **changes: Any) -> dict[str, str]:
    """A client assertion of `key` (RFC 7523), and what goes with it."""
    now = int(time.time())
    own = side.keys["key"]
    claims = {"iss": "key", "sub": "key", "aud": side.issuer, "iat": now, "exp": now + 60, "jti": str(time.time_ns())}
    kept = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    made = jwt.encode({"alg": "ES256", "kid": own.thumbprint, **(header or {})}, kept, key or own._key)
    return {"client_assertion_type": ASSERTION, "client_assertion": made}


# Pushed requests.
PUSHED: dict[str, dict[str, str | None]] = {
    "a good request": {},
    "a foreign redirect_uri": {"redirect_uri": "https://evil.example"},
    "no redirect_uri": {"redirect_uri": None},
    "no response_type": {"response_type": None},
    "an unknown scope alone": {"scope": "moon"},
    "no PKCE": {"code_challenge": None, "code_challenge_method": None},
    "a request_uri": {"request_uri": "urn:ietf:params:oauth:request_uri:x"},
    "another client's client_id": {"client_id": "two"},
    "prompt none and login": {"prompt": "none login"},
    "no client_id beside the authentication": {"client_id": None},
}
for _name, _changes in PUSHED.items():
    CASES[f"par: {_name}"] = lambda side, changes=_changes: side.post(  # type: ignore[misc]
        PAR, side.request("web", **changes), auth="web"
    )
CASES |= {
    "par: no authentication": lambda side: side.post(PAR, side.request()),
    "par: a wrong secret": lambda side: side.post(PAR, side.request(), auth=("web", "wrong")),
    "par: an unknown client": lambda side: side.post(PAR, side.request("nobody"), auth=("nobody", "wrong")),
    "par: an assertion": lambda side: side.post(PAR, {**side.request("key"), **assertion(side)}),
    "par: by GET": lambda side: httpx2.get(side.address(PAR), params=side.request(), auth=side.basic("web")),
    "par: JSON": lambda side: httpx2.post(side.address(PAR), json=side.request(), auth=side.basic("web")),
    "par: a field twice": lambda side: httpx2.post(
        side.address(PAR),
        content=urlencode(side.request()) + "&state=other",
        headers={"content-type": FORM},
        auth=side.basic("web"),
    ),
    "par: a DPoP proof that is none": lambda side: side.post(PAR, side.request(), auth="web", headers={"dpop": "abc"}),
    "par: dpop_jkt of another key": lambda side: side.post(
        PAR,
        side.request(dpop_jkt="j" * 43),
        auth="web",
        headers={"dpop": Key.generate().proof("POST", side.address(PAR))},
    ),
}


def _push(side: Side, client: str = "web", **changes: str | None) -> str:
    answer = side.post(PAR, side.request(client, **changes), auth=client)
    urn: str = answer.raise_for_status().json()["request_uri"]
    return urn


CASES |= {
    "pushed: arrives": lambda side: side.authorize({"client_id": "web", "request_uri": _push(side)}),
    "pushed: without client_id": lambda side: side.authorize({"request_uri": _push(side)}),
    "pushed: with another client's client_id": lambda side: side.authorize(
        {"client_id": "two", "request_uri": _push(side)}
    ),
    "pushed: with more beside it": lambda side: side.authorize(
        {"client_id": "web", "request_uri": _push(side, prompt="none"), "state": "other", "scope": "moon"}
    ),
    "pushed: by a client that must": lambda side: side.authorize(
        {"client_id": "pushing", "request_uri": _push(side, "pushing")}
    ),
}


@case("pushed: opened in a second browser")
def _(side: Side) -> httpx2.Response:
    form = {"client_id": "web", "request_uri": _push(side)}
    side.authorize(form)
    return side.authorize(form)


@case("pushed: again after it was answered")
def _(side: Side) -> httpx2.Response:
    form = {"client_id": "web", "request_uri": _push(side)}
    side.arrive(side.http.get(side.address(AUTHORIZE), params=form))
    return side.authorize(form, cookies=True)


# Redemptions of a fresh code of `web` that differ from a good one in this alone.
REDEEMED: dict[str, dict[str, str | None]] = {
    "a code": {},
    "no code": {"code": None},
    "an unknown code": {"code": "x" * 43},
    "a wrong code_verifier": {"code_verifier": "w" * 64},
    "no code_verifier": {"code_verifier": None},
    "a code_verifier that is too short": {"code_verifier": "short"},
    "another redirect_uri": {"redirect_uri": SECOND},
    "no redirect_uri": {"redirect_uri": None},
    "no grant_type": {"grant_type": None},
    "grant_type password": {"grant_type": "password", "username": "a", "password": "b"},
    "grant_type implicit": {"grant_type": "implicit"},
    "an unknown grant_type": {"grant_type": "moon"},
    "a grant_type that the client did not register": {"grant_type": "client_credentials"},
    "an unknown parameter": {"colour": "blue"},
    "an unknown resource": {"resource": "https://elsewhere.example/api"},
}
for _name, _changes in REDEEMED.items():
    CASES[f"token: {_name}"] = lambda side, changes=_changes: side.post(  # type: ignore[misc]
        TOKEN, {name: value for name, value in {**side.redemption(side.code()), **changes}.items() if value}, auth="web"
    )
CASES |= {
    "token: another client's code": lambda side: side.post(TOKEN, side.redemption(side.code()), auth="two"),
    "token: no authentication": lambda side: side.post(TOKEN, side.redemption("x" * 43)),
    "token: client_id alone": lambda side: side.post(TOKEN, side.redemption("x" * 43, client_id="web")),
    "token: a wrong secret": lambda side: side.post(TOKEN, side.redemption("x" * 43), auth=("web", "wrong")),
    "token: an unknown client": lambda side: side.post(TOKEN, side.redemption("x" * 43), auth=("nobody", "wrong")),
    "token: a secret in two ways": lambda side: side.post(
        TOKEN, side.redemption("x" * 43, client_id="web", client_secret=side.secrets["web"]), auth="web"
    ),
    "token: posted by a client of basic": lambda side: side.post(
        TOKEN, side.redemption(side.code(), client_id="web", client_secret=side.secrets["web"])
    ),
    "token: basic by a client of post": lambda side: side.post(TOKEN, side.redemption(side.code("post")), auth="post"),
    "token: posted by a client of post": lambda side: side.post(
        TOKEN, side.redemption(side.code("post"), client_id="post", client_secret=side.secrets["post"])
    ),
    "token: Basic that is no base64": lambda side: side.post(
        TOKEN, side.redemption("x" * 43), headers={"authorization": "Basic !!"}
    ),
    "token: an unknown scheme": lambda side: side.post(
        TOKEN, side.redemption("x" * 43), headers={"authorization": "Moon abc"}
    ),
    "token: client_id of another beside Basic": lambda side: side.post(
        TOKEN, side.redemption("x" * 43, client_id="two"), auth="web"
    ),
    "token: by GET": lambda side: httpx2.get(
        side.address(TOKEN), params=side.redemption("x" * 43), auth=side.basic("web")
    ),
    "token: JSON": lambda side: httpx2.post(
        side.address(TOKEN), json=side.redemption("x" * 43), auth=side.basic("web")
    ),
    "token: a field twice": lambda side: httpx2.post(
        side.address(TOKEN),
        content=urlencode(side.redemption("x" * 43)) + "&code=other",
        headers={"content-type": FORM},
        auth=side.basic("web"),
    ),
    "token: parameters in the query": lambda side: httpx2.post(
        f"{side.address(TOKEN)}?{urlencode(side.redemption(side.code()))}",
        headers={"content-type": FORM},
        auth=side.basic("web"),
    ),
    "token: client credentials": lambda side: side.post(
        TOKEN, {"grant_type": "client_credentials", "scope": "consent:check"}, auth="own"
    ),
    "token: client credentials without a scope": lambda side: side.post(
        TOKEN, {"grant_type": "client_credentials"}, auth="own"
    ),
    "token: client credentials, a scope not registered": lambda side: side.post(
        TOKEN, {"grant_type": "client_credentials", "scope": "consent:redeem"}, auth="own"
    ),
    "token: client credentials, an unknown scope": lambda side: side.post(
        TOKEN, {"grant_type": "client_credentials", "scope": "moon"}, auth="own"
    ),
    "token: client credentials, the API named": lambda side: side.post(
        TOKEN, {"grant_type": "client_credentials", "scope": "consent:check", "resource": side.api}, auth="own"
    ),
    "token: client credentials, an unknown resource": lambda side: side.post(
        TOKEN, {"grant_type": "client_credentials", "resource": "https://elsewhere.example"}, auth="own"
    ),
}


@case("token: a code twice")
def _(side: Side) -> httpx2.Response:
    form = side.redemption(side.code())
    side.post(TOKEN, form, auth="web").raise_for_status()
    return side.post(TOKEN, form, auth="web")


@case("token: the access token of a code that was used twice")
def _(side: Side) -> httpx2.Response:
    form = side.redemption(side.code())
    token = side.post(TOKEN, form, auth="web").json()["access_token"]
    side.post(TOKEN, form, auth="web")
    return httpx2.get(side.address(USERINFO), headers={"authorization": f"Bearer {token}"})


@case("token: the refresh token of a code that was used twice")
def _(side: Side) -> httpx2.Response:
    form = side.redemption(side.code())
    token = side.post(TOKEN, form, auth="web").json()["refresh_token"]
    side.post(TOKEN, form, auth="web")
    return side.post(TOKEN, {"grant_type": "refresh_token", "refresh_token": token}, auth="web")


ASSERTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "an assertion": ({}, {}),
    "an assertion for the token endpoint": ({}, {"aud": "TOKEN"}),
    "an assertion for elsewhere": ({}, {"aud": "https://elsewhere.example"}),
    "an assertion for two": ({}, {"aud": ["ISSUER", "https://elsewhere.example"]}),
    "an assertion that has expired": ({}, {"exp": 1}),
    "an assertion without exp": ({}, {"exp": None}),
    "an assertion without jti": ({}, {"jti": None}),
    "an assertion without sub": ({}, {"sub": None}),
    "an assertion by another iss": ({}, {"iss": "web"}),
    "an assertion whose key is not known": ({"kid": "nobody"}, {}),
    "an assertion of another typ": ({"typ": "at+jwt"}, {}),
}


def _filled(side: Side, value: Any) -> Any:
    words = {"TOKEN": side.address(TOKEN), "ISSUER": side.issuer}
    if isinstance(value, list):
        return [words.get(one, one) for one in value]
    return words.get(value, value) if isinstance(value, str) else value


for _name, (_header, _claims) in ASSERTIONS.items():
    CASES[f"token: {_name}"] = lambda side, header=_header, claims=_claims: side.post(  # type: ignore[misc]
        TOKEN,
        {
            **side.redemption(side.code("key")),
            **assertion(side, header=header, **{name: _filled(side, value) for name, value in claims.items()}),
        },
    )


@case("token: an assertion twice")
def _(side: Side) -> httpx2.Response:
    shown = assertion(side)
    side.post(PAR, {**side.request("key"), **shown}).raise_for_status()
    return side.post(PAR, {**side.request("key"), **shown})


@case("token: an assertion by a client of basic")
def _(side: Side) -> httpx2.Response:
    return side.post(TOKEN, {**side.redemption("x" * 43), **assertion(side, iss="web", sub="web")})


@case("token: an assertion signed with the public key as a secret")
def _(side: Side) -> httpx2.Response:
    """CVE-2024-33663 and its kin."""
    made = assertion(side)
    body = made["client_assertion"].split(".")[1]
    header = urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=").decode()
    secret = side.keys["key"]._key.as_pem(private=False)
    mac = hmac.digest(secret, f"{header}.{body}".encode(), "sha256")
    forged = f"{header}.{body}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    return side.post(TOKEN, {**side.redemption("x" * 43), **made, "client_assertion": forged})


# Refreshing.
def _refresh(side: Side, client: str = "web", *, auth: str = "", **changes: str) -> httpx2.Response:
    token = side.tokens(client, scope="openid birthdate" if client == "web" else "openid")["refresh_token"]
    return side.post(TOKEN, {"grant_type": "refresh_token", "refresh_token": token, **changes}, auth=auth or client)


CASES |= {
    "refresh: a token": _refresh,
    "refresh: no token": lambda side: side.post(TOKEN, {"grant_type": "refresh_token"}, auth="web"),
    "refresh: an unknown token": lambda side: _refresh(side, refresh_token="x" * 43),
    "refresh: a smaller scope": lambda side: _refresh(side, scope="openid"),
    "refresh: a larger scope": lambda side: _refresh(side, scope="openid birthdate nationality"),
    "refresh: another client's token": lambda side: _refresh(side, auth="two"),
    "refresh: a client that may not": lambda side: side.post(
        TOKEN,
        {
            "grant_type": "refresh_token",
            "refresh_token": "x" * 43,
            "client_id": "post",
            "client_secret": side.secrets["post"],
        },
    ),
}


@case("refresh: a token that was used, after its successor was")
def _(side: Side) -> httpx2.Response:
    form = {"grant_type": "refresh_token", "refresh_token": side.tokens()["refresh_token"]}
    child = side.post(TOKEN, form, auth="web").json()["refresh_token"]
    side.post(TOKEN, {**form, "refresh_token": child}, auth="web").raise_for_status()
    return side.post(TOKEN, form, auth="web")


# DPoP.
def _bound(side: Side, **proof: Any) -> dict[str, Any]:
    key = proof.pop("key", None) or Key.generate()
    return side.tokens("bound", headers={"dpop": key.proof("POST", side.address(TOKEN))})


def _proof(side: Side, key: Key, header: dict[str, Any] | None = None, **changes: Any) -> dict[str, str]:
    public = {name: key.public()[name] for name in ("kty", "crv", "x", "y")}
    claims = {"jti": str(time.time_ns()), "htm": "POST", "htu": side.address(TOKEN), "iat": int(time.time()), **changes}
    kept = {name: value for name, value in claims.items() if value is not None}
    made = {"alg": "ES256", "typ": "dpop+jwt", "jwk": public, **(header or {})}
    return {"dpop": jwt.encode(made, kept, key._key)}


PROOFS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a proof": ({}, {}),
    "a proof for another method": ({}, {"htm": "GET"}),
    "a proof for another address": ({}, {"htu": "https://elsewhere.example/token"}),
    "a proof for this address with a query": ({}, {"htu": "QUERY"}),
    "a proof of an hour ago": ({}, {"iat": int(time.time()) - 3600}),
    "a proof of tomorrow": ({}, {"iat": int(time.time()) + 86400}),
    "a proof without jti": ({}, {"jti": None}),
    "a proof without iat": ({}, {"iat": None}),
    "a proof of another typ": ({"typ": "JWT"}, {}),
}
for _name, (_header, _claims) in PROOFS.items():
    CASES[f"dpop: {_name}"] = lambda side, header=_header, claims=_claims: side.post(  # type: ignore[misc]
        TOKEN,
        side.redemption(side.code("bound")),
        auth="bound",
        headers=_proof(
            side,
            Key.generate(),
            header,
            **{name: side.address(TOKEN) + "?a=b" if value == "QUERY" else value for name, value in claims.items()},
        ),
    )
CASES |= {
    "dpop: no proof by a client whose tokens are bound": lambda side: side.post(
        TOKEN, side.redemption(side.code("bound")), auth="bound"
    ),
    "dpop: a proof by a client whose tokens need not be": lambda side: side.post(
        TOKEN, side.redemption(side.code()), auth="web", headers=_proof(side, Key.generate())
    ),
    "dpop: the code is bound to another key": lambda side: side.post(
        TOKEN,
        side.redemption(side.code("bound", dpop_jkt="j" * 43)),
        auth="bound",
        headers=_proof(side, Key.generate()),
    ),
}


@case("dpop: a proof with the private key in it")
def _(side: Side) -> httpx2.Response:
    key = Key.generate()
    header = {"jwk": key._key.as_dict(private=True)}
    return side.post(TOKEN, side.redemption(side.code("bound")), auth="bound", headers=_proof(side, key, header))


@case("dpop: a proof twice")
def _(side: Side) -> httpx2.Response:
    shown = _proof(side, Key.generate())
    side.post(TOKEN, side.redemption(side.code("bound")), auth="bound", headers=shown).raise_for_status()
    return side.post(TOKEN, side.redemption(side.code("bound")), auth="bound", headers=shown)


@case("dpop: refreshed with another key")
def _(side: Side) -> httpx2.Response:
    token = _bound(side)["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token}
    # A client with a secret is not held to its key at theirs, nor by RFC 9449 section 5.
    return side.post(TOKEN, form, auth="bound", headers=_proof(side, Key.generate()))


def _userinfo(side: Side, token: str, scheme: str = "Bearer", **headers: str) -> httpx2.Response:
    return httpx2.get(side.address(USERINFO), headers={"authorization": f"{scheme} {token}", **headers})


@case("userinfo: a bound token with its proof")
def _(side: Side) -> httpx2.Response:
    key = Key.generate()
    token = _bound(side, key=key)["access_token"]
    return _userinfo(side, token, "DPoP", dpop=key.proof("GET", side.address(USERINFO), token))


@case("userinfo: a bound token as Bearer")
def _(side: Side) -> httpx2.Response:
    return _userinfo(side, _bound(side)["access_token"])


@case("userinfo: a bound token without a proof")
def _(side: Side) -> httpx2.Response:
    return _userinfo(side, _bound(side)["access_token"], "DPoP")


@case("userinfo: a bound token with the proof of another key")
def _(side: Side) -> httpx2.Response:
    token = _bound(side)["access_token"]
    return _userinfo(side, token, "DPoP", dpop=Key.generate().proof("GET", side.address(USERINFO), token))


@case("userinfo: a proof without ath")
def _(side: Side) -> httpx2.Response:
    key = Key.generate()
    token = _bound(side, key=key)["access_token"]
    return _userinfo(side, token, "DPoP", dpop=key.proof("GET", side.address(USERINFO)))


CASES |= {
    "userinfo: a token": lambda side: _userinfo(side, side.tokens()["access_token"]),
    "userinfo: an unbound token as DPoP": lambda side: _userinfo(
        side, side.tokens()["access_token"], "DPoP", dpop=Key.generate().proof("GET", side.address(USERINFO), "x")
    ),
    "userinfo: no token": lambda side: httpx2.get(side.address(USERINFO)),
    "userinfo: a token that is none": lambda side: _userinfo(side, "abc"),
    "userinfo: a token in the query": lambda side: httpx2.get(
        side.address(USERINFO), params={"access_token": side.tokens()["access_token"]}
    ),
    "userinfo: a token in the form": lambda side: side.post(USERINFO, {"access_token": side.tokens()["access_token"]}),
    "userinfo: by POST, the token in the header": lambda side: side.post(
        USERINFO, {}, headers={"authorization": f"Bearer {side.tokens()['access_token']}"}
    ),
    "userinfo: an ID token": lambda side: _userinfo(side, side.tokens()["id_token"]),
    "userinfo: an agency's own token": lambda side: _userinfo(side, _own(side)),
    "userinfo: Basic": lambda side: httpx2.get(side.address(USERINFO), auth=side.basic("web")),
}


def _own(side: Side) -> str:
    form = {"grant_type": "client_credentials", "scope": "consent:check"}
    token: str = side.post(TOKEN, form, auth="own").raise_for_status().json()["access_token"]
    return token


@case("userinfo: a token that was revoked")
def _(side: Side) -> httpx2.Response:
    token = side.tokens()["access_token"]
    side.post(REVOKE, {"token": token}, auth="web").raise_for_status()
    return _userinfo(side, token)


# Introspection and revocation.
for _path in (INTROSPECT, REVOKE):
    _verb = _path.removeprefix("/oauth2/")
    CASES |= {
        f"{_verb}: an access token": lambda side, path=_path: side.post(  # type: ignore[misc]
            path, {"token": side.tokens()["access_token"]}, auth="web"
        ),
        f"{_verb}: a refresh token": lambda side, path=_path: side.post(  # type: ignore[misc]
            path, {"token": side.tokens()["refresh_token"]}, auth="web"
        ),
        f"{_verb}: a wrong hint": lambda side, path=_path: side.post(  # type: ignore[misc]
            path, {"token": side.tokens()["access_token"], "token_type_hint": "refresh_token"}, auth="web"
        ),
        f"{_verb}: an unknown hint": lambda side, path=_path: side.post(  # type: ignore[misc]
            path, {"token": "x" * 43, "token_type_hint": "moon"}, auth="web"
        ),
        f"{_verb}: an unknown token": lambda side, path=_path: side.post(  # type: ignore[misc]
            path, {"token": "x" * 43}, auth="web"
        ),
        f"{_verb}: an own token of the API": lambda side, path=_path: side.post(  # type: ignore[misc]
            path, {"token": _own(side)}, auth="own"
        ),
        f"{_verb}: another client's token": lambda side, path=_path: side.post(  # type: ignore[misc]
            path, {"token": side.tokens()["access_token"]}, auth="two"
        ),
        f"{_verb}: no token": lambda side, path=_path: side.post(path, {"colour": "blue"}, auth="web"),  # type: ignore[misc]
        f"{_verb}: no authentication": lambda side, path=_path: side.post(path, {"token": "x"}),  # type: ignore[misc]
        f"{_verb}: a wrong secret": lambda side, path=_path: side.post(  # type: ignore[misc]
            path, {"token": "x"}, auth=("web", "wrong")
        ),
        f"{_verb}: by GET": lambda side, path=_path: httpx2.get(  # type: ignore[misc]
            side.address(path), params={"token": "x"}, auth=side.basic("web")
        ),
    }


@case("revoke: the access token of a revoked refresh token")
def _(side: Side) -> httpx2.Response:
    tokens = side.tokens()
    side.post(REVOKE, {"token": tokens["refresh_token"]}, auth="web").raise_for_status()
    return _userinfo(side, tokens["access_token"])


@case("revoke: a revoked refresh token is used")
def _(side: Side) -> httpx2.Response:
    token = side.tokens()["refresh_token"]
    side.post(REVOKE, {"token": token}, auth="web").raise_for_status()
    return side.post(TOKEN, {"grant_type": "refresh_token", "refresh_token": token}, auth="web")


# Documents.
for _path, _what in ((METADATA, "discovery"), (JWKS, "jwks")):
    CASES |= {
        f"{_what}: by GET": lambda side, path=_path: httpx2.get(side.address(path)),  # type: ignore[misc]
        f"{_what}: by HEAD": lambda side, path=_path: httpx2.head(side.address(path)),  # type: ignore[misc]
        f"{_what}: by POST": lambda side, path=_path: httpx2.post(side.address(path)),  # type: ignore[misc]
    }

CASES |= {
    "logout: nobody logged in": lambda side: httpx2.get(side.address(LOGOUT)),
    "logout: an id_token_hint that is none": lambda side: httpx2.get(
        side.address(LOGOUT), params={"id_token_hint": "abc"}
    ),
    "logout: an address that is not registered": lambda side: httpx2.get(
        side.address(LOGOUT), params={"client_id": "web", "post_logout_redirect_uri": "https://evil.example"}
    ),
}
