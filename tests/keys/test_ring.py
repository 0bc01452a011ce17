"""The ring: a key is announced before it signs, verifies while it retires, and never again once withdrawn."""

from __future__ import annotations

import shutil
import stat
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from keys import jose, jwe, rotation
from keys.algorithms import ENCRYPTION
from keys.errors import InvalidToken, KeysError, UnknownKey
from keys.files import private_directory
from keys.jwks import encryption_keys
from keys.ring import ALGORITHMS, LOOK_S, Ring
from keys.rotation import ACTIVE, ANNOUNCED, RETIRING, WITHDRAWN, KeyInfo
from tests.fixtures.house import KEK, START

if TYPE_CHECKING:
    from pathlib import Path

    from base.clock import FrozenClock

ISSUER = "https://regie.example"


@pytest.fixture
def own(ring_directory: Path, tmp_path: Path) -> Path:
    """A copy of the keys, to change."""
    directory = tmp_path / "keys"
    shutil.copytree(ring_directory, directory)
    return directory


def opened(directory: Path) -> Ring:
    return Ring.open(directory, KEK, now=START)


def published(ring: Ring) -> set[str]:
    return {key["kid"] for key in msgspec.json.decode(ring.jwks())["keys"]}


def token(ring: Ring, alg: str = "ES256") -> str:
    at = int(START.timestamp())
    return jose.sign({"iss": ISSUER, "iat": at, "exp": at + 300}, ring.active(alg), typ="JWT")


def verify(ring: Ring, given: str) -> jose.VerifiedClaims:
    return jose.verify(
        given,
        keys=ring.source,
        typ=frozenset({"JWT"}),
        algorithms=frozenset(ALGORITHMS),
        now=START,
        issuer=ISSUER,
        audience=None,
    )


def state_of(ring: Ring, kid: str) -> str:
    return next(key.state for key in ring.list() if key.kid == kid)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_the_next_key_is_published_before_it_signs(own: Path, clock: FrozenClock, alg: str) -> None:
    ring = opened(own)
    first = ring.active(alg).kid
    following = next(key.kid for key in ring.list() if (key.alg, key.state) == (alg, ANNOUNCED))
    assert following in published(ring)
    before = token(ring, alg)

    announced = ring.rotate(alg, clock.now())

    assert ring.active(alg).kid == following
    assert state_of(ring, first) == RETIRING
    assert announced.kid in published(ring)
    assert verify(ring, before)["iss"] == ISSUER
    assert verify(ring, token(ring, alg))["iss"] == ISSUER


def test_a_retired_key_is_withdrawn_in_time_and_verifies_nothing(own: Path, clock: FrozenClock) -> None:
    ring = opened(own)
    old, given = ring.active().kid, token(ring)
    ring.rotate("ES256", clock.now())

    ring.retire("ES256", clock.now() - timedelta(days=1), clock.now())
    assert state_of(ring, old) == RETIRING
    ring.retire("ES256", clock.now(), clock.now())

    assert state_of(ring, old) == WITHDRAWN
    assert old not in published(ring)
    with pytest.raises(InvalidToken):
        verify(ring, given)


