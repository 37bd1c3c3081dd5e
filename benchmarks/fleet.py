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
import numpy as np

from benchmarks import checkpoints, compose, server
from benchmarks.checked_load import CheckedLoad, CheckedRequest, checked_requests
from benchmarks.checkouts import THIS
from benchmarks.compose import Fleet
from benchmarks.kills import TEXTS
from testing.ports import free_ports

RATE = 20.0
"""Requests per second, in addition to the lists."""

REPLICAS = {"triton": 2, "gateway": 2}
"""Number of containers of each service that is killed."""

SETTLE_SECONDS = 40.0
"""Time in seconds in which a new Triton gets requests: the age at which Triton ends connections,
and gRPC looks up the name again."""

MIN_SHARE = 0.2
"""Minimum share of the requests for each of two containers in the last `SETTLE_SECONDS`."""

SETTINGS = "TRITON_EMBED_MAX_QUEUE_SECONDS=60\n"
"""Settings of the containers: no request is rejected, although a starting Triton takes a core."""

REPEATS = {"triton": ("gateway", "repeating an inference"), "gateway": ("nginx", "upstream")}
"""For each service, the service that repeats its requests, and the text of the lines in its log."""

BULK_CLIENTS, BULK_REPEATS = 2, 8
"""Clients that always have a list in flight, so that each kill interrupts some; and how often it
repeats `TEXTS`."""

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
        repeated: Attempts meanwhile that failed and were repeated at another container.
        lost: Requests without a correct response meanwhile.
    """

    service: str
    end: str
    seconds: float
    repeated: int
    lost: int


def lost(load: CheckedLoad) -> int:
    """Return the number of requests so far that were not served, or incorrectly."""
    return len(load.outcomes) - load.served


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
    before, repeated, start = lost(load), repeats(fleet, service), monotonic()
    victim, _ = fleet.containers(service)
    fleet.remove(victim, kill=kill)
    fleet.up()
    fleet.wait_until_healthy(service, REPLICAS[service])
    return Replacement(
        service,
        "killed" if kill else "stopped",
        monotonic() - start,
        repeats(fleet, service) - repeated,
        lost(load) - before,
    )


def repeats(fleet: Fleet, service: str) -> int:
    """Return the number of attempts so far that a container of `service` did not complete."""
    observer, text = REPEATS[service]
    return sum(fleet.count_in_log(each, text) for each in fleet.containers(observer))


def describe(replacement: Replacement) -> str:
    """Return one row of the table."""
    return (
        f"| {replacement.service} | {replacement.end} | {replacement.seconds:.0f} s "
        f"| {replacement.repeated} | {replacement.lost} |"
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


async def send_lists(load: CheckedLoad, requests: Sequence[CheckedRequest]) -> None:
    """Send one list after the other."""
    singles = [each for each in requests if each.body.keys() == {"model", "input"}]
    singles = [each for each in singles if len(each.expected) == 1] * BULK_REPEATS
    texts = [each.body["input"][0] for each in singles]
    vectors = np.concatenate([each.expected for each in singles])
    while True:
        await load.send(CheckedRequest({"model": server.MODEL_ID, "input": texts}, vectors))


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
    for text, count in load.rejections.items():
        yield f"{count} requests: {text}"
    for service, values in found.items():
        if min(values) < MIN_SHARE:
            yield f"shares of {service}: {values}"


async def run(
    fleet: Fleet, url: str, requests: Sequence[CheckedRequest], rate: float
) -> Iterator[str]:
    """Replace all containers under load, print the table, and return the violations."""
    async with CheckedLoad(url, requests, rate) as load:
        lists = [asyncio.ensure_future(send_lists(load, requests)) for _ in range(BULK_CLIENTS)]
        replacements = await replace_all(fleet, load)
        found = await shares(fleet)
        for task in lists:
            task.cancel()
        await asyncio.gather(*lists, return_exceptions=True)
    print("| container | end | replaced after | repeated | wrong or lost |")
    print("|---|---|---|---|---|")
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
        (folder / "settings.env").write_text(SETTINGS, encoding="ascii")
        environment = {
            "GATEWAY_PORT": address,
            "MODEL_REPOSITORY": str(folder / "repository"),
            "SETTINGS": str(folder / "settings.env"),
        }
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
