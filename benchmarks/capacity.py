"""Capacity of a node and of fleets: a queueing model, fitted at one load and checked at three.

``python -m benchmarks.capacity`` starts the service with the default model, measures it, and prints
the errors of the simulation and the replicas that fleets need. The exit status is 1 if an error is
above the limit.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import httpx
import numpy as np

from benchmarks import fleet_costs, queueing, server
from benchmarks.load import body_of
from benchmarks.queueing import Floats, Load, Node
from benchmarks.report import markdown
from benchmarks.texts import text_sets

SIZES = range(1, 9)
"""Texts of a request. All requests are interactive: the gateway sends each at once."""

FIT_SHARE = 0.5
"""Load at which the model is fitted, as a share of the capacity."""

CHECKED_SHARES = (0.25, 0.4, 0.65)
"""Loads at which it is checked."""

MAX_ERROR = 0.15
"""Maximum relative error of throughput and p95 in a check."""

CAPACITY_SECONDS = 4.0
"""Duration of the closed loop that measures the capacity."""

CAPACITY_CLIENTS = 16
"""Clients of that loop: the encoder always has a batch waiting."""


@dataclass(frozen=True)
class Measured:
    """The service under one load.

    Attributes:
        share: The load as a share of the capacity.
        load: The requests that were sent, with the times at which they were.
        latencies: Seconds until each response, [requests].
    """

    share: float
    load: Load
    latencies: Floats


def throughput(load: Load, latencies: Floats) -> float:
    """Return texts per second from the first arrival to the last response."""
    return float(load.texts.sum() / ((load.arrivals + latencies).max() - load.arrivals[0]))


def p95(latencies: Floats) -> float:
    """Return the 95th percentile."""
    return float(np.percentile(latencies, 95))


class Sender:
    """Sends prepared requests of short texts.

    Args:
        url: Base URL of the service.
    """

    def __init__(self, url: str) -> None:
        limits = httpx.Limits(max_connections=None, keepalive_expiry=60)
        self._http = httpx.AsyncClient(base_url=url, limits=limits, timeout=60)
        texts = text_sets(1, 400, 1)["short"]
        starts = range(0, len(texts) - SIZES.stop, 37)
        self._bodies = [
            {size: body_of(texts[start : start + size]) for size in SIZES} for start in starts
        ]
        self._sent = 0

    async def send(self, texts: int) -> None:
        """Embed a number of texts.

        Raises:
            SystemExit: The response is not 200: the load is above the capacity.
        """
        self._sent += 1
        body = self._bodies[self._sent % len(self._bodies)][texts]
        response = await self._http.post("/v1/embeddings", content=body)
        if response.status_code != 200:
            raise SystemExit(f"capacity: status {response.status_code}: {response.text[:200]}")

    async def closed_loop(self, seconds: float) -> float:
        """Return texts per second of clients that always wait for a response."""
        end = perf_counter() + seconds
        generator = np.random.default_rng(0)
        sent = 0

        async def work() -> None:
            nonlocal sent
            while perf_counter() < end:
                size = int(generator.choice(SIZES))
                await self.send(size)
                sent += size

        await asyncio.gather(*(work() for _ in range(CAPACITY_CLIENTS)))
        return sent / seconds

    async def open_loop(self, load: Load) -> tuple[Load, Floats]:
        """Send requests when they are due; return the requests as sent, and their latencies."""
        start = perf_counter()
        sent = np.empty_like(load.arrivals)
        latencies = np.empty_like(load.arrivals)

        async def work(index: int) -> None:
            begin = perf_counter()
            sent[index] = begin - start
            await self.send(int(load.texts[index]))
            latencies[index] = perf_counter() - begin

        tasks = []
        for index, due in enumerate(load.arrivals.tolist()):
            await asyncio.sleep(max(0.0, start + due - perf_counter()))
            tasks.append(asyncio.create_task(work(index)))
        await asyncio.gather(*tasks)
        order = np.argsort(sent)
        return Load(sent[order], load.texts[order]), latencies[order]

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


async def measure(url: str, seconds: float) -> tuple[float, list[Measured]]:
    """Return the capacity in texts per second, and the service under each load."""
    sender = Sender(url)
    await sender.closed_loop(2)
    capacity = await sender.closed_loop(CAPACITY_SECONDS)
    found = []
    for seed, share in enumerate((FIT_SHARE, *CHECKED_SHARES)):
        rate = share * capacity / float(np.mean(SIZES))
        planned = queueing.poisson(rate, seconds, SIZES, seed)
        load, latencies = await sender.open_loop(planned)
        found.append(Measured(share, load, latencies))
        print(
            f"{share:.0%} of {capacity:.0f} texts/s: p95 {1e3 * p95(latencies):.1f} ms",
            file=sys.stderr,
        )
    await sender.close()
    return capacity, found


def check(node: Node, found: Sequence[Measured]) -> tuple[str, float]:
    """Return a table of measured and simulated figures, and the largest error of a check."""
    rows: list[list[str]] = []
    errors: list[float] = []
    for index, each in enumerate(found):
        simulated = queueing.simulate(node, each.load)
        pairs = [
            (throughput(each.load, each.latencies), throughput(each.load, simulated), 1.0),
            (p95(each.latencies), p95(simulated), 1e3),
        ]
        differences = [model / real - 1 for real, model, _ in pairs]
        if index:
            errors += map(abs, differences)
        cells = [f"{value * unit:.1f}" for real, model, unit in pairs for value in (real, model)]
        rows.append(
            [
                f"{each.share:.0%}{'' if index else ' (fitted)'}",
                *cells,
                *(f"{difference:+.1%}" for difference in differences),
            ]
        )
    header = ["load", "texts/s", "simulated", "p95, ms", "simulated", "error", "error of p95"]
    return markdown(header, rows), max(errors)


RATES = (1_000, 10_000, 100_000)
"""Texts per second of the fleets."""

SLOWDOWNS = (1, 10, 100)
"""Times of a model, relative to the measured one."""

LATENCY_FACTORS = (1.5, 3)
"""Latency targets of fleets: multiples of the latency of the largest request on an idle node."""


def fleets(node: Node) -> str:
    """Return the replicas that fleets need, for models of several speeds."""
    rows = []
    for slowdown in SLOWDOWNS:
        model = node.scaled(slowdown)
        alone = model.request_seconds + model.execution_seconds + SIZES[-1] * model.text_seconds
        for factor in LATENCY_FACTORS:
            each = queueing.max_rate(model, SIZES, factor * alone)
            fleet = [f"{math.ceil(rate / each)}" if each else "-" for rate in RATES]
            rows.append([f"{slowdown} x", f"{1e3 * factor * alone:.0f}", f"{each:.0f}", *fleet])
    columns = [f"replicas for {rate:,} texts/s".replace(",", " ") for rate in RATES]
    return markdown(["time of the model", "p95, ms", "texts/s of a replica", *columns], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, fit, check and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--seconds", type=float, default=25, help="duration of each load")
    server.add_flags(parser)
    options = parser.parse_args(arguments)
    with server.running(options.url) as target:
        capacity, found = asyncio.run(measure(target.url, options.seconds))
        metrics_bytes = len(httpx.get(f"{target.url}/metrics").content)
    node = queueing.fit(found[0].load, found[0].latencies)
    table, error = check(node, found)
    print(f"{server.conditions()}; capacity {capacity:.0f} texts/s\n\n{table}\n")
    print(
        f"An execution takes {1e3 * node.execution_seconds:.2f} ms, and each text "
        f"{1e3 * node.text_seconds:.2f} ms; a request takes {1e3 * node.request_seconds:.2f} ms "
        "besides.\n"
    )
    print(f"{fleets(node)}\n")
    mean = float(np.mean(SIZES))
    print(fleet_costs.table(CHECKED_SHARES[-1] * capacity / mean, metrics_bytes))
    if error > MAX_ERROR:
        print(f"capacity: the largest error is {error:.0%}, above {MAX_ERROR:.0%}", file=sys.stderr)
    return int(error > MAX_ERROR)


if __name__ == "__main__":
    sys.exit(main())
