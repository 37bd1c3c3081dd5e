"""A bar chart of the throughput tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot

from benchmarks.throughput import AT_ONCE, WORKLOADS, Rates


def draw(rates: Mapping[str, Rates], path: Path) -> None:
    """Write a chart of tokens/s with one panel for each kind of text."""
    figure, panels = pyplot.subplots(1, len(rates), figsize=(5 * len(rates), 6), sharey=True)
    for panel, (title, found) in zip(panels, rates.items(), strict=True):
        bars = {
            f"{system}, {workload}": rate
            for workload in (AT_ONCE, *WORKLOADS)
            for system in found.systems()
            if (rate := found[system, workload])
        }
        panel.barh(list(bars), list(bars.values()))
        panel.set_title(f"{title} text")
        panel.set_xlabel("tokens/s")
    panels[0].invert_yaxis()
    figure.tight_layout()
    figure.savefig(path)
