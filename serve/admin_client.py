"""How Triton is started, and a client for what only its owner may ask of it."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc.aio as grpc
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import InferenceServerException

from triton_embed.contract import tensors
from triton_embed.contract.spec import ModelSpec, SpecError
from triton_embed.serve.installation import Installation
from triton_embed.serve.settings import Settings

EXIT_SECONDS = 10
"""How long Triton may finish requests after SIGTERM."""

ANSWER_SECONDS = 120.0
"""A step that has not answered anybody for so long, and did not compute either, is taken for dead.
One execution may take longer than that."""

IDLE_SHARE = 0.1
"""Of one core: a process that takes less is at work on nothing."""

PROMPT_SECONDS = 1.0
"""Nearly every probe is answered by then, and what the others wait for need not be looked at."""

DRAIN_SECONDS = 10.0
"""How long a model that is replaced may finish requests. A step may be dead and never answer."""

FATAL_STATUS = ("StatusCode.INTERNAL", "StatusCode.UNAVAILABLE", "StatusCode.UNKNOWN")

OWNER_PROTOCOLS = "model-repository,shared-memory,logging,trace"
"""Parts of Triton's API that could replace models or read memory: refused to clients."""

OWNER_HEADER = "triton-embed-owner"

NOISE = (
    "CudaDriverHelper has not been initialized",
    "CUDA driver version is insufficient",
    "DCGM unable to start",
    "Failed to initialize NVML",
    "failed to allocate pinned system memory",
)
"""What Triton always says on a machine without GPU. Where there is one it tells what is wrong."""

GPU_DEVICES = ("/dev/nvidiactl", "/dev/dxg")
"""Of which a machine or container with an NVIDIA GPU has one; the second is WSL's."""


class ServerInstance:
    """What is particular to one run of Triton.

    Attributes:
        key: Clients that show it may load and unload models.
        memory_prefix: Begins the names of this run's segments in /dev/shm. A killed server
            cannot remove them; by their prefix we can.
    """

    def __init__(self) -> None:
        self.key = secrets.token_hex(16)
        self.memory_prefix = f"triton_embed_{secrets.token_hex(6)}_"

    def cpu_seconds(self, step: str) -> float:
        """Return the CPU time that the Python processes of `step` have taken.

        A step that has none is run by Triton itself, whose time it is then.
        """
        own: list[int] = []
        server: list[int] = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                command = (process / "cmdline").read_bytes()
                if self.memory_prefix.encode() not in command:
                    continue
                # After the program's name, which may hold anything: user and system time.
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                ticks = int(fields[11]) + int(fields[12])
                if f"\0{step}_".encode() in command:
                    own.append(ticks)
                elif b"--model-repository" in command:
                    server.append(ticks)
        return sum(own or server) / os.sysconf("SC_CLK_TCK")

    def remove_memory(self) -> None:
        """Remove what a Triton that has ended left in /dev/shm."""
        for segment in Path("/dev/shm").glob(f"{self.memory_prefix}*"):
            segment.unlink(missing_ok=True)


def command(
    settings: Settings, installation: Installation, folder: Path, run: ServerInstance
) -> list[str]:
    """Return the command line that starts Triton without any model.

    Args:
        settings: Ports, addresses and the model repository.
        installation: The server to start.
        folder: Filled by `Installation.assemble_backends`.
        run: This run's key and memory prefix.
    """
    return [
        str(installation.binary),
        f"--model-repository={installation.plain_path(settings.repository, folder)}",
        f"--backend-directory={folder}",
        f"--backend-config=python,shm-region-prefix-name={run.memory_prefix}",
        "--model-control-mode=explicit",
        "--disable-auto-complete-config",
        f"--exit-timeout-secs={EXIT_SECONDS}",
        f"--http-address={settings.triton_host}",
        f"--http-port={settings.triton_http_port}",
        f"--http-restricted-api={OWNER_PROTOCOLS}:{OWNER_HEADER}={run.key}",
        f"--grpc-address={settings.triton_host}",
        f"--grpc-port={settings.triton_grpc_port}",
        f"--grpc-restricted-protocol={OWNER_PROTOCOLS}:{OWNER_HEADER}={run.key}",
        f"--metrics-address={settings.triton_host}",
        f"--metrics-port={settings.triton_metrics_port}",
        f"--log-info={str(settings.triton_log_verbose).lower()}",
        *(_tracing() if settings.otel else ()),
    ]


