"""Client of Triton's administrative gRPC API: load, unload, drain and inspect models."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

import tritonclient.grpc.aio as grpc
from grpc.aio import AioRpcError, insecure_channel
from tritonclient.grpc import model_config_pb2 as pb
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from triton_embed.serve.errors import TritonError
from triton_embed.serve.server_command import ADMIN_HEADER

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

    async def load(self, model: str, config: str | None = None) -> None:
        """Load or reload `model`; the loaded version keeps serving until the new one is ready.

        Args:
            model: Its name. Changed steps of an ensemble are loaded with it.
            config: Its configuration as JSON, in place of the one in the repository.
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
    """`TritonAdmin` over gRPC.

    Args:
        address: ``host:port`` of Triton's gRPC API.
        admin_token: The token that Triton was started with.
    """

    def __init__(self, address: str, admin_token: str) -> None:
        options = [
            ("grpc.max_reconnect_backoff_ms", MAX_RECONNECT_BACKOFF_MS),
            # Triton runs on this machine, whatever http_proxy is set to.
            ("grpc.enable_http_proxy", 0),
        ]
        self._grpc = grpc.InferenceServerClient(address, channel_args=options)
        # tritonclient (2.73) cannot limit the index to models that are ready.
        self._channel = insecure_channel(address, options)
        self._index = service_pb2_grpc.GRPCInferenceServiceStub(self._channel).RepositoryIndex
        self._headers = {f"triton-grpc-protocol-{ADMIN_HEADER}": admin_token}

    async def close(self) -> None:
        """Close the connections."""
        await self._grpc.close()
        await self._channel.close()

    async def is_live(self) -> bool:
        """See `TritonAdmin.is_live`."""
        try:
            return bool(await self._grpc.is_server_live())
        except InferenceServerException:
            return False

    async def load(self, model: str, config: str | None = None) -> None:
        """See `TritonAdmin.load`."""
        with _mapped_errors():
            await self._grpc.load_model(model, headers=self._headers, config=config)

    async def unload(self, model: str) -> None:
        """See `TritonAdmin.unload`."""
        with _mapped_errors():
            await self._grpc.unload_model(model, headers=self._headers)

    async def drain(self, models: Collection[str]) -> None:
        """See `TritonAdmin.drain`."""
        with suppress(asyncio.TimeoutError, TritonError):
            await asyncio.wait_for(self._wait_drained(models), DRAIN_TIMEOUT_SECONDS)

    async def _wait_drained(self, models: Collection[str]) -> None:
        states = await self._states()
        while any(states.get(model) == "UNLOADING" for model in models):
            await asyncio.sleep(DRAIN_POLL_INTERVAL)
            states = await self._states()

    async def _states(self, *, only_ready: bool = False) -> dict[str, str]:
        """Return the state of each model in the repository, or of those that are ready.

        The first fails while a folder has a name that is not UTF-8.
        """
        request = service_pb2.RepositoryIndexRequest(ready=only_ready)
        with _mapped_errors():
            index = await self._index(request, metadata=tuple(self._headers.items()))
        if index is None:
            raise TritonError("its list of models cannot be decoded", "INTERNAL")
        return {model.name: model.state for model in index.models}

    async def ready_configs(self) -> Mapping[str, pb.ModelConfig]:
        """See `TritonAdmin.ready_configs`."""
        configs: dict[str, pb.ModelConfig] = {}
        for name, state in (await self._states(only_ready=True)).items():
            if state == "READY":
                try:
                    with _mapped_errors():
                        configs[name] = (await self._grpc.get_model_config(name)).config
                except TritonError as error:
                    # It may have been unloaded since the index was read.
                    if error.status != "NOT_FOUND":
                        raise
        return configs

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
    except AioRpcError as error:
        raise TritonError(error.details() or "", error.code().name) from error
