"""Run the whole service as a user would, on free ports, and send it requests."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import numpy as np
import tritonclient.grpc as triton
from numpy.typing import NDArray

from testing.paths import ROOT
from testing.ports import free_ports
from triton_embed.runtime import processes

PATIENT = {"TRITON_EMBED_MAX_QUEUE_SECONDS": "600"}
"""Environment of a service that rejects no burst, however slow the machine is."""

READY = "triton-embed is ready"
"""Line of the log after which requests are served."""

SERVE = (sys.executable, "-m", "triton_embed", "serve")
"""The command that runs the service of this checkout."""

START_SECONDS = 300.0
"""Deadline of a start, and of any other line of the log; a cold Triton takes 5 to 60 s."""

STOP_SECONDS = 120.0
"""Deadline of a stop with requests in flight; they have 25 s to finish, Triton about as long."""

REQUEST_SECONDS = 240.0
"""Deadline of a response, behind all other requests of a test; none takes a minute on two cores."""


class RunningServer:
    """A running service; a context manager that stops it.

    Args:
        repository: The model repository to serve.
        flags: Further flags of the command.
        environment: Further environment variables.
        program: The command; another checkout has its own.
        folder: The folder to run it in.
        triton_http: Whether Triton's own HTTP API is on, at `http_port`.

    Attributes:
        repository: The model repository.
        url: Base URL of the gateway.
        port, grpc_port, http_port, metrics_port: Ports of the gateway and of Triton.
        status_port: Port of the supervisor's state.
        output: Lines of the log so far.
        process: The supervisor's process.
    """

    def __init__(
        self,
        repository: Path,
        flags: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = SERVE,
        folder: Path = ROOT,
        *,
        triton_http: bool = False,
    ) -> None:
        self.repository = repository
        self.port, self.grpc_port, self.http_port, *others = free_ports(5)
        self.metrics_port, self.status_port = others
        self.url = f"http://127.0.0.1:{self.port}"
        self.output: list[str] = []
        self._flags = flags
        self._program = program
        self._folder = folder
        self._triton_http = triton_http
        # A variable, not a flag: an older checkout ignores it.
        status = {"TRITON_EMBED_STATUS_PORT": str(self.status_port)}
        self._environment = {**os.environ, **status, **(environment or {})}
        self._output_changed = threading.Condition()
        self._output_ended = False

    def __enter__(self) -> RunningServer:
        self.process = subprocess.Popen(
            self._command(),
            cwd=self._folder,
            env=self._environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read_output, daemon=True)
        self._reader.start()
        try:
            self.wait_for(READY)
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

    def start_again(self) -> None:
        """Start the service again on the same ports, after all of its processes have ended.

        Raises:
            AssertionError: It ended, or the deadline passed, before it was ready.
        """
        self.process.wait()
        self._reader.join()
        self.output.clear()
        self._output_ended = False
        self.__enter__()

    def _command(self) -> list[str]:
        return [
            *self._program,
            *("--model-repository", str(self.repository)),
            *("--port", str(self.port)),
            *("--triton-grpc-port", str(self.grpc_port)),
            *("--triton-metrics-port", str(self.metrics_port)),
            *(("--triton-http-port", str(self.http_port)) if self._triton_http else ()),
            *self._flags,
        ]

    def _read_output(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                with self._output_changed:
                    self.output.append(line)
                    self._output_changed.notify_all()
        with self._output_changed:
            self._output_ended = True
            self._output_changed.notify_all()

    def wait_for(
        self, text: str, *, times: int = 1, deadline_seconds: float = START_SECONDS
    ) -> None:
        """Wait until `text` is in at least `times` lines of the log.

        Raises:
            AssertionError: The service ended, or the deadline passed, before that.
        """
        checked = found = 0

        def complete() -> bool:
            nonlocal checked, found
            new = self.output[checked:]
            checked += len(new)
            found += sum(text in line for line in new)
            return found >= times or self._output_ended

        with self._output_changed:
            self._output_changed.wait_for(complete, deadline_seconds)
            assert found >= times, (
                f"'{text}' was logged {found} times, not {times}:\n{''.join(self.output)}"
            )

    def logged(self, text: str) -> list[str]:
        """Return the lines of the log so far that contain `text`."""
        return [line for line in self.output if text in line]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal, wait for the end and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def descendants(self, text: str = "") -> list[int]:
        """Return the ids of the service's child processes whose command line contains `text`."""
        return processes.descendants(self.process.pid, command=text)

    def kill(self, text: str) -> None:
        """Send SIGKILL to the first child process whose command line contains `text`."""
        os.kill(self.descendants(text)[0], signal.SIGKILL)

    def kill_all(self) -> None:
        """Send SIGKILL to the supervisor and all of its child processes, like a power loss."""
        for pid in (self.process.pid, *self.descendants()):
            os.kill(pid, signal.SIGKILL)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Send ``GET`` `path` to the gateway."""
        return httpx.get(f"{self.url}{path}", timeout=REQUEST_SECONDS, **options)

    def post(self, **body: Any) -> httpx.Response:
        """Send ``POST /v1/embeddings`` with `body`."""
        return httpx.post(f"{self.url}/v1/embeddings", json=body, timeout=REQUEST_SECONDS)

    def vectors(self, model: str, texts: Sequence[str], **options: Any) -> NDArray[np.float32]:
        """Embed `texts` over HTTP, float32 [texts, dimension]."""
        response = self.post(model=model, input=list(texts), **options)
        assert response.status_code == 200, response.text
        return np.array([item["embedding"] for item in response.json()["data"]], np.float32)

    def model_ids(self) -> set[str]:
        """Return the ids that ``/v1/models`` lists."""
        return {model["id"] for model in self.get("/v1/models").json()["data"]}

    def triton(self) -> triton.InferenceServerClient:
        """Return a gRPC client of Triton."""
        return triton.InferenceServerClient(f"127.0.0.1:{self.grpc_port}")

    def triton_metric(self, name: str, model: str) -> float:
        """Return the value of one of Triton's metrics for `model`."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        text = httpx.get(url, timeout=REQUEST_SECONDS).text
        found = re.search(rf'^{name}{{model="{model}",version="1"}} (\S+)$', text, re.M)
        assert found, f"no {name} for {model}"
        return float(found[1])


def infer(
    client: triton.InferenceServerClient, name: str, texts: Sequence[str], **parameters: Any
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Embed `texts` over gRPC.

    Returns:
        Vectors [texts, dimension] and token counts, int32 [texts, 1].
    """
    tensor = triton.InferInput("text", [len(texts), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[text.encode()] for text in texts], dtype=np.object_))
    result = client.infer(name, [tensor], parameters=parameters)
    return result.as_numpy("embeddings"), result.as_numpy("token_count")
