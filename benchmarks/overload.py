"""Offers the server ten times what it can do, and checks how it refuses, holds and recovers."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median
from time import perf_counter

import numpy as np

from benchmarks import docstrings, server
from benchmarks.load import Answer, Client, Offer, closed_loop
from benchmarks.processes import resident_bytes
from triton_embed.gateway.settings import Settings

OVERLOAD = 10
"""Times the capacity that is offered."""

LATENCY_SLACK = 2
"""Times the mean that the slowest may take: lists go in pieces, and new ones before the rest."""

KEPT = 0.5
"""Share of the capacity that must still be embedded. Under overload the server also has to refuse
requests, and this program takes more of the same cores."""

MEMORY_GROWTH = 1.05
"""Most that the last quarter may have over the second; in the first, buffers reach their size."""

RECOVERY = 10
"""Times the idle latency that one text may take a second after the overload."""


@dataclass(frozen=True)
class Run:
    """What was measured.

    Attributes:
        idle: Median latency of one text while nothing else is asked, in seconds.
        capacity: Texts per second, closed loop, the best of three rounds.
        seconds: How long the overload lasted.
        drain: How long the last answer came after that.
        answers: One for each request that was sent.
        withheld: Requests that were due but not sent, because too many were unanswered.
        client_cores: Cores that this program kept busy.
        memory: Resident bytes of the server's processes, once a second; empty if unknown.
        after: The answer to one text, a second after the last request.
    """

    idle: float
    capacity: float
    seconds: float
    drain: float
    answers: Sequence[Answer]
    withheld: int
    client_cores: float
    memory: Sequence[int]
    after: Answer

    @property
    def rate(self) -> float:
        """Texts per second that were embedded under overload."""
        return sum(answer.inputs for answer in self.accepted()) / (self.seconds + self.drain)

    def accepted(self) -> list[Answer]:
        """Return the answers that are 200."""
        return [answer for answer in self.answers if answer.status == 200]


@dataclass(frozen=True)
class Condition:
    """Something that must hold, and what was seen."""

    name: str
    holds: bool
    seen: str


async def run(target: server.Server, seconds: float) -> Run:
    """Measure the capacity, then overload the server for `seconds`."""
    texts = [text for pair in docstrings.pairs(200) for text in (pair.query, pair.passage)]
    client = Client(target.url, texts)
    await closed_loop(client, clients=8, inputs=32, seconds=3)
    idle = median([(await client.send(1)).seconds for _ in range(30)])
    capacity = max([await _capacity(client) for _ in range(3)])
    _say(f"{capacity:.0f} texts/s, {idle * 1000:.1f} ms idle; now {seconds:.0f} s of overload")
    offer = Offer(client, OVERLOAD * capacity, seconds)
    memory: list[int] = []
    sampling = asyncio.create_task(_sample(target.pid, memory))
    start, cpu = perf_counter(), _cpu_seconds()
    await offer.send()
    lasted = perf_counter() - start
    client_cores = (_cpu_seconds() - cpu) / lasted
    sampling.cancel()
    draining = asyncio.create_task(_drain(offer))
    await asyncio.sleep(1)
    after = await client.send(1)
    _say("waiting for the last answers")
    answers, drain = await draining
    await client.close()
    return Run(idle, capacity, lasted, drain, answers, offer.withheld, client_cores, memory, after)


async def _capacity(client: Client) -> float:
    """Return texts per second, closed loop, as fast as lists go where there are single texts."""
    await client.send(1)
    return await closed_loop(client, clients=8, inputs=32, seconds=4)


async def _drain(offer: Offer) -> tuple[list[Answer], float]:
    """Return all answers, and how many seconds from now the last one came."""
    start = perf_counter()
    return await offer.answers(), perf_counter() - start


async def _sample(pid: int | None, memory: list[int]) -> None:
    """Append the resident bytes of `pid` and all below it to `memory`, once a second."""
    while pid:
        memory.append(resident_bytes(pid))
        await asyncio.sleep(1)


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system


def conditions(result: Run, in_flight: int) -> list[Condition]:
    """Return what must hold of `result` if the server works on at most `in_flight` inputs."""
    faults = Counter(answer.fault for answer in result.answers if answer.fault)
    slowest = max((answer.seconds for answer in result.accepted()), default=float("inf"))
    bound = LATENCY_SLACK * in_flight / result.rate if result.rate else 0.0
    after = result.after
    return [
        Condition(
            "every answer is 200 with all vectors, or 503 with Retry-After and our body",
            not faults and not result.withheld,
            "; ".join(f"{count} x {fault}" for fault, count in faults.most_common(3))
            or f"no other, {result.withheld} requests withheld",
        ),
        Condition(
            f"at least {KEPT:.0%} of the capacity is embedded",
            result.rate >= KEPT * result.capacity,
            f"{result.rate / result.capacity:.0%}",
        ),
        Condition(
            f"accepted requests take at most {LATENCY_SLACK} x {in_flight} inputs / texts/s",
            slowest <= bound,
            f"{slowest:.2f} s of {bound:.2f} s",
        ),
        _memory_condition(result.memory),
        Condition(
            f"a second later one text takes at most {RECOVERY} x its idle latency",
            after.status == 200 and after.seconds <= RECOVERY * result.idle,
            f"status {after.status} after {after.seconds * 1000:.1f} ms; "
            f"idle {result.idle * 1000:.1f} ms",
        ),
    ]


def _memory_condition(memory: Sequence[int]) -> Condition:
    name = f"memory grows by at most {MEMORY_GROWTH - 1:.0%} from the second to the last quarter"
    quarter = len(memory) // 4
    if not quarter:
        return Condition(name, True, "not measured")
    growth = mean(memory[-quarter:]) / mean(memory[quarter : 2 * quarter])
    return Condition(name, growth <= MEMORY_GROWTH, f"{growth - 1:+.1%}")


def report(result: Run) -> str:
    """Return what was measured, as Markdown."""
    statuses = Counter(answer.status for answer in result.answers)
    lines = [
        f"- capacity {result.capacity:.0f} texts/s, offered {OVERLOAD} x that for "
        f"{result.seconds:.0f} s in requests of 1 to 32 texts",
        f"- answers: {', '.join(f'{count} x {status}' for status, count in statuses.items())}",
        f"- embedded {result.rate:.0f} texts/s; the last answer "
        f"came {result.drain:.1f} s after the overload",
        f"- this program kept {result.client_cores:.2f} of {os.cpu_count()} cores busy",
    ]
    for status in sorted(statuses):
        seconds = [answer.seconds for answer in result.answers if answer.status == status]
        p50, p95, most = np.percentile(seconds, [50, 95, 100])
        lines.append(f"- latency of {status}: p50 {p50:.3f} s, p95 {p95:.3f} s, max {most:.3f} s")
    if result.memory:
        start, end, most = (
            value / 2**20 for value in (result.memory[0], result.memory[-1], max(result.memory))
        )
        lines.append(f"- memory: start {start:.0f} MiB, end {end:.0f} MiB, max {most:.0f} MiB")
    return "\n".join(lines)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return 0 if every condition holds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overload", description=__doc__)
    server.add_flags(parser)
    parser.add_argument("--pid", type=int, help="topmost process of the service at --url")
    parser.add_argument("--seconds", type=float, default=60, help="default: %(default)s")
    parser.add_argument(
        "--max-inputs-in-flight",
        type=int,
        default=Settings().max_inputs_in_flight,
        help="the gateway's setting (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    with server.running(options.url, options.pid) as target:
        result = asyncio.run(run(target, options.seconds))
    found = conditions(result, options.max_inputs_in_flight)
    print(server.conditions(), report(result), sep="\n\n", end="\n\n")
    for condition in found:
        print(f"{'ok    ' if condition.holds else 'FAILED'} {condition.name}: {condition.seen}")
    return 0 if all(condition.holds for condition in found) else 1


if __name__ == "__main__":
    sys.exit(main())
