"""Offer the server ten times its capacity, and check rejections, latency, memory and recovery."""

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

from benchmarks import comparison, docstrings, lists, server
from benchmarks.load import Client, OpenLoop, Outcome, closed_loop
from triton_embed.gateway.settings import Settings
from triton_embed.runtime.processes import tree_rss_bytes

OVERLOAD = 10
"""The offered load, in capacities."""

LATENCY_SLACK = 2
"""Maximum latency of an accepted request, in mean latencies of a full server: chunks of new
requests are sent before the remaining chunks of old ones."""

MIN_CAPACITY_SHARE = 0.5
"""Minimum share of the capacity that must be embedded under overload. The server also has to
reject requests, and this program uses more of the same cores."""

MAX_MEMORY_GROWTH = 1.05
"""Maximum memory in the last quarter relative to the second; in the first, buffers still grow."""

MAX_RECOVERED_LATENCY = 10
"""Maximum latency of one text a second after the overload, in idle latencies."""


@dataclass(frozen=True)
class Run:
    """The measurements of one overload.

    Attributes:
        idle: Median latency of one text on the idle server, in seconds.
        capacity: Texts per second in a closed loop, the best of three rounds.
        seconds: Duration of the overload.
        drain: Seconds from the end of the overload to the last response.
        outcomes: The outcome of each request.
        withheld: Requests that were due and not sent, because too many were open.
        client_cores: Cores that this program kept busy.
        memory: Resident bytes of the server's processes, once a second; empty if unknown.
        after: The outcome of one text, a second after the last request.
    """

    idle: float
    capacity: float
    seconds: float
    drain: float
    outcomes: Sequence[Outcome]
    withheld: int
    client_cores: float
    memory: Sequence[int]
    after: Outcome

    @property
    def rate(self) -> float:
        """Texts per second that were embedded under overload."""
        return sum(outcome.inputs for outcome in self.accepted()) / (self.seconds + self.drain)

    def accepted(self) -> list[Outcome]:
        """Return the outcomes with status 200."""
        return [outcome for outcome in self.outcomes if outcome.status == 200]


@dataclass(frozen=True)
class Condition:
    """A requirement and its measured value."""

    name: str
    holds: bool
    measured: str


async def run(target: server.Server, seconds: float) -> Run:
    """Measure the capacity, then overload the server for `seconds`."""
    texts = [text for pair in docstrings.pairs(200) for text in (pair.query, pair.passage)]
    client = Client(target.url, texts)
    await closed_loop(client, clients=8, inputs=32, seconds=3)
    idle = median([(await client.send(1)).seconds for _ in range(30)])
    capacity = max([await _capacity(client) for _ in range(3)])
    _report(f"{capacity:.0f} texts/s, {idle * 1000:.1f} ms idle; now {seconds:.0f} s of overload")
    load = OpenLoop(client, OVERLOAD * capacity, seconds)
    memory: list[int] = []
    sampling = asyncio.create_task(_sample(target.pid, memory))
    start, cpu = perf_counter(), _cpu_seconds()
    await load.send()
    duration = perf_counter() - start
    client_cores = (_cpu_seconds() - cpu) / duration
    sampling.cancel()
    draining = asyncio.create_task(_drain(load))
    await asyncio.sleep(1)
    after = await client.send(1)
    _report("waiting for the last responses")
    outcomes, drain = await draining
    await client.close()
    return Run(
        idle, capacity, duration, drain, outcomes, load.withheld, client_cores, memory, after
    )


async def _capacity(client: Client) -> float:
    """Return texts per second of lists in a closed loop, with the chunk size of mixed traffic."""
    # A single text keeps chunks small, as single texts do in the overload.
    await client.send(1)
    return await closed_loop(client, clients=8, inputs=32, seconds=4)


async def _drain(load: OpenLoop) -> tuple[list[Outcome], float]:
    """Return all outcomes, and the seconds from now to the last one."""
    start = perf_counter()
    return await load.outcomes(), perf_counter() - start


async def _sample(pid: int | None, memory: list[int]) -> None:
    """Append the resident bytes of `pid` and its descendants to `memory`, once a second."""
    while pid:
        memory.append(tree_rss_bytes(pid))
        await asyncio.sleep(1)


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system


def conditions(result: Run, in_flight: int) -> list[Condition]:
    """Return the requirements on `result` if the server accepts `in_flight` inputs at a time."""
    faults = Counter(each.fault for each in result.outcomes if each.fault)
    slowest = max((each.seconds for each in result.accepted()), default=float("inf"))
    bound = LATENCY_SLACK * in_flight / result.rate if result.rate else 0.0
    after = result.after
    return [
        Condition(
            "every response is 200 with all vectors, or 503 with Retry-After and our error body",
            not faults and not result.withheld,
            "; ".join(f"{count} x {fault}" for fault, count in faults.most_common(3))
            or f"no other response, {result.withheld} requests withheld",
        ),
        Condition(
            f"at least {MIN_CAPACITY_SHARE:.0%} of the capacity is embedded",
            result.rate >= MIN_CAPACITY_SHARE * result.capacity,
            f"{result.rate / result.capacity:.0%}",
        ),
        Condition(
            f"accepted requests take at most {LATENCY_SLACK} x {in_flight} inputs / texts/s",
            slowest <= bound,
            f"{slowest:.2f} s of {bound:.2f} s",
        ),
        _memory_condition(result.memory),
        Condition(
            f"a second later one text takes at most {MAX_RECOVERED_LATENCY} x its idle latency",
            after.status == 200 and after.seconds <= MAX_RECOVERED_LATENCY * result.idle,
            f"status {after.status} after {after.seconds * 1000:.1f} ms; "
            f"idle {result.idle * 1000:.1f} ms",
        ),
    ]


