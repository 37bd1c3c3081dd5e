"""Clients in closed loops: each sends its next request after the response to the previous one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from benchmarks.clients import Embed


def seconds_of(work: Callable[[], object]) -> float:
    """Return the duration of `work`."""
    start = perf_counter()
    work()
    return perf_counter() - start


def seconds_for(
    requests: Sequence[Sequence[str]], clients: int, connect: Callable[[], Embed]
) -> float:
    """Return the seconds that `clients` take together for all `requests`."""
    queue: Iterator[Sequence[str]] = iter(requests)
    lock = threading.Lock()

    def work(embed: Embed) -> None:
        while True:
            with lock:
                request = next(queue, None)
            if request is None:
                return
            embed(request)

    embeds = [connect() for _ in range(clients)]
    with ThreadPoolExecutor(clients) as pool:
        # Warm all connections at once: a server may close an idle connection. Send two texts,
        # because after a single text the gateway keeps chunks small for a while.
        list(pool.map(lambda embed: embed(requests[0][:2]), embeds))
        return seconds_of(lambda: list(pool.map(work, embeds)))


def count_within(seconds: float, text: str, clients: int, connect: Callable[[], Embed]) -> int:
    """Return the number of requests with one text that `clients` complete in `seconds`."""
    embeds = [connect() for _ in range(clients)]
    end = perf_counter() + seconds

    def work(embed: Embed) -> int:
        completed = 0
        while perf_counter() < end:
            embed([text])
            completed += 1
        return completed

    with ThreadPoolExecutor(clients) as pool:
        return sum(pool.map(work, embeds))