def test_a_stolen_key_is_gone_at_once_also_in_another_process(
    own: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring, other = opened(own), opened(own)
    stolen, given = ring.active().kid, token(ring)

    ring.revoke(stolen, clock.now())
    monkeypatch.setattr(other, "_looked", other._looked - LOOK_S)

    assert ring.active().kid != stolen
    assert other.active().kid == ring.active().kid
    for one in (ring, other):
        assert stolen not in published(one)
        with pytest.raises(InvalidToken):
            verify(one, given)
    # A successor is announced again, so that the next rotation can come.
    assert any((key.alg, key.state) == ("ES256", ANNOUNCED) for key in ring.list())
    with pytest.raises(UnknownKey):
        ring.revoke(stolen, clock.now())


def test_what_we_do_not_sign_with_is_refused(own: Path, clock: FrozenClock) -> None:
    for alg in ("EdDSA", "HS256", "none", ""):
        with pytest.raises(UnknownKey):
            opened(own).rotate(alg, clock.now())
        with pytest.raises(UnknownKey):
            opened(own).active(alg)


def test_rotation_without_an_announced_key_changes_nothing() -> None:
    keys = [KeyInfo("a", "ES256", ACTIVE, START, START)]

    with pytest.raises(UnknownKey):
        rotation.rotate(keys, KeyInfo("b", "ES256", ANNOUNCED, START, START), START)


@pytest.mark.parametrize("alg", list(ENCRYPTION))
class TestEncryptionKeys:
    """OpenID Connect Core section 10.2.1."""

    def sealed(self, ring: Ring, alg: str) -> str:
        (jwk,) = (key for key in msgspec.json.decode(ring.jwks())["keys"] if key["alg"] == alg)
        assert jwk["use"] == "enc"
        return jwe.encrypt("a.b.c", encryption_keys({"keys": [jwk]})[0], alg=alg)

    def opens(self, ring: Ring, given: str) -> bool:
        try:
            return jwe.decrypt(given, keys=ring.decrypting, cty=frozenset({"JWT"})) == "a.b.c"
        except InvalidToken:
            return False

    def test_the_new_key_is_shown_at_once_and_the_old_one_still_decrypts(
        self, own: Path, clock: FrozenClock, alg: str
    ) -> None:
        ring = opened(own)
        before = self.sealed(ring, alg)

        new = ring.rotate(alg, clock.now())
        after = self.sealed(ring, alg)

        assert {key.kid for key in ring.list() if (key.alg, key.state) == (alg, ACTIVE)} == {new.kid}
        assert new.kid in published(ring)
        assert self.opens(ring, before)
        assert self.opens(ring, after)
        ring.retire(alg, clock.now(), clock.now())
        assert not self.opens(ring, before)
        assert self.opens(ring, after)

    def test_what_was_encrypted_to_a_key_of_a_moment_ago_is_opened_by_another_process(
        self, own: Path, clock: FrozenClock, alg: str
    ) -> None:
        ring, other = opened(own), opened(own)
        assert other.jwks()

        ring.rotate(alg, clock.now())

        assert self.opens(other, self.sealed(ring, alg))

    def test_a_stolen_one_is_gone_at_once_and_another_takes_its_place(
        self, own: Path, clock: FrozenClock, alg: str
    ) -> None:
        ring = opened(own)
        before = self.sealed(ring, alg)
        stolen = next(key.kid for key in ring.list() if key.alg == alg)

        ring.revoke(stolen, clock.now())

        assert not self.opens(ring, before)
        assert stolen not in published(ring)
        assert self.opens(ring, self.sealed(ring, alg))

    def test_it_verifies_nothing_and_signs_nothing(self, own: Path, alg: str) -> None:
        ring = opened(own)
        kid = next(key.kid for key in ring.list() if key.alg == alg)

        assert ring.find(kid) is None
        assert ring.source(kid, "ES256") is None
        with pytest.raises(UnknownKey):
            ring.active(alg)

    def test_a_signing_key_decrypts_nothing(self, own: Path, alg: str) -> None:
        ring = opened(own)

        assert all(ring.decrypting(key.kid, alg) is None for key in ring.list() if key.alg in ALGORITHMS)


def test_a_ring_of_an_older_release_gets_the_keys_that_it_lacks(own: Path) -> None:
    ring = opened(own)
    kept = [key for key in ring.list() if key.alg in ALGORITHMS]
    ring._store.write(kept)

    after = opened(own).list()

    assert after[: len(kept)] == kept
    assert [key.alg for key in after[len(kept) :]] == list(ENCRYPTION)


class TestFiles:
    def test_every_file_is_sealed_and_the_owners_alone(self, own: Path) -> None:
        ring = opened(own)

        assert stat.S_IMODE(own.stat().st_mode) == 0o700
        files = [path for path in own.iterdir() if path.suffix == ".sealed"]
        own_files = {f"{one.kid}.sealed" for one in ring.list()} | {"ring.sealed", "pseudonyms.sealed"}
        # The ledger's keys are made when a registry first opens them.
        assert {path.name for path in files} - {"ledger.sealed"} == own_files
        for path in files:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert not any(mark in path.read_bytes() for mark in (b"PRIVATE", b"ES256", b"active", b"\x06\x08*\x86H"))

    def test_another_key_encryption_key_opens_nothing_and_says_so(self, own: Path) -> None:
        with pytest.raises(KeysError, match="REGIE_KEK"):
            Ring.open(own, bytes(32), now=START)

    def test_a_file_that_was_changed_or_moved_does_not_open(self, own: Path) -> None:
        first, second = sorted(path for path in own.glob("*.sealed") if len(path.stem) == 43)[:2]
        content = first.read_bytes()
        first.write_bytes(second.read_bytes())
        with pytest.raises(KeysError):
            opened(own)
        first.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(KeysError):
            opened(own)

    def test_a_directory_open_to_others_is_refused(self, own: Path) -> None:
        own.chmod(0o755)

        with pytest.raises(KeysError, match="chmod 700"):
            opened(own)

    def test_one_that_is_empty_is_closed_to_others_and_one_with_something_in_it_is_left_alone(
        self, tmp_path: Path
    ) -> None:
        """As `mkdir` or a service manager made it, before the first start."""
        for name in ("empty", "full"):
            (tmp_path / name).mkdir(mode=0o755)
        (tmp_path / "full" / "theirs").touch()
        for name in ("empty", "full"):
            private_directory(tmp_path / name)

        assert [one.stat().st_mode & 0o777 for one in (tmp_path / "empty", tmp_path / "full")] == [0o700, 0o755]
        assert opened(tmp_path / "empty").list()

    def test_a_key_that_the_ring_does_not_name_yet_does_no_harm(self, own: Path) -> None:
        """What a process leaves that dies between the key's file and the ring's."""
        before = opened(own).list()
        (own / ("x" * 43 + ".sealed")).write_bytes(b"half")

        assert opened(own).list() == before
