"""What is sealed opens in its own place alone; a pseudonym tells nobody anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.derive import Pseudonyms
from keys.errors import Unsealable
from keys.seal import Sealer

SEALER = Sealer(bytes(range(32)))
PLACE = {"table": "citizen", "column": "person", "row": "r1"}


class TestSealing:
    @given(st.binary(max_size=2000))
    def test_what_goes_in_comes_out_and_never_looks_the_same(self, plain: bytes) -> None:
        wrapped = SEALER.new_data_key()
        once, twice = (SEALER.seal(plain, wrapped=wrapped, **PLACE) for _ in range(2))

        assert SEALER.open(once, wrapped=wrapped, **PLACE) == plain
        assert once != twice
        assert len(plain) < 4 or plain not in once

    @pytest.mark.parametrize("change", [{"table": "account"}, {"column": "x"}, {"row": "r2"}, {"table": "citizenp"}])
    def test_in_another_table_column_or_row_it_does_not_open(self, change: dict[str, str]) -> None:
        wrapped = SEALER.new_data_key()
        sealed = SEALER.seal(b"Anna", wrapped=wrapped, **PLACE)
        system = SEALER.seal_system(b"Anna", **PLACE)

        with pytest.raises(Unsealable):
            SEALER.open(sealed, wrapped=wrapped, **{**PLACE, **change})
        with pytest.raises(Unsealable):
            SEALER.open_system(system, **{**PLACE, **change})

    def test_two_places_that_read_alike_are_two(self) -> None:
        sealed = SEALER.seal_system(b"x", table="ab", column="c", row="d")

        with pytest.raises(Unsealable):
            SEALER.open_system(sealed, table="a", column="bc", row="d")

    def test_each_citizen_has_a_key_of_his_own_and_without_it_there_is_nothing(self) -> None:
        anna, bram = SEALER.new_data_key(), SEALER.new_data_key()
        sealed = SEALER.seal(b"Anna", wrapped=anna, **PLACE)

        for wrapped in (bram, b"", anna[:-1], bytes(60)):
            with pytest.raises(Unsealable):
                SEALER.open(sealed, wrapped=wrapped, **PLACE)
        with pytest.raises(Unsealable):
            Sealer(bytes(32)).open(sealed, wrapped=anna, **PLACE)

    @pytest.mark.parametrize("sealed", [b"", b"x", bytes(12), bytes(28), bytes(200)])
    def test_what_was_never_sealed_does_not_open(self, sealed: bytes) -> None:
        with pytest.raises(Unsealable):
            SEALER.open_system(sealed, **PLACE)


class TestPseudonyms:
    ONE = Pseudonyms(bytes(range(32)))

    def test_each_agency_knows_another_and_always_the_same(self) -> None:
        subs = {self.ONE.pairwise(handle, sector) for handle in ("h1", "h2") for sector in ("a", "b", "ab")}

        assert len(subs) == 6
        assert self.ONE.pairwise("h1", "a") == Pseudonyms(bytes(range(32))).pairwise("h1", "a")
        assert Pseudonyms(bytes(32)).pairwise("h1", "a") not in subs
        assert all(len(sub) == 43 for sub in subs)

    @given(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))
    def test_sector_and_citizen_cannot_be_shifted_into_each_other(self, sector: str, middle: str, handle: str) -> None:
        if middle:
            assert self.ONE.pairwise(middle + handle, sector) != self.ONE.pairwise(handle, sector + middle)

    def test_one_purpose_says_nothing_of_another(self) -> None:
        values = {
            self.ONE.handle("x"),
            self.ONE.blind_index("x"),
            self.ONE.mac("csrf", b"x").hex(),
            self.ONE.mac("cursor", b"x").hex(),
        }

        assert len(values) == 4
