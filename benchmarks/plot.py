"""Draws the throughput table."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot


def draw(rates: dict[str, dict[str, float]], path: Path) -> None:
    """Draw tokens/s of every system, one panel for each kind of text."""
    figure, panels = pyplot.subplots(1, len(rates), figsize=(5 * len(rates), 5), sharey=True)
    for panel, (title, table) in zip(panels, rates.items(), strict=True):
        panel.barh(list(table), list(table.values()))
        panel.set_title(f"{title} text")
        panel.set_xlabel("tokens/s")
    panels[0].invert_yaxis()
    figure.tight_layout()
    figure.savefig(path)
