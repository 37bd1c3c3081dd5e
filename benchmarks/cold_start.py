"""Measure the start of the service by phase, from the command until it is ready."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event
from time import perf_counter

import httpx

from benchmarks import checkpoints
from benchmarks.checkouts import THIS, Checkout, other_checkout
from benchmarks.comparison import ONE_WORKER
from benchmarks.server import MODEL_ID, conditions
from testing.server import RunningServer
from triton_embed.contract.status import READY_PATH

POLL_SECONDS = 0.02
"""Pause in seconds between two checks of a phase: an error of 1 % in a start of some seconds."""

LIVE_PATH = "/v1/health/live"

READY = "ready"
"""Name of the last phase."""


def connects(port: int) -> bool:
    """Return whether a process accepts connections on `port`."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def succeeds(port: int, path: str) -> bool:
    """Return whether ``GET`` `path` on `port` has a successful response."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False).is_success
    except httpx.HTTPError:
        return False


def phases(service: RunningServer) -> dict[str, Callable[[], bool]]:
    """Return the check of each phase but the last one."""
    return {
        "supervisor": partial(connects, service.status_port),
        "Triton": partial(connects, service.grpc_port),
        "models": partial(succeeds, service.status_port, READY_PATH),
        "gateway": partial(succeeds, service.port, LIVE_PATH),
    }


def seconds_until(check: Callable[[], bool], start: float, ended: Event) -> float:
    """Return the seconds from `start` until `check` succeeds, or until `ended` is set."""
    while not (check() or ended.wait(POLL_SECONDS)):
        pass
    return perf_counter() - start


def measure(checkout: Checkout, repository: Path) -> dict[str, float]:
    """Start the service of `checkout` once and return the seconds until the end of each phase."""
    program = (str(checkout.python), *checkout.serving)
    service = RunningServer(repository, (), ONE_WORKER, program, checkout.folder)
    checks, ended, start = phases(service), Event(), perf_counter()
    with ThreadPoolExecutor(len(checks)) as pool:
        found = {
            name: pool.submit(seconds_until, check, start, ended) for name, check in checks.items()
        }
        try:
            with service:
                ready = perf_counter() - start
        finally:
            ended.set()
        return {name: future.result() for name, future in found.items()} | {READY: ready}


def table(rounds: Mapping[str, list[dict[str, float]]]) -> str:
    """Return the median seconds of each checkout as a Markdown table."""
    lines = ["| seconds from the command until | " + " | ".join(rounds) + " |"]
    lines.append("|---|" + "---:|" * len(rounds))
    names = next(iter(rounds.values()))[0]
    for name in names:
        medians = (median(each[name] for each in found) for found in rounds.values())
        lines.append(f"| {name} | " + " | ".join(f"{value:.2f}" for value in medians) + " |")
    return "\n".join(lines)


def main() -> None:
    """Export MiniLM, start it several times, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_start", description=__doc__)
    parser.add_argument("--starts", type=int, default=5, help="starts (default: %(default)s)")
    parser.add_argument(
        "--against", type=Path, metavar="CHECKOUT", help="another checkout, started alternately"
    )
    options = parser.parse_args()
    checkouts = {"this": THIS}
    if options.against:
        checkouts["other"] = other_checkout(options.against)
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
    with TemporaryDirectory(prefix="triton-embed-benchmark-") as folder:
        for name, checkout in checkouts.items():
            checkout.export(checkpoints.MINILM_FOLDER, Path(folder) / name, MODEL_ID)
        for _ in range(options.starts):
            for name, checkout in checkouts.items():
                rounds[name].append(measure(checkout, Path(folder) / name))
    print(f"{conditions()}; medians of {options.starts} starts\n\n{table(rounds)}")


if __name__ == "__main__":
    main()
