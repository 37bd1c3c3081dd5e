"""Latency of one text, on an idle server and during a bulk request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from operator import sub
from statistics import median

import numpy as np

from benchmarks import comparison
from benchmarks.clients import Embed, base64_client
from benchmarks.closed_loop import seconds_of
from benchmarks.comparison import Experiment, Quantity, Side
from benchmarks.server import MODEL_ID
from benchmarks.texts import text_sets

ROUNDS = 8
"""Measurements of each system."""

REQUESTS = 40
"""Requests of one measurement, in a row."""

WARM_REQUESTS = 10
"""First requests of a measurement, not counted: threads of the previous system may still spin."""

LIST_TEXTS = 2000
"""Texts of the bulk request: seconds of work."""

PAUSE_SECONDS = 0.05
"""Pause in seconds between two texts during the bulk request, so that they arrive at any moment and
do not compete with it."""

ONE_TEXT = Quantity("one short text, ms", digits=2, by_difference=True)


def alone(embed: Embed, text: str) -> float:
    """Return the median milliseconds of one text on an idle server."""
    seconds = [seconds_of(partial(embed, [text])) for _ in range(REQUESTS)]
    return median(seconds[WARM_REQUESTS:]) * 1000


def rounds_alone(systems: Mapping[str, Embed], text: str) -> dict[str, list[float]]:
    """Return `alone` of each system and round, the systems taking turns."""
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for name, embed in systems.items():
            found[name].append(alone(embed, text))
    return found


def table(rounds: Mapping[str, Sequence[float]]) -> str:
    """Return `rounds_alone` as a Markdown table.

    The difference to the first system is a median over rounds, too: the speed of a shared machine
    changes from minute to minute.
    """
    first = next(iter(rounds.values()))
    lines = ["| one short text at a time | ms | longer by |", "|---|---|---|"]
    for name, values in rounds.items():
        longer = median(map(sub, values, first))
        lines.append(f"| {name} | {median(values):.1f} | {longer:.1f} |")
    return "\n".join(lines)


@dataclass(frozen=True)
class LatencyBesideList:
    """Latency of one text while a list of `LIST_TEXTS` is embedded.

    Attributes:
        idle_p50: Median milliseconds on an idle server.
        p50: Median milliseconds during the bulk request.
        p95: 95th percentile during the bulk request, in milliseconds.
        requests: Texts that were embedded during the bulk request.
    """

    idle_p50: float
    p50: float
    p95: float
    requests: int

    def __str__(self) -> str:
        return (
            f"One text while a list of {LIST_TEXTS} is embedded: p50 {self.p50:.0f} ms, "
            f"p95 {self.p95:.0f} ms over {self.requests} requests; idle {self.idle_p50:.1f} ms; "
            f"p95 / idle {self.p95 / self.idle_p50:.1f}."
        )


def beside_a_list(connect: Callable[[], Embed], texts: Sequence[str]) -> LatencyBesideList:
    """Measure a text of median length on one connection while a list is embedded on another."""
    embed, embed_list = connect(), connect()
    text = sorted(texts, key=len)[len(texts) // 2]
    embed([text])
    idle = [seconds_of(lambda: embed([text])) for _ in range(50)]
    many = [texts[index % len(texts)] for index in range(LIST_TEXTS)]
    latencies: list[float] = []
    with ThreadPoolExecutor(1) as pool:
        embedding = pool.submit(embed_list, many)
        while not wait([embedding], PAUSE_SECONDS).done:
            latencies.append(seconds_of(lambda: embed([text])))
        embedding.result()
    p50, p95 = np.percentile(latencies, [50, 95]) * 1000
    return LatencyBesideList(median(idle) * 1000, p50, p95, len(latencies))


def measure(side: Side) -> Mapping[Quantity, float]:
    """Measure one short text over HTTP on an idle server."""
    (text,) = text_sets(1, 1, 1)["short"]
    return {ONE_TEXT: alone(base64_client(side.server.url, MODEL_ID), text)}


EXPERIMENTS = (Experiment(measure, 0.15),)


if __name__ == "__main__":
    comparison.command("latency", __doc__, EXPERIMENTS)
