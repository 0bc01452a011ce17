"""RFC 9449: OAuth 2.0 Demonstrating Proof of Possession (DPoP), against `regie serve`."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from tests.fixtures.mutual import CONSENT, DPOP, PRIVATE_KEY_JWT, Mutual, Software

TOKEN, CHECKS = "/oauth2/token", "/consent/v1/checks"
BODY = {"sub": "A" * 43, "purpose": "housing-benefit", "data": ["address"]}


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


@pytest.fixture(scope="module")
def software(mutual: Mutual) -> Software:
    return mutual.software(PRIVATE_KEY_JWT, DPOP)


@pytest.fixture(scope="module")
def plain(mutual: Mutual) -> tuple[str, str]:
    """A client whose tokens need not be bound."""
    done = mutual.add("baseline", grant_types=["client_credentials"], scope=CONSENT, redirect_uris=[])
    return done["client_id"], done["client_secret"]


def answer_to(software: Software, **changes: Any) -> httpx2.Response:
    """A token request with a proof of which something is changed."""
    return software.own_token(headers={"dpop": software.proof("POST", software.url(TOKEN), **changes)})


def is_refused(answer: httpx2.Response) -> bool:
    return (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


class TestSection4_3:  # Checking DPoP proofs
    def test_1_not_more_than_one_header(self, software: Software) -> None:
        proofs = [("dpop", software.proof("POST", software.url(TOKEN))) for _ in range(2)]

        answer = software.caller.post(
            software.url(TOKEN), data={**software.credentials(), "grant_type": "client_credentials"}, headers=proofs
        )

        assert is_refused(answer)

    @pytest.mark.parametrize("proof", ["", "x", "a.b.c", "a" * 20_000, "e30.e30.e30"])
    def test_2_a_single_well_formed_jwt(self, software: Software, proof: str) -> None:
        answer = software.own_token(headers={"dpop": proof})

        assert answer.status_code in (400, 431)
        if answer.status_code == 400:
            assert answer.json()["error"] in ("invalid_dpop_proof", "invalid_request")

    @pytest.mark.parametrize("claim", ["jti", "htm", "htu", "iat"])
    def test_3_all_required_claims_are_there(self, software: Software, claim: str) -> None:
        assert is_refused(answer_to(software, **{claim: None}))

    @pytest.mark.parametrize("typ", ["JWT", "dpop", "at+jwt", None])
    def test_4_its_typ_is_dpop_jwt(self, software: Software, typ: str | None) -> None:
        assert is_refused(answer_to(software, header={"typ": typ}))

    def test_5_no_symmetric_algorithm(self, software: Software) -> None:
        key = OctKey.generate_key(256)
        proof = software.proof("POST", software.url(TOKEN), alg="HS256", key=key, header={"jwk": key.as_dict()})

        assert is_refused(software.own_token(headers={"dpop": proof}))

    def test_5_none_is_refused(self, software: Software) -> None:
        header, claims, _ = software.proof("POST", software.url(TOKEN)).split(".")
        told = json.loads(base64.urlsafe_b64decode(header + "=="))
        forged = base64.urlsafe_b64encode(json.dumps({**told, "alg": "none"}).encode()).rstrip(b"=").decode()

        for signature in ("", "AA"):
            assert is_refused(software.own_token(headers={"dpop": f"{forged}.{claims}.{signature}"}))

    @pytest.mark.parametrize("alg", ["ES256", "PS256", "EdDSA"])
    def test_5_each_algorithm_that_is_told_works(self, mutual: Mutual, software: Software, alg: str) -> None:
        key = {"ES256": ECKey, "PS256": RSAKey, "EdDSA": OKPKey}[alg].generate_key(
            {"ES256": "P-256", "PS256": 2048, "EdDSA": "Ed25519"}[alg]  # type: ignore[arg-type] # each its own kind
        )
        told = httpx2.get(f"{mutual.server.issuer}/.well-known/openid-configuration").json()
        proof = software.proof(
            "POST", software.url(TOKEN), alg=alg, key=key, header={"jwk": key.as_dict(private=False)}
        )

        answer = software.own_token(headers={"dpop": proof})

        assert alg in told["dpop_signing_alg_values_supported"]
        assert claims_of(answer.json()["access_token"])["cnf"] == {"jkt": key.thumbprint()}

    def test_5_rs256_is_not_told_and_refused(self, mutual: Mutual, software: Software) -> None:
        """FAPI 2.0 Security Profile section 5.4."""
        key = RSAKey.generate_key(2048)
        proof = software.proof(
            "POST", software.url(TOKEN), alg="RS256", key=key, header={"jwk": key.as_dict(private=False)}
        )
        told = httpx2.get(f"{mutual.server.issuer}/.well-known/openid-configuration").json()

        assert "RS256" not in told["dpop_signing_alg_values_supported"]
        assert is_refused(software.own_token(headers={"dpop": proof}))

    def test_6_the_signature_is_by_the_key_in_the_header(self, software: Software) -> None:
        other = ECKey.generate_key("P-256").as_dict(private=False)

        assert is_refused(answer_to(software, header={"jwk": other}))

    def test_7_no_private_key(self, software: Software) -> None:
        assert is_refused(answer_to(software, header={"jwk": software.proof_key.as_dict(private=True)}))

    @pytest.mark.parametrize(
        "jwk",
        [
            None,
            "x",
            {},
            {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
            {"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"},
            {"kty": "RSA", "e": "AQAB", "n": "AQAB"},
        ],
    )
    def test_7_a_key_that_is_none_is_refused(self, software: Software, jwk: Any) -> None:
        assert is_refused(answer_to(software, header={"jwk": jwk}))

    @pytest.mark.parametrize("htm", ["GET", "post", "", "POST ", 5])
    def test_8_its_htm_is_the_method(self, software: Software, htm: Any) -> None:
        assert is_refused(answer_to(software, htm=htm))

    @pytest.mark.parametrize(
        "change",
        [
            lambda url: url.replace("/oauth2/token", "/oauth2/par"),
            lambda url: url.replace("http://", "https://"),
            lambda url: url.replace("localhost", "127.0.0.1"),
            lambda url: url + "/",
            lambda url: url.replace("/oauth2", "/OAuth2"),
            lambda url: url.replace(":", ":1", 2),
            lambda _: "",
            lambda _: "http://[",
            lambda _: ["x"],
        ],
    )
    def test_9_its_htu_is_the_address(self, software: Software, change: Callable[[str], Any]) -> None:
        assert is_refused(answer_to(software, htu=change(software.url(TOKEN))))

    @pytest.mark.parametrize("more", ["?x=y", "#x"])
    def test_9_without_query_and_fragment(self, software: Software, more: str) -> None:
        assert answer_to(software, htu=software.url(TOKEN) + more).status_code == 200

    def test_9_spelled_as_uris_may_be(self, software: Software) -> None:
        """Syntax- and scheme-based normalization (RFC 3986 sections 6.2.2 and 6.2.3)."""
        assert (
            answer_to(software, htu=software.url(TOKEN).replace("http://localhost", "HTTP://LOCALHOST")).status_code
            == 200
        )

    def test_9_at_the_mtls_address_it_names_that(self, mutual: Mutual, software: Software) -> None:
        """The address that was called, not what it is an alias of."""
        alias = f"{mutual.address}{TOKEN}"
        form = {"grant_type": "client_credentials", "scope": CONSENT}

        def status(htu: str) -> int:
            headers = {"dpop": software.proof("POST", htu)}
            body = {**form, **software.credentials()}
            return software.caller.post(alias, data=body, headers=headers).status_code

        assert status(alias) == 200
        assert status(software.url(TOKEN)) == 400

    @pytest.mark.parametrize("iat", [-3600, -75, 15, 3600])
    def test_11_made_too_long_ago_or_too_far_ahead(self, software: Software, iat: int) -> None:
        """RFC 9449 section 11.1."""
        assert is_refused(answer_to(software, iat=iat))

    @pytest.mark.parametrize("iat", [-50, -10, 0, 8])
    def test_11_within_the_window(self, software: Software, iat: int) -> None:
        assert answer_to(software, iat=iat).status_code == 200

    @pytest.mark.parametrize("changes", [{"exp": -60}, {"nbf": 60}, {"iat": None, "exp": 60}])
    def test_11_its_own_exp_and_nbf_count(self, software: Software, changes: dict[str, int]) -> None:
        assert is_refused(answer_to(software, **changes))

    @pytest.mark.parametrize("jti", ["", 5, "x" * 501])
    def test_a_jti_that_is_none_is_refused(self, software: Software, jti: Any) -> None:
        assert is_refused(answer_to(software, jti=jti))


class TestSection5:  # DPoP access token request
    def test_the_token_is_bound_and_says_so(self, software: Software) -> None:
        """RFC 9449 section 6.1: `cnf` with `jkt`."""
        answer = software.own_token().json()

        assert answer["token_type"] == DPOP
        assert claims_of(answer["access_token"])["cnf"] == {"jkt": software.jkt}

    def test_introspection_tells_it_too(self, software: Software) -> None:
        """RFC 9449 section 6.2."""
        told = software.post("/oauth2/introspect", {"token": software.own_token().json()["access_token"]}).json()

        assert (told["cnf"], told["token_type"]) == ({"jkt": software.jkt}, DPOP)

    def test_a_client_that_must_bind_gets_no_bearer_token(self, software: Software) -> None:
        """RFC 9449 section 5.2, dpop_bound_access_tokens; FAPI 2.0 Security Profile section 5.3.2.1."""
        answer = software.own_token(headers={})

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")

    def test_a_client_that_may_bind_is_bound_when_it_shows_a_key(
        self, mutual: Mutual, software: Software, plain: tuple[str, str]
    ) -> None:
        url = f"{mutual.server.issuer}{TOKEN}"
        form = {"grant_type": "client_credentials"}

        bound = httpx2.post(url, data=form, auth=plain, headers={"dpop": software.proof("POST", url)}).json()
        bearer = httpx2.post(url, data=form, auth=plain).json()

        assert (bound["token_type"], bearer["token_type"]) == (DPOP, "Bearer")
        assert "cnf" not in claims_of(bearer["access_token"])

    def test_a_client_may_demand_it_of_itself(self, mutual: Mutual) -> None:
        members = {"grant_types": ["client_credentials"], "scope": CONSENT, "redirect_uris": []}
        done = mutual.add("baseline", dpop_bound_access_tokens=True, **members)
        auth = (done["client_id"], done["client_secret"])

        answer = httpx2.post(f"{mutual.server.issuer}{TOKEN}", data={"grant_type": "client_credentials"}, auth=auth)

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.fixture(scope="module")
def token(software: Software) -> str:
    return str(software.own_token().json()["access_token"])


class TestSection7:  # Protected resource access
    def test_the_registry_serves_it(self, software: Software, token: str) -> None:
        assert software.call("POST", CHECKS, token, json=BODY).status_code == 200

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Basic", "MAC"])
    def test_in_another_scheme_it_is_refused(self, software: Software, token: str, scheme: str) -> None:
        """RFC 9449 section 7.2: never as a bearer token."""
        answer = software.call("POST", CHECKS, token, scheme=scheme, json=BODY)

        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("DPoP")

    def test_the_scheme_is_no_matter_of_case(self, software: Software, token: str) -> None:
        assert software.call("POST", CHECKS, token, scheme="dPoP", json=BODY).status_code == 200

    def test_without_a_proof_it_is_refused(self, software: Software, token: str) -> None:
        answer = software.call("POST", CHECKS, token, headers={}, json=BODY)

        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'DPoP error="invalid_token"')

    @pytest.mark.parametrize("ath", [None, "", "A" * 43, 5])
    def test_the_proof_is_of_this_token(self, software: Software, token: str, ath: Any) -> None:
        headers = software.proven("POST", software.url(CHECKS), token, ath=ath)
        answer = software.call("POST", CHECKS, token, headers=headers, json=BODY)

        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'DPoP error="invalid_dpop_proof"')

    def test_the_proof_is_by_the_key_of_the_token(self, software: Software, token: str) -> None:
        headers = software.proven("POST", software.url(CHECKS), token, key=ECKey.generate_key("P-256"))

        assert software.call("POST", CHECKS, token, headers=headers, json=BODY).status_code == 401

    def test_a_bearer_token_is_not_taken_with_a_proof(
        self, mutual: Mutual, software: Software, plain: tuple[str, str]
    ) -> None:
        url = f"{mutual.server.issuer}{TOKEN}"
        token = httpx2.post(url, data={"grant_type": "client_credentials"}, auth=plain).json()["access_token"]

        assert software.call("POST", CHECKS, token, json=BODY).status_code == 401
        assert software.call("POST", CHECKS, token, scheme="Bearer", headers={}, json=BODY).status_code == 200


class TestSection11_1:  # DPoP proof replay
    def test_a_proof_serves_once_also_at_once(self, software: Software) -> None:
        """T-12: fifty times in parallel, over all workers."""
        url = software.url(TOKEN)
        proof = {"dpop": software.proof("POST", url)}
        forms = [{**software.credentials(), "grant_type": "client_credentials", "scope": CONSENT} for _ in range(50)]

        with ThreadPoolExecutor(25) as pool:
            answers = list(pool.map(lambda form: httpx2.post(url, data=form, headers=proof, timeout=30), forms))

        assert sorted(one.status_code for one in answers) == [200] + [400] * 49
        assert {one.json()["error"] for one in answers if one.status_code == 400} == {"invalid_dpop_proof"}

    def test_the_same_jti_by_another_key_is_another_proof(self, software: Software) -> None:
        """Nobody can use up another's."""
        jti = secrets.token_urlsafe(16)

        assert answer_to(software, jti=jti).status_code == 200
        assert answer_to(software, jti=jti, key=ECKey.generate_key("P-256")).status_code == 200
        assert is_refused(answer_to(software, jti=jti))


