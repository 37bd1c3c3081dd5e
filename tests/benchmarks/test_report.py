from __future__ import annotations

import pytest

from benchmarks import report
from benchmarks.report import Results
from benchmarks.rounds import Measurement, Rounds
from benchmarks.throughput import LIMIT

OURS = "ours"


@pytest.fixture
def results() -> Results:
    lists, alone, beside = Rounds(), Rounds(), Rounds()
    for seconds in (1.0, 1.25, 1.0):
        lists.add(LIMIT, Measurement((), 1000, seconds))
        lists.add(OURS, Measurement([0.2, 0.4], 1000, 1.25 * seconds))
        lists.add("peer", Measurement([0.8], 1000, 2.5 * seconds))
        alone.add(LIMIT, Measurement([0.002]))
        alone.add(OURS, Measurement([0.004]))
        beside.add(OURS, Measurement([0.05]))
    return Results({"4×32": lists}, alone, beside, {OURS: 0.9999999, "peer": 0.99})


def test_main_table_has_rates_shares_latencies_and_cosines(results: Results) -> None:
    assert report.main_table(results).splitlines() == [
        "|  | 4×32, tokens/s | alone, ms | beside lists, ms | min cosine |",
        "|---|---:|---:|---:|---:|",
        f"| {LIMIT} | 1000 (100%) | 2.0 |  |  |",
        "| ours | 800 (80%) | 4.0 | 50.0 | 1.000000 |",
        "| peer | 400 (40%) |  |  | 0.990000 |",
    ]


def test_ratio_table_has_the_lower_end_of_each_ratio(results: Results) -> None:
    assert report.ratio_table(results, OURS).splitlines()[2:] == [
        f"| {LIMIT} | 0.80 (≥ 0.80) | 0.50 (≥ 0.50) |  |",
        "| peer | 2.00 (≥ 2.00) |  |  |",
    ]


def test_latency_table_omits_systems_without_latencies(results: Results) -> None:
    assert report.latency_table(results).splitlines()[2:] == [
        f"| {LIMIT} |  | 2.0 / 2.0 / 2.0 |  |",
        "| ours | 300 / 400 / 400 | 4.0 / 4.0 / 4.0 | 50.0 / 50.0 / 50.0 |",
        "| peer | 800 / 800 / 800 |  |  |",
        "| maximum requests of a system | 6 | 3 | 3 |",
    ]