def _memory_condition(memory: Sequence[int]) -> Condition:
    name = (
        f"memory grows by at most {MAX_MEMORY_GROWTH - 1:.0%} from the second to the last quarter"
    )
    quarter = len(memory) // 4
    if not quarter:
        return Condition(name, True, "not measured")
    growth = mean(memory[-quarter:]) / mean(memory[quarter : 2 * quarter])
    return Condition(name, growth <= MAX_MEMORY_GROWTH, f"{growth - 1:+.1%}")


def report(result: Run) -> str:
    """Return the measurements as Markdown."""
    statuses = Counter(each.status for each in result.outcomes)
    lines = [
        f"- capacity {result.capacity:.0f} texts/s, offered {OVERLOAD} x that for "
        f"{result.seconds:.0f} s in requests of 1 to 32 texts",
        f"- responses: {', '.join(f'{count} x {status}' for status, count in statuses.items())}",
        f"- embedded {result.rate:.0f} texts/s; the last response "
        f"arrived {result.drain:.1f} s after the overload",
        f"- this program kept {result.client_cores:.2f} of {os.cpu_count()} cores busy",
    ]
    for status in sorted(statuses):
        seconds = [each.seconds for each in result.outcomes if each.status == status]
        p50, p95, maximum = np.percentile(seconds, [50, 95, 100])
        lines.append(
            f"- latency of {status}: p50 {p50:.3f} s, p95 {p95:.3f} s, max {maximum:.3f} s"
        )
    if result.memory:
        start, end, maximum = (
            value / 2**20 for value in (result.memory[0], result.memory[-1], max(result.memory))
        )
        lines.append(f"- memory: start {start:.0f} MiB, end {end:.0f} MiB, max {maximum:.0f} MiB")
    return "\n".join(lines)


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def judge(target: server.Server, seconds: float, in_flight: int) -> bool:
    """Measure, print the measurements and the requirements, and return whether all are met."""
    result = asyncio.run(run(target, seconds))
    found = conditions(result, in_flight)
    print(report(result), end="\n\n")
    for condition in found:
        print(f"{'ok    ' if condition.holds else 'FAILED'} {condition.name}: {condition.measured}")
    print(flush=True)
    return all(condition.holds for condition in found)


def judge_in_turn(sides: Sequence[comparison.Side], seconds: float, in_flight: int) -> bool:
    """Judge the servers of several checkouts, and return whether the first meets all."""
    met = []
    for side in sides:
        print(f"Overload of {side.checkout.folder}:\n")
        target = server.Server(side.server.url, side.server.process.pid)
        met.append(judge(target, seconds, in_flight))
    return met[0]


def _judge_lists(options: argparse.Namespace) -> bool:
    """Judge the overload by lists of this checkout, and of the other one if there is one."""
    print(server.conditions(), end="\n\n")
    limits = (options.seconds, options.runs, Settings().max_queue_seconds)
    if not options.against:
        with server.running(options.url, options.pid) as target:
            return lists.judge(target.url, *limits)
    with comparison.running(comparison.checkouts(options.against)) as sides:
        met = []
        for side in sides:
            print(f"Overload of {side.checkout.folder}:\n")
            met.append(lists.judge(side.server.url, *limits))
        return met[0]


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return 0 if every requirement is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overload", description=__doc__)
    server.add_flags(parser)
    comparison.add_flag(parser)
    parser.add_argument("--pid", type=int, help="top process of the service at --url")
    parser.add_argument("--seconds", type=float, default=60, help="default: %(default)s")
    parser.add_argument(
        "--max-concurrent-inputs",
        type=int,
        default=Settings().max_concurrent_inputs,
        help="the gateway's setting (default: %(default)s)",
    )
    parser.add_argument(
        "--lists",
        action="store_true",
        help=f"overload by {lists.CLIENTS} clients with lists of {lists.TEXTS} texts instead",
    )
    parser.add_argument(
        "--runs", type=int, default=3, help="overloads of --lists (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    if options.lists:
        return 0 if _judge_lists(options) else 1
    limits = (options.seconds, options.max_concurrent_inputs)
    print(server.conditions(), end="\n\n")
    if options.against:
        with comparison.running(comparison.checkouts(options.against)) as sides:
            return 0 if judge_in_turn(sides, *limits) else 1
    with server.running(options.url, options.pid) as target:
        return 0 if judge(target, *limits) else 1


if __name__ == "__main__":
    sys.exit(main())
