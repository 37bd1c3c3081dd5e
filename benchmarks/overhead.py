"""What everything but the encoder costs: a model so small that its own work hardly counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter

from benchmarks.processes import cpu_seconds
from benchmarks.systems import Embed
from testing.server import RunningServer

CLIENTS = 16

SECONDS = 4.0

TEXT = "How are vectors searched?"

ONE_GATEWAY = {"TRITON_EMBED_WORKERS": "1"}
"""The environment of a service whose gateway is one process, so that its CPU time is all of it."""

PROCESSES = {
    "gateway": "-m triton_embed.gateway",
    "tritonserver": "tritonserver",
    "tokenizer": "_tokenizer",
    "encoder": "_encoder",
    "postprocess": "_postprocess",
}
"""What is told of each process, and what its command line contains."""


@dataclass(frozen=True)
class Overhead:
    """Requests of one text each, from `CLIENTS` clients.

    Attributes:
        rates: Requests per second, by way of asking.
        cpu: Milliseconds of CPU time per HTTP request, by process.
    """

    rates: Mapping[str, float]
    cpu: Mapping[str, float]

    def __str__(self) -> str:
        rates = ", ".join(f"{name} {rate:.0f}" for name, rate in self.rates.items())
        cpu = ", ".join(f"{name} {milliseconds:.2f}" for name, milliseconds in self.cpu.items())
        return (
            f"Requests/s of one text, {CLIENTS} clients: {rates}. CPU ms per HTTP request: {cpu}. "
            f"So one core of gateway is good for {1000 / self.cpu['gateway']:.0f} requests/s."
        )


def measure(
    service: RunningServer, servers: Mapping[str, Callable[[], Embed]], http: str
) -> Overhead:
    """Measure each way of asking; CPU time is taken while asking in the way called `http`."""
    pids = {name: service.descendants(part)[0] for name, part in PROCESSES.items()}
    rates: dict[str, float] = {}
    cpu: dict[str, float] = {}
    for name, connect in servers.items():
        before = {process: cpu_seconds(pid) for process, pid in pids.items()}
        requests = _requests(connect)
        rates[name] = requests / SECONDS
        if name == http:
            cpu = {
                process: 1000 * (cpu_seconds(pid) - before[process]) / requests
                for process, pid in pids.items()
            }
    return Overhead(rates, cpu)


def _requests(connect: Callable[[], Embed]) -> int:
    """Return how many requests are answered in `SECONDS`."""
    embeds = [connect() for _ in range(CLIENTS)]
    end = perf_counter() + SECONDS

    def ask(embed: Embed) -> int:
        answered = 0
        while perf_counter() < end:
            embed([TEXT])
            answered += 1
        return answered

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(ask, embeds))
