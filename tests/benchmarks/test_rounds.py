from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from benchmarks.rounds import Measurement, Rounds, alternate, interval


def test_interval_of_equal_rounds_is_their_ratio() -> None:
    assert (interval([2.0] * 7).median, interval([2.0] * 7).low) == (2.0, 2.0)


def test_lower_end_lies_between_the_worst_round_and_the_median() -> None:
    found = interval([1.0, 2.0, 2.1, 2.2, 2.3, 2.4, 3.0])
    assert found.median == 2.2
    assert 1.0 <= found.low < 2.2
    assert found == interval([1.0, 2.0, 2.1, 2.2, 2.3, 2.4, 3.0])


def test_ratio_compares_within_rounds() -> None:
    rounds = Rounds()
    for seconds in (1.0, 2.0, 8.0):
        rounds.add("this", Measurement((), 100, seconds))
        rounds.add("other", Measurement((), 100, 2 * seconds))
    assert rounds.rate("this") == 50.0
    assert rounds.ratio("this", "other", lambda each: each.rate).median == 2.0


def test_percentiles_are_those_of_all_rounds() -> None:
    rounds = Rounds()
    rounds.add("this", Measurement([0.001] * 3))
    rounds.add("this", Measurement([0.003] * 2))
    assert rounds.percentiles("this")[0] == pytest.approx(1.0)
    assert rounds.percentiles("this")[2] == pytest.approx(3.0)
    assert rounds.requests("this") == 5


def test_systems_are_measured_in_alternating_order() -> None:
    order: list[str] = []

    def measure(name: str) -> Measurement:
        order.append(name)
        return Measurement([1.0])

    measures: dict[str, Callable[[], Measurement]] = {
        name: partial(measure, name) for name in ("a", "b")
    }
    rounds = alternate(measures, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert list(rounds) == ["a", "b"]
    assert rounds.requests("b") == 3
