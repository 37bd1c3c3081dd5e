"""The rendered containers as processes of this machine, in the order of a pod's life.

The paths and ports of the containers are replaced; the probes are those of the manifests.
"""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from testing.chart import Manifests, render
from testing.paths import ROOT
from testing.ports import free_ports
from testing.waiting import eventually

LIST = [f"text number {number}" for number in range(1500)]
"""A request that is still in progress when the pod is stopped."""

SLOW_MACHINE = 4
"""Factor on the times of a stop."""


@dataclass(frozen=True)
class Pod:
    """A pod with both containers on this machine.

    Attributes:
        manifests: The rendered chart.
        replacements: Values to replace in command lines, such as ports.
        environment: Values of the Secrets that variables refer to.
    """

    manifests: Manifests
    replacements: dict[str, str]
    environment: dict[str, str]

    def command(self, name: str) -> list[str]:
        """Return the command line of a container."""
        container = self.manifests.container(name)
        command: list[str] = [*container["command"], *container["args"]]
        ours = command[0] == "triton-embed"
        assert ours or command[0] == "python3"
        python = [sys.executable, "-m", "triton_embed"] if ours else [sys.executable]
        return [*python, *(self.replacements.get(each, each) for each in command[1:])]

    def variables(self, name: str) -> dict[str, str]:
        """Return the environment of a container."""
        names = {each["name"]: each for each in self.manifests.container(name).get("env", ())}
        found = {
            key: each.get("value", self.environment.get(key, "")) for key, each in names.items()
        }
        found = {key: self.replacements.get(value, value) for key, value in found.items()}
        inherited = {key: each for key, each in os.environ.items() if "TRITON_EMBED" not in key}
        return {**inherited, **found, "PYTHONPATH": str(ROOT)}

    def run(self, name: str) -> str:
        """Run a container until it ends, and return its output."""
        done = subprocess.run(
            self.command(name),
            env=self.variables(name),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    @contextmanager
    def running(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a container while in the block."""
        process = subprocess.Popen(self.command(name), env=self.variables(name))
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def probe(self, name: str, kind: str) -> bool:
        """Return whether a probe of a container passes."""
        container = self.manifests.container(name)
        request = container[f"{kind}Probe"]["httpGet"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        port = self.replacements[str(ports[request["port"]])]
        try:
            response = httpx.get(f"http://127.0.0.1:{port}{request['path']}", timeout=60)
        except httpx.TransportError:
            return False
        return 200 <= response.status_code < 400

    def await_probe(self, name: str, kind: str) -> None:
        """Wait until a probe passes."""
        eventually(lambda: self.probe(name, kind), message=f"{kind} of {name}")


@pytest.fixture
def pod(tmp_path: Path, tiny_folder: Path) -> Pod:
    manifests = render({"topology": "pod", "gateway.replicas": 1, "auth.create": True})
    (key,) = manifests.one("Secret")["data"].values()
    keys = base64.b64decode(key).decode()
    ports = dict(zip(("8000", "8001", "8002", "8004"), map(str, free_ports(4)), strict=True))
    replacements = {
        **ports,
        "127.0.0.1:8001": f"127.0.0.1:{ports['8001']}",
        "0.0.0.0": "127.0.0.1",
        "/models/repository": str(tmp_path / "repository"),
        "/default": str(tiny_folder),
        "http://r-triton-embed:8000": f"http://127.0.0.1:{ports['8000']}",
    }
    return Pod(manifests, replacements, {"TRITON_EMBED_API_KEYS": keys, "KEYS": keys})


def embed(pod: Pod, texts: list[str]) -> httpx.Response:
    body: dict[str, Any] = {"model": "sentence-transformers/all-MiniLM-L6-v2", "input": texts}
    headers = {"Authorization": f"Bearer {pod.environment['KEYS']}"}
    url = f"http://127.0.0.1:{pod.replacements['8000']}/v1/embeddings"
    return httpx.post(url, json=body, headers=headers, timeout=240)


def test_pod_waits_for_the_export_serves_and_drains(pod: Pod) -> None:
    with ExitStack() as stack:
        triton = stack.enter_context(pod.running("triton"))
        pod.await_probe("triton", "startup")
        gateway = stack.enter_context(pod.running("gateway"))
        pod.await_probe("gateway", "startup")
        assert not pod.probe("triton", "readiness") and not pod.probe("gateway", "readiness")
        assert pod.probe("triton", "liveness") and pod.probe("gateway", "liveness")

        pod.run("export-0")
        assert "nothing to export" in pod.run("export-0")
        assert "all-MiniLM-L6-v2" in pod.run("list")
        pod.await_probe("triton", "readiness")
        pod.await_probe("gateway", "readiness")
        assert "32 dimensions" in pod.run("embed")
        assert (
            httpx.post(f"http://127.0.0.1:{pod.replacements['8000']}/v1/embeddings").status_code
            == 401
        )

        # The kubelet stops the gateway, then its sidecar.
        with ThreadPoolExecutor(1) as pool:
            pending = pool.submit(embed, pod, LIST)
            eventually(lambda: in_flight(pod) > 0, message="the list is not in flight")
            gateway.send_signal(signal.SIGTERM)
            assert pending.result().status_code == 200
        gateway.wait(SLOW_MACHINE * 25)
        triton.send_signal(signal.SIGTERM)
        assert triton.wait(SLOW_MACHINE * 15) == 0


def in_flight(pod: Pod) -> float:
    url = f"http://127.0.0.1:{pod.replacements['8000']}/metrics"
    lines = httpx.get(url, timeout=60).text.splitlines()
    name = "triton_embed_inputs_in_flight "
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))
