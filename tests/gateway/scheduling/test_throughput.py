"""Rates of a saturated model."""

from __future__ import annotations

import pytest

from triton_embed.gateway.scheduling.throughput import AVERAGING_SECONDS, Throughput


def work(throughput: Throughput, seconds: int, tokens_per_second: int) -> None:
    for _ in range(seconds * 10):
        throughput.advance(0.1)
        throughput.add(tokens_per_second // 10, 1)


def test_rate_is_unknown_until_it_was_measured_for_a_while() -> None:
    throughput = Throughput(min_seconds=1.0)
    throughput.advance(0.5)
    throughput.add(100, 1)
    assert throughput.seconds_for_tokens(1000) == throughput.seconds_for_requests(9) == 0.0


def test_rate_is_that_of_the_last_seconds() -> None:
    throughput = Throughput(min_seconds=1.0)
    work(throughput, 20, tokens_per_second=100)
    assert throughput.seconds_for_tokens(1000) == pytest.approx(10, rel=0.05)
    assert throughput.seconds_for_requests(20) == pytest.approx(2, rel=0.05)
    work(throughput, round(5 * AVERAGING_SECONDS), tokens_per_second=1000)
    assert throughput.seconds_for_tokens(1000) == pytest.approx(1, rel=0.1)


def test_time_without_a_response_raises_the_estimate() -> None:
    throughput = Throughput(min_seconds=1.0)
    work(throughput, 20, tokens_per_second=100)
    throughput.advance(10 * AVERAGING_SECONDS)
    assert throughput.seconds_for_tokens(1000) > 1000
