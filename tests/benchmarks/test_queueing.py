from __future__ import annotations

import numpy as np
import pytest

from benchmarks import capacity, fleet_costs, queueing
from benchmarks.capacity import Measured
from benchmarks.queueing import Load, Node

NODE = Node(request_seconds=0.003, execution_seconds=0.004, text_seconds=0.001, max_batch=10)


def load(arrivals: list[float], texts: list[float]) -> Load:
    return Load(np.array(arrivals, float), np.array(texts, float))


def test_request_on_an_idle_node_does_not_wait() -> None:
    latencies = queueing.simulate(NODE, load([0, 1], [1, 5]))
    assert latencies == pytest.approx([0.008, 0.012])


def test_waiting_requests_share_the_next_execution() -> None:
    latencies = queueing.simulate(NODE, load([0, 0.001, 0.002], [1, 2, 3]))
    end = 0.005 + 0.004 + 0.005
    assert latencies == pytest.approx([0.008, end - 0.001 + 0.003, end - 0.002 + 0.003])


def test_execution_has_at_most_the_maximum_batch() -> None:
    latencies = queueing.simulate(NODE, load([0, 0, 0], [6, 6, 3]))
    first, second = 0.010, 0.010 + 0.013
    assert latencies == pytest.approx([first + 0.003, second + 0.003, second + 0.003])


def test_fit_finds_the_node_of_a_measurement() -> None:
    sent = queueing.poisson(120, 20, range(1, 9), seed=0)
    node = Node(0.003, 0.004, 0.0007)
    noise = np.random.default_rng(0).normal(1, 0.03, len(sent.arrivals))
    found = queueing.fit(sent, queueing.simulate(node, sent) * noise)
    assert found.text_seconds == pytest.approx(node.text_seconds, rel=0.1)
    assert found.execution_seconds + found.request_seconds == pytest.approx(0.007, rel=0.1)


def test_maximum_rate_falls_with_the_latency_limit_and_the_time_of_the_model() -> None:
    node = Node(0.003, 0.004, 0.0007)
    sizes = range(1, 9)
    rates = [queueing.max_rate(node, sizes, limit) for limit in (0.015, 0.02, 0.1)]
    assert 0 < rates[0] < rates[1] < rates[2] < node.capacity
    sent = queueing.poisson(rates[1] / float(np.mean(sizes)), 60, sizes, seed=1)
    assert capacity.p95(queueing.simulate(node, sent)) == pytest.approx(0.02, rel=0.1)
    assert queueing.max_rate(node.scaled(10), sizes, 0.2) < rates[1] / 5
    assert queueing.max_rate(node, sizes, 0.001) == 0


def test_check_reports_the_largest_error_of_the_loads_that_were_not_fitted() -> None:
    sent = queueing.poisson(100, 5, range(1, 9), seed=0)
    latencies = queueing.simulate(NODE, sent)
    slower = Measured(0.4, sent, latencies * 1.25)
    table, error = capacity.check(NODE, [Measured(0.5, sent, latencies * 3), slower])
    assert error == pytest.approx(0.2, abs=0.01)
    assert "-20.0%" in table and "(fitted)" in table


def test_fleets_of_slower_models_have_a_row_each() -> None:
    rows = capacity.fleets(Node(0.003, 0.004, 0.0007)).splitlines()[2:]
    assert len(rows) == len(capacity.SLOWDOWNS) * len(capacity.LATENCY_FACTORS)


def test_costs_of_a_fleet_grow_with_its_replicas() -> None:
    ten, hundred, thousand = fleet_costs.table(100, 15_000).splitlines()[2:]
    assert ten.startswith("| 10 | 1000 | 2 | 20 | 1 | 5 | 160 |")
    assert hundred.startswith("| 100 | 10000 | 7 | 700 |")
    assert thousand.startswith("| 1000 | 100000 | 70 | 70000 | 35 | 500 | 16000 |")
