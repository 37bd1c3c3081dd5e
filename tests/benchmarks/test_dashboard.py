from __future__ import annotations

from benchmarks.dashboard import Result, expanded, table, violations
from benchmarks.prometheus import Series
from testing.monitoring import Panel


def result(title: str, *values: float) -> Result:
    series = [Series({"status": "200"}, [(0.0, value)]) for value in values]
    return Result(Panel(title, "reqps", [("x", "{{status}}")]), "{{status}}", series, series)


def test_variables_are_replaced() -> None:
    expression = 'rate(x{model=~"$model"}[$__rate_interval])'
    assert expanded(expression, "1m") == 'rate(x{model=~".*"}[1m])'


def test_table_has_the_label_and_the_unit_of_each_series() -> None:
    (row,) = table([result("Requests", 12.5)]).splitlines()[2:]
    assert row == "| Requests | 200 | 12.5 | requests/s |"


def test_panel_without_a_value_is_a_violation() -> None:
    results = [result("A", 1), result("B", 0), result("C"), result("GPU memory")]
    assert [line[0] for line in violations(results)] == ["B", "C"]