def _tracing() -> list[str]:
    """Return the flags that make Triton trace requests which the gateway traces (rate 0)."""
    base = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318").rstrip("/")
    url = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{base}/v1/traces")
    return [
        "--trace-config=mode=opentelemetry",
        "--trace-config=level=TIMESTAMPS",
        "--trace-config=rate=0",
        f"--trace-config=opentelemetry,url={url}",
        "--trace-config=opentelemetry,resource=service.name=triton",
    ]


def noise(settings: Settings) -> tuple[str, ...]:
    """Return the part of Triton's output that is not worth showing."""
    has_gpu = any(Path(device).exists() for device in GPU_DEVICES)
    return () if settings.triton_log_verbose or has_gpu else NOISE


@dataclass(frozen=True)
class ProbeTarget:
    """An embedding model that Triton serves.

    Attributes:
        spec: What it can do.
        steps: Triton's names of the steps of its ensemble.
    """

    spec: ModelSpec
    steps: tuple[str, ...]


class AdminClient:
    """Talks to a Triton started by `command`.

    Args:
        url: ``host:port`` of its gRPC.
        run: The run whose key it shows.
    """

    def __init__(self, url: str, run: ServerInstance) -> None:
        self._grpc = grpc.InferenceServerClient(
            url,
            channel_args=[
                ("grpc.max_reconnect_backoff_ms", 500),
                # It is on this machine, whatever http_proxy says.
                ("grpc.enable_http_proxy", 0),
            ],
        )
        self._run = run
        self._headers = {f"triton-grpc-protocol-{OWNER_HEADER}": run.key}

    async def close(self) -> None:
        """Close the connection."""
        await self._grpc.close()

    async def live(self) -> bool:
        """Return whether the server answers at all."""
        try:
            return bool(await self._grpc.is_server_live())
        except InferenceServerException:
            return False

    async def load(self, model: str, config: str | None = None) -> None:
        """Load or reload `model`; an older version keeps serving until the new one is ready.

        Args:
            model: Its name. If it is an ensemble, steps that have changed are loaded with it.
            config: Its configuration as JSON, in place of the one in the repository.

        Raises:
            InferenceServerException: it cannot be loaded.
        """
        await self._grpc.load_model(model, headers=self._headers, config=config)

    async def unload(self, model: str) -> None:
        """Unload `model`.

        Raises:
            InferenceServerException: it is not there.
        """
        await self._grpc.unload_model(model, headers=self._headers)

    async def drain(self, models: Collection[str]) -> None:
        """Wait until the requests to `models`, which were unloaded, are answered, or for a time."""
        with suppress(asyncio.TimeoutError, InferenceServerException):
            await asyncio.wait_for(self._until_drained(models), DRAIN_SECONDS)

    async def _until_drained(self, models: Collection[str]) -> None:
        draining = True
        while draining:
            await asyncio.sleep(0.05)
            index = await self._grpc.get_model_repository_index(headers=self._headers)
            states = {entry.name: entry.state for entry in index.models}
            draining = any(states.get(model) == "UNLOADING" for model in models)

    async def models(self) -> dict[str, ProbeTarget]:
        """Return each embedding model that is ready, by name.

        Raises:
            InferenceServerException: Triton does not answer.
        """
        models: dict[str, ProbeTarget] = {}
        index = await self._grpc.get_model_repository_index(headers=self._headers)
        for entry in index.models:
            config = await self._config(entry.name) if entry.state == "READY" else None
            if config is None:
                continue
            values = {key: item.string_value for key, item in config.parameters.items()}
            steps = tuple(step.model_name for step in config.ensemble_scheduling.step)
            if steps:
                with suppress(SpecError):
                    models[entry.name] = ProbeTarget(ModelSpec.from_parameters(values), steps)
        return models

    async def _config(self, model: str) -> model_config_pb2.ModelConfig | None:
        """Return the configuration of a model, or ``None`` if it has just been unloaded."""
        try:
            return (await self._grpc.get_model_config(model)).config
        except InferenceServerException as error:
            if error.status() == "StatusCode.NOT_FOUND":
                return None
            raise

    async def failures(self, among: Collection[str] | None = None) -> dict[str, str]:
        """Return what is wrong with each ready model that fails to embed a word, by name.

        A Triton that does not answer at all is a failure of the model ``""``.

        Triton's own readiness is not enough: the bundled server stays ready after a Python
        process of one of its models has died.

        Args:
            among: Names of the models to look at; ``None``: all.
        """
        try:
            models = await asyncio.wait_for(self.models(), ANSWER_SECONDS)
        except asyncio.TimeoutError:
            return {"": f"it has not answered for {ANSWER_SECONDS:.0f} s"}
        except InferenceServerException as error:
            return {"": f"it does not answer: {error.message()}"}
        if among is not None:
            models = {name: model for name, model in models.items() if name in among}
        results = await asyncio.gather(*itertools.starmap(self._failure, models.items()))
        return {name: result for name, result in zip(models, results, strict=True) if result}

    async def _failure(self, name: str, model: ProbeTarget) -> str | None:
        """Return what is wrong with a model, if anything is.

        Its last step is asked by itself before: requests that need no conversion go on without it.
        """
        encoder, last = model.steps[:2][-1], model.steps[-1]
        vector = grpc.InferInput(tensors.EMBEDDINGS, [1, model.spec.dimension], "FP32")
        vector.set_data_from_numpy(np.zeros((1, model.spec.dimension), np.float32))
        text = grpc.InferInput(tensors.TEXT, [1, 1], "BYTES")
        text.set_data_from_numpy(np.array([[b"ready?"]], dtype=np.object_))
        return await self._ask(last, vector, last) or await self._ask(name, text, encoder)

    async def _ask(self, model: str, question: grpc.InferInput, busy: str) -> str | None:
        """Return what is wrong with `model`, if it does not answer.

        While the step `busy` finishes anything, or computes, others are before us.
        """
        request = asyncio.ensure_future(
            self._grpc.infer(model, [question], parameters={"input_type": "query"})
        )
        try:
            if await self._stands_still(busy, request):
                return f"{model} has not answered for {ANSWER_SECONDS:.0f} s"
            await request
        except asyncio.TimeoutError:
            return f"Triton has not said for {ANSWER_SECONDS:.0f} s what {busy} is doing"
        except InferenceServerException as error:
            if error.status() in FATAL_STATUS:
                return f"{model}: {error.message()}"
        finally:
            request.cancel()
        return None

    async def _stands_still(self, step: str, request: asyncio.Future[Any]) -> bool:
        """Wait until `request` is answered, or `step` has done nothing for `ANSWER_SECONDS`."""
        before: tuple[int, float] | None = None
        patience = PROMPT_SECONDS
        while not (await asyncio.wait([request], timeout=patience))[0]:
            finished, worked = await self._finished(step), self._run.cpu_seconds(step)
            if before:
                idle = worked - before[1] < IDLE_SHARE * ANSWER_SECONDS
                if finished == before[0] and idle:
                    return True
            before, patience = (finished, worked), ANSWER_SECONDS
        return False

    async def _finished(self, model: str) -> int:
        """Return how many executions `model` has finished."""
        statistics = await asyncio.wait_for(
            self._grpc.get_inference_statistics(model), ANSWER_SECONDS
        )
        return sum(item.execution_count for item in statistics.model_stats)
