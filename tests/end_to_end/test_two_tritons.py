"""Several Tritons behind one gateway: balanced, lost and replaced while requests come in."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import tritonclient.grpc as triton
from numpy.typing import NDArray

from testing.dns import DnsServer
from testing.paths import ROOT
from testing.ports import free_ports
from testing.server import REQUEST_SECONDS, RunningServer
from testing.waiting import eventually, eventually_async

TEXTS = [f"text number {number} of the load" for number in range(8)]

CLIENTS = 8

MIN_SHARE = 0.3
"""Minimum share of the requests for each of two Tritons; on average it is half."""

NAME = "triton.test"


@contextmanager
def serving(repository: Path, host: str, port: int) -> Iterator[RunningServer]:
    """Run Triton alone, its gRPC API at `host` and `port`."""
    flags = ["--no-gateway", "--triton-host", host, "--triton-grpc-port", str(port)]
    with RunningServer(repository, flags) as server:
        yield server


@contextmanager
def gateway(triton_address: str) -> Iterator[str]:
    """Run a gateway for `triton_address` and return its URL once it is ready."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "triton_embed", "gateway", "--port", str(port)]
    process = subprocess.Popen([*command, "--triton-address", triton_address], cwd=ROOT)
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        return httpx.get(f"{url}/v1/health/ready", timeout=REQUEST_SECONDS).status_code == 200

    try:
        eventually(ready, message="the gateway is not ready", ignored=(httpx.TransportError,))
        yield url
    finally:
        process.terminate()
        process.wait(60)


def inferences(host: str, port: int) -> int:
    """Return the number of finished inferences of the encoder of the Triton at `host`."""
    with triton.InferenceServerClient(f"{host}:{port}") as client:
        statistics = client.get_inference_statistics("tiny_encoder")
    return int(statistics.model_stats[0].inference_count)


@dataclass
class Load:
    """Clients that send one text at a time until they are stopped, and check each vector.

    Attributes:
        statuses: Responses by HTTP status.
        wrong: Texts with a wrong vector.
    """

    url: str
    expected: dict[str, NDArray[np.float32]]
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    stopped: bool = False

    async def run(self) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=REQUEST_SECONDS) as client:
            await asyncio.gather(*(self._run(client, number) for number in range(CLIENTS)))

    async def _run(self, client: httpx.AsyncClient, number: int) -> None:
        text = TEXTS[number]
        while not self.stopped:
            response = await client.post("/v1/embeddings", json={"model": "tiny", "input": text})
            self.statuses[response.status_code] += 1
            if response.status_code == 200:
                vector = np.array(response.json()["data"][0]["embedding"], np.float32)
                if np.abs(vector - self.expected[text]).max() > 1e-4:
                    self.wrong.append(text)

    async def responses(self, count: int) -> None:
        """Wait for `count` more responses."""
        goal = self.statuses.total() + count

        async def reached() -> bool:
            return self.statuses.total() >= goal

        await eventually_async(reached, message=f"{count} responses")


def expected_vectors(url: str) -> dict[str, NDArray[np.float32]]:
    response = httpx.post(
        f"{url}/v1/embeddings", json={"model": "tiny", "input": TEXTS}, timeout=REQUEST_SECONDS
    )
    assert response.status_code == 200, response.text
    vectors = [np.array(item["embedding"], np.float32) for item in response.json()["data"]]
    return dict(zip(TEXTS, vectors, strict=True))


async def share(load: Load, host: str, port: int) -> float:
    """Return the share of the next 100 texts that the Triton at `host` embeds."""
    hosts = ("127.0.0.1", host)
    before = [inferences(item, port) for item in hosts]
    await load.responses(100)
    other, count = (
        inferences(item, port) - start for item, start in zip(hosts, before, strict=True)
    )
    return count / (other + count)


async def test_lost_triton_is_replaced_at_a_new_address_under_load(tiny_repository: Path) -> None:
    (port,) = free_ports(1)
    with ExitStack() as stack:
        stack.enter_context(serving(tiny_repository, "127.0.0.1", port))
        lost = stack.enter_context(serving(tiny_repository, "127.0.0.2", port))
        dns = stack.enter_context(DnsServer({NAME: ["127.0.0.1", "127.0.0.2"]}))
        url = stack.enter_context(gateway(f"dns://127.0.0.1:{dns.port}/{NAME}:{port}"))
        load = Load(url, expected_vectors(url))
        running = asyncio.create_task(load.run())

        async def replacement_is_used() -> bool:
            return await share(load, "127.0.0.3", port) > MIN_SHARE

        try:
            assert MIN_SHARE < await share(load, "127.0.0.2", port) < 1 - MIN_SHARE
            lost.kill_all()
            dns.records[NAME] = ["127.0.0.1", "127.0.0.3"]
            replacement = serving(tiny_repository, "127.0.0.3", port)
            await asyncio.to_thread(stack.enter_context, replacement)
            await eventually_async(replacement_is_used, message="the replacement is used")
        finally:
            load.stopped = True
            await running
        assert not load.wrong
        assert load.statuses.keys() <= {200, 503}
        assert load.statuses[503] <= CLIENTS


async def test_list_of_addresses_is_balanced(tiny_repository: Path) -> None:
    ports = free_ports(2)
    with (
        serving(tiny_repository, "127.0.0.1", ports[0]),
        serving(tiny_repository, "127.0.0.1", ports[1]),
        gateway(",".join(f"127.0.0.1:{port}" for port in ports)) as url,
    ):
        before = [inferences("127.0.0.1", port) for port in ports]
        load = Load(url, expected_vectors(url))
        running = asyncio.create_task(load.run())
        await load.responses(100)
        load.stopped = True
        await running
        after = [inferences("127.0.0.1", port) for port in ports]
        counts = [end - start for start, end in zip(before, after, strict=True)]
        assert min(counts) > MIN_SHARE * sum(counts)
        assert not load.wrong
        assert load.statuses.keys() == {200}
