"""The Grafana dashboard, as far as it can be checked without Prometheus.

``python -m benchmarks.dashboard`` runs its queries.
"""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

from testing.metric_names import TRITON, TRITON_GPU, our_names
from testing.monitoring import metric_names, panels, read_dashboard


def test_panels_use_existing_metrics() -> None:
    queries = [query for panel in panels() for query, _ in panel.queries]
    used = set().union(*map(metric_names, queries))
    assert used <= our_names() | TRITON | TRITON_GPU
    assert len(used) > 20


def test_panels_have_a_unit_a_description_and_a_legend() -> None:
    for panel in read_dashboard()["panels"]:
        if panel["type"] != "row":
            assert panel["description"].endswith(".")
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert all(target["legendFormat"] for target in panel["targets"])


def test_panels_have_unique_ids_and_titles() -> None:
    found = read_dashboard()["panels"]
    for key in ("id", "title"):
        assert len({panel[key] for panel in found}) == len(found)


def test_panels_do_not_overlap() -> None:
    def overlap(a: dict[str, int], b: dict[str, int]) -> bool:
        return (
            a["x"] < b["x"] + b["w"]
            and b["x"] < a["x"] + a["w"]
            and a["y"] < b["y"] + b["h"]
            and b["y"] < a["y"] + a["h"]
        )

    places: list[Any] = [panel["gridPos"] for panel in read_dashboard()["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert [pair for pair in combinations(places, 2) if overlap(*pair)] == []


def test_every_variable_is_used() -> None:
    dashboard = read_dashboard()
    text = json.dumps(dashboard["panels"])
    for variable in dashboard["templating"]["list"]:
        name = variable["name"]
        assert f"${name}" in text or f"${{{name}}}" in text
