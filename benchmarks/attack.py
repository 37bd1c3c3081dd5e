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
from triton_embed.runtime.processes import tree_rss_bytes

MIN_SHORT_REQUESTS = 200
"""Minimum short requests during an attack, and on the idle server: enough for a p95."""

MAX_RATIO = 10.0
"""Maximum p95 of the short requests during an attack, as a multiple of the p95 before it."""

MAX_MEMORY_GROWTH = 1.5
"""Maximum memory after all attacks, relative to before. Buffers and caches grow once."""

ROUND_SECONDS = 1.0
"""Minimum time between the starts of two rounds, as for clients that heed `Retry-After`; without
it, this program would use most of the cores."""

SETTLE_SECONDS = 3.0
"""Pause before memory is read, in which the gateway returns the memory of large bodies."""

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
    sleep(SETTLE_SECONDS)
    memory = tree_rss_bytes(target.pid) if target.pid else None
    return Result(attack, idle, beside, failures, statuses, memory)


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


def judge(target: server.Server, chosen: Sequence[Attack]) -> bool:
    """Measure, print the measurements and the broken bounds; return whether there are none."""
    ShortRequests(target.url).send_until(lambda: True)
    before = tree_rss_bytes(target.pid) if target.pid else None
    after, is_met = before, True
    for attack in chosen:
        result = measure(target, attack)
        after = result.memory
        faults = result.faults()
        is_met = is_met and not faults
        _print(not faults, "; ".join([report(result), *faults]))
    if before and after:
        grown = after / before
        is_met = is_met and grown <= MAX_MEMORY_GROWTH
        _print(
            grown <= MAX_MEMORY_GROWTH,
            f"memory: {before >> 20} MiB before, {after >> 20} MiB after, {grown:.2f} x "
            f"(at most {MAX_MEMORY_GROWTH} x)",
        )
    return is_met


def _print(holds: bool, text: str) -> None:
    print(f"{'ok    ' if holds else 'FAILED'} {text}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return 0 if every bound is kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attack", description=__doc__)
    server.add_flags(parser)
    parser.add_argument("--pid", type=int, help="top process of the service at --url")
    parser.add_argument("--only", default="", help="run the attacks whose name contains this")
    options = parser.parse_args(arguments)
    chosen = [attack for attack in attacks() if options.only in attack.name]
    if not chosen:
        parser.error(f"--only: no attack has '{options.only}' in its name")
    print(server.conditions(), end="\n\n")
    with server.running(options.url, options.pid) as target:
        return 0 if judge(target, chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
