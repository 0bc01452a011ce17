"""What is told to a client in a JWT: never in the clear to one that registered encryption."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from idp.clients import Client
from idp.profiles import PROFILES
from idp.tokens import responses
from tests.fixtures.counterparty import Receiver, header_of

if TYPE_CHECKING:
    from keys.ring import Ring


def client(**metadata: Any) -> Client:
    return Client("c", "municipality", PROFILES["baseline"], metadata, None, active=True)


@pytest.mark.parametrize("kind", responses.KINDS, ids=lambda kind: kind.name)
class TestEveryKind:
    def test_without_a_fitting_key_nothing_is_told(self, ring: Ring, kind: responses.Kind) -> None:
        wrong = Receiver.of("RSA-OAEP").public()
        signing = {**Receiver.of("ECDH-ES").public(), "use": "sig", "alg": "ES256"}

        for jwks in (None, {"keys": [wrong]}, {"keys": [signing]}):
            one = client(**{kind.encryption: "ECDH-ES", "jwks": jwks})
            with pytest.raises(responses.NoKey):
                responses.write(ring, one, kind, {"sub": "x"})

    def test_its_type_is_its_own(self, ring: Ring, kind: responses.Kind) -> None:
        written = responses.write(ring, client(), kind, {"sub": "x"})

        assert header_of(written)["typ"] == kind.typ
        assert [one.typ for one in responses.KINDS].count(kind.typ) == 1

    def test_what_is_registered_for_one_kind_is_so_for_no_other(self, ring: Ring, kind: responses.Kind) -> None:
        receiver = Receiver.of("ECDH-ES")
        one = client(**{kind.encryption: "ECDH-ES", "jwks": {"keys": [receiver.public()]}})

        for other in responses.KINDS:
            written = responses.write(ring, one, other, {"sub": "x"})
            assert written.count(".") == (4 if other == kind else 2)
