"""Client of Triton for the supervisor: load, unload, drain, inspect and probe models."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

import tritonclient.grpc.aio as grpc
from tritonclient.grpc import model_config_pb2 as pb
from tritonclient.utils import InferenceServerException

from triton_embed.serve.errors import TritonError
from triton_embed.serve.repository_api import AdminEndpoint, RepositoryApi

DRAIN_TIMEOUT_SECONDS = 10.0
"""Time in seconds for a replaced model to finish its requests. Its steps may be dead and never
finish; the new version is then loaded over them."""

DRAIN_POLL_INTERVAL = 0.05
"""Seconds between two requests for the state of the models that are being drained."""

MAX_RECONNECT_BACKOFF_MS = 500
"""Maximum pause between two attempts to connect, which delays the use of a restarted Triton."""


class TritonAdmin(Protocol):
    """The supervisor's requests to a running Triton. Each may raise `TritonError`."""

    async def is_live(self) -> bool:
        """Return whether the server responds."""

    async def version(self) -> str:
        """Return the version of the server, such as ``2.51.0``."""

    async def load(self, model: str, config: str | None = None) -> None:
        """Load or reload `model`; the loaded version keeps serving until the new one is ready.

        Args:
            model: Its name. Changed steps of an ensemble are loaded with it.
            config: Its configuration as JSON, in place of the one in the repository.
        """

    async def load_alias(self, model: str, config: str) -> None:
        """Load an ensemble that the repository does not have.

        Args:
            model: Its name.
            config: Its configuration as JSON.
        """

    async def unload(self, model: str) -> None:
        """Unload `model`."""

    async def drain(self, models: Collection[str]) -> None:
        """Wait until unloaded `models` have finished their requests, or for a limited time."""

    async def ready_configs(self) -> Mapping[str, pb.ModelConfig]:
        """Return the configuration of each model that is ready, by name."""

    async def execution_count(self, model: str) -> int:
        """Return the number of executions that `model` has finished."""

    async def infer(self, model: str, inputs: Sequence[grpc.InferInput]) -> None:
        """Run `model` on `inputs`, without a time limit."""


class AdminClient:
    """`TritonAdmin` over gRPC, and over HTTP for the requests that are rejected over gRPC.

    Args:
        address: ``host:port`` of Triton's gRPC API.
        endpoint: Triton's HTTP API.
    """

    def __init__(self, address: str, endpoint: AdminEndpoint) -> None:
        options = [
            ("grpc.max_reconnect_backoff_ms", MAX_RECONNECT_BACKOFF_MS),
            # Triton runs on this machine, whatever http_proxy is set to.
            ("grpc.enable_http_proxy", 0),
        ]
        self._grpc = grpc.InferenceServerClient(address, channel_args=options)
        self._repository = RepositoryApi(endpoint)

    async def close(self) -> None:
        """Close the connection."""
        await self._grpc.close()

    async def is_live(self) -> bool:
        """See `TritonAdmin.is_live`."""
        try:
            return bool(await self._grpc.is_server_live())
        except InferenceServerException:
            return False

    async def version(self) -> str:
        """See `TritonAdmin.version`."""
        with _mapped_errors():
            return str((await self._grpc.get_server_metadata()).version)

    async def load(self, model: str, config: str | None = None) -> None:
        """See `TritonAdmin.load`."""
        await self._repository.load(model, config)

    async def load_alias(self, model: str, config: str) -> None:
        """See `TritonAdmin.load_alias`."""
        await self._repository.load_alias(model, config)

    async def unload(self, model: str) -> None:
        """See `TritonAdmin.unload`."""
        await self._repository.unload(model)

    async def drain(self, models: Collection[str]) -> None:
        """See `TritonAdmin.drain`."""
        with suppress(asyncio.TimeoutError, TritonError):
            await asyncio.wait_for(self._wait_drained(models), DRAIN_TIMEOUT_SECONDS)

    async def _wait_drained(self, models: Collection[str]) -> None:
        states = await self._repository.states()
        while any(states.get(model) == "UNLOADING" for model in models):
            await asyncio.sleep(DRAIN_POLL_INTERVAL)
            states = await self._repository.states()

    async def ready_configs(self) -> Mapping[str, pb.ModelConfig]:
        """See `TritonAdmin.ready_configs`."""
        configs: dict[str, pb.ModelConfig] = {}
        for name in await self._ready_models():
            try:
                with _mapped_errors():
                    configs[name] = (await self._grpc.get_model_config(name)).config
            except TritonError as error:
                # It may have been unloaded since the statistics were read.
                if error.status != "NOT_FOUND":
                    raise
        return configs

    async def _ready_models(self) -> list[str]:
        """Return the names of the ready models, even if the model repository has disappeared.

        The repository index, which Triton reads from the folder, would fail then.
        """
        with _mapped_errors():
            try:
                statistics = await self._grpc.get_inference_statistics()
            except InferenceServerException:
                # The whole request fails if a model is unloaded at this moment.
                statistics = await self._grpc.get_inference_statistics()
        return list(dict.fromkeys(model.name for model in statistics.model_stats))

    async def execution_count(self, model: str) -> int:
        """See `TritonAdmin.execution_count`."""
        with _mapped_errors():
            statistics = await self._grpc.get_inference_statistics(model)
        return sum(version.execution_count for version in statistics.model_stats)

    async def infer(self, model: str, inputs: Sequence[grpc.InferInput]) -> None:
        """See `TritonAdmin.infer`."""
        with _mapped_errors():
            await self._grpc.infer(model, list(inputs), parameters={"input_type": "query"})


@contextmanager
def _mapped_errors() -> Iterator[None]:
    try:
        yield
    except InferenceServerException as error:
        status = str(error.status() or "UNKNOWN").removeprefix("StatusCode.")
        raise TritonError(error.message(), status) from error
