from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.attack import MAX_RATIO, Result, memory_growths
from benchmarks.attacks import Attack

ATTACK = Attack("some attack", lambda url: Counter(), frozenset({400, 503}))


def result(
    beside: float = 1.0, failures: tuple[int, ...] = (), statuses: tuple[int, ...] = (400,)
) -> Result:
    return Result(
        ATTACK, [1.0] * 20, [beside] * 20, Counter(failures), Counter(statuses), memory=None
    )


def test_attack_within_all_bounds_has_no_faults() -> None:
    assert result().ratio == 1.0
    assert not result(statuses=(400, 503, 503)).faults()


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (result(beside=MAX_RATIO + 1), "p95 is 11.0 x idle"),
        (result(failures=(503, 503)), "short requests got {503: 2}"),
        (result(statuses=(400, 500)), "hostile requests got [500]"),
    ],
)
def test_each_broken_bound_is_a_fault(broken: Result, fault: str) -> None:
    (found,) = broken.faults()
    assert found.startswith(fault)


@pytest.mark.parametrize(
    ("readings", "bounded"),
    [
        ([100, 149, 160, 163], [True, True, True]),
        ([100, 151], [False]),
        ([100, 140, 150, 160], [True, True, False]),
        ([], []),
    ],
)
def test_memory_may_grow_once(readings: list[int], bounded: list[bool]) -> None:
    assert [growth.is_bounded for growth in memory_growths(readings)] == bounded
