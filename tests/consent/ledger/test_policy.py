"""C2SP tlog-policy: who cosigns, and when it is enough."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from base.settings import UnsafeSettings
from consent.ledger import policy
from consent.ledger.policy import BadPolicy
from keys.notes import COSIGNATURE, ED25519, Signer


def key(name: str, kind: int, seed: int) -> str:
    """The same in each process that collects these tests."""
    return Signer(name, kind, ed25519.Ed25519PrivateKey.from_private_bytes(bytes([seed] * 32))).verifier.vkey


KEYS = [key(f"w{n}.example", COSIGNATURE, n) for n in range(6)]
LOG = key("regie.example/ledger", ED25519, 9)
SIX = "\n".join(f"witness {name} {key} https://{name}.example/" for name, key in zip("ABCDEF", KEYS, strict=True))


def parsed(text: str) -> policy.Policy:
    return policy.parse(text.encode())


def test_two_levels_of_groups_hold_as_the_standard_says() -> None:
    """C2SP tlog-policy: the example of its own text, two of three here and any of three there."""
    groups = "group X 2 A B C\ngroup Y any D E F\ngroup both all X Y\nquorum both\n"
    found = parsed(f"# who\n\n log {LOG}\n{SIX}\n\t{groups}")

    for enough in ("ABD", "BCF", "ABCDEF"):
        assert found.holds(enough)
    for too_few in ("", "AB", "AD", "DEF", "X"):
        assert not found.holds(too_few)
    assert found.witnesses[0].url == "https://A.example"


def test_one_witness_can_be_the_quorum() -> None:
    found = parsed(f"{SIX}\nquorum B\n")

    assert (found.asks, found.holds("B"), found.holds("ACDEF")) == (True, True, False)


def test_none_asks_for_nothing_and_is_held_by_nobody() -> None:
    found = parsed(f"{SIX}\nquorum none\n")

    assert (found.asks, found.holds("ABCDEF"), found.holds([])) == (False, False, False)
    assert policy.read(None) == policy.Policy()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "quorum"),
        (SIX, "quorum"),
        ("quorum none\nquorum none", "line 2: one line"),
        ("quorum A", "line 1"),
        (f"{SIX}\nquorum Z", "line 7"),
        (f"{SIX}\nquorum A B", "line 7"),
        ("nonsense A", "begins with"),
        (f"log {LOG} https://x extra", "log VKEY"),
        ("log nonsense", "verifier key"),
        (f"witness A {KEYS[0]}", "URL"),
        (f"witness A {LOG} https://x", "kind of a cosignature"),
        (f"witness A {KEYS[0]} https://x\nwitness B {KEYS[0]} https://y", "stands here already"),
        (f"witness A {KEYS[0]} https://x\nwitness A {KEYS[1]} https://y", "name of its own"),
        (f"witness none {KEYS[0]} https://x", "name of its own"),
        (f"{SIX}\ngroup G 3 A B\nquorum G", "K members"),
        (f"{SIX}\ngroup G 0 A B\nquorum G", "K members"),
        (f"{SIX}\ngroup G ² A B\nquorum G", "K members"),
        (f"{SIX}\ngroup G all\nquorum G", "K members"),
        (f"{SIX}\ngroup G any Z\nquorum G", "Z is not defined"),
        (f"{SIX}\ngroup G any G\nquorum G", "G is not defined"),
        (f"{SIX}\ngroup G any none\nquorum G", "none is not defined"),
        (f"{SIX}\ngroup G any A A\nquorum G", "A is a member already"),
        (f"{SIX}\ngroup G any A B\ngroup H any B C\nquorum G", "B is a member already"),
        (f"{SIX}\ngroup A any B\nquorum A", "name of its own"),
        ("quorum none\r\n", "characters"),
        ("#" * 70_000, "size"),
    ],
)
def test_what_it_cannot_mean_is_refused_with_its_line(text: str, why: str) -> None:
    with pytest.raises(BadPolicy, match=why):
        parsed(text)


def test_a_house_does_not_start_with_one(tmp_path: Path) -> None:
    file = tmp_path / "policy"
    with pytest.raises(UnsafeSettings, match="REGIE_LEDGER_POLICY: policy: No such file"):
        policy.read(file)
    file.write_text("quorum A")
    with pytest.raises(UnsafeSettings, match="REGIE_LEDGER_POLICY: policy: line 1"):
        policy.read(file)
