"""Deciding, purely: what counts, when it ends, and which of several answers wins."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.assurance import HIGH, LOW, SUBSTANTIAL
from consent import checks
from consent.catalogue import LEGAL_BASES, Agency, Catalogue, Purpose
from consent.checks import Answer, decide
from consent.interface import LoginEvent, LoginTooWeak

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KINDS = ("address", "income", "name")
PURPOSE = Purpose(
    "benefit", 2, "municipality", "published", "h", {}, {}, {}, "consent", "statute", ("address", "income"), 86_400
)


def catalogue(purpose: Purpose = PURPOSE, state: str = "active") -> Catalogue:
    agency = Agency("municipality", "0" * 20, {}, "", "", state)
    return Catalogue(1, {agency.id: agency}, {}, {purpose.id: purpose}, {(purpose.id, purpose.version): purpose})


def answer(state: str = "given", version: int = 2, ends_in_s: float | None = 60) -> Answer:
    return Answer("id", state, version, None if ends_in_s is None else NOW + timedelta(seconds=ends_in_s))


def reason_of(one: Answer | None, **changes: object) -> str:
    answers = {} if one is None else {"address": one}
    return decide(catalogue(replace(PURPOSE, **changes)), "municipality", "benefit", ["address"], answers, NOW).reason


class TestOneAnswer:
    @pytest.mark.parametrize(
        ("one", "reason"),
        [
            (answer(), "consent"),
            (None, "no_consent"),
            (answer("refused", ends_in_s=None), "refused"),
            (answer("withdrawn"), "withdrawn"),
            (answer(version=1), "changed"),
            (answer(ends_in_s=0), "expired"),
            (answer(ends_in_s=-1e-6), "expired"),
            (answer(ends_in_s=1e-6), "consent"),
            (answer(ends_in_s=None), "expired"),
        ],
    )
    def test_its_reason(self, one: Answer | None, reason: str) -> None:
        assert reason_of(one) == reason

    def test_an_unknown_state_never_allows(self) -> None:
        assert not decide(
            catalogue(), "municipality", "benefit", ["address"], {"address": answer("something")}, NOW
        ).allowed

    @pytest.mark.parametrize("basis", [one for one in LEGAL_BASES if one != "consent"])
    def test_another_legal_basis_needs_no_answer_and_bears_its_own_name(self, basis: str) -> None:
        assert reason_of(None, legal_basis=basis) == basis
        assert reason_of(answer("refused"), legal_basis=basis) == basis


class TestQuery:
    def test_one_denied_item_denies_the_whole(self) -> None:
        decision = decide(catalogue(), "municipality", "benefit", ["address", "income"], {"address": answer()}, NOW)

        assert not decision.allowed
        assert [(one.decision, one.reason) for one in decision.items] == [
            ("allowed", "consent"),
            ("denied", "no_consent"),
        ]

    def test_nothing_asked_is_nothing_allowed(self) -> None:
        assert not decide(catalogue(), "municipality", "benefit", [], {}, NOW).allowed

    def test_data_outside_the_purpose_is_denied_whatever_was_answered(self) -> None:
        """C-13: over-asking."""
        decision = decide(catalogue(), "municipality", "benefit", ["name"], {"name": answer()}, NOW)

        assert decision.reason == "not_in_purpose"

    def test_a_purpose_of_another_agency_is_unknown(self) -> None:
        assert decide(catalogue(), "insurer", "benefit", ["address"], {"address": answer()}, NOW).reason == (
            "unknown_purpose"
        )

    def test_a_suspended_agency_gets_nothing(self) -> None:
        found = decide(catalogue(state="suspended"), "municipality", "benefit", ["address"], {"address": answer()}, NOW)

        assert found.reason == "unknown_purpose"

    def test_another_version_than_the_agency_means_is_denied(self) -> None:
        answers = {"address": answer()}

        assert decide(catalogue(), "municipality", "benefit", ["address"], answers, NOW, version=2).allowed
        denied = decide(catalogue(), "municipality", "benefit", ["address"], answers, NOW, version=1)
        assert denied.reason == "changed"

    def test_nobody_is_denied_on_every_legal_basis(self) -> None:
        purpose = replace(PURPOSE, legal_basis="public_task")
        allowed = decide(catalogue(purpose), "municipality", "benefit", ["address"], {}, NOW)

        assert allowed.allowed
        assert not checks.of_nobody(allowed).allowed


answers_ = st.dictionaries(
    st.sampled_from(KINDS),
    st.builds(
        answer,
        state=st.sampled_from(["given", "refused", "withdrawn"]),
        version=st.integers(1, 3),
        ends_in_s=st.none() | st.floats(-1e6, 1e6),
    ),
)
data_ = st.lists(st.sampled_from(KINDS), max_size=5)


class TestProperties:
    @given(answers=answers_, data=data_)
    def test_what_is_allowed_was_given_to_this_version_and_has_not_ended(
        self, answers: dict[str, Answer], data: list[str]
    ) -> None:
        """C-12: a release is never more than request, consent and purpose have in common."""
        decision = decide(catalogue(), "municipality", "benefit", data, answers, NOW)

        for item in decision.items:
            if item.decision == "allowed":
                one = answers[item.category]
                assert item.category in PURPOSE.data
                assert one.state == "given"
                assert one.purpose_version == 2
                assert one.expires_at is not None
                assert one.expires_at > NOW
        assert {item.category for item in decision.items} == set(data)
        assert decision.allowed == (bool(data) and all(item.decision == "allowed" for item in decision.items))

    @given(answers=answers_, data=data_, seconds=st.floats(0, 1e6))
    def test_time_alone_never_turns_a_no_into_a_yes(
        self, answers: dict[str, Answer], data: list[str], seconds: float
    ) -> None:
        """C-10."""
        later = NOW + timedelta(seconds=seconds)

        before = decide(catalogue(), "municipality", "benefit", data, answers, NOW)
        after = decide(catalogue(), "municipality", "benefit", data, answers, later)

        assert before.allowed or not after.allowed

    @given(answers=answers_, data=data_, which=st.sampled_from(KINDS))
    def test_withdrawing_never_allows_more(self, answers: dict[str, Answer], data: list[str], which: str) -> None:
        withdrawn = {**answers, **({which: replace(answers[which], state="withdrawn")} if which in answers else {})}

        before = decide(catalogue(), "municipality", "benefit", data, answers, NOW)
        after = decide(catalogue(), "municipality", "benefit", data, withdrawn, NOW)

        allowed = {item.category for item in before.items if item.decision == "allowed"}
        assert {item.category for item in after.items if item.decision == "allowed"} <= allowed
        assert which not in {item.category for item in after.items if item.decision == "allowed"}


class TestTheLoginBehindAUse:
    """RFC 9470 section 3: a purpose may ask for a strong login, or a fresh one."""

    @pytest.mark.parametrize(
        ("acr", "max_age_s", "delivered", "age_s", "enough"),
        [
            ("", None, LOW, 10**6, True),
            (SUBSTANTIAL, None, LOW, 0, False),
            (SUBSTANTIAL, None, SUBSTANTIAL, 10**6, True),
            (SUBSTANTIAL, None, HIGH, 0, True),
            (SUBSTANTIAL, None, "urn:unknown", 0, False),
            ("", 60, LOW, 59, True),
            ("", 60, HIGH, 60, False),
            (HIGH, 60, HIGH, 59, True),
            (HIGH, 60, SUBSTANTIAL, 59, False),
        ],
    )
    def test_its_level_and_its_age_count(
        self, acr: str, max_age_s: int | None, delivered: str, age_s: int, enough: bool
    ) -> None:
        purpose = replace(PURPOSE, acr=acr, max_age_s=max_age_s)
        login = LoginEvent(delivered, NOW - timedelta(seconds=age_s))

        if enough:
            checks.check_login(purpose, login, NOW)
        else:
            with pytest.raises(LoginTooWeak) as told:
                checks.check_login(purpose, login, NOW)
            assert (told.value.acr, told.value.max_age_s) == (acr, max_age_s)

    def test_a_use_without_a_login_is_not_enough_where_one_is_asked(self) -> None:
        checks.check_login(PURPOSE, None, NOW)
        checks.check_login(None, None, NOW)
        with pytest.raises(LoginTooWeak):
            checks.check_login(replace(PURPOSE, acr=LOW), None, NOW)
