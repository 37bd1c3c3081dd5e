"""Attack the server, and check that short requests during each attack are served in time."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from multiprocessing.connection import Connection
from time import perf_counter, sleep
from urllib.parse import urlsplit

import numpy as np

from benchmarks import server
from benchmarks.attacks import TIMEOUT_SECONDS, Attack, attacks
from benchmarks.clients import http_client
from benchmarks.closed_loop import send_all
from benchmarks.texts import text_sets
from triton_embed.runtime.processes import tree_rss_bytes

MIN_SHORT_REQUESTS = 200
"""Minimum short requests during an attack, and on the idle server: enough for a p95."""

MAX_RATIO = 10.0
"""Maximum p95 of the short requests during an attack, as a multiple of the p95 before it."""

MAX_MEMORY_GROWTH = 1.5
"""Maximum memory after the first pass of attacks, relative to the server under ordinary load.
Buffers and caches grow once."""

MAX_REPEATED_GROWTH = 1.1
"""Maximum memory after a further pass, relative to the first: only a leak grows again."""

ROUND_SECONDS = 1.0
"""Minimum time between the starts of two rounds, as for clients that heed `Retry-After`; without
it, this program would use most of the cores."""

SETTLE_SECONDS = 3.0
"""Pause before memory is read, in which the gateway returns the memory of large bodies."""

WARM_UP_LISTS, WARM_UP_CLIENTS = 16, 4
"""Lists that are embedded before memory is first read, and their clients: the weights are mapped,
and their pages count only after use."""

WARM_UP_TEXTS = 32
"""Texts of a list."""

SHORT = {"model": server.MODEL_ID, "input": "Is the server still there?"}


@dataclass(frozen=True)
class Result:
    """The measurements of one attack.

    Attributes:
        attack: The attack.
        idle: Seconds of each short request just before it.
        beside: Seconds of each short request during the attack.
        failures: Statuses of short requests that were not 200.
        statuses: Statuses of the hostile requests.
        memory: Resident bytes of the server's processes after it; ``None`` if unknown.
    """

    attack: Attack
    idle: Sequence[float]
    beside: Sequence[float]
    failures: Counter[int]
    statuses: Counter[int]
    memory: int | None

    @property
    def ratio(self) -> float:
        """The p95 during the attack, as a multiple of the p95 on the idle server."""
        return float(np.percentile(self.beside, 95) / np.percentile(self.idle, 95))

    def faults(self) -> list[str]:
        """Return the bounds that are broken."""
        found = []
        if self.ratio > MAX_RATIO:
            found.append(f"p95 is {self.ratio:.1f} x idle, more than {MAX_RATIO:.0f}")
        if self.failures:
            found.append(f"short requests got {dict(self.failures)}")
        if unexpected := self.statuses.keys() - self.attack.expected:
            found.append(f"hostile requests got {sorted(unexpected)}")
        return found


@dataclass(frozen=True)
class Growth:
    """The growth of the server's resident memory in one pass of attacks.

    Attributes:
        number: Number of the pass, from 1.
        before: Bytes that it is compared with.
        after: Bytes after the pass.
        limit: Maximum ratio.
    """

    number: int
    before: int
    after: int
    limit: float

    @property
    def is_bounded(self) -> bool:
        """True if the ratio is within the limit."""
        return self.after <= self.before * self.limit

    def __str__(self) -> str:
        baseline = "under ordinary load" if self.number == 1 else "after pass 1"
        return (
            f"memory: {self.before >> 20} MiB {baseline}, {self.after >> 20} MiB after pass "
            f"{self.number}, {self.after / self.before:.2f} x (at most {self.limit} x)"
        )


class ShortRequests:
    """A client that sends its next short request after the response to the previous one.

    Args:
        url: Base URL of the server.
    """

    def __init__(self, url: str) -> None:
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_SECONDS)
        self._body = json.dumps(SHORT).encode()

    def send_until(self, is_over: Callable[[], bool]) -> tuple[list[float], Counter[int]]:
        """Send at least `MIN_SHORT_REQUESTS`, until `is_over`.

        Returns:
            The seconds of each request, and the statuses other than 200.
        """
        seconds: list[float] = []
        failures: Counter[int] = Counter()
        while len(seconds) < MIN_SHORT_REQUESTS or not is_over():
            start = perf_counter()
            self._connection.request("POST", "/v1/embeddings", self._body)
            response = self._connection.getresponse()
            response.read()
            seconds.append(perf_counter() - start)
            if response.status != 200:
                failures[response.status] += 1
        return seconds, failures


def measure(target: server.Server, attack: Attack) -> Result:
    """Run `attack` in rounds, in a separate process, while short requests are sent."""
    short = ShortRequests(target.url)
    idle, _ = short.send_until(lambda: True)
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    attacker = fork.Process(target=_attack, args=(attack, target.url, theirs))
    attacker.start()
    # With it, the end of the attacker would not end the pipe.
    theirs.close()
    beside, failures = short.send_until(ours.poll)
    ours.send(None)
    statuses: Counter[int] = Counter()
    with suppress(EOFError):
        while True:
            statuses += ours.recv()
    attacker.join()
    return Result(attack, idle, beside, failures, statuses, _memory(target))


def _attack(attack: Attack, url: str, pipe: Connection) -> None:
    """Send rounds until a message arrives, and the statuses of each."""
    due = perf_counter()
    while not pipe.poll(max(due - perf_counter(), 0.0)):
        due = perf_counter() + ROUND_SECONDS
        pipe.send(attack.send(url))
    pipe.recv()


def report(result: Result) -> str:
    """Return one line about an attack."""
    idle, beside = (np.percentile(each, 95) * 1000 for each in (result.idle, result.beside))
    statuses = ", ".join(
        f"{count} x {status or 'closed'}" for status, count in result.statuses.items()
    )
    memory = f", {result.memory >> 20} MiB" if result.memory else ""
    return (
        f"{result.attack.name}: {len(result.beside)} short requests, p95 {beside:.1f} ms = "
        f"{result.ratio:.1f} x idle ({idle:.1f} ms); {statuses}{memory}"
    )


def judge(target: server.Server, chosen: Sequence[Attack], passes: int) -> bool:
    """Measure, print the measurements and the broken bounds; return whether there are none."""
    warm_up(target.url)
    readings = [_memory(target)]
    is_met = True
    for _ in range(passes):
        for attack in chosen:
            result = measure(target, attack)
            faults = result.faults()
            is_met = is_met and not faults
            _print(not faults, "; ".join([report(result), *faults]))
        readings.append(_memory(target))
    growths = memory_growths([reading for reading in readings if reading])
    for growth in growths:
        _print(growth.is_bounded, str(growth))
    return is_met and all(growth.is_bounded for growth in growths)


def warm_up(url: str) -> None:
    """Send lists of mixed texts, as an ordinary client does."""
    texts = text_sets(WARM_UP_LISTS * WARM_UP_TEXTS, 0, 0)["mixed"]
    lists = [texts[start::WARM_UP_LISTS] for start in range(WARM_UP_LISTS)]
    endpoint = f"{url}/v1/embeddings"
    send_all(lists, WARM_UP_CLIENTS, lambda: http_client(endpoint, server.MODEL_ID, truncate="END"))


def memory_growths(readings: Sequence[int]) -> list[Growth]:
    """Return the growth of resident memory in each pass; `readings` begin with the one before."""
    # Later passes are compared with the first, so that slow growth adds up.
    return [
        Growth(1, readings[0], after, MAX_MEMORY_GROWTH)
        if number == 1
        else Growth(number, readings[1], after, MAX_REPEATED_GROWTH)
        for number, after in enumerate(readings[1:], start=1)
    ]


def _memory(target: server.Server) -> int | None:
    sleep(SETTLE_SECONDS)
    return tree_rss_bytes(target.pid) if target.pid else None


def _print(holds: bool, text: str) -> None:
    print(f"{'ok    ' if holds else 'FAILED'} {text}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return 0 if every bound is kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attack", description=__doc__)
    server.add_flags(parser)
    parser.add_argument("--pid", type=int, help="top process of the service at --url")
    parser.add_argument("--only", default="", help="run the attacks whose name contains this")
    parser.add_argument("--passes", type=int, default=1, help="times to run all attacks")
    options = parser.parse_args(arguments)
    chosen = [attack for attack in attacks() if options.only in attack.name]
    if not chosen:
        parser.error(f"--only: no attack has '{options.only}' in its name")
    print(server.conditions(), end="\n\n")
    with server.running(options.url, options.pid) as target:
        return 0 if judge(target, chosen, options.passes) else 1


if __name__ == "__main__":
    sys.exit(main())
