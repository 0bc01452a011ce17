"""RFC 7516, JSON Web Encryption, with the algorithms of RFC 7518, as far as we let it: nested JWT, a closed table."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from joserfc.jwk import RSAKey
from jwcrypto import jwe as second
from jwcrypto import jwk as second_jwk

from keys import jwe
from keys.algorithms import CONTENT_ENCRYPTION, ENCRYPTION
from keys.digest import b64decode, b64encode
from keys.errors import InvalidToken, WeakKey
from keys.jwks import EncryptionKey, encryption_keys, public_jwk
from keys.private import DecryptingKey

INSIDE = "eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl"
JWT = frozenset({"JWT"})
PRIVATE = {alg: one.generate() for alg, one in ENCRYPTION.items()}


@pytest.fixture(params=list(ENCRYPTION))
def alg(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def public(alg: str, kid: str = "k") -> EncryptionKey:
    jwk = {**public_jwk(PRIVATE[alg].public_key()), "use": "enc", "alg": alg, "kid": kid}
    return encryption_keys({"keys": [jwk]})[0]


def ours(kid: str | None, alg: str) -> DecryptingKey | None:
    return DecryptingKey("k", alg, PRIVATE[alg]) if kid in (None, "k") and alg in PRIVATE else None


def decrypt(token: str, **options: Any) -> str:
    return jwe.decrypt(token, keys=ours, **{"cty": JWT, **options})


def header_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(b64decode(token.partition(".")[0]))
    return found


def theirs(header: dict[str, Any], text: str = INSIDE, *, alg: str | None = None) -> str:
    """Made by a library that is not ours, with whatever header."""
    key = second_jwk.JWK(**public_jwk(PRIVATE[alg or header["alg"]].public_key()))
    made = second.JWE(text.encode(), json.dumps(header), algs=[header["alg"], header["enc"]])
    made.add_recipient(key)
    return str(made.serialize(compact=True))


def usual(alg: str, **more: Any) -> dict[str, Any]:
    return {"alg": alg, "enc": "A256GCM", "kid": "k", "cty": "JWT", **more}


class TestSection5:
    """Producing and consuming."""

    def test_what_we_encrypt_we_decrypt_and_a_second_library_too(self, alg: str) -> None:
        token = jwe.encrypt(INSIDE, public(alg), alg=alg)

        opened = second.JWE(algs=[alg, "A256GCM"])
        opened.deserialize(token, second_jwk.JWK.from_pyca(PRIVATE[alg]))

        assert opened.payload.decode() == INSIDE
        assert decrypt(token) == INSIDE
        assert {name: header_of(token)[name] for name in ("alg", "enc", "cty", "kid")} == usual(alg)

    def test_what_a_second_library_encrypts_we_decrypt(self, alg: str) -> None:
        assert decrypt(theirs(usual(alg))) == INSIDE

    def test_no_two_encryptions_are_alike(self, alg: str) -> None:
        first, second_time = (jwe.encrypt(INSIDE, public(alg), alg=alg).split(".") for _ in range(2))

        assert all(a != b for a, b in zip(first[2:], second_time[2:], strict=True))

    @pytest.mark.parametrize("part", range(5))
    def test_every_part_is_authenticated(self, alg: str, part: int) -> None:
        parts = jwe.encrypt(INSIDE, public(alg), alg=alg).split(".")
        if not parts[part]:
            parts[part] = "AAAA"
        else:
            middle = len(parts[part]) // 2
            other = "A" if parts[part][middle] != "A" else "B"
            parts[part] = parts[part][:middle] + other + parts[part][middle + 1 :]

        with pytest.raises(InvalidToken):
            decrypt(".".join(parts))

    def test_to_another_key_it_says_nothing(self, alg: str) -> None:
        stranger = DecryptingKey("k", alg, ENCRYPTION[alg].generate())

        with pytest.raises(InvalidToken):
            jwe.decrypt(jwe.encrypt(INSIDE, public(alg), alg=alg), keys=lambda _kid, _alg: stranger, cty=JWT)

    def test_without_kid_the_algorithm_finds_the_key(self, alg: str) -> None:
        header = usual(alg)
        del header["kid"]

        assert decrypt(theirs(header)) == INSIDE


class TestSection4:
    """The header: a closed list of members, of algorithms and of contents."""

    def test_the_table_is_closed(self) -> None:
        assert set(ENCRYPTION) == {"RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A256KW"}
        assert set(CONTENT_ENCRYPTION) == {"A256GCM"}
        assert jwe._CLOSED.algorithms["zip"] == {}
        assert set(jwe._CLOSED.algorithms["alg"]) == set(ENCRYPTION)
        assert set(jwe._CLOSED.algorithms["enc"]) == set(CONTENT_ENCRYPTION)

    @pytest.mark.parametrize(
        "member",
        [
            {"zip": "DEF"},
            {"crit": ["exp"]},
            {"jku": "http://localhost:9/"},
            {"x5u": "http://localhost:9/"},
            {"jwk": {}},
            {"p2c": 2**31, "p2s": "AAAA"},
            {"iv": "AAAA", "tag": "AAAA"},
            {"iss": "someone"},
            {"kid": 1},
            {"kid": "k" * 201},
            {"kid": "of-another"},
            {"cty": "jwt+other"},
            {"cty": None},
            {"cty": ["JWT"]},
            {"typ": "at+jwt"},
            {"typ": {}},
            {"enc": "A128GCM"},
            {"enc": "A128CBC-HS256"},
            {"enc": None},
            {"alg": "RSA1_5"},
            {"alg": "dir"},
            {"alg": "A256KW"},
            {"alg": "PBES2-HS256+A128KW"},
            {"alg": "ECDH-ES+A128KW"},
            {"alg": "none"},
            {"alg": None},
            {"alg": "rsa-oaep"},
        ],
        ids=str,
    )
    def test_a_member_that_is_not_accepted_is_refused_before_a_key_is_looked_up(self, member: dict[str, Any]) -> None:
        asked: list[Any] = []

        def watched(kid: str | None, alg: str) -> DecryptingKey | None:
            asked.append((kid, alg))
            return ours(kid, alg)

        header = b64encode(json.dumps({**usual("RSA-OAEP"), **member}).encode())
        _, *rest = jwe.encrypt(INSIDE, public("RSA-OAEP"), alg="RSA-OAEP").split(".")

        with pytest.raises(InvalidToken):
            jwe.decrypt(".".join([header, *rest]), keys=watched, cty=JWT)
        assert asked in ([], [("of-another", "RSA-OAEP")])

    def test_a_nested_jwt_says_so(self, alg: str) -> None:
        """RFC 7519 section 5.2: cty is there and says JWT."""
        header = usual(alg)
        del header["cty"]

        with pytest.raises(InvalidToken):
            decrypt(theirs(header))

    def test_a_key_serves_one_algorithm(self) -> None:
        with pytest.raises(WeakKey):
            jwe.encrypt(INSIDE, public("RSA-OAEP"), alg="RSA-OAEP-256")
        with pytest.raises(WeakKey):
            jwe.encrypt(INSIDE, public("ECDH-ES"), alg="ECDH-ES", enc="A128GCM")
        with pytest.raises(InvalidToken):
            jwe.decrypt(
                theirs(usual("RSA-OAEP-256")),
                keys=lambda _kid, _alg: DecryptingKey("k", "RSA-OAEP", PRIVATE["RSA-OAEP-256"]),
                cty=JWT,
            )


class TestSection7_1:
    """Compact serialization alone, of bounded parts."""

    @pytest.mark.parametrize(
        "change",
        [
            lambda p: [*p, "AAAA"],
            lambda p: p[:4],
            lambda p: [*p[:2], p[2] + "A", *p[3:]],
            lambda p: [*p[:2], p[2][:-1], *p[3:]],
            lambda p: [*p[:4], p[4][:10]],
            lambda p: [*p[:4], ""],
            lambda p: [*p[:3], "", p[4]],
            lambda p: ["", *p[1:]],
            lambda p: [p[0], p[1] + "=", *p[2:]],
            lambda p: [p[0], "A" * 1025, *p[2:]],
            lambda p: [*p[:3], "A" * 17_000, p[4]],
            lambda p: ["A" * 1025, *p[1:]],
            lambda p: [*p[:4], p[4] + "\n"],
        ],
    )
    def test_another_shape_is_refused(self, alg: str, change: Any) -> None:
        parts = jwe.encrypt(INSIDE, public(alg), alg=alg).split(".")

        with pytest.raises(InvalidToken):
            decrypt(".".join(change(parts)))

    def test_the_json_serialization_is_refused(self) -> None:
        with pytest.raises(InvalidToken):
            decrypt('{"protected":"e30","ciphertext":"AA"}')


class TestSection11_5:
    """T-08: an encrypted key that does not decrypt is replaced by a random one, and all failures look alike."""

    @pytest.mark.parametrize("alg", ["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES+A256KW"])
    def test_a_wrong_key_and_a_wrong_tag_fail_alike(self, alg: str) -> None:
        header, key, iv, content, tag = theirs(usual(alg)).split(".")
        size = len(b64decode(key))
        flipped = "A" if tag[0] != "A" else "B"
        wrong = (
            (header, b64encode(bytes(size)), iv, content, tag),
            (header, b64encode(b"\x7f" * size), iv, content, tag),
            (header, key, iv, content, flipped + tag[1:]),
        )

        told = []
        for parts in wrong:
            with pytest.raises(InvalidToken) as raised:
                decrypt(".".join(parts))
            told.append((str(raised.value), type(raised.value.__cause__), str(raised.value.__cause__)))

        assert len(set(told)) == 1

    @pytest.mark.parametrize("alg", ["RSA-OAEP", "RSA-OAEP-256"])
    def test_in_its_place_comes_a_random_key_so_that_the_work_goes_on(self, alg: str) -> None:
        size = PRIVATE[alg].key_size // 8  # type: ignore[union-attr]  # both are RSA
        recipient = SimpleNamespace(recipient_key=RSAKey.import_key(PRIVATE[alg]), encrypted_key=b"\x7f" * size)

        given = [jwe._CLOSED.algorithms["alg"][alg].decrypt_cek(recipient) for _ in range(3)]

        assert {len(one) for one in given} == {jwe.KEY_BYTES}
        assert len(set(given)) == 3

    def test_a_wrapped_key_too(self) -> None:
        wrapping = jwe._CLOSED.algorithms["alg"]["ECDH-ES+A256KW"].key_wrapping

        given = [wrapping.unwrap_cek(b"\0" * 40, b"k" * 32) for _ in range(3)]

        assert {len(one) for one in given} == {jwe.KEY_BYTES}
        assert len(set(given)) == 3

    def test_a_padding_of_rsa1_5_is_no_oracle(self) -> None:
        """Authlib CVE-2026-28490."""
        key = PRIVATE["RSA-OAEP"].public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        header, _, *rest = theirs(usual("RSA-OAEP")).split(".")
        padded = b64encode(key.encrypt(b"k" * 32, padding.PKCS1v15()))

        for name in ("RSA1_5", "RSA-OAEP"):
            changed = b64encode(json.dumps(usual(name)).encode()) if name == "RSA1_5" else header
            with pytest.raises(InvalidToken):
                decrypt(".".join([changed, padded, *rest]))


class TestEcdhEs:
    """RFC 7518 section 4.6: ECDH-ES on P-256, with a point of the sender's."""

    @pytest.mark.parametrize("alg", ["ECDH-ES", "ECDH-ES+A256KW"])
    @pytest.mark.parametrize(
        "epk",
        [
            None,
            "point",
            [],
            {},
            {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
            {"kty": "EC", "crv": "P-256", "x": b64encode(bytes(32)), "y": b64encode(bytes(32))},
            {"kty": "EC", "crv": "P-384", "x": b64encode(b"\1" * 48), "y": b64encode(b"\1" * 48)},
            {"kty": "OKP", "crv": "X25519", "x": b64encode(bytes(32))},
            {"kty": "EC", "crv": "P-256", "x": 1, "y": 2},
            {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
        ],
        ids=str,
    )
    def test_t11_a_point_off_the_curve_meets_no_key_of_ours(self, alg: str, epk: Any) -> None:
        _, *rest = theirs(usual(alg)).split(".")
        header = b64encode(json.dumps(usual(alg, epk=epk)).encode())

        with pytest.raises(InvalidToken, match="epk"):
            decrypt(".".join([header, *rest]))

    def test_t11_a_private_point_or_more_members_are_refused(self) -> None:
        point = public_jwk(ec.generate_private_key(ec.SECP256R1()).public_key())
        _, *rest = theirs(usual("ECDH-ES")).split(".")

        for more in ({"d": "AA"}, {"kid": "k"}, {"alg": "ECDH-ES"}):
            header = b64encode(json.dumps(usual("ECDH-ES", epk={**point, **more})).encode())
            with pytest.raises(InvalidToken, match="epk"):
                decrypt(".".join([header, *rest]))

    def test_direct_agreement_has_no_encrypted_key(self) -> None:
        header, _, *rest = theirs(usual("ECDH-ES")).split(".")

        with pytest.raises(InvalidToken):
            decrypt(".".join([header, "AAAA", *rest]))

    def test_party_information_counts(self) -> None:
        told = usual("ECDH-ES", apu=b64encode(b"Alice"), apv=b64encode(b"Bob"))

        assert decrypt(theirs(told)) == INSIDE
