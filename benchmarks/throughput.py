"""Tokens per second of servers and libraries that embed the same texts, measured in turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from statistics import median
from time import perf_counter, sleep
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks import comparison
from benchmarks.clients import Embed, base64_client
from benchmarks.closed_loop import seconds_for, seconds_of
from benchmarks.comparison import Experiment, Quantity, Side
from benchmarks.server import MODEL_ID
from benchmarks.texts import text_sets
from triton_embed.gateway.scheduling.send_window import INTERACTIVE_HOLD_SECONDS

AT_ONCE = "all at once"

REQUESTS = 2
"""Minimum requests of each client; with a single request, the slowest response would decide."""

PEERS_EVERY = 2
"""Rounds per measurement of a peer: its speed differs too much to need more."""

MAX_ROUNDS = 5
"""Maximum rounds of a workload, however much time is left."""

WORKLOADS = {"4×32": (4, 32), "8×8": (8, 8), "16×1": (16, 1), "4×4": (4, 4)}
"""Clients in closed loops, and texts of each request."""

COMPARED = ("4×32", "8×8", "16×1")
"""Workloads of a comparison of two checkouts. Lists come first: after single texts the gateway
keeps chunks small for `INTERACTIVE_HOLD_SECONDS`."""

COMPARED_TEXTS = 128
"""Texts of mixed length in one measurement of a checkout: about 3 s on 2 cores."""

LIMIT = "ONNX Runtime, packed: the limit"
PADDED = "ONNX Runtime, padded"
SENTENCE_TRANSFORMERS = "sentence-transformers"


class Limit(Protocol):
    """The encoder in this process, without a server."""

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of `texts`."""

    def run(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Embed token ids, all in one call."""

    def embed(self, texts: Sequence[str]) -> None:
        """Tokenize and embed `texts`, all in one call."""


@dataclass(frozen=True)
class Systems:
    """The systems of a measurement.

    Attributes:
        limit: Embeds all texts at once, from token ids.
        servers: Functions that each create a client, by name.
        peers_in_process: Libraries that embed one request after the other on all cores, by name.
        peers: Like `servers`; measured in one of `PEERS_EVERY` rounds.
    """

    limit: Limit
    servers: Mapping[str, Callable[[], Embed]]
    peers_in_process: Mapping[str, Embed] = field(default_factory=dict)
    peers: Mapping[str, Callable[[], Embed]] = field(default_factory=dict)


@dataclass
class Rates:
    """Tokens per second by system and workload, in the rounds in which it was measured.

    Attributes:
        tokens: Number of tokens of all texts.
        rounds: Tokens per second by system and workload, then by the number of the round.
    """

    tokens: int
    rounds: dict[tuple[str, str], dict[int, float]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def __getitem__(self, cell: tuple[str, str]) -> float:
        """Return the median of a system and workload; 0 if it was not measured."""
        return median(self.rounds[cell].values()) if cell in self.rounds else 0.0

    def ratio(self, system: str, other: str, workload: str) -> float:
        """Return the speed of `system` relative to `other`: the median over the rounds of both.

        The speed of a shared machine changes from minute to minute.
        """
        rates, others = self.rounds[system, workload], self.rounds[other, workload]
        return median(rates[index] / others[index] for index in rates.keys() & others.keys())

    def add(self, system: str, workload: str, index: int, seconds: float, passes: int = 1) -> None:
        """Record the seconds that a system took in a round to embed all texts `passes` times."""
        self.rounds[system, workload][index] = passes * self.tokens / seconds

    def count(self, workload: str) -> int:
        """Return the number of rounds of a workload, rounds without peers included."""
        return len(self.rounds[LIMIT, workload])

    def systems(self) -> list[str]:
        """Return the systems in the order in which they were measured."""
        return list(dict.fromkeys(system for system, _ in self.rounds))


def measure(
    systems: Systems,
    texts: Sequence[str],
    workloads: Sequence[str],
    seconds: float,
    min_rounds: int = PEERS_EVERY,
) -> Rates:
    """Measure all systems in turns, each workload for as many rounds as `seconds` allow.

    Servers receive the texts more than once if each client would send fewer than `REQUESTS`.

    A library in this process has one client for every workload: more would not be faster. Its
    requests are embedded one after the other.
    """
    rows = systems.limit.tokenize(texts)
    rates = Rates(sum(map(len, rows)))
    end = perf_counter() + seconds
    systems.limit.run(rows[:1])

    # The relative duration of a round: the servers' passes, and the work in this process.
    lengths = {workload: _passes(len(texts), workload) + 1 for workload in workloads}
    bulk_from = perf_counter()
    # Single texts first; lists once the gateway no longer expects single texts.
    for workload in reversed(workloads):
        size = WORKLOADS[workload][1]
        unit = (end - perf_counter()) / sum(lengths.values())
        for index in _rounds(unit * lengths.pop(workload), min_rounds):
            _measure_libraries(systems, texts, rows, size, rates, workload, index)
            if size > 1:
                sleep(max(bulk_from - perf_counter(), 0.0))
            _measure_servers(systems, texts, rates, workload, index)
            if size == 1:
                bulk_from = perf_counter() + INTERACTIVE_HOLD_SECONDS
    if SENTENCE_TRANSFORMERS in systems.peers_in_process:
        embed = systems.peers_in_process[SENTENCE_TRANSFORMERS]
        rates.add(SENTENCE_TRANSFORMERS, AT_ONCE, 0, _one_by_one(embed, [texts]))
        rates.add(LIMIT, AT_ONCE, 0, seconds_of(lambda: systems.limit.run(rows)))
    return rates


def _measure_libraries(
    systems: Systems,
    texts: Sequence[str],
    rows: Sequence[Sequence[int]],
    size: int,
    rates: Rates,
    workload: str,
    index: int,
) -> None:
    if index % PEERS_EVERY == 0:
        for name, embed in systems.peers_in_process.items():
            rates.add(name, workload, index, _one_by_one(embed, _requests(texts, size)))
    rates.add(LIMIT, workload, index, seconds_of(lambda: systems.limit.run(rows)))


def _measure_servers(
    systems: Systems, texts: Sequence[str], rates: Rates, workload: str, index: int
) -> None:
    clients, size = WORKLOADS[workload]
    passes = _passes(len(texts), workload)
    servers = {**systems.servers, **(systems.peers if index % PEERS_EVERY == 0 else {})}
    for name, connect in servers.items():
        seconds = seconds_for(passes * _requests(texts, size), clients, connect)
        rates.add(name, workload, index, seconds, passes)


def _rounds(seconds: float, min_rounds: int) -> Iterator[int]:
    """Yield the numbers of rounds: at least `min_rounds`, then as many as end within `seconds`."""
    starts = [perf_counter()]
    for index in range(MAX_ROUNDS):
        if index >= min_rounds:
            # Rounds without peers are much shorter: expect the duration of the last of its kind.
            like = max(index - PEERS_EVERY, 0)
            if starts[-1] + starts[like + 1] - starts[like] > starts[0] + seconds:
                return
        yield index
        starts.append(perf_counter())


def _passes(texts: int, workload: str) -> int:
    """Return the passes over all texts after which each client has sent `REQUESTS`."""
    clients, size = WORKLOADS[workload]
    return ceil(REQUESTS * clients / ceil(texts / size))


def _requests(texts: Sequence[str], size: int) -> list[Sequence[str]]:
    return [texts[start : start + size] for start in range(0, len(texts), size)]


def _one_by_one(embed: Embed, requests: Sequence[Sequence[str]]) -> float:
    embed(requests[0][:1])
    return sum(seconds_of(partial(embed, request)) for request in requests)


def table(title: str, rates: Rates, workloads: Sequence[str]) -> str:
    """Return the rates as a Markdown table, with the share of the limit in parentheses.

    The limit embeds all texts at once, whatever the workload of the round.
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


def relative_table(title: str, system: str, rates: Rates, workloads: Sequence[str]) -> str:
    """Return the speed of `system` relative to each other system, as a Markdown table."""
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


def measure_workload(workload: str, side: Side) -> Mapping[Quantity, float]:
    """Embed the same texts over HTTP, as base64."""
    clients, size = WORKLOADS[workload]
    texts = text_sets(COMPARED_TEXTS, 1, 1)["mixed"]
    passes = _passes(len(texts), workload)
    connect = partial(base64_client, side.server.url, MODEL_ID)
    seconds = seconds_for(passes * _requests(texts, size), clients, connect)
    quantity = Quantity(f"{workload}, HTTP base64, texts/s", digits=1)
    return {quantity: passes * len(texts) / seconds}


EXPERIMENTS = tuple(Experiment(partial(measure_workload, each), 0.2) for each in COMPARED)


if __name__ == "__main__":
    comparison.command("throughput", __doc__, EXPERIMENTS)
