"""Starts ``python -m serve`` as a user would, on free ports, and talks to it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import numpy as np
import tritonclient.grpc as triton
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent

PATIENT = {"TRITON_EMBED_MAX_WAIT_SECONDS": "600"}
"""The environment of a service that takes any burst, however slow the machine is."""


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for item in sockets:
        item.bind(("127.0.0.1", 0))
    ports = [item.getsockname()[1] for item in sockets]
    for item in sockets:
        item.close()
    return ports


class RunningServer:
    """A running service; a context manager that ends it.

    Args:
        repository: The model repository to serve.
        flags: More flags for ``python -m serve``.
        environment: More environment variables.
    """

    def __init__(
        self,
        repository: Path,
        flags: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.repository = repository
        self.port, self.grpc_port, self.http_port, self.metrics_port = free_ports(4)
        self.url = f"http://127.0.0.1:{self.port}"
        self.output: list[str] = []
        self._flags = flags
        self._environment = {**os.environ, **(environment or {})}
        self._spoken = threading.Condition()
        self._silent = False

    def __enter__(self) -> RunningServer:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "triton_embed.serve"),
                *("--model-repository", str(self.repository)),
                *("--port", str(self.port)),
                *("--triton-grpc-port", str(self.grpc_port)),
                *("--triton-http-port", str(self.http_port)),
                *("--triton-metrics-port", str(self.metrics_port)),
                *self._flags,
            ],
            cwd=ROOT,
            env=self._environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self.wait_for("triton-embed is ready")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._spoken:
                self.output.append(line)
                self._spoken.notify_all()
        with self._spoken:
            self._silent = True
            self._spoken.notify_all()

    def wait_for(self, text: str, *, times: int = 1, seconds: float = 300) -> None:
        """Wait until the service has printed `text` so many times."""
        seen = found = 0

        def said() -> bool:
            nonlocal seen, found
            new = self.output[seen:]
            seen += len(new)
            found += sum(text in line for line in new)
            return found >= times

        with self._spoken:
            self._spoken.wait_for(lambda: said() or self._silent, seconds)
            assert found >= times, f"'{text}' was not said:\n{''.join(self.output)}"

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)

    def descendants(self, name: str) -> list[int]:
        """Return the processes below the service whose command line contains `name`."""
        found: list[int] = []
        waiting = [self.process.pid]
        while waiting:
            for child in _children(waiting.pop()):
                waiting.append(child)
                with suppress(OSError):
                    if name in Path(f"/proc/{child}/cmdline").read_text().replace("\0", " "):
                        found.append(child)
        return found

    def kill(self, name: str) -> None:
        """``kill -9`` one process below the service."""
        os.kill(self.descendants(name)[0], signal.SIGKILL)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """``GET`` `path` from the gateway."""
        return httpx.get(f"{self.url}{path}", timeout=60, **options)

    def post(self, **body: Any) -> httpx.Response:
        """Send one request to ``/v1/embeddings``."""
        return httpx.post(f"{self.url}/v1/embeddings", json=body, timeout=120)

    def vectors(self, model: str, texts: Sequence[str], **options: Any) -> NDArray[np.float32]:
        """Embed `texts` over HTTP."""
        answer = self.post(model=model, input=list(texts), **options)
        assert answer.status_code == 200, answer.text
        return np.array([item["embedding"] for item in answer.json()["data"]], np.float32)

    def triton(self) -> triton.InferenceServerClient:
        """Return a client of Triton itself."""
        return triton.InferenceServerClient(f"127.0.0.1:{self.grpc_port}")

    def metric(self, name: str, model: str) -> float:
        """Return the value of one of Triton's metrics for `model`."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        text = httpx.get(url, timeout=60).text
        found = re.search(rf'^{name}{{model="{model}",version="1"}} (\S+)$', text, re.M)
        assert found, f"no {name} for {model}"
        return float(found[1])


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        # A thread may end meanwhile.
        with suppress(OSError):
            children += map(int, task.read_text().split())
    return children


def infer(
    client: triton.InferenceServerClient, name: str, texts: Sequence[str], **parameters: Any
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Embed `texts` with tritonclient and return vectors and token counts."""
    tensor = triton.InferInput("text", [len(texts), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[text.encode()] for text in texts], dtype=np.object_))
    answer = client.infer(name, [tensor], parameters=parameters)
    return answer.as_numpy("embeddings"), answer.as_numpy("token_count")