class TestSection10:  # Authorization code binding
    """RFC 9449 section 10."""

    @pytest.mark.parametrize("dpop_jkt", ["x", "A" * 44, "A" * 42 + "="])
    def test_a_dpop_jkt_that_is_no_thumbprint_is_refused(self, software: Software, dpop_jkt: str) -> None:
        assert software.push(dpop_jkt=dpop_jkt).json()["error"] == "invalid_request"

    def test_a_proof_and_a_dpop_jkt_of_another_key_are_refused(self, software: Software) -> None:
        """RFC 9449 section 10.1."""
        answer = software.push(software.proven("POST", software.url("/oauth2/par")), dpop_jkt="A" * 43)

        assert is_refused(answer)

    def test_both_of_the_same_key_are_taken(self, software: Software) -> None:
        answer = software.push(software.proven("POST", software.url("/oauth2/par")), dpop_jkt=software.jkt)

        assert answer.status_code == 201


@pytest.fixture(scope="module")
def one(strict: Mutual) -> Software:
    return strict.software(PRIVATE_KEY_JWT, DPOP)


class TestSection8:  # Authorization server-provided nonce
    def test_a_proof_without_one_is_told_which_to_use(self, one: Software) -> None:
        answer = one.own_token()

        assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
        assert answer.headers["cache-control"] == "no-store"
        assert answer_to(one, nonce=answer.headers["dpop-nonce"]).status_code == 200

    def test_the_answer_gives_the_next_one(self, one: Software) -> None:
        """RFC 9449 section 8.2."""
        nonce = one.own_token().headers["dpop-nonce"]

        answer = answer_to(one, nonce=nonce)

        assert answer_to(one, nonce=answer.headers["dpop-nonce"]).status_code == 200

    @pytest.mark.parametrize("nonce", ["", "x", "A" * 43, 5])
    def test_one_that_we_did_not_give_is_refused(self, one: Software, nonce: Any) -> None:
        assert answer_to(one, nonce=nonce).json()["error"] == "use_dpop_nonce"

    def test_a_nonce_makes_no_proof_serve_twice(self, one: Software) -> None:
        headers = {"dpop": one.proof("POST", one.url(TOKEN), nonce=one.own_token().headers["dpop-nonce"])}

        assert one.own_token(headers=headers).status_code == 200
        assert is_refused(one.own_token(headers=headers))

    def test_at_par_too(self, one: Software) -> None:
        url = one.url("/oauth2/par")
        asked = one.push(one.proven("POST", url))
        answer = one.push(one.proven("POST", url, nonce=asked.headers["dpop-nonce"]))

        assert (asked.status_code, asked.json()["error"]) == (400, "use_dpop_nonce")
        assert answer.status_code == 201

    def test_an_assertion_is_not_used_up_by_the_first_try(self, one: Software) -> None:
        """Software that sends the same form again, with the nonce, is served."""
        form = {**one.credentials(), "grant_type": "client_credentials", "scope": CONSENT}
        url = one.url(TOKEN)
        asked = one.caller.post(url, data=form, headers=one.proven("POST", url))
        answer = one.caller.post(url, data=form, headers=one.proven("POST", url, nonce=asked.headers["dpop-nonce"]))

        assert (asked.status_code, answer.status_code) == (400, 200)

    def test_where_none_is_demanded_one_that_is_given_must_be_good(self, software: Software) -> None:
        refused = answer_to(software, nonce="x")

        assert refused.json()["error"] == "use_dpop_nonce"
        assert answer_to(software, nonce=refused.headers["dpop-nonce"]).status_code == 200


class TestSection9:  # Resource server-provided nonce
    def test_a_proof_without_one_is_told_which_to_use(self, strict: Mutual) -> None:
        one = strict.software(PRIVATE_KEY_JWT, DPOP)
        token = answer_to(one, nonce=one.own_token().headers["dpop-nonce"]).json()["access_token"]

        asked = one.call("POST", CHECKS, token, json=BODY)
        headers = one.proven("POST", one.url(CHECKS), token, nonce=asked.headers["dpop-nonce"])
        answer = one.call("POST", CHECKS, token, headers=headers, json=BODY)

        assert (asked.status_code, asked.headers["www-authenticate"]) == (401, 'DPoP error="use_dpop_nonce"')
        assert answer.status_code == 200
