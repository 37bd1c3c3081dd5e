"""Tokens per second of every way to embed the same texts, measured side by side."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from operator import truediv
from statistics import median
from time import perf_counter

from benchmarks.systems import Embed, PackedOnnxRuntime

AT_ONCE = "all at once"

PASSES = 2
"""How often servers get the texts in a round: with one request a client, the last would count most.
"""

WORKLOADS = {"4×32": (4, 32), "8×8": (8, 8), "16×1": (16, 1)}
"""Clients in closed loops, and texts of each request."""

LIMIT = "ONNX Runtime, packed: the limit"
PADDED = "ONNX Runtime, padded"
SENTENCE_TRANSFORMERS = "sentence-transformers"


@dataclass(frozen=True)
class Systems:
    """What is measured.

    Attributes:
        limit: Embeds all texts at once; it sees token ids only.
        in_process: Embed requests one after the other, on all cores; by name.
        servers: Make a client each; by name.
    """

    limit: PackedOnnxRuntime
    in_process: Mapping[str, Embed]
    servers: Mapping[str, Callable[[], Embed]]


@dataclass
class Rates:
    """Tokens per second by system and workload; several rounds each."""

    rounds: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def __getitem__(self, cell: tuple[str, str]) -> float:
        """Return the median of a system and workload; 0 if it was not measured."""
        return median(self.rounds[cell]) if cell in self.rounds else 0.0

    def share(self, cell: tuple[str, str]) -> float:
        """Return the median share of the limit as it was in the same round.

        The speed of a shared machine changes from minute to minute.
        """
        limits = self.rounds[LIMIT, cell[1]]
        return median(map(truediv, self.rounds[cell], limits))

    def systems(self) -> list[str]:
        """Return the systems in the order in which they were measured."""
        return list(dict.fromkeys(system for system, _ in self.rounds))


def measure(
    systems: Systems,
    texts: Sequence[str],
    rounds: int,
    workloads: Sequence[str],
    passes: int = PASSES,
) -> Rates:
    """Measure all systems in turn, so many times over for each workload.

    Servers get the texts `passes` times each.

    In a process of its own nobody else asks for work, so there a workload's clients add nothing:
    its requests are embedded one after the other.
    """
    rows = systems.limit.tokenize(texts)
    tokens = sum(map(len, rows))
    rates = Rates()

    def count(system: str, workload: str, seconds: float, passes: int = 1) -> None:
        rates.rounds[system, workload].append(passes * tokens / seconds)

    # Single texts first: for ten seconds after them our gateway cuts lists smaller.
    for workload in reversed(workloads):
        clients, size = WORKLOADS[workload]
        requests = _requests(texts, size)
        for _ in range(rounds):
            for name, embed in systems.in_process.items():
                count(name, workload, _one_by_one(embed, requests))
            count(LIMIT, workload, seconds_of(lambda: systems.limit.run(rows)))
            for name, connect in systems.servers.items():
                count(name, workload, _load(passes * requests, clients, connect), passes)
    if SENTENCE_TRANSFORMERS in systems.in_process:
        embed = systems.in_process[SENTENCE_TRANSFORMERS]
        count(SENTENCE_TRANSFORMERS, AT_ONCE, _one_by_one(embed, [texts]))
        count(LIMIT, AT_ONCE, seconds_of(lambda: systems.limit.run(rows)))
    return rates


def _requests(texts: Sequence[str], size: int) -> list[Sequence[str]]:
    return [texts[start : start + size] for start in range(0, len(texts), size)]


def _one_by_one(embed: Embed, requests: Sequence[Sequence[str]]) -> float:
    embed(requests[0][:1])
    return sum(seconds_of(partial(embed, request)) for request in requests)


def _load(requests: Sequence[Sequence[str]], clients: int, connect: Callable[[], Embed]) -> float:
    """Return the seconds that `clients` in closed loops take for all `requests`."""
    waiting: Iterator[Sequence[str]] = iter(requests)
    lock = threading.Lock()

    def work(embed: Embed) -> None:
        while True:
            with lock:
                request = next(waiting, None)
            if request is None:
                return
            embed(request)

    embeds = [connect() for _ in range(clients)]
    with ThreadPoolExecutor(clients) as pool:
        # All at once: a server may close a connection that has to wait for the others. With two
        # texts, as a single one would tell our gateway to expect more of those.
        list(pool.map(lambda embed: embed(requests[0][:2]), embeds))
        return seconds_of(lambda: list(pool.map(work, embeds)))


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long `work` takes."""
    start = perf_counter()
    work()
    return perf_counter() - start


def table(title: str, rates: Rates, workloads: Sequence[str]) -> str:
    """Return the rates as a Markdown table, and the share of the limit in brackets.

    The limit embeds all texts at once whatever the workload is that it is measured beside.
    """
    measured = {workload for _, workload in rates.rounds}
    columns = [column for column in (AT_ONCE, *workloads) if column in measured]
    lines = [f"| {title}, tokens/s | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for system in rates.systems():
        cells = [
            f"{rate:.0f} ({rates.share((system, column)):.2f})"
            if (rate := rates[system, column])
            else ""
            for column in columns
        ]
        lines.append(f"| {system} | {' | '.join(cells)} |")
    return "\n".join(lines)
