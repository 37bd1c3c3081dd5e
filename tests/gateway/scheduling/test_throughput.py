"""Rates of a saturated model."""

from __future__ import annotations

import pytest

from triton_embed.gateway.scheduling.throughput import (
    AVERAGING_SECONDS,
    FIRST_TOKENS_PER_SECOND,
    Throughput,
)


def work(throughput: Throughput, seconds: int, tokens_per_second: int) -> None:
    for _ in range(seconds * 10):
        throughput.advance(0.1)
        throughput.add(tokens_per_second // 10, 1)


def test_first_rate_is_replaced_within_a_few_seconds() -> None:
    throughput = Throughput()
    assert throughput.seconds_for_tokens(FIRST_TOKENS_PER_SECOND) == 1.0
    assert throughput.seconds_for_requests(9) == 0.0
    work(throughput, 20, tokens_per_second=100)
    assert throughput.seconds_for_tokens(1000) == pytest.approx(10, rel=0.3)


def test_rate_is_that_of_the_last_seconds() -> None:
    throughput = Throughput()
    work(throughput, 60, tokens_per_second=100)
    assert throughput.seconds_for_tokens(1000) == pytest.approx(10, rel=0.05)
    assert throughput.seconds_for_requests(20) == pytest.approx(2, rel=0.05)
    work(throughput, round(5 * AVERAGING_SECONDS), tokens_per_second=1000)
    assert throughput.seconds_for_tokens(1000) == pytest.approx(1, rel=0.1)


def test_time_without_a_response_raises_the_estimate() -> None:
    throughput = Throughput()
    work(throughput, 20, tokens_per_second=100)
    throughput.advance(10 * AVERAGING_SECONDS)
    assert throughput.seconds_for_tokens(1000) > 1000


def test_hours_without_a_response_have_an_estimate() -> None:
    throughput = Throughput()
    throughput.advance(10_000)
    assert throughput.seconds_for_tokens(1000) > 1000
