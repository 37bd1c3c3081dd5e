"""Kill and replace each container of docker-compose.fleet.yml under load; check each response."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import httpx

from benchmarks import checkpoints, compose, server
from benchmarks.checked_load import CheckedLoad, CheckedRequest, checked_requests
from benchmarks.checkouts import THIS
from benchmarks.compose import Fleet
from benchmarks.kills import TEXTS
from testing.ports import free_ports

RATE = 20.0
"""Requests per second: half of what two Tritons on two cores embed while one of them starts."""

REPLICAS = {"triton": 2, "gateway": 2}
"""Number of containers of each service that is killed."""

SETTLE_SECONDS = 40.0
"""Time in seconds in which a new Triton gets requests: the age at which Triton ends connections,
and gRPC looks up the name again."""

MIN_SHARE = 0.2
"""Minimum share of the requests for each of two containers in the last `SETTLE_SECONDS`."""

SHARES = {
    "triton": (8002, r'^nv_inference_count\{model="\w+_encoder",version="1"\} (\S+)$'),
    "gateway": (8000, r'^triton_embed_http_requests_total\{.*route="/v1/embeddings".*\} (\S+)$'),
}
"""Port of the metrics of each service, and the lines with the number of its requests."""


@dataclass(frozen=True)
class Replacement:
    """A container that was replaced.

    Attributes:
        service: Its service.
        end: ``killed`` or ``stopped``.
        seconds: Seconds until the service had its number of healthy containers again.
        lost: Requests without a correct response meanwhile.
    """

    service: str
    end: str
    seconds: float
    lost: int


def lost(load: CheckedLoad) -> int:
    """Return the number of requests so far that were not served, or incorrectly."""
    return sum(outcome != "200" for outcome in load.outcomes) + len(
        [fault for fault in load.violations if not fault.startswith("no response")]
    )


async def replace_all(fleet: Fleet, load: CheckedLoad) -> list[Replacement]:
    """Kill each container and replace it, then stop each and replace it."""
    done = []
    for kill in (True, False):
        for service, count in REPLICAS.items():
            for _ in range(count):
                done.append(await asyncio.to_thread(_replace, fleet, load, service, kill))
                print(describe(done[-1]), file=sys.stderr, flush=True)
    return done


def _replace(fleet: Fleet, load: CheckedLoad, service: str, kill: bool) -> Replacement:
    before, start = lost(load), monotonic()
    fleet.remove(fleet.containers(service)[0], kill=kill)
    fleet.up()
    fleet.wait_until_healthy(service, REPLICAS[service])
    seconds = monotonic() - start
    return Replacement(service, "killed" if kill else "stopped", seconds, lost(load) - before)


def describe(replacement: Replacement) -> str:
    """Return one row of the table."""
    return (
        f"| {replacement.service} | {replacement.end} | {replacement.seconds:.0f} s "
        f"| {replacement.lost} |"
    )


def counts(fleet: Fleet, service: str) -> dict[str, float]:
    """Return the number of requests of each container of a service, by its id."""
    port, pattern = SHARES[service]
    found = {}
    for container in fleet.containers(service):
        url = f"http://{container.address}:{port}/metrics"
        text = httpx.get(url, timeout=60, trust_env=False).text
        found[container.id] = sum(map(float, re.findall(pattern, text, re.MULTILINE)))
    return found


async def shares(fleet: Fleet) -> dict[str, list[float]]:
    """Return the shares of the containers of each service, after all were replaced."""
    await asyncio.sleep(SETTLE_SECONDS)
    before = {service: await asyncio.to_thread(counts, fleet, service) for service in REPLICAS}
    await asyncio.sleep(SETTLE_SECONDS / 2)
    found = {}
    for service, old in before.items():
        new = await asyncio.to_thread(counts, fleet, service)
        increases = [new[container] - old[container] for container in new]
        found[service] = [increase / sum(increases) for increase in increases]
    return found


def violations(load: CheckedLoad, found: dict[str, list[float]]) -> Iterator[str]:
    """Yield the requirements that are not met."""
    yield from load.violations
    for outcome, count in Counter(load.outcomes).items():
        if outcome != "200":
            yield f"{count} requests: {outcome}"
    for service, values in found.items():
        if min(values) < MIN_SHARE:
            yield f"shares of {service}: {values}"


async def run(
    fleet: Fleet, url: str, requests: Sequence[CheckedRequest], rate: float
) -> Iterator[str]:
    """Replace all containers under load, print the table, and return the violations."""
    async with CheckedLoad(url, requests, rate) as load:
        replacements = await replace_all(fleet, load)
        found = await shares(fleet)
    print("| container | end | replaced after | wrong or lost |", "|---|---|---|---|", sep="\n")
    print(*map(describe, replacements), sep="\n", end="\n\n")
    print(f"{len(load.outcomes)} requests: {dict(sorted(Counter(load.outcomes).items()))}")
    for service, values in found.items():
        print(f"shares of {service}: {', '.join(f'{value:.0%}' for value in values)}")
    return violations(load, found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the fleet, and return 0 if no response was wrong or lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument(
        "--rate", type=float, default=RATE, help="requests per second (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    requests = checked_requests(server.MODEL_ID, checkpoints.MINILM_FOLDER, TEXTS)
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    with TemporaryDirectory(prefix="triton-embed-fleet-") as name:
        folder = Path(name)
        THIS.export(checkpoints.MINILM_FOLDER, folder / "repository", server.MODEL_ID)
        folder.chmod(0o755)
        environment = {"GATEWAY_PORT": address, "MODEL_REPOSITORY": str(folder / "repository")}
        project = f"triton-embed-fleet-{os.getpid()}"
        with compose.running(project, environment, REPLICAS) as fleet:
            print(server.conditions(), end="\n\n")
            found = [*asyncio.run(run(fleet, f"http://{address}", requests, options.rate))]
    for line in found[:50]:
        print(f"FAILED {line}")
    print("ok" if not found else f"{len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
