"""How long one text takes: alone, and beside a long list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from operator import sub
from statistics import median

import numpy as np

from benchmarks.systems import Embed
from benchmarks.throughput import seconds_of

ROUNDS, REQUESTS, WARM_REQUESTS = 8, 40, 10
"""Each system answers so many requests on end, `ROUNDS` times, and the first of them do not count:
the threads of what ran in this process before still spin for a while."""

LIST_TEXTS = 2000

PAUSE_SECONDS = 0.05
"""Between two texts beside the list: they are to meet it at any moment, not to compete with it."""


def alone(systems: Mapping[str, Embed], text: str) -> dict[str, list[float]]:
    """Return the median milliseconds of one text in each round, the systems taking turns."""
    medians: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for name, embed in systems.items():
            seconds = [seconds_of(partial(embed, [text])) for _ in range(REQUESTS)]
            medians[name].append(median(seconds[WARM_REQUESTS:]) * 1000)
    return medians


def table(rounds: Mapping[str, Sequence[float]]) -> str:
    """Return what `alone` found as a Markdown table.

    How much longer than the first system each takes is the median over rounds, too: the speed of
    a shared machine changes from minute to minute.
    """
    first = next(iter(rounds.values()))
    lines = ["| one short text at a time | ms | longer by |", "|---|---|---|"]
    for name, values in rounds.items():
        longer = median(map(sub, values, first))
        lines.append(f"| {name} | {median(values):.1f} | {longer:.1f} |")
    return "\n".join(lines)


@dataclass(frozen=True)
class Beside:
    """Latency of one text beside a list of `LIST_TEXTS`, in milliseconds."""

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


def beside_a_list(connect: Callable[[], Embed], texts: Sequence[str]) -> Beside:
    """Measure a text of median length on one connection while another one embeds a list."""
    embed, embed_list = connect(), connect()
    text = sorted(texts, key=len)[len(texts) // 2]
    embed([text])
    idle = [seconds_of(lambda: embed([text])) for _ in range(50)]
    many = [texts[index % len(texts)] for index in range(LIST_TEXTS)]
    taken: list[float] = []
    with ThreadPoolExecutor(1) as pool:
        listed = pool.submit(embed_list, many)
        while not wait([listed], PAUSE_SECONDS).done:
            taken.append(seconds_of(lambda: embed([text])))
        listed.result()
    p50, p95 = np.percentile(taken, [50, 95]) * 1000
    return Beside(median(idle) * 1000, p50, p95, len(taken))
