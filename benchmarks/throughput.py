"""Tokens per second of every way to embed the same texts, measured side by side."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from statistics import median
from time import perf_counter, sleep

from benchmarks.systems import Embed, PackedOnnxRuntime
from triton_embed.gateway.scheduling.send_window import CALM_AFTER_SECONDS

AT_ONCE = "all at once"

REQUESTS = 2
"""Least requests of each client; with one, the last to be answered would count most."""

PEERS_EVERY = 2
"""Peers are measured in one of so many rounds: it takes less to tell them apart."""

MAX_ROUNDS = 5
"""However much time there is."""

WORKLOADS = {"4×32": (4, 32), "8×8": (8, 8), "16×1": (16, 1), "4×4": (4, 4)}
"""Clients in closed loops, and texts of each request."""

LIMIT = "ONNX Runtime, packed: the limit"
PADDED = "ONNX Runtime, padded"
SENTENCE_TRANSFORMERS = "sentence-transformers"


@dataclass(frozen=True)
class Systems:
    """What is measured.

    Attributes:
        limit: Embeds all texts at once; it sees token ids only.
        servers: Make a client each; by name.
        peers_in_process: Embed requests one after the other, on all cores; by name.
        peers: See `servers`.
    """

    limit: PackedOnnxRuntime
    servers: Mapping[str, Callable[[], Embed]]
    peers_in_process: Mapping[str, Embed] = field(default_factory=dict)
    peers: Mapping[str, Callable[[], Embed]] = field(default_factory=dict)


@dataclass
class Rates:
    """Tokens per second by system and workload, in the rounds in which it was measured.

    Attributes:
        tokens: Of all texts together.
        rounds: What `add` was told, by system and workload, then by round.
    """

    tokens: int
    rounds: dict[tuple[str, str], dict[int, float]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def __getitem__(self, cell: tuple[str, str]) -> float:
        """Return the median of a system and workload; 0 if it was not measured."""
        return median(self.rounds[cell].values()) if cell in self.rounds else 0.0

    def ratio(self, system: str, other: str, workload: str) -> float:
        """Return how many times as fast as another a system is: the median of the rounds of both.

        The speed of a shared machine changes from minute to minute.
        """
        rates, others = self.rounds[system, workload], self.rounds[other, workload]
        return median(rates[index] / others[index] for index in rates.keys() & others.keys())

    def add(self, system: str, workload: str, index: int, seconds: float, passes: int = 1) -> None:
        """Note how long a system took in a round, to embed all texts so many times."""
        self.rounds[system, workload][index] = passes * self.tokens / seconds

    def count(self, workload: str) -> int:
        """Return the number of rounds of a workload, those without peers included."""
        return len(self.rounds[LIMIT, workload])

    def systems(self) -> list[str]:
        """Return the systems in the order in which they were measured."""
        return list(dict.fromkeys(system for system, _ in self.rounds))


def measure(
    systems: Systems,
    texts: Sequence[str],
    workloads: Sequence[str],
    seconds: float,
    fewest_rounds: int = PEERS_EVERY,
) -> Rates:
    """Measure all systems in turn, for each workload as many times over as `seconds` allow.

    Servers get the texts more than once if each client would have less than `REQUESTS`.

    In a process of its own nobody else asks for work, so there a workload's clients add nothing:
    its requests are embedded one after the other.
    """
    rows = systems.limit.tokenize(texts)
    rates = Rates(sum(map(len, rows)))
    end = perf_counter() + seconds
    systems.limit.run(rows[:1])

    # A round takes about so long: the servers' passes, and what runs in this process.
    lengths = {workload: _passes(len(texts), workload) + 1 for workload in workloads}
    calm_from = perf_counter()
    # Single texts first, and lists when they are forgotten: until then our gateway cuts smaller.
    for workload in reversed(workloads):
        clients, size = WORKLOADS[workload]
        requests, passes = _requests(texts, size), _passes(len(texts), workload)
        unit = (end - perf_counter()) / sum(lengths.values())
        for index in _rounds(unit * lengths.pop(workload), fewest_rounds):
            servers = dict(systems.servers)
            if index % PEERS_EVERY == 0:
                servers |= systems.peers
                for name, embed in systems.peers_in_process.items():
                    rates.add(name, workload, index, _one_by_one(embed, requests))
            rates.add(LIMIT, workload, index, seconds_of(lambda: systems.limit.run(rows)))
            if size > 1:
                sleep(max(calm_from - perf_counter(), 0.0))
            for name, connect in servers.items():
                taken = _load(passes * requests, clients, connect)
                rates.add(name, workload, index, taken, passes)
            if size == 1:
                calm_from = perf_counter() + CALM_AFTER_SECONDS
    if SENTENCE_TRANSFORMERS in systems.peers_in_process:
        embed = systems.peers_in_process[SENTENCE_TRANSFORMERS]
        rates.add(SENTENCE_TRANSFORMERS, AT_ONCE, 0, _one_by_one(embed, [texts]))
        rates.add(LIMIT, AT_ONCE, 0, seconds_of(lambda: systems.limit.run(rows)))
    return rates


def _rounds(seconds: float, fewest: int) -> Iterator[int]:
    """Yield the numbers of rounds: at least `fewest`, then until one would end after `seconds`."""
    starts = [perf_counter()]
    for index in range(MAX_ROUNDS):
        if index >= fewest:
            # Rounds without peers are much shorter, so the last one of the same kind tells.
            like = max(index - PEERS_EVERY, 0)
            if starts[-1] + starts[like + 1] - starts[like] > starts[0] + seconds:
                return
        yield index
        starts.append(perf_counter())


def _passes(texts: int, workload: str) -> int:
    """Return how often clients go through so many texts, to have `REQUESTS` each."""
    clients, size = WORKLOADS[workload]
    return ceil(REQUESTS * clients / ceil(texts / size))


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
    rows = {
        system: [
            f"{rate:.0f} ({rates.ratio(system, LIMIT, column):.2f})"
            if (rate := rates[system, column])
            else ""
            for column in columns
        ]
        for system in rates.systems()
    }
    rows["rounds"] = [str(rates.count(column)) for column in columns]
    return _markdown(f"{title}, tokens/s", columns, rows)


def comparison(title: str, system: str, rates: Rates, workloads: Sequence[str]) -> str:
    """Return how many times as fast as each other one `system` is, as a Markdown table."""
    rows = {
        other: [f"{rates.ratio(system, other, workload):.2f}" for workload in workloads]
        for other in rates.systems()
        if other != system
    }
    return _markdown(f"{title}: speed of {system}, relative to", workloads, rows)


def _markdown(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    lines = [f"| {title} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    return "\n".join(lines)
