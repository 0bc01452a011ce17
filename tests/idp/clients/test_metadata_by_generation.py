"""Whatever is sent as client metadata is registered or refused in a sentence; nothing else comes of it."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idp.clients.metadata import MEMBERS, InvalidMetadata, read
from idp.clients.registration import prepare
from idp.profiles import PROFILES
from idp.store.clients import ACTIVE
from keys.errors import WeakKey
from keys.jwks import check_set
from tests.idp.clients.test_metadata import ACCEPTED, CALLBACK, KEYS

TEXT = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["", ACTIVE, CALLBACK, "https://[::1", "https://a.example:x/", "none", "ES256", "RSA-OAEP", "A256GCM", "#", "*"]),
)  # fmt: skip
SCALAR = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXT)
JSON = st.recursive(
    SCALAR, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)), max_leaves=8
)
GOOD = st.sampled_from([(member, value) for member, value, _ in ACCEPTED])
PAIRS = st.one_of(GOOD, st.tuples(st.sampled_from(sorted(MEMBERS)), JSON), st.tuples(TEXT, JSON))
KEY_MEMBERS = ("kty", "crv", "x", "y", "n", "e", "d", "kid", "use", "alg", "key_ops", "x5c", "x5t", "x5t#S256", "k")
VALUES = st.one_of(JSON, st.sampled_from(["EC", "RSA", "OKP", "P-256", "Ed25519", "AQAB", "sig", "enc", "ES256", "AA"]))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sent=st.dictionaries(st.sampled_from(["redirect_uris"]), st.just([CALLBACK])),
    pairs=st.lists(PAIRS, max_size=6),
    profile=st.sampled_from(sorted(PROFILES)),
    development=st.booleans(),
)
def test_it_is_registered_or_refused(
    sent: dict[str, Any], pairs: list[tuple[str, Any]], profile: str, development: bool
) -> None:
    given_members = {**sent, **dict(pairs)}
    try:
        kept = prepare(
            read(given_members, ignore_unknown=True), PROFILES[profile], agency="agency", development=development
        )
    except InvalidMetadata:
        return  # anything else that is raised fails the test

    assert kept["grant_types"]
    assert not any("#" not in name and name not in MEMBERS for name in kept)
    # What was accepted is accepted again, and changes no more.
    again = prepare(read(kept, ignore_unknown=False), PROFILES[profile], agency="agency", development=development)
    assert again == kept


@settings(max_examples=400, deadline=None)
@given(
    base=st.sampled_from([{}, *KEYS["keys"]]), changes=st.dictionaries(st.sampled_from(KEY_MEMBERS), VALUES, max_size=4)
)
def test_a_key_is_accepted_or_refused(base: dict[str, Any], changes: dict[str, Any]) -> None:
    try:
        check_set({"keys": [{**base, **changes}]})
    except WeakKey:
        return  # as above
