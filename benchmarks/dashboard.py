"""Run every query of the Grafana dashboard against a real Prometheus and a service under load."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time

from benchmarks import checkpoints, docstrings, server
from benchmarks.checkouts import THIS
from benchmarks.load import Client, OpenLoop, closed_loop
from benchmarks.prometheus import Prometheus, Series, scraping
from testing.monitoring import Panel, panels
from testing.server import RunningServer
from testing.waiting import eventually

VARIABLES = {"$namespace": ".*", "$instance": ".*", "$model": ".*"}
"""Values of the dashboard's variables: everything."""

TABLE_INTERVAL, CHART_INTERVAL = "1m", "10s"
"""Grafana's ``$__rate_interval`` for the table, which covers the overload, and for the charts."""

STEADY_SECONDS = 15.0
"""Seconds of ordinary load before, between and after the events."""

SINGLE_CLIENTS, LIST_CLIENTS, LIST_LENGTH = 4, 2, 24
"""Clients of the ordinary load in closed loops: with one text, and with lists."""

OVERLOAD_RATE, OVERLOAD_SECONDS = 4000.0, 6.0
"""Texts per second of the overload, several times what two cores embed, and its duration."""

WAIT_SECONDS = 600.0
"""Longest load in seconds; it is stopped before."""

STUB = "triton_python_backend_stub"

TRITON = "bin/tritonserver "

UNITS = {"reqps": "requests/s", "ops": "executions/s", "s": "s", "percentunit": "ratio"}
"""Units by Grafana's id; others are numbers, whose unit is in the title."""

GPU = "GPU"
"""Start of the titles of panels that are empty without a GPU."""


@dataclass(frozen=True)
class Result:
    """The result of one query.

    Attributes:
        panel: The panel of the query.
        legend: The legend of its series, with the names of labels.
        now: The series with one point each, under load.
        history: The series since the start of the load.
    """

    panel: Panel
    legend: str
    now: Sequence[Series]
    history: Sequence[Series]

    def label(self, series: Series) -> str:
        """Return the legend of one series."""
        pattern = r"\{\{(\w+)\}\}"
        return re.sub(pattern, lambda found: series.labels.get(found[1], ""), self.legend)


async def load(service: RunningServer, prometheus: Prometheus) -> list[Result]:
    """Send ordinary load, kill processes, overload the service, and query at the end of this."""
    texts = [text for pair in docstrings.pairs(200) for text in (pair.query, pair.passage)]
    client = Client(service.url, texts)
    start = time()
    loops = ((SINGLE_CLIENTS, 1), (LIST_CLIENTS, LIST_LENGTH))
    steady = [asyncio.ensure_future(closed_loop(client, *loop, WAIT_SECONDS)) for loop in loops]
    try:
        await asyncio.sleep(STEADY_SECONDS)
        for victim in (STUB, TRITON):
            await asyncio.to_thread(service.kill, victim)
            await asyncio.to_thread(_wait_until_served, service)
            await asyncio.sleep(STEADY_SECONDS)
        overload = OpenLoop(client, OVERLOAD_RATE, OVERLOAD_SECONDS)
        await overload.send()
        await asyncio.to_thread(service.post, model=server.MODEL_ID, input=[])
        await overload.outcomes()
        await asyncio.sleep(STEADY_SECONDS)
        return await asyncio.to_thread(_evaluate, prometheus, start)
    finally:
        for task in steady:
            task.cancel()
        await asyncio.gather(*steady, return_exceptions=True)
        await client.close()


def _wait_until_served(service: RunningServer) -> None:
    def served() -> bool:
        return service.post(model=server.MODEL_ID, input="served again?").status_code == 200

    eventually(served, message="the model is served again")


def _evaluate(prometheus: Prometheus, start: float) -> list[Result]:
    end = time()
    return [
        Result(
            panel,
            legend,
            prometheus.query(expanded(query, TABLE_INTERVAL)),
            prometheus.query_range(expanded(query, CHART_INTERVAL), start, end),
        )
        for panel in panels()
        for query, legend in panel.queries
    ]


def expanded(expression: str, rate_interval: str) -> str:
    """Return an expression with the values of the dashboard's variables."""
    for name, value in {**VARIABLES, "$__rate_interval": rate_interval}.items():
        expression = expression.replace(name, value)
    return expression


def table(results: Sequence[Result]) -> str:
    """Return the values of all series, as Markdown."""
    lines = ["| panel | series | value | unit |", "|---|---|---|---|"]
    for result in results:
        unit = UNITS.get(result.panel.unit, "")
        for series in result.now:
            value = series.points[-1][1]
            label = result.label(series).strip()
            lines.append(f"| {result.panel.title} | {label} | {value:.4g} | {unit} |")
    return "\n".join(lines)


def violations(results: Sequence[Result]) -> Iterator[str]:
    """Yield the queries that returned nothing, or only 0, during the load."""
    for result in results:
        points = [value for series in result.history for _, value in series.points]
        if not result.panel.title.startswith(GPU) and not (result.now and any(points)):
            yield f"{result.panel.title}, {result.legend}: no value, or only 0"


def _targets(service: RunningServer) -> Mapping[str, str]:
    return {
        "triton-embed-gateway": f"127.0.0.1:{service.port}",
        "triton-embed-triton": f"127.0.0.1:{service.metrics_port}",
        "triton-embed-status": f"127.0.0.1:{service.status_port}",
    }


def measure() -> list[Result]:
    """Export the default model, and return the results of all queries."""
    with TemporaryDirectory(prefix="triton-embed-dashboard-") as name, ExitStack() as stack:
        folder = Path(name)
        THIS.export(checkpoints.MINILM_FOLDER, folder / "repository", server.MODEL_ID)
        service = stack.enter_context(RunningServer(folder / "repository"))
        prometheus = stack.enter_context(scraping(_targets(service), folder))
        return asyncio.run(load(service, prometheus))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and return 0 if every panel has a value."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("--plot", type=Path, help="chart of the panels to write, a PNG file")
    options = parser.parse_args(arguments)
    results = measure()
    print(server.conditions(), table(results), sep="\n\n")
    if options.plot:
        from benchmarks.plot import draw_panels

        draw_panels(_charts(results), options.plot)
    found = [*violations(results)]
    for line in found:
        print(f"FAILED {line}")
    print("ok" if not found else f"{len(found)} violations")
    return 1 if found else 0


def _charts(results: Sequence[Result]) -> dict[str, dict[str, Sequence[tuple[float, float]]]]:
    """Return the curves of each panel that has any, in seconds since the start of the load.

    Returns:
        By the title and unit of the panel, the points of each curve by its label.
    """
    start = min(series.points[0][0] for result in results for series in result.history)
    charts: dict[str, dict[str, Sequence[tuple[float, float]]]] = {}
    for result in results:
        unit = UNITS.get(result.panel.unit)
        title = f"{result.panel.title}, in {unit}" if unit else result.panel.title
        for series in result.history:
            curves = charts.setdefault(title, {})
            curves[result.label(series)] = [(at - start, value) for at, value in series.points]
    return charts


if __name__ == "__main__":
    sys.exit(main())
