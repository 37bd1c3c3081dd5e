"""Overload by long lists: the wait of accepted requests, and the used share of the capacity.

All requests are lists of equal length, from far more clients than the server can embed for. Each
client sends its next list after the response to the previous one.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from urllib.parse import urlsplit

import numpy as np

from benchmarks.server import MODEL_ID
from benchmarks.texts import SEED, uniform_texts

CLIENTS = 150
"""Clients under overload."""

TEXTS, WORDS = 64, 100
"""Texts of a list, and words of a text."""

BODIES = 16
"""Lists that differ in their texts."""

PAUSE_SECONDS = 0.5
"""Pause of a client after a 503: the shortest of usual clients. A shorter one would only measure
how fast the server rejects."""

CAPACITY_CLIENTS, CAPACITY_SECONDS, CAPACITY_ROUNDS = 2, 5.0, 3
"""Clients and duration of each closed loop that measures the capacity; the best round counts. Two
lists are always admitted, and keep the server busy."""

ALONE_REQUESTS = 15
"""Lists that are embedded one after the other on the idle server."""

MAX_ALONE_FACTOR = 3
"""Maximum part of an accepted request's wait, in its times alone, beyond the acceptable queue
time. The server admits two at once, and more if they are embedded within that time."""

MIN_CAPACITY_SHARE = 0.9
"""Minimum tokens per second of accepted requests, relative to the capacity."""


@dataclass(frozen=True)
class ListRequest:
    """A prepared request.

    Attributes:
        content: Its head and body.
        tokens: Tokens of its texts, as the server counts them.
    """

    content: bytes
    tokens: int = 0


@dataclass(frozen=True)
class ListOutcome:
    """The outcome of one request: status, seconds until the response, and tokens of its list."""

    status: int
    seconds: float
    tokens: int


@dataclass(frozen=True)
class ListRun:
    """The measurements of one overload.

    Attributes:
        alone: Median seconds of one list on the idle server.
        capacity: Tokens per second in a closed loop of few clients.
        seconds: Seconds from the first request to the last response.
        outcomes: The outcome of each request.
    """

    alone: float
    capacity: float
    seconds: float
    outcomes: Sequence[ListOutcome]

    @property
    def waits(self) -> list[float]:
        """Seconds of each accepted request."""
        return [each.seconds for each in self.outcomes if each.status == 200]

    @property
    def share(self) -> float:
        """Tokens per second of accepted requests, relative to the capacity."""
        tokens = sum(each.tokens for each in self.outcomes if each.status == 200)
        return tokens / self.seconds / self.capacity

    def bound(self, target: float) -> float:
        """Return the maximum seconds of an accepted request if `target` is the acceptable wait."""
        return target + MAX_ALONE_FACTOR * self.alone

    def meets(self, target: float) -> bool:
        """Return whether all requirements are met."""
        return (
            {each.status for each in self.outcomes} <= {200, 503}
            and self.share >= MIN_CAPACITY_SHARE
            and float(np.percentile(self.waits, 99)) <= self.bound(target)
        )


class ListClient:
    """A client with one connection, which costs little CPU time; the server shares its cores."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, request: ListRequest) -> tuple[ListOutcome, bytes]:
        """Send `request`; return the outcome, and the body of the response.

        Raises:
            EOFError: the server closed the connection.
        """
        start = perf_counter()
        self._writer.write(request.content)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.split("content-length: ", 1)[1].split("\r\n", 1)[0])
        body = await self._reader.readexactly(length)
        seconds = perf_counter() - start
        return ListOutcome(int(head.split(" ", 2)[1]), seconds, request.tokens), body

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


async def connect(url: str, clients: int) -> list[ListClient]:
    """Return connected clients of the server at `url`."""
    address = urlsplit(url)
    # A response has up to 64 vectors in base64.
    opened = [
        asyncio.open_connection(address.hostname, address.port, limit=1 << 20)
        for _ in range(clients)
    ]
    return [ListClient(*streams) for streams in await asyncio.gather(*opened)]


