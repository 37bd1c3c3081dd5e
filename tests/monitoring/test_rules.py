"""The rules for Prometheus, as far as they can be checked without promtool: see checks.py."""

from __future__ import annotations

import yaml

from testing.metric_names import TRITON, our_names
from testing.monitoring import PROMETHEUS, metric_names, read_rules
from testing.paths import ROOT


def test_rules_use_existing_metrics() -> None:
    rules = read_rules()
    used = set().union(*map(metric_names, rules.expressions))
    assert used <= our_names() | TRITON | set(rules.records)


def test_every_rule_has_a_test() -> None:
    rules = read_rules()
    text = (PROMETHEUS / "rules_test.yaml").read_text(encoding="utf-8")
    tests = yaml.safe_load(text)["tests"]
    cases = [case for test in tests for case in test.get("alert_rule_test", ())]
    for expected in (True, False):
        found = {case["alertname"] for case in cases if bool(case["exp_alerts"]) is expected}
        assert found == rules.alerts.keys()
    evaluated = [case["expr"] for test in tests for case in test.get("promql_expr_test", ())]
    evaluated += [rule["expr"] for rule in rules.alerts.values()]
    assert set(rules.records) <= set().union(*map(metric_names, evaluated))


def test_every_alert_is_documented() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    assert [name for name in read_rules().alerts if f"| `{name}` |" not in page] == []
