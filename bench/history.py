"""What clients asked and were answered, with when; and whether one register, never behind, could have answered it so.

Each citizen has one writer, who gives and withdraws in turn; anybody asks meanwhile. A call that was cut off by a kill
may have taken effect or not, before the kill: it explains an answer, and proves nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

GIVE, WITHDRAW, CHECK, PERMIT, REDEEM = "give", "withdraw", "check", "permit", "redeem"
CLOSED = "unreconciled"
"""A denial that is allowed to come at any time: the register is being checked."""


@dataclass(frozen=True, slots=True)
class Call:
    """`begun`, `ended`: seconds on one clock. `answer`: acknowledged, allowed, a reason, or "" when it was cut off."""

    kind: str
    citizen: int
    begun: float
    ended: float
    answer: str
    permit: str = ""


@dataclass
class _Writes:
    """Of one citizen, in order: when each began; and of those that were acknowledged, when they ended too."""

    begun: list[float] = field(default_factory=list)
    acknowledged: list[tuple[float, float]] = field(default_factory=list)

    def last_before(self, moment: float) -> float | None:
        """When the last one began that was acknowledged before this moment."""
        at = bisect_left([ended for _, ended in self.acknowledged], moment)
        return self.acknowledged[at - 1][0] if at else None

    def any_between(self, after: float, before: float) -> bool:
        return bisect_left(self.begun, before) > bisect_right(self.begun, after)


def contradictions(calls: Iterable[Call]) -> Iterator[str]:
    """A sentence for each answer that no order of the acknowledged acts explains."""
    gives, withdrawals = defaultdict[int, _Writes](_Writes), defaultdict[int, _Writes](_Writes)
    reads: list[Call] = []
    taken: Counter[str] = Counter()
    for call in sorted(calls, key=lambda one: one.begun):
        if call.kind in (GIVE, WITHDRAW):
            writes = (gives if call.kind == GIVE else withdrawals)[call.citizen]
            writes.begun.append(call.begun)
            writes.acknowledged += [(call.begun, call.ended)] if call.answer else []
        elif call.kind == REDEEM:
            taken[call.permit] += call.answer == "allowed"
        elif call.answer not in ("", CLOSED):
            reads.append(call)
    yield from (f"permit {permit} was taken {count} times" for permit, count in taken.items() if count > 1)
    for call in reads:
        wrong = (_yes if call.answer == "allowed" else _no)(call, gives[call.citizen], withdrawals[call.citizen])
        if wrong:
            yield f"{wrong}: {call}"


def _yes(call: Call, given: _Writes, ended: _Writes) -> str:
    last = ended.last_before(call.begun)
    if last is not None and not given.any_between(last, call.ended):
        return "stale yes, begun after a withdrawal was acknowledged"
    return "" if given.any_between(-1, call.ended) else "yes without a consent"


def _no(call: Call, given: _Writes, ended: _Writes) -> str:
    last = given.last_before(call.begun)
    if last is not None and not ended.any_between(last, call.ended):
        return "stale no, begun after a consent was acknowledged"
    return ""