def prepared(url: str) -> list[ListRequest]:
    """Return requests that differ in their texts."""
    host = urlsplit(url).netloc
    texts = uniform_texts(BODIES * TEXTS, WORDS)
    requests = []
    for start in range(0, len(texts), TEXTS):
        fields = {"model": MODEL_ID, "input": texts[start : start + TEXTS], "truncate": "END"}
        body = json.dumps({**fields, "encoding_format": "base64"}).encode()
        head = (
            f"POST /v1/embeddings HTTP/1.1\r\nHost: {host}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        requests.append(ListRequest(head.encode() + body))
    return requests


async def run(url: str, seconds: float) -> ListRun:
    """Measure a list alone and the capacity, then overload the server for `seconds`."""
    (first,) = await connect(url, 1)
    requests = [await _counted(first, request) for request in prepared(url)]
    alone = [(await first.send(requests[index % BODIES]))[0] for index in range(ALONE_REQUESTS)]
    # Later, because a server may close a connection that was idle during the lists alone.
    clients = [first, *await connect(url, CAPACITY_CLIENTS - 1)]
    capacity = 0.0
    for _ in range(CAPACITY_ROUNDS):
        outcomes, duration = await _closed_loop(clients, requests, CAPACITY_SECONDS)
        capacity = max(capacity, sum(each.tokens for each in outcomes) / duration)
    clients += await connect(url, CLIENTS - CAPACITY_CLIENTS)
    outcomes, duration = await _closed_loop(clients, requests, seconds)
    for client in clients:
        client.close()
    return ListRun(median(each.seconds for each in alone), capacity, duration, outcomes)


async def _counted(client: ListClient, request: ListRequest) -> ListRequest:
    _, body = await client.send(request)
    return ListRequest(request.content, int(json.loads(body)["usage"]["total_tokens"]))


async def _closed_loop(
    clients: Sequence[ListClient], requests: Sequence[ListRequest], seconds: float
) -> tuple[list[ListOutcome], float]:
    """Return the outcomes, and the seconds until the last response."""
    generator = random.Random(SEED)
    outcomes: list[ListOutcome] = []
    start = end = perf_counter()

    async def work(client: ListClient) -> None:
        nonlocal end
        while perf_counter() < start + seconds:
            outcome, _ = await client.send(generator.choice(requests))
            outcomes.append(outcome)
            end = perf_counter()
            if outcome.status != 200:
                await asyncio.sleep(PAUSE_SECONDS)

    await asyncio.gather(*map(work, clients))
    return outcomes, end - start


def report(result: ListRun, target: float) -> str:
    """Return the measurements as lines of Markdown.

    Args:
        result: The measurements.
        target: The acceptable queue time in seconds.
    """
    statuses = Counter(each.status for each in result.outcomes)
    counts = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    within = sum(wait <= result.bound(target) for wait in result.waits)
    p50, p99, maximum = np.percentile(result.waits, [50, 99, 100])
    return (
        f"- {counts}\n"
        f"- wait of accepted requests: p50 {p50:.2f} s, p99 {p99:.2f} s, max {maximum:.2f} s; "
        f"{within} of {len(result.waits)} within {result.bound(target):.2f} s "
        f"({target:g} s + {MAX_ALONE_FACTOR} x {result.alone:.2f} s alone)\n"
        f"- accepted tokens/s: {result.share * result.capacity:.0f}, {result.share:.0%} of the "
        f"capacity of {result.capacity:.0f}\n"
        f"- {'ok' if result.meets(target) else 'FAILED'}"
    )


def judge(url: str, seconds: float, runs: int, target: float) -> bool:
    """Measure `runs` times, print the measurements, and return whether all runs meet them.

    Args:
        url: Base URL of the server.
        seconds: Duration of each overload.
        runs: Number of overloads.
        target: The acceptable queue time in seconds.
    """
    met = []
    for number in range(runs):
        result = asyncio.run(run(url, seconds))
        print(f"Run {number + 1}:\n\n{report(result, target)}\n", flush=True)
        met.append(result.meets(target))
    return all(met)
