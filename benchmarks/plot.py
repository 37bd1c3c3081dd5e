"""Charts of the benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot

from benchmarks.report import Results


def draw(results: Results, path: Path) -> None:
    """Write a chart of throughput, and of the latency of one text, with a bar for each system."""
    panels: dict[str, Mapping[str, float]] = {
        f"{workload}, tokens/s": {name: rounds.rate(name) for name in rounds}
        for workload, rounds in results.throughput.items()
    }
    panels["one text alone, p50 in ms"] = {
        name: results.alone.percentiles(name)[0] for name in results.alone
    }
    panels["one text beside lists, p50 in ms"] = {
        name: results.beside.percentiles(name)[0] for name in results.beside
    }
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4 * len(panels), 4))
    for axis, (title, bars) in zip(axes, panels.items(), strict=True):
        axis.barh(list(bars), list(bars.values()))
        axis.set_title(title)
        axis.invert_yaxis()
        if title.endswith("ms"):
            axis.set_xscale("log")
    figure.tight_layout()
    figure.savefig(path)


def draw_curves(
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], path: Path
) -> None:
    """Write a chart with one panel for each sweep and its curves of (x, y), both logarithmic.

    Args:
        panels: By the title of the panel, the points of each curve by its name.
        path: The file, PNG or SVG.
    """
    figure, axes = pyplot.subplots(1, len(panels), figsize=(5 * len(panels), 4))
    for axis, (title, curves) in zip(axes, panels.items(), strict=True):
        for name, points in curves.items():
            axis.plot(*zip(*points, strict=True), marker="o", label=name)
        axis.set_title(title)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.legend()
    figure.tight_layout()
    figure.savefig(path)


def draw_panels(
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], path: Path
) -> None:
    """Write a grid of panels with their curves over time.

    Args:
        panels: By the title of the panel, the points of each curve by its name, in seconds.
        path: The file, PNG or SVG.
    """
    columns = 4
    rows = -(-len(panels) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(5 * columns, 2.6 * rows))
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    for axis, (title, curves) in zip(axes.flat, panels.items(), strict=False):
        for name, points in curves.items():
            times, values = zip(*points, strict=True)
            # Without the names of curves that are always 0, which would cover the others.
            label = name if any(values) else f"_{name}"
            axis.plot(times, values, label=label, linewidth=1)
        axis.set_title(title, fontsize=10)
        axis.margins(y=0.35)
        axis.set_ylim(bottom=0)
        axis.tick_params(labelsize=7)
        axis.legend(fontsize=6, loc="upper left")
    figure.supxlabel("seconds", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=80)
