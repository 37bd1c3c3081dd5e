"""The files of deploy/ for Prometheus and Grafana."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from testing.paths import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"

RULES = PROMETHEUS / "rules.yaml"

DASHBOARD = ROOT / "deploy" / "grafana" / "triton-embed.json"

IDENTIFIER = re.compile(r"[A-Za-z_:][\w:]*")


@dataclass(frozen=True)
class Rules:
    """The rule file.

    Attributes:
        expressions: The expression of each rule.
        records: Names of the recording rules.
        alerts: The alerting rules, by name.
    """

    expressions: Sequence[str]
    records: Sequence[str]
    alerts: dict[str, dict[str, Any]]


def read_rules() -> Rules:
    """Return the rules of `RULES`."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    return Rules(
        [rule["expr"] for rule in rules],
        [rule["record"] for rule in rules if "record" in rule],
        {rule["alert"]: rule for rule in rules if "alert" in rule},
    )


@dataclass(frozen=True)
class Panel:
    """A panel of the dashboard that has queries.

    Attributes:
        title: Its title.
        unit: Grafana's id of the unit.
        queries: The PromQL expression and the legend of each query, with variables.
    """

    title: str
    unit: str
    queries: Sequence[tuple[str, str]]


def read_dashboard() -> dict[str, Any]:
    """Return the dashboard's JSON."""
    loaded: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return loaded


def panels() -> Iterator[Panel]:
    """Yield the panels of the dashboard."""
    for panel in read_dashboard()["panels"]:
        if panel["type"] != "row":
            queries = [(target["expr"], target["legendFormat"]) for target in panel["targets"]]
            yield Panel(panel["title"], panel["fieldConfig"]["defaults"]["unit"], queries)


def metric_names(expression: str) -> set[str]:
    """Return the names of our metrics, of Triton's, and of recording rules in an expression."""
    return {
        name
        for name in IDENTIFIER.findall(expression)
        if ":" in name or name.startswith(("triton_embed_", "nv_"))
    }
