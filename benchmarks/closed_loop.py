"""Clients in closed loops: each sends its next request after the response to the previous one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter

from benchmarks.clients import Embed


@dataclass(frozen=True)
class Loop:
    """The duration of a closed loop.

    Attributes:
        seconds: Seconds from the first request to the last response.
        latencies: Seconds of each request.
    """

    seconds: float
    latencies: Sequence[float]


def seconds_of(work: Callable[[], object]) -> float:
    """Return the duration of `work`."""
    start = perf_counter()
    work()
    return perf_counter() - start


def send_all(requests: Sequence[Sequence[str]], clients: int, connect: Callable[[], Embed]) -> Loop:
    """Send all `requests` with `clients` that share them."""
    queue: Iterator[Sequence[str]] = iter(requests)
    lock = threading.Lock()
    latencies: list[float] = []

    def work(embed: Embed) -> None:
        while True:
            with lock:
                request = next(queue, None)
            if request is None:
                return
            start = perf_counter()
            embed(request)
            latencies.append(perf_counter() - start)

    embeds = [connect() for _ in range(clients)]
    with ThreadPoolExecutor(clients) as pool:
        # Warm all connections at once: a server may close an idle connection. Send two texts,
        # because after a single text the gateway keeps chunks small for a while.
        list(pool.map(lambda embed: embed(requests[0][:2]), embeds))
        seconds = seconds_of(lambda: list(pool.map(work, embeds)))
    return Loop(seconds, latencies)


def count_within(seconds: float, text: str, clients: int, connect: Callable[[], Embed]) -> int:
    """Return the number of requests with one text that `clients` complete in `seconds`.

    Each client sends at least one.
    """
    embeds = [connect() for _ in range(clients)]
    end = perf_counter() + seconds

    def work(embed: Embed) -> int:
        completed = 0
        while completed == 0 or perf_counter() < end:
            embed([text])
            completed += 1
        return completed

    with ThreadPoolExecutor(clients) as pool:
        return sum(pool.map(work, embeds))
